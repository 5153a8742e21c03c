"""What the head of a CSV file shows that its reader would take for something else, and the option that mends it.

Nothing here changes what is read.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from blocks.data.formats.csv.column_names import data_for_names, lines_before_names, names_for_data
from blocks.data.formats.csv.findings import Finding, initial_spaces
from blocks.data.formats.csv.first_lines import BLANK, NUMBER, TEXT, NamedRows, Sample, kind
from blocks.data.formats.csv.odd_rows import odd_rows, odd_widths

_DECIMAL_COMMA: Final = re.compile(r"[+-]?\d+,\d+")


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
    start = lines_before_names(sample) if header else 0
    if start:
        short = len(sample.rows[0]) != sample.width  # else it is padded, and no row stops the reading
        what = f"lines 1 to {start} are no part of the table" if start > 1 else "line 1 is no part of the table"
        yield Finding(("skip_rows",), f"{what}, whose names are on line {start + 1}. Pass skip_rows={start}.", short)
        rows = [(line, row) for line, row in rows if line > start]
    else:
        yield from odd_widths(sample, header)
    first = 1 if header else 0
    table = NamedRows(rows[0][1] if header else names, rows[0][0], rows[first:], sample)
    if header and (start or len(sample.rows[0]) == sample.width):
        yield from data_for_names(table)
    elif not header and rows:
        found = list(names_for_data(table, names))
        yield from found
        if found:
            table = NamedRows(names, rows[0][0], rows[1:], sample)
    yield from odd_rows(table, header)
    yield from _values(table, delimiter)
    yield from _spaces(sample)


def _values(table: NamedRows, delimiter: str) -> Iterator[Finding]:
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


def _spaces(sample: Sample) -> Iterator[Finding]:
    """Spaces after delimiters."""
    cells = [cell for row in sample.rows for cell in row[1:] if cell.strip()]
    texts = [cell for cell in cells if kind(cell) == TEXT]
    if len(sample.rows) > 1 and texts and all(cell.startswith(" ") for cell in cells):
        yield initial_spaces(stops=False)
