"""Rows at the head of a CSV file that are none of its table: notes, totals, units, another table, another width."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from blocks.data.formats.csv.findings import Finding, line_numbers
from blocks.data.formats.csv.first_lines import BLANK, NUMBER, TEXT, TIME, NamedRows, Sample, kind

_NOTE: Final = re.compile(
    r"\s*([*#†‡©]|(grand total|sub-?total|total|sum|average|mean|source|note|footnote|remark|generated|copyright)s?\b)",
    re.IGNORECASE,
)
_TOTAL: Final = re.compile(r"\s*(grand |sub-?)?totals?:?\s*", re.IGNORECASE)
_MARKER: Final = re.compile(
    r"[^\w]+|none|nil|unknown|missing|undefined|n\.a\.?|n\.d\.?|n/d|not available|\(null\)|#[a-z]+!?", re.IGNORECASE
)


def odd_widths(sample: Sample, header: bool) -> Iterator[Finding]:
    """Rows of another width than most."""
    width = sample.width
    odd = [index for index, row in enumerate(sample.rows) if len(row) != width]
    if not odd:
        return
    first = sample.rows[0]
    if header and odd == [0] and abs(len(first) - width) == 1 and len(sample.rows) > 1:
        rows = sample.rows[1:]
        if len(first) > width:
            names, what = first[:width], "one name too many"
        elif all(not row[-1].strip() for row in rows):
            names, what = [*first, "empty"], "no name for the last value of a row, which is empty"
        else:
            names, what = ["index", *first], "one name too few, as if the first column had none"
        shown = f"column_names={names!r}" if len(repr(names)) < 300 else f"column_names=[{width} names]"
        yield Finding(("column_names",), f"line 1 has {what}. Pass {shown}, skip_rows=1.", True)
        return
    tail = len(sample.rows) - len(odd)
    same = {len(sample.rows[index]) for index in odd}
    if odd == list(range(tail, len(sample.rows))) and sample.after_blank[odd[0]] and len(same) == 1 and same != {1}:
        yield Finding(("skip_rows",), _second_table(sample, odd[0]), True)
        return
    lines = [sample.lines[index] for index in odd]
    if len(odd) <= max(3, 0.1 * len(sample.rows)) and width > 1:
        which = f"line{'s' if len(lines) > 1 else ''} {', '.join(map(str, lines[:6]))}"
        yield Finding(
            ("skip_rows", "on_bad_rows"),
            f"{which} {'have' if len(lines) > 1 else 'has'} another number of values than the {width} of the others. "
            f"Pass skip_rows={line_numbers(lines)} if they are notes.",
            True,
        )


def _second_table(sample: Sample, row: int) -> str:
    line = sample.lines[row]
    end = str(sample.end) if sample.whole else "10**9"
    return (
        f"from line {line} on there is another table. Pass skip_rows=range({line}, {end}), and read the other one from "
        "a file of its own."
    )


def odd_rows(table: NamedRows, header: bool) -> Iterator[Finding]:
    """Rows that are no data: names that come again, units below names, footnotes, totals, a second table."""
    rows, lines, sample = table.rows, table.lines, table.sample
    if len(rows) < 2:
        return
    settled = ("skip_rows",)
    named = header and sample.width > 1 and all(kind(name) != NUMBER for name in table.names or [])
    again = [index for index, row in enumerate(rows) if named and row == list(table.names or [])]
    if again:
        where = [lines[index] for index in again]
        yield Finding(settled, f"the names come again on line {where[0]}. Pass skip_rows={line_numbers(where)}.")
    numeric: list[tuple[int, str]] = []
    marked: list[tuple[int, list[str]]] = []
    for column, kinds in enumerate(table.kinds):
        values = [k for index, k in enumerate(kinds) if k != BLANK and index not in again]
        texts = [
            cell
            for index, (cell, k) in enumerate(zip(table.columns[column], kinds, strict=True))
            if k == TEXT and index not in again
        ]
        most = max((NUMBER, TIME), key=values.count)
        if len(values) >= 3 and values.count(most) >= 2 and len(values) - values.count(most) <= max(2, len(values) / 5):
            markers = sorted({text.strip() for text in texts})
            if markers and len(markers) <= 2 and all(_MARKER.fullmatch(marker) for marker in markers):
                marked.append((column, markers))
            else:
                numeric.append((column, most))
    if marked:
        yield _missing_values(table, marked)
    strange = [
        index
        for index in range(len(rows) if numeric else 0)
        if index not in again
        and all(table.kinds[column][index] != most for column, most in numeric)
        and any(table.kinds[column][index] == TEXT for column, most in numeric)
    ]
    units = 0
    while units < 3 and units in strange and header:
        units += 1
    rest = len(rows) - units
    if units and rest >= 2 and (len(numeric) > 1 or rest >= 5) and len(strange) == units:
        last = lines[units - 1]
        which = f"lines {lines[0]} to {last} look" if units > 1 else f"line {last} looks"
        skip = last - table.line
        yield Finding(
            ("skip_rows_after_names", "skip_rows"),
            f"{which} like more names or units, and makes text of numbers. Pass skip_rows_after_names={skip}.",
        )
        return
    strange = [index for index in strange if index >= units or not header]
    for index in strange:
        if table.after_blank(index) and len(rows) - index > 1 and index > 0:
            yield Finding(settled, _second_table(sample, sample.lines.index(lines[index])))
            return
    notes = [index for index in strange if len(numeric) > 1 or _NOTE.match(rows[index][0]) or table.after_blank(index)]
    notes += _notes(table) if sample.whole else []
    if notes and len(notes) <= max(3, len(rows) / 10):
        where = [lines[index] for index in sorted(set(notes))]
        text = ", ".join(cell for cell in rows[min(notes)] if cell.strip())[:60]
        yield Finding(
            settled, f"line {where[0]}, {text!r}, looks like a note. If it is, pass skip_rows={line_numbers(where)}."
        )


def _missing_values(table: NamedRows, marked: Sequence[tuple[int, list[str]]]) -> Finding:
    """Texts that stand for missing values among numbers, in one finding for all columns."""
    markers = sorted({marker for _, found in marked for marker in found})
    # an option replaces what counts without it, so what is there of that is named too
    usual = {cell.strip() for column in table.columns for cell in column if kind(cell) == BLANK} | {"", "NA"}
    names = ", ".join(table.name(column) for column, _ in marked[:6])
    which = f"column {names} is" if len(marked) == 1 else f"columns {names}{', ...' if len(marked) > 6 else ''} are"
    return Finding(
        ("null_values", "default_column_type"),
        f"{which} text because of {', '.join(map(repr, markers))} among numbers. If that stands for a missing value, "
        f"pass null_values={[*sorted(usual), *markers]!r}.",
    )


def _notes(table: NamedRows) -> list[int]:
    """Rows at the end that hold a sentence and nothing else, and a last one of totals."""
    rows = table.rows
    alone = [kind(row[0]) == TEXT and len(row) > 1 and not any(cell.strip() for cell in row[1:]) for row in rows]
    start = len(rows)
    while start > 1 and alone[start - 1]:
        start -= 1
    first = rows[start][0] if start < len(rows) else ""
    if first and not any(alone[:start]) and (_NOTE.match(first) or table.after_blank(start) or " " in first.strip()):
        return list(range(start, len(rows)))
    last = rows[-1]
    if (
        len(rows) > 3
        and any(kind(cell) == NUMBER for cell in last[1:])
        and _TOTAL.fullmatch(last[0])
        and not any(_TOTAL.fullmatch(row[0]) for row in rows[:-1])
    ):
        return [len(rows) - 1]
    return []
