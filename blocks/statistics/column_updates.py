"""Updating the statistics of a chunk's columns side by side. Which statistic a column needs is decided elsewhere."""

from collections.abc import Sequence
from concurrent.futures import Executor

import numpy as np
import pyarrow as pa

from blocks.statistics.statistic import Statistic

Update = tuple[Statistic, pa.Array | pa.ChunkedArray, np.ndarray | None]


def update_columns(updates: Sequence[Update], pool: Executor | None = None) -> None:
    """Updates each statistic with its column and weights; on a pool of threads, side by side.

    Arrow and NumPy release the GIL while they work. Each statistic may stand here once.

    Args:
        updates: (statistic, values, weights or None) triples.
        pool: A thread pool, or None for the calling thread.

    Raises:
        BlocksError: The first error, in the order of `updates`, after all updates have ended.

    Example:
        >>> from blocks.statistics import Missing
        >>> missing = Missing()
        >>> update_columns([(missing, pa.array([1, None]), None)])
        >>> missing.result().missing
        1
    """
    if pool is None:
        for statistic, values, weights in updates:
            statistic.update(values, weights)
        return
    futures = [pool.submit(statistic.update, values, weights) for statistic, values, weights in updates]
    errors = [future.exception() for future in futures]
    for error in errors:
        if error is not None:
            raise error
