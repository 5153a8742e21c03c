"""Scores: sums by score in order, from which every curve, area and threshold follows. Which sums is the caller's.

Exact up to a stated number of distinct scores. Beyond, scores that share their leading bits are held as one: the bins
are dyadic, so they do not depend on the order of rows, the chunks or the merging.
"""

from typing import Any, Self

import numpy as np

from blocks.evaluate.accumulator import Accumulator

LIMIT = 1 << 16
_HALF = np.float64(0.5).view(np.uint64)
# NumPy 1 makes a float64 of an unsigned scalar and a Python integer
_TWICE = _HALF + _HALF


class ScoreTable(Accumulator):
    """Sums of columns for each distinct score, in ascending order.

    Scores are float64, not negative. With `unit` they lie in [0, 1], and those near 1 are told apart as finely as those
    near 0.
    While no more than `limit` scores are distinct, all is exact. One more, and as many trailing bits of all scores are
    dropped as it takes; a bin is then known by its least score.

    Args:
        columns: Number of sums for each score.
        limit: Distinct scores that are held.
        unit: Whether scores are probabilities.

    Example:
        >>> table = ScoreTable(2)
        >>> table.update(np.array([0.5, 0.1, 0.5]), np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]))
        >>> table.scores, table.sums.tolist(), table.exact
        (array([0.1, 0.5]), [[0.0, 1.0], [1.0, 1.0]], True)
    """

    def __init__(self, columns: int, limit: int = LIMIT, unit: bool = True) -> None:
        self._columns, self._limit, self._unit = columns, limit, unit
        self._level = 0
        self._keys = np.zeros(0, np.uint64)
        self.sums = np.zeros((0, columns))

    def parameters(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"columns": self._columns, "limit": self._limit, "unit": self._unit}

    @property
    def exact(self) -> bool:
        """Whether every distinct score is still held."""
        return self._level == 0

    @property
    def scores(self) -> np.ndarray:
        """(n,) float64, ascending: the score, or the least that its bin can hold."""
        return _scores(self._keys, self._unit)

    def find(self, scores: np.ndarray) -> np.ndarray:
        """Where each score that was seen stands: (rows,) int64 into `scores` and `sums`."""
        return np.searchsorted(self._keys, self._cut(_keys(scores, self._unit)))

    def update(self, scores: np.ndarray, values: np.ndarray) -> None:
        """Adds rows.

        Args:
            scores: (rows,) finite float64, at least 0.
            values: (rows, columns) float64, to be summed.
        """
        if len(scores):
            self._add(self._cut(_keys(scores, self._unit)), values, sorted_runs=False)

    def _merge(self, other: Self) -> None:
        if len(other._keys):
            self._coarsen(other._level)
            self._add(self._cut(other._keys), other.sums, sorted_runs=True)

    def _add(self, keys: np.ndarray, values: np.ndarray, *, sorted_runs: bool) -> None:
        if not sorted_runs:
            keys, values = _joined(keys, values, np.argsort(keys))
        if len(self._keys):
            # stable sorting of two sorted runs is a merge
            keys, values = np.concatenate([self._keys, keys]), np.concatenate([self.sums, values])
            keys, values = _joined(keys, values, np.argsort(keys, kind="stable"))
        self._keys, self.sums = keys, values
        if len(keys) > self._limit:
            gaps, level = keys[1:] ^ keys[:-1], self._level
            while np.count_nonzero(gaps >> np.uint64(level)) >= self._limit:
                level += 1
            self._coarsen(level)

    def _coarsen(self, level: int) -> None:
        if level > self._level:
            self._level = level
            keys = self._cut(self._keys)
            self._keys, self.sums = _joined(keys, self.sums, None)

    def _cut(self, keys: np.ndarray) -> np.ndarray:
        level = np.uint64(self._level)
        return (keys >> level) << level if self._level else keys

    def arrays(self) -> dict[str, np.ndarray]:
        """The whole state."""
        return {"level": np.array([self._level]), "keys": self._keys, "sums": self.sums}

    def _restore(self, arrays: dict[str, np.ndarray]) -> None:
        self._level, self._keys, self.sums = int(arrays["level"][0]), arrays["keys"], arrays["sums"]


def _joined(keys: np.ndarray, values: np.ndarray, order: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Equal keys as one, in ascending order; `order` sorts them, None where they are sorted."""
    if order is not None:
        keys, values = keys[order], values[order]
    if not len(keys):
        return keys, values
    first = np.flatnonzero(np.append(True, keys[1:] != keys[:-1]))
    if len(first) == len(keys):
        return keys, values
    return keys[first], np.add.reduceat(values, first, axis=0)


def _keys(scores: np.ndarray, unit: bool) -> np.ndarray:
    """Unsigned integers in the order of the scores, whose leading bits say most."""
    scores = scores + 0.0  # -0.0 is 0.0
    if not unit:
        return scores.view(np.uint64)
    # 1 - p is exact from one half up
    upper = scores > 0.5
    bits = np.where(upper, 1.0 - scores, scores).view(np.uint64)
    return np.where(upper, _TWICE - bits, bits)


def _scores(keys: np.ndarray, unit: bool) -> np.ndarray:
    if not unit:
        return keys.view(np.float64)
    upper = keys > _HALF
    held = np.where(upper, _TWICE - keys, keys).view(np.float64)
    return np.where(upper, 1.0 - held, held)
