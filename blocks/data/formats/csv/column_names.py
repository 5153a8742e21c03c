"""Whether the first rows of a CSV file are names of its columns: lines before them, data in their place, or none."""

import itertools
from collections.abc import Iterator, Sequence

from blocks.data.formats.csv.findings import Finding
from blocks.data.formats.csv.first_lines import BLANK, NUMBER, TEXT, TIME, NamedRows, Sample, kind


def lines_before_names(sample: Sample) -> int:
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


def data_for_names(table: NamedRows) -> Iterator[Finding]:
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


def names_for_data(table: NamedRows, names: Sequence[str] | None) -> Iterator[Finding]:
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
