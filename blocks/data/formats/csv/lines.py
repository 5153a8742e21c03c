"""Where the lines of a text end: at a line feed, a carriage return, or both; and a text without some of its lines."""

from collections.abc import Collection
from typing import Any, Final

import numpy as np

LF: Final = 10
CR: Final = 13


def line_ends(data: bytes, last: bool) -> np.ndarray:
    """Positions at which a line ends; a carriage return at the end of what is known may be half of a pair."""
    array = np.frombuffer(data, np.uint8)
    newlines = np.flatnonzero(array == LF)
    if CR not in data:
        return newlines
    returns = np.flatnonzero(array == CR)
    after = array[np.minimum(returns + 1, len(array) - 1)]
    at_end = returns == len(array) - 1
    alone = returns[np.where(at_end, last, after != LF)]
    return np.sort(np.concatenate([newlines, alone])) if len(alone) else newlines


def row_edges(data: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where each row or line begins, where its text stops, and where the next begins.

    Args:
        data: bytes.
        ends: the positions of the newlines that end rows; the last row may have none.
    """
    nexts = ends + 1
    if not len(nexts) or nexts[-1] < len(data):
        nexts = np.append(nexts, len(data))
    starts = np.concatenate([[0], nexts[:-1]])
    stops = nexts.copy()
    for newline in (LF, CR):
        # of "\r\n" both, of either one alone that one
        stops -= (stops > starts) & (data[np.maximum(stops - 1, 0)] == newline)
    return starts, stops, nexts


class WithoutLines:
    """A stream of bytes in which some lines are empty; every other byte, and every line's number, is as it was.

    Args:
        stream: has `read(n)`.
        lines: the numbers, from 1, of those.
    """

    def __init__(self, stream: Any, lines: Collection[int]) -> None:
        self._stream = stream
        self._lines = lines
        self._line = 1
        self._last = max(lines)
        self._half = b""

    def read(self, size: int) -> bytes:
        """The next bytes, up to `size` and one; none at the end alone."""
        while self._line <= self._last:
            read = bytes(self._stream.read(size))
            data = self._half + read
            # a carriage return may be half of what ends a line
            self._half = data[-1:] if read and data.endswith(b"\r") else b""
            data = data[: len(data) - len(self._half)]
            if not read and not data:
                return b""
            kept = self._kept(data) if data else b""
            if kept:
                return kept
        half, self._half = self._half, b""
        return half or bytes(self._stream.read(size))

    def _kept(self, data: bytes) -> bytes:
        array = np.frombuffer(data, np.uint8)
        ends = line_ends(data, True)
        starts, stops, _ = row_edges(array, ends)
        numbers = self._line + np.arange(len(starts))
        self._line += len(ends)
        if isinstance(self._lines, range):
            left_out = (numbers >= self._lines.start) & (numbers < self._lines.stop)
            left_out &= (numbers - self._lines.start) % self._lines.step == 0
        else:
            left_out = np.isin(numbers, list(self._lines))
        # Bytes in turn of no such line and of the text of one.
        turns = np.diff(np.stack([starts[left_out], stops[left_out]], 1).ravel(), prepend=0, append=len(data))
        return array[np.repeat(np.arange(len(turns)) % 2 == 0, turns)].tobytes()
