"""The order of rows in an epoch, by the seed alone: chunks, then rows within a window of chunks. No reading here."""

from collections.abc import Sequence

import numpy as np

_CHUNKS, _ROWS = 0, 1


class Order:
    """Which rows come when.

    The chunks of this worker (every `count`-th) are permuted, then taken `window` at a time, and the rows of each
    window are permuted as one: every order of a window's rows can come. Both permutations are drawn by NumPy's PCG64
    from a `SeedSequence` of (seed, epoch, worker, window), so neither depends on how the rows are read.

    Args:
        rows: of each chunk of the split.
        shuffle: whether to permute at all.
        seed: any non-negative integer.
        window: chunks whose rows are mixed.
        shard: (index, count) of this worker among those that share the split.

    Example:
        >>> order = Order([4, 4, 2], shuffle=True, seed=1, window=2, shard=(0, 1))
        >>> [chunks.tolist() for chunks in order.windows(epoch=0)], order.permutation(0, 1, 2).tolist()
        ([[2, 1], [0]], [1, 0])
    """

    def __init__(self, rows: Sequence[int], *, shuffle: bool, seed: int, window: int, shard: tuple[int, int]):
        self.rows = np.asarray(rows, np.int64)
        self._shuffle, self._seed, self._window, self._shard = shuffle, seed, window, shard
        self._chunks = np.arange(len(self.rows))[shard[0] :: shard[1]]

    @property
    def total(self) -> int:
        """Rows of an epoch, for this worker."""
        return int(self.rows[self._chunks].sum())

    def _generator(self, *key: int) -> np.random.Generator:
        return np.random.Generator(np.random.PCG64(np.random.SeedSequence(self._seed, spawn_key=(*self._shard, *key))))

    def windows(self, epoch: int) -> list[np.ndarray]:
        """List the chunks of each window of an epoch, in order."""
        chunks = self._generator(_CHUNKS, epoch).permutation(self._chunks) if self._shuffle else self._chunks
        return [chunks[start : start + self._window] for start in range(0, len(chunks), self._window)]

    def permutation(self, epoch: int, window: int, rows: int) -> np.ndarray | None:
        """Say which row of the window comes at each place; None to leave them."""
        return self._generator(_ROWS, epoch, window).permutation(rows) if self._shuffle else None
