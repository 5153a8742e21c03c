"""Background: a bounded, seeded sample of a source's rows, to draw other values from."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from blocks.arguments import check_whole_number
from blocks.data import Source
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
    rows = check_whole_number("rows", rows, 1)
    random = np.random.default_rng(seed)
    kept: pa.Table | None = None
    keys = np.empty(0)
    left = np.inf if looked_at is None else looked_at
    chunks: Any = source.chunks(65_536, columns=columns, exact=False)
    try:
        for chunk in chunks:
            table = pa.Table.from_batches([chunk.slice(0, int(min(left, len(chunk))))])
            left -= len(table)
            # the rows of least keys stay: any number of chunks is drawn from as one would be
            keys = np.concatenate([keys, random.random(len(table))])
            kept = table if kept is None else pa.concat_tables([kept, table])
            if len(kept) > rows:
                least = np.sort(np.argpartition(keys, rows)[:rows])
                keys, kept = keys[least], kept.take(pa.array(least))
            if left <= 0:
                break
    finally:
        chunks.close()
    if kept is None:
        raise EmptySource(f"A sample is drawn from rows. Received: {source!r} with none.")
    return kept.combine_chunks()
