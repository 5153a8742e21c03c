"""What the head of a CSV file shows that its reader would take for something else, and the option that mends it.

Nothing here changes what is read. Each finding is a sentence for a warning, or for the error that stops the reading.
"""

import dataclasses
import itertools
import re
from collections.abc import Iterator, Sequence
from typing import Final

from blocks.data.formats.csv.first_lines import BLANK, NUMBER, TEXT, TIME, Sample, kind

_NOTE: Final = re.compile(
    r"\s*([*#†‡©]|(grand total|sub-?total|total|sum|average|mean|source|note|footnote|remark|generated|copyright)s?\b)",
    re.IGNORECASE,
)
_TOTAL: Final = re.compile(r"\s*(grand |sub-?)?totals?:?\s*", re.IGNORECASE)
_MARKER: Final = re.compile(
    r"[^\w]+|none|nil|unknown|missing|undefined|n\.a\.?|n\.d\.?|n/d|not available|\(null\)|#[a-z]+!?", re.IGNORECASE
)
_DECIMAL_COMMA: Final = re.compile(r"[+-]?\d+,\d+")


@dataclasses.dataclass(frozen=True)
class Finding:
    """A thing noticed.

    Attributes:
        options: those that settle it; if one of them was given, nothing is said.
        message: what was noticed, and what to pass.
        width: whether rows of a wrong width show it, so that a reading that does not keep bad rows will stop there.
    """

    options: tuple[str, ...]
    message: str
    width: bool = False


def diagnose(sample: Sample, *, names: Sequence[str] | None, generated: bool, delimiter: str) -> Iterator[Finding]:
    """Findings about the rows of a file.

    Args:
        sample: its head, in the dialect in which it is read.
        names: of the columns, if the options give them.
        generated: whether the options say that the file has no names.
        delimiter: what separates its values.
    """
    if not sample.rows:
        return
    header = names is None and not generated
    rows = [(line, row) for line, row in zip(sample.lines, sample.rows, strict=True) if len(row) == sample.width]
    start = _preamble(sample) if header else 0
    if start:
        short = len(sample.rows[0]) != sample.width  # else it is padded, and no row stops the reading
        what = f"lines 1 to {start} are no part of the table" if start > 1 else "line 1 is no part of the table"
        yield Finding(("skip_rows",), f"{what}, whose names are on line {start + 1}. Pass skip_rows={start}.", short)
        rows = [(line, row) for line, row in rows if line > start]
    else:
        yield from _widths(sample, header)
    first = 1 if header else 0
    table = _Table(rows[0][1] if header else names, rows[0][0], rows[first:], sample)
    if header and (start or len(sample.rows[0]) == sample.width):
        yield from _no_names(table)
    elif not header and rows:
        found = list(_names_in_data(table, names))
        yield from found
        if found:
            table = _Table(names, rows[0][0], rows[1:], sample)
    yield from _odd_rows(table, header)
    yield from _values(table, delimiter)
    yield from _spaces(sample)


class _Table:
    """The rows of the modal width under their names, by columns."""

    def __init__(
        self, names: Sequence[str] | None, line: int, rows: Sequence[tuple[int, list[str]]], sample: Sample
    ) -> None:
        self.names = names
        self.line = line  # of the names, or of the first row
        self.rows = [row for _, row in rows]
        self.lines = [line for line, _ in rows]
        self.sample = sample
        self.columns = list(zip(*self.rows, strict=True)) if self.rows else []
        self.kinds = [[kind(cell) for cell in column] for column in self.columns]

    def name(self, column: int) -> str:
        """A column's name, for a message."""
        return repr(self.names[column]) if self.names and column < len(self.names) else f"number {column + 1}"

    def after_blank(self, row: int) -> bool:
        """Whether a blank line stands before a row."""
        return self.sample.after_blank[self.sample.lines.index(self.lines[row])]


def _lines(lines: Sequence[int]) -> str:
    """Line numbers as an option takes them."""
    if len(lines) > 2 and lines[-1] - lines[0] == len(lines) - 1:
        return f"range({lines[0]}, {lines[-1] + 1})"
    return repr(list(lines))


def _preamble(sample: Sample) -> int:
    """Lines before the names."""
    width, rows = sample.width, sample.rows
    if width < 2:
        return 0
    start = next(index for index, row in enumerate(rows) if len(row) == width)
    if start == 0:
        # padded with delimiters, as spreadsheets do: a title, then nothing
        filled = [sum(bool(cell.strip()) for cell in row) for row in rows[:21]]
        sparse = [count <= 1 and (bool(row[0].strip()) or not count) for count, row in zip(filled, rows, strict=False)]
        start = next((index for index, is_sparse in enumerate(sparse) if not is_sparse), 0)
        if width == 2 and start == 1 and not sample.after_blank[1]:
            return 0  # a name, and a column without one
        if not start or filled[start] < width or any(kind(cell) != TEXT for cell in rows[start]):
            return 0
        return sample.lines[start] - 1
    after = [row for row in rows[start:] if len(row) == width]
    if start > 20 or len(after) < 2 or len(after) < 0.5 * len(rows[start:]):
        return 0
    if len(rows[0]) in (width - 1, width + 1) and len(rows[0]) > 1 and start == 1 and not _are_names(after):
        return 0  # names that are one too few or too many
    if len(rows[0]) > width and not _are_names(after):
        return 0
    return sample.lines[start] - 1


def _are_names(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row can only be names of the columns below."""
    columns = list(zip(*rows, strict=True))
    typed = [column for column in columns if {kind(cell) for cell in column[1:]} <= {NUMBER, TIME, BLANK}]
    typed = [column for column in typed if any(kind(cell) != BLANK for cell in column[1:])]
    if typed:
        return all(kind(column[0]) == TEXT for column in typed)
    return all(kind(cell) == TEXT for cell in rows[0]) and not any(column[0] in column[1:] for column in columns)


def _widths(sample: Sample, header: bool) -> Iterator[Finding]:
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
            f"Pass skip_rows={_lines(lines)} if they are notes.",
            True,
        )


def _second_table(sample: Sample, row: int) -> str:
    line = sample.lines[row]
    end = str(sample.end) if sample.whole else "10**9"
    return (
        f"from line {line} on there is another table. Pass skip_rows=range({line}, {end}), and read the other one from "
        "a file of its own."
    )


def _no_names(table: _Table) -> Iterator[Finding]:
    """Data taken for names."""
    names = table.names or []
    found = Finding(
        ("column_names", "autogenerate_column_names"),
        f"the first row, {names[:4]!r}, was taken for the names of the columns, and looks like data. If it is, pass "
        "column_names=[...] or autogenerate_column_names=True.",
    )
    if not table.rows:
        if table.sample.whole and any(kind(cell) in (NUMBER, TIME) for cell in names):
            yield found
        return
    rows = [row for row in table.rows if row != list(names)]
    typed: list[tuple[str, list[str]]] = []
    for name, column in zip(names, zip(*rows, strict=True), strict=False):
        cells = [cell for cell in column if kind(cell) != BLANK]
        kinds = {kind(cell) for cell in cells}
        if len(kinds) == 1 and kinds <= {NUMBER, TIME}:
            if kind(name) == TEXT:
                return  # a name
            if kind(name) in kinds:
                typed.append((name, cells))
            elif kind(name) != BLANK:
                return
    if typed:
        if all(_plausible(name, cells) for name, cells in typed) and not _sequence([name for name, _ in typed]):
            yield found
        return
    columns = list(zip(names, zip(*rows, strict=True), strict=False))
    if any(
        kind(name) == TEXT and column.count(name) > 1 and len(set(column)) > len(column) / 2 for name, column in columns
    ):
        yield found
        return
    # columns of few values: those of a row of data are among them
    few = [name in column for name, column in columns if kind(name) == TEXT and len(set(column)) <= len(column) / 2]
    if sum(few) > len(few) / 2:
        yield found


def _plausible(name: str, cells: Sequence[str]) -> bool:
    """Whether a name could be one more value of its column."""
    if kind(name) == TIME:
        return True
    values = [value for value in map(_value, cells) if value is not None]
    value = _value(name)
    if value is None or not values:
        return True
    low, high = min(values), max(values)
    spread = max(high - low, 1.0)
    if value.is_integer() and 1900 <= value <= 2100 and not (low >= 1900 and high <= 2100):
        return False  # a year as a name
    return low - spread <= value <= high + spread


def _value(cell: str) -> float | None:
    try:
        return float(cell.strip().replace(",", "."))
    except ValueError:
        return None


def _sequence(names: Sequence[str]) -> bool:
    """Whether names count: 1, 2, 3 or 1990, 1995, 2000."""
    values = [_value(name) for name in names]
    if len(values) < 2 or any(value is None or not value.is_integer() for value in values):
        return False
    steps = {b - a for a, b in itertools.pairwise(values) if a is not None and b is not None}
    return len(steps) == 1 and (steps != {0.0} if len(values) > 2 else steps <= {1.0, -1.0})


def _names_in_data(table: _Table, names: Sequence[str] | None) -> Iterator[Finding]:
    """Names taken for data."""
    first, rest = table.rows[0], table.rows[1:]
    if not rest:
        return
    typed = [
        kinds[0]
        for kinds in table.kinds
        if any(k != BLANK for k in kinds[1:]) and (set(kinds[1:]) <= {NUMBER, BLANK} or set(kinds[1:]) <= {TIME, BLANK})
    ]
    if list(names or []) == first or (typed and all(k == TEXT for k in typed)):
        line = table.lines[0]
        yield Finding(
            ("skip_rows", "skip_rows_after_names"),
            f"line {line}, {first[:4]!r}, was taken for data, and looks like names. If it is, pass skip_rows={line}.",
        )


def _odd_rows(table: _Table, header: bool) -> Iterator[Finding]:
    """Rows that are no data: names that come again, units below names, footnotes, totals, a second table."""
    rows, lines, sample = table.rows, table.lines, table.sample
    if len(rows) < 2:
        return
    settled = ("skip_rows",)
    named = header and sample.width > 1 and all(kind(name) != NUMBER for name in table.names or [])
    again = [index for index, row in enumerate(rows) if named and row == list(table.names or [])]
    if again:
        where = [lines[index] for index in again]
        yield Finding(settled, f"the names come again on line {where[0]}. Pass skip_rows={_lines(where)}.")
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
            settled, f"line {where[0]}, {text!r}, looks like a note. If it is, pass skip_rows={_lines(where)}."
        )


def _missing_values(table: _Table, marked: Sequence[tuple[int, list[str]]]) -> Finding:
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


def _notes(table: _Table) -> list[int]:
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


def _spaces(sample: Sample) -> Iterator[Finding]:
    """Spaces after delimiters."""
    cells = [cell for row in sample.rows for cell in row[1:] if cell.strip()]
    texts = [cell for cell in cells if kind(cell) == TEXT]
    if len(sample.rows) > 1 and texts and all(cell.startswith(" ") for cell in cells):
        yield initial_spaces(stops=False)


def initial_spaces(*, stops: bool) -> Finding:
    """That spaces follow the delimiters; `stops`: and keep quotes from being any."""
    message = "spaces follow the delimiters, and became part of names and values. Pass skip_initial_space=True."
    return Finding(("skip_initial_space",), message, stops)


def quoted_otherwise(quote: str | bool) -> Finding:
    """That rows have one width if another character is the quote, or none is."""
    what = f"the rows have one width if {quote} is the quote" if quote else "the rows have one width without quotes"
    return Finding(("quote_char",), f"{what}. Pass quote_char={quote!r}.", True)


def _values(table: _Table, delimiter: str) -> Iterator[Finding]:
    """Values that are written in another way than they are read."""
    commas = quoted = None
    for column, cells in enumerate(table.columns):
        filled = [cell.strip() for cell in cells if kind(cell) != BLANK]
        if len(filled) < 2:
            continue
        if delimiter != "," and commas is None and all(kind(cell) == NUMBER for cell in filled):
            written = [cell for cell in filled if "," in cell]
            plain = all(_DECIMAL_COMMA.fullmatch(cell) or cell.lstrip("+-").isdigit() for cell in filled)
            # where commas may group digits, "1,234" is a thousand or one and a bit
            sure = delimiter == ";" or any(len(cell.partition(",")[2]) != 3 for cell in written)
            if written and plain and sure:
                commas = column
        if quoted is None and all(len(cell) > 1 and cell[0] == cell[-1] == "'" for cell in filled):
            quoted = column
    if commas is not None:
        what = f"column {table.name(commas)} has numbers with a decimal comma, and is text"
        yield Finding(("decimal_point", "default_column_type"), f"{what}. Pass decimal_point=','.")
    if quoted is not None:
        what = f"the values of column {table.name(quoted)} keep the ' around them"
        yield Finding(("quote_char",), f'{what}. Pass quote_char="\'" if it is a quote.')


def stray_text(line: int, escaped: bool) -> str:
    """The message of text after a closing quote.

    Args:
        line: the first.
        escaped: whether a backslash stands before that quote.
    """
    fix = 'escape_char="\\\\"' if escaped else "quote_char=False if quotes are plain characters here"
    return f"line {line}: text follows a closing quote, and was taken for a part of the value. Pass {fix}."
