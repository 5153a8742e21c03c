"""Which columns of a CSV block some of its bytes belong to: looked up row by row if few, else by all of its values."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final

import numpy as np

from blocks.data.formats.csv.dialect import Dialect
from blocks.data.formats.csv.row_spans import RowSpan
from blocks.data.formats.csv.widths import Cells

_FEW: Final = 4096
"""Bytes that are looked up one by one sooner than all values of a block are found."""


def first_of_each(
    at: np.ndarray, names: Mapping[int, str], cells: Callable[[], Cells], rows: tuple[RowSpan, Dialect, int] | None
) -> Iterator[tuple[str, int]]:
    """The columns, of those named, that bytes of a block belong to, and the first of these bytes in each.

    Args:
        at: positions, in order.
        names: columns by their position.
        cells: gives where all values are.
        rows: the block, its dialect, and where its data begin, if all rows from there on have the right width; else
            None.
    """
    if not len(at):
        return
    found: dict[int, int]
    if rows is not None and len(at) <= _FEW and _is_plain(*rows[:2]):
        found = _one_by_one(at[at >= rows[2]], names, *rows[:2])
    else:
        at = at[cells().is_data(at)]
        columns, first = np.unique(cells().columns_at(at), return_index=True)
        found = dict(zip(columns.tolist(), at[first].tolist(), strict=True))
    for column in sorted(names.keys() & found.keys()):
        yield names[column], found[column]


def _is_plain(block: RowSpan, dialect: Dialect) -> bool:
    """Whether lines are rows, and quotes are what they seem."""
    return block.regular and not block.quoted_newlines and block.dialect == dialect


def _one_by_one(at: np.ndarray, names: Mapping[int, str], block: RowSpan, dialect: Dialect) -> dict[int, int]:
    delimiter = bytes([dialect.delimiter])
    quote = b"" if dialect.quote is None else bytes([dialect.quote])
    quoted = re.compile(re.escape(quote) + b"[^" + re.escape(quote) + b"]*" + re.escape(quote)) if quote else None
    found: dict[int, int] = {}
    for position in at.tolist():
        before = _before(block.array, position)
        if quoted is not None and quote in before:
            before = quoted.sub(b"", before).partition(quote)[0]  # a quote that is still open is that of the value
        column = before.count(delimiter)
        if column in names and column not in found:
            found[column] = position
            if len(found) == len(names):
                break
    return found


def _before(data: np.ndarray, position: int) -> bytes:
    """What stands in a line before a byte."""
    size = 512
    while True:
        text = data[max(0, position - size) : position].tobytes()
        newline = text.rfind(b"\n")
        if newline >= 0 or size >= position:
            return text[newline + 1 :]
        size *= 8
