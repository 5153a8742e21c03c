"""Scores: sums by score in order, from which every curve, area and threshold follows. Which sums is the caller's.

Exact up to a stated number of distinct scores. Beyond, scores that share their leading bits are held as one: the bins
are dyadic, so they do not depend on the order of rows, the chunks or the merging.
"""

from typing import Any, Self

import numpy as np

from blocks.statistics.mergeable import Mergeable

LIMIT = 1 << 16
_HALF = np.float64(0.5).view(np.uint64)
# NumPy 1 makes a float64 of an unsigned scalar and a Python integer
_TWICE = _HALF + _HALF


class ScoreTable(Mergeable):
    """Sums of columns for each distinct score, in ascending order.

    Scores are float64, not negative. With `unit` they lie in [0, 1], and those near 1 are told apart as finely as those
    near 0.
    While no more than `limit` scores are distinct, all is exact. One more, and as many trailing bits of all scores are
    dropped as it takes; a bin is then known by its least score. `tighten` lowers the limit.

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
        self._bound = limit
        self._level = 0
        self._waiting: list[tuple[np.ndarray, np.ndarray]] = []
        self._held = np.zeros(0, np.uint64)
        self._sums = np.zeros((0, columns))

    def parameters(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"columns": self._columns, "limit": self._limit, "unit": self._unit}

    @property
    def exact(self) -> bool:
        """Whether every distinct score is still held."""
        return self.dropped_bits == 0

    @property
    def dropped_bits(self) -> int:
        """How many of the 52 bits of a score's fraction are dropped, so that scores share a bin."""
        self._settle()
        return self._level

    @property
    def scores(self) -> np.ndarray:
        """(n,) float64, ascending: the score, or the least that its bin can hold."""
        return _scores(self._keys, self._unit)

    @property
    def greatest(self) -> np.ndarray:
        """(n,) float64: the score, or the greatest that its bin can hold."""
        last = self._keys | np.uint64((1 << self._level) - 1)
        return _scores(np.minimum(last, _TWICE) if self._unit else last, self._unit)

    def result(self) -> tuple[np.ndarray, np.ndarray]:
        """`scores` and `sums`."""
        return self.scores, self.sums

    def find(self, scores: np.ndarray) -> np.ndarray:
        """Where each score that was seen stands: (rows,) int64 into `scores` and `sums`."""
        # `_keys` before `_cut`, which follows the level that they end with
        held = self._keys
        return np.searchsorted(held, self._cut(_keys(scores, self._unit)))

    def __len__(self) -> int:
        """How many distinct scores are held."""
        return len(self._keys)

    @property
    def most(self) -> int:
        """How many there are at most, without counting the last rows."""
        return len(self._held) + sum(len(keys) for keys, _ in self._waiting)

    @property
    def sums(self) -> np.ndarray:
        """(n, columns) float64: of each of `scores`."""
        self._settle()
        return self._sums

    @property
    def _keys(self) -> np.ndarray:
        self._settle()
        return self._held

    def tighten(self, limit: int) -> None:
        """Hold no more distinct scores than this from now on."""
        self._bound = min(self._bound, limit)
        self._fit()

    def update(self, scores: np.ndarray, values: np.ndarray) -> None:
        """Adds rows.

        Args:
            scores: (rows,) finite float64, at least 0.
            values: (rows, columns) float64, to be summed.
        """
        if len(scores):
            keys = self._cut(_keys(scores, self._unit))
            self._waiting.append(_joined(keys, np.asarray(values, np.float64), np.argsort(keys)))
            # joined once there are as many as are held, so that each is moved a few times in all
            if 2 * len(self._held) + min(LIMIT, self._bound) < self.most:
                self._settle()

    def _merge(self, other: Self) -> None:
        if len(other._keys):
            self._settle()
            self._coarsen(other._level)
            self._waiting.append((self._cut(other._keys), other.sums))
            self._settle()

    def _settle(self) -> None:
        """Join what waits to what is held."""
        if not self._waiting:
            return
        runs = [(self._held, self._sums), *self._waiting]
        self._waiting = []
        # stable sorting of sorted runs merges them
        keys, values = np.concatenate([run[0] for run in runs]), np.concatenate([run[1] for run in runs])
        self._held, self._sums = _joined(keys, values, np.argsort(keys, kind="stable"))
        self._fit()

    def _fit(self) -> None:
        keys = self._keys
        if len(keys) > self._bound:
            gaps, level = keys[1:] ^ keys[:-1], self._level
            while np.count_nonzero(gaps >> np.uint64(level)) >= self._bound:
                level += 1
            self._coarsen(level)

    def _coarsen(self, level: int) -> None:
        if level > self._level:
            self._level = level
            self._held, self._sums = _joined(self._cut(self._held), self._sums, None)

    def _cut(self, keys: np.ndarray) -> np.ndarray:
        level = np.uint64(self._level)
        return (keys >> level) << level if self._level else keys

    def _state(self) -> tuple[dict[str, Any], list[bytes]]:
        parts = [self._keys.astype("<u8").tobytes(), self.sums.astype("<f8").tobytes()]
        return {"level": self._level, "bound": self._bound}, parts

    def _restore(self, state: dict[str, Any], parts: list[bytes]) -> None:
        self._level, self._bound = state["level"], state["bound"]
        self._held = np.frombuffer(parts[0], "<u8").astype(np.uint64)
        self._sums = np.frombuffer(parts[1], "<f8").astype(np.float64).reshape(-1, self._columns)


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
