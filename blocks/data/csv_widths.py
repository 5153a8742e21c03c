"""Rows of a CSV block that have another number of values than there are columns: found and taken out, all at once.

Arrow names such rows one by one, to Python, on one thread, and parses the whole block again for each try. Here a block
is searched for its delimiters, and what is left of it is parsed like any other.
"""

import dataclasses

import numpy as np
import pyarrow as pa

from blocks.data.rejects import bad_rows
from blocks.data.text_blocks import Block, Dialect, line_ends, quoted_spans

_LF, _CR = 10, 13


def without_bad_rows(
    block: Block, dialect: Dialect, columns: int | None, file: str, *, exempt: int = 0, blank_lines_count: bool = False
) -> tuple[Block, pa.Table]:
    """The block without its rows of a wrong width, and these, as the rejects file holds them.

    A blank line stays where it is: it is no row, or one without values.

    Args:
        block: whole rows.
        dialect: what ends values and rows.
        columns: the values that a row must have; None for as many as the first row has.
        file: its name, for the rejects.
        exempt: rows at the start that may have any width, after the first one if `columns` is None.
        blank_lines_count: whether a blank line may be that first row.
    """
    data = np.frombuffer(block.data, np.uint8)
    spans = quoted_spans(block.data, data, dialect)
    starts, stops, nexts = _rows(data, _outside(spans, line_ends(block.data, True)))
    delimiters = _outside(spans, np.flatnonzero(data == dialect.delimiter))
    widths = np.diff(np.searchsorted(delimiters, nexts), prepend=0) + 1
    blank = starts == stops
    if columns is None:
        first = 0 if blank_lines_count else int(np.argmin(blank))
        columns, exempt = int(widths[first]), first + 1 + exempt
    wrong = (widths != columns) & ~blank
    wrong[:exempt] = False
    # Bytes in turn of no bad row and of a bad row's text: all but what ends the row, which goes too.
    turns = np.diff(np.stack([starts[wrong], stops[wrong]], 1).ravel(), prepend=0, append=len(data))
    text = data[np.repeat(np.arange(len(turns)) % 2 == 1, turns)].tobytes()
    offsets = np.concatenate([[0], np.cumsum((stops - starts)[wrong])]).astype(np.int32)
    rejected = bad_rows(file, block.lines_at(starts[wrong]), columns, widths[wrong], text, offsets)
    if not len(rejected):
        return block, rejected
    kept = data[np.repeat(~wrong, nexts - starts)].tobytes()
    return dataclasses.replace(block, data=kept, ends=np.cumsum((nexts - starts)[~wrong]) - 1), rejected


def _outside(spans: np.ndarray, positions: np.ndarray) -> np.ndarray:
    return positions[np.searchsorted(spans, positions) % 2 == 0] if len(spans) else positions


def _rows(data: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where each row begins, where its text stops, and where the next begins."""
    nexts = ends + 1
    if not len(nexts) or nexts[-1] < len(data):
        nexts = np.append(nexts, len(data))
    starts = np.concatenate([[0], nexts[:-1]])
    stops = nexts.copy()
    for newline in (_LF, _CR):
        # of "\r\n" both, of either one alone that one; the last row may have none
        stops -= (stops > starts) & (data[stops - 1] == newline)
    return starts, stops, nexts
