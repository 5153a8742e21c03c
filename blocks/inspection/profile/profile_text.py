"""A profile as text: one screen for a common table, the gravest and the first of a large one."""

from collections.abc import Sequence
from typing import Any

from blocks.inspection.finding import Finding
from blocks.inspection.profile.column_findings import share
from blocks.inspection.profile.column_profile import ColumnProfile
from blocks.pages.content import format_value
from blocks.pages.figures import shortened

MOST_COLUMNS = 30
"""Columns of a text; of more, those that something is to be said of come first."""

MOST_FINDINGS = 12
WIDTH = 110
_BARS = " ▁▂▃▄▅▆▇█"
_SIGNS = {"error": "✗", "warning": "!", "note": "·"}
_WIDEST_NAME = 24


def profile_text(profile: Any) -> str:
    """The text: what it is of, a line a column, a line a finding."""
    lines = [headline(profile), ""]
    columns = list(profile.columns.values())
    if len(columns) > MOST_COLUMNS:
        named = [name for finding in profile.findings for name in finding.columns]
        ahead = [profile.columns[name] for name in dict.fromkeys(named) if name in profile.columns]
        marked = [column for column in columns if column.role]
        columns = list({one.name: one for one in [*marked, *ahead, *columns]}.values())[:MOST_COLUMNS]
    rows = [[_name(one), one.holds, _missing(one), _distinct(one), what_it_holds(one)] for one in columns]
    lines += _aligned(["column", "holds", "missing", "distinct", "values"], rows)
    if len(profile.columns) > len(columns):
        lines.append(f"… and {len(profile.columns) - len(columns):,} more: profile[name], or profile.save('data.html')")
    if profile.findings:
        lines += ["", f"{len(profile.findings):,} finding{'s' * (len(profile.findings) > 1)}"]
        alike_findings = _together(profile.findings)
        for alike in alike_findings[:MOST_FINDINGS]:
            sign, sentence = _SIGNS[alike[0].severity], alike[0].sentence
            if len(alike) > 2:
                names = list(dict.fromkeys(finding.columns[0] for finding in alike))
                sentence = f"{len(alike):,} times {alike[0].kind}: {', '.join(names[:20])}."
            lines.append(_cut(f"{sign} {one_line(sentence)}"))
            lines.append(_cut(f"    {one_line(alike[0].advice)}"))
        if (more := sum(map(len, alike_findings[MOST_FINDINGS:]))) > 0:
            lines.append(f"… and {more:,} more: profile.findings")
    return "\n".join(lines)


def _together(findings: Sequence[Finding]) -> list[list[Finding]]:
    """Findings, those of one kind about columns together where they are more than two."""
    kinds: dict[tuple[str, str, bool], list[Finding]] = {}
    for one in findings:
        kinds.setdefault((one.severity, one.kind, bool(one.columns)), []).append(one)
    made = []
    for (_, _, of_columns), alike in kinds.items():
        made += [alike] if of_columns and len(alike) > 2 else [[one] for one in alike]
    return made


def headline(profile: Any) -> str:
    """What a profile is of, in a line."""
    said = f"{profile.rows:,} rows x {len(profile.columns):,} columns"
    if profile.splits:
        said += ": " + ", ".join(f"{name} {rows:,}" for name, rows in profile.splits.items())
    roles = {"target": profile.target, "key": ", ".join(profile.key), "time": profile.time}
    return said + "".join(f"; {role} {name}" for role, name in roles.items() if name)


def what_it_holds(column: ColumnProfile, *, bars: bool = True) -> str:
    """The values of a column, in a line; with its histogram in letters before them, or not."""
    said = []
    if column.lengths is not None:
        ends = (
            f"{column.lengths.min:,} to {column.lengths.max:,}"
            if column.lengths.min < column.lengths.max
            else column.lengths.max
        )
        said.append(f"{ends} a row")
    numbers, times = column.numbers, column.times
    few = column.values and column.values_from == "all" and (column.distinct or 0) <= 5 and not times
    if few or column.kind in ("text", "boolean"):
        of = column.present if not column.is_list else sum(rows for _, rows in column.values)
        listed = [f"{shortened(value, 18)} {share(rows, of)}" for value, rows in column.values[:3]]
        said += [", ".join(listed)] if listed and (few or column.values[0][1] > 1) else []
    if not few and numbers is not None and numbers.count:
        ends = "" if numbers.min is None else f"{format_value(numbers.min)} to {format_value(numbers.max)}, "
        said.append(f"{ends}median {format_value(numbers.quantiles.get('0.5'))}, mean {format_value(numbers.mean)} "
                    f"± {format_value(numbers.std)}")  # fmt: skip
    if times is not None and times.count:
        said.append(
            f"{times.first} to {times.last}" if times.first else f"median {times.median}, {times.days:,.0f} days"
        )
    if column.texts is not None and column.texts.count and not column.values:
        unit = "bytes" if column.kind == "bytes" else "characters"
        said.append(f"{column.texts.min_length:,} to {column.texts.max_length:,} {unit}")
    drawn = column.distribution or {}
    line = f"{_bars(drawn['rows'])}  " if bars and "edges" in drawn and not few else ""
    return line + "; ".join(said)


def one_line(text: str) -> str:
    """A text without line breaks and controls."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def _bars(rows: Sequence[float], width: int = 8) -> str:
    """A histogram as eight letters."""
    size = max(len(rows) // width, 1)
    sums = [sum(rows[place : place + size]) for place in range(0, size * width, size)]
    top = max(sums) or 1
    return "".join(_BARS[0 if not one else max(1, round(one / top * (len(_BARS) - 1)))] for one in sums)


def _name(column: ColumnProfile) -> str:
    mark = {"target": " (target)", "key": " (key)", "time": " (time)"}.get(column.role, "")
    return one_line(shortened(column.name, _WIDEST_NAME)) + mark


def _missing(column: ColumnProfile) -> str:
    return share(column.missing, column.rows) if column.missing else ""


def _distinct(column: ColumnProfile) -> str:
    if column.distinct is None:
        return ""
    return f"{'' if column.distinct_exact else '~'}{column.distinct:,}"


def _aligned(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(line[place]) for line in [heads, *rows]) for place in range(4)]
    right = (2, 3)
    made = []
    for line in [heads, *rows]:
        cells = [line[at].rjust(widths[at]) if at in right else line[at].ljust(widths[at]) for at in range(4)]
        made.append(_cut("  ".join([*cells, one_line(line[4]) if line is heads else line[4]]).rstrip()))
    return made


def _cut(line: str) -> str:
    line = "".join(letter if letter.isprintable() else " " for letter in line)
    return line if len(line) <= WIDTH else line[: WIDTH - 1] + "…"
