"""Cutting a split's rows, which come in chunks of any size, into blocks of just the size asked for."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from blocks.store.rows import Rows
from blocks.store.stored_array import StoredArray, conform

Block = dict[str, Any]


class RowCutter:
    """Take rows off a stream of `Rows`, in order.

    Args:
        chunks: of any sizes, empty ones included.

    Example:
        >>> chunks = (Rows({"numeric": np.full((2, 1), i)}) for i in range(3))
        >>> cutter = RowCutter(chunks)
        >>> [cutter.take(n)["features/numeric"].ravel().tolist() for n in (3, 9)], cutter.take(1)
        ([[0, 0, 1], [1, 2, 2]], None)
    """

    def __init__(self, chunks: Iterator[Rows]):
        self._chunks = chunks
        self._entries: tuple[StoredArray, ...] | None = None
        self._rest: Block = {}
        self._start = self._stop = 0

    def expect(self, entries: tuple[StoredArray, ...]) -> None:
        """Refuse rows that do not fit `entries` from now on."""
        self._entries = entries
        if self._rest:
            conform(self._rest, entries)

    def peek(self) -> Block | None:
        """Show the rows that come next, at least one; None at the end."""
        while self._start == self._stop:
            rows = next(self._chunks, None)
            if rows is None:
                return None
            self._rest = rows.flat()
            self._start, self._stop = 0, len(next(iter(self._rest.values()), ()))
            if self._entries is not None and self._stop:
                conform(self._rest, self._entries)
        return self._rest

    def take(self, count: int) -> Block | None:
        """Take `count` rows, fewer at the end, None after it."""
        parts: list[Block] = []
        while count and self.peek() is not None:
            stop = min(self._stop, self._start + count)
            parts.append({name: array[self._start : stop] for name, array in self._rest.items()})
            count -= stop - self._start
            self._start = stop
        if len(parts) < 2:
            return parts[0] if parts else None
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def close(self) -> None:
        """Release the source of the rows."""
        close = getattr(self._chunks, "close", None)
        if close is not None:
            close()
