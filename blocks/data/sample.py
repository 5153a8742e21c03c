"""Background: a bounded, seeded sample of a source's rows, to draw other values from."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from blocks.arguments import check_whole_number
from blocks.data import Source
from blocks.data.schema import conform
from blocks.errors import EmptySource

ROWS = 10_000
"""Rows that are kept."""

LOOKED_AT = 1_000_000
"""Rows that are read at most, so that one explanation takes seconds whatever the source's length."""


def sample(
    source: Source,
    rows: int = ROWS,
    *,
    columns: Sequence[str] | None = None,
    seed: int = 0,
    looked_at: int | None = LOOKED_AT,
) -> pa.Table:
    """A sample without replacement, in the source's order: the same for the same seed, however the source is chunked.

    Args:
        source: Where the rows come from.
        rows: How many rows to keep; all where there are fewer.
        columns: The columns wanted; None for all.
        seed: Another seed, another sample.
        looked_at: The rows of the source, from its first, that are drawn from; None for all.

    Returns:
        The rows as one table.

    Raises:
        EmptySource: There is no row.

    Example:
        >>> import blocks
        >>> table = sample(blocks.read({"x": list(range(100))}), 3, seed=1)
        >>> len(table), table.equals(sample(blocks.read({"x": list(range(100))}), 3, seed=1))
        (3, True)
    """
    drawn = RowDraw(check_whole_number("rows", rows, 1), seed)
    left = np.inf if looked_at is None else looked_at
    chunks: Any = source.chunks(65_536, columns=columns, exact=False)
    try:
        for chunk in chunks:
            part = chunk.slice(0, int(min(left, len(chunk))))
            drawn.add(part)
            left -= len(part)
            if left <= 0:
                break
    finally:
        chunks.close()
    table = drawn.table()
    if table is None:
        raise EmptySource(f"A sample is drawn from rows. Received: {source!r} with none.")
    return table


class RowDraw:
    """Rows drawn from chunks as they come by: the same for the same seed, however they are chunked.

    Args:
        rows: How many rows to keep; all where there are fewer.
        seed: Another seed, another sample; a sequence where it should differ from what others draw with a number.
        schema: What kept rows are brought into: its columns alone, null where a chunk has none of the name; None to
            keep them as they come, all alike.

    Example:
        >>> import pyarrow as pa
        >>> draw = RowDraw(2)
        >>> draw.add(pa.record_batch({"x": list(range(100))}))
        >>> len(draw.table())
        2
    """

    def __init__(self, rows: int, seed: int | Sequence[int] = 0, schema: pa.Schema | None = None) -> None:
        self._most, self._schema = rows, schema
        self._random = np.random.default_rng(seed)
        self._kept: list[pa.RecordBatch] = []
        self._keys = np.empty(0)
        self._largest = np.inf
        self._seen = 0
        self._places = np.empty(0, np.int64)

    def add(self, chunk: pa.RecordBatch) -> None:
        """Draw from the next rows."""
        keys = self._random.random(len(chunk))
        # the rows of least keys stay: any number of chunks is drawn from as one would be
        near = keys < self._largest
        if len(keys) > self._most:
            near &= keys <= np.partition(keys, self._most - 1)[self._most - 1]
        places = self._seen + np.flatnonzero(near)
        self._seen += len(keys)
        if len(places) < len(keys):
            keys, chunk = keys[near], chunk.filter(pa.array(near))
        self._kept.append(chunk if self._schema is None else conform(chunk, self._schema))
        self._keys = np.concatenate([self._keys, keys])
        self._places = np.concatenate([self._places, places])
        if len(self._keys) > 2 * self._most:
            self._compact()

    def _compact(self) -> None:
        if len(self._keys) > self._most:
            least = np.sort(np.argpartition(self._keys, self._most)[: self._most])
            self._keys, self._places = self._keys[least], self._places[least]
            table = pa.Table.from_batches(self._kept).take(pa.array(least)).combine_chunks()
            self._kept = table.to_batches()
            self._largest = float(self._keys.max())

    def between(self, start: int, stop: int) -> pa.Table | None:
        """The rows drawn among those from one number to another, counted from 0; None before the first chunk."""
        table = self.table()
        if table is None:
            return None
        first, last = np.searchsorted(self._places, [start, stop]).tolist()
        return table.slice(first, last - first)

    def table(self) -> pa.Table | None:
        """The rows, in their order; None before the first chunk."""
        self._compact()
        return pa.Table.from_batches(self._kept).combine_chunks() if self._kept else None
