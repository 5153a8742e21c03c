"""Rows of a CSV block that have another number of values than there are columns: found and taken out, all at once.

Arrow names such rows one by one, to Python, on one thread, and parses the whole block again for each try. Here a block
is searched for its delimiters, and what is left of it is parsed like any other.
"""

import dataclasses

import numpy as np
import pyarrow as pa

from blocks.data.formats.csv.dialect import Dialect, quoted_spans
from blocks.data.formats.csv.lines import line_ends, row_edges
from blocks.data.formats.csv.rejects import bad_rows
from blocks.data.formats.csv.row_spans import RowSpan


@dataclasses.dataclass(frozen=True)
class Cells:
    """Where the rows and values of a block are.

    Attributes:
        text: the block's bytes.
        data: the same as an array.
        starts: where each row begins.
        stops: where its text ends.
        nexts: where the next row begins.
        delimiters: the positions of what ends a value.
        widths: the number of values of each row.
        columns: how many values a row must have.
        first: the number of rows at the start that are no data, such as names.
    """

    text: bytes
    data: np.ndarray
    starts: np.ndarray
    stops: np.ndarray
    nexts: np.ndarray
    delimiters: np.ndarray
    widths: np.ndarray
    columns: int
    first: int

    @classmethod
    def of(
        cls, block: RowSpan, dialect: Dialect, columns: int | None, *, exempt: int = 0, blank_lines_count: bool = False
    ) -> "Cells":
        """Finds them.

        Args:
            block: whole rows.
            dialect: what ends values and rows.
            columns: the values that a row must have; None for as many as the first row has, which tells names.
            exempt: rows at the start that are no data, after the first one if `columns` is None.
            blank_lines_count: whether a blank line may be that first row.
        """
        data = np.frombuffer(block.data, np.uint8)
        spans = quoted_spans(block.data, data, dialect)
        starts, stops, nexts = row_edges(data, _outside(spans, line_ends(block.data, True)))
        delimiters = _outside(spans, np.flatnonzero(data == dialect.delimiter))
        widths = np.diff(np.searchsorted(delimiters, nexts), prepend=0) + 1
        if columns is None:
            names = 0 if blank_lines_count else int(np.argmin(starts == stops))
            columns, exempt = int(widths[names]), names + 1 + exempt
        return cls(block.data, data, starts, stops, nexts, delimiters, widths, columns, exempt)

    @property
    def wrong(self) -> np.ndarray:
        """Which rows have another number of values; a blank line is no row, or one without values."""
        wrong = (self.widths != self.columns) & (self.starts != self.stops)
        wrong[: self.first] = False
        return wrong

    def start_of(self, row: int) -> int:
        """Where the row of data begins that is the `row`-th, from 0, of a right width."""
        good = (self.widths == self.columns) & (self.starts != self.stops)
        good[: self.first] = False
        return int(self.starts[np.flatnonzero(good)[row]])

    def is_data(self, positions: np.ndarray) -> np.ndarray:
        """Which bytes lie in rows of data."""
        rows = np.searchsorted(self.nexts, positions, "right")
        return (rows >= self.first) & (self.widths[rows] == self.columns)

    def columns_at(self, positions: np.ndarray) -> np.ndarray:
        """The columns, from 0, of values by a byte of each."""
        rows = np.searchsorted(self.nexts, positions, "right")
        return np.searchsorted(self.delimiters, positions) - np.searchsorted(self.delimiters, self.starts[rows])

    def column_at(self, position: int) -> int:
        """The column of one."""
        return int(self.columns_at(np.array([position]))[0])

    def value_at(self, position: int) -> str:
        """The text of one."""
        row = np.searchsorted(self.nexts, position, "right")
        cell = np.searchsorted(self.delimiters, position)
        start = max(self.starts[row], self.delimiters[cell - 1] + 1 if cell else 0)
        stop = min(self.stops[row], self.delimiters[cell] if cell < len(self.delimiters) else len(self.data))
        return self.text[start:stop].decode(errors="backslashreplace").strip(' "')


def without_bad_rows(block: RowSpan, cells: Cells, file: str) -> tuple[RowSpan, pa.Table]:
    """The block without its rows of a wrong width, and these, as the rejects file holds them.

    Args:
        block: whole rows.
        cells: where its values are.
        file: its name, for the rejects.
    """
    data, wrong, starts, stops = cells.data, cells.wrong, cells.starts, cells.stops
    # Bytes in turn of no bad row and of a bad row's text: all but what ends the row, which goes too.
    turns = np.diff(np.stack([starts[wrong], stops[wrong]], 1).ravel(), prepend=0, append=len(data))
    text = data[np.repeat(np.arange(len(turns)) % 2 == 1, turns)].tobytes()
    offsets = np.concatenate([[0], np.cumsum((stops - starts)[wrong])]).astype(np.int32)
    rejected = bad_rows(file, block.lines_at(starts[wrong]), cells.columns, cells.widths[wrong], text, offsets)
    if not len(rejected):
        return block, rejected
    lengths = cells.nexts - starts
    kept = data[np.repeat(~wrong, lengths)].tobytes()
    return block.with_data(kept), rejected


def _outside(spans: np.ndarray, positions: np.ndarray) -> np.ndarray:
    return positions[np.searchsorted(spans, positions) % 2 == 0] if len(spans) else positions
