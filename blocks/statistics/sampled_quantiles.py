"""The distribution of a numeric column: exact for small data, by a uniform sample beyond, the same in every run."""

import dataclasses
import math
from typing import Any, Self

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike

from blocks.errors import InvalidArgument
from blocks.statistics.numeric import checked_fractions, finite_numbers, interpolated
from blocks.statistics.quantiles import QuantilesResult
from blocks.statistics.statistic import Statistic
from blocks.statistics.tally import Tally

# bytes of a number and its key
_HELD = 16
_LEAST = 1024
# of keys: numbers that a user has drawn with the same seed must have nothing to do with them
_STREAM = 0x7175616E


@dataclasses.dataclass(frozen=True)
class SampledQuantilesResult(QuantilesResult):
    """What `SampledQuantiles` learned: as of `Quantiles`, and where it is not exact, of the sample but for the ends."""

    def quantile(self, q: ArrayLike) -> np.ndarray:
        """Returns the numbers below which fractions of the column lie; see `QuantilesResult.quantile`."""
        fractions = checked_fractions(q)
        if self.exact or not self.count:
            return super().quantile(fractions)
        found = interpolated(self._sorted, fractions)
        return np.where(fractions == 0, self.min, np.where(fractions == 1, self.max, found))

    def rank(self, x: ArrayLike) -> np.ndarray:
        """Returns the fraction of finite numbers that are at most x; see `QuantilesResult.rank`."""
        if self.exact:
            return super().rank(x)
        points = np.asarray(x, dtype=np.float64)
        found = np.searchsorted(self._sorted, points, side="right") / len(self._sorted)
        return np.where(points < self.min, 0.0, np.where(points >= self.max, 1.0, found))


class SampledQuantiles(Statistic):
    """Quantiles and ranks of numbers, booleans or times, by a seeded sample: `Quantiles` at a fifth of its time.

    Every number is given a key at random, and those of the smallest keys are held: all up to `exact`, and beyond a
    uniform sample of `most`. The keys come from the seed and from how many numbers came before, so that
    chunks change nothing, and a second pass gives the same bits. Weights are refused.

    Args:
        exact: Numbers of which all are held, 16 bytes each: 4 MiB by default.
        most: Numbers held beyond, from 1,024 to `exact`: 1 MiB and a rank error of 0.5% by default.
        seed: Another seed, another sample.

    Example:
        >>> quantiles = SampledQuantiles()
        >>> quantiles.update(pa.array([4.0, 1.0, None, 3.0, 2.0]))
        >>> float(quantiles.result().quantile(0.5))
        2.5

    Source: bottom-k sampling by Cohen and Kaplan, "Summarizing Data using Bottom-k Sketches" (2007). The error is that
        of a sample quantile, 2.576 standard deviations of at most 0.5 / sqrt(most).
    """

    def __init__(self, exact: int = 1 << 18, most: int = 1 << 16, seed: int = 0) -> None:
        if not _LEAST <= most <= exact:
            raise InvalidArgument(f"most is from {_LEAST} to exact. Received: most={most}, exact={exact}.")
        self._exact, self._most, self._seed = exact, most, seed
        self._tally = Tally()
        self._low, self._high = math.inf, -math.inf
        self._random = np.random.default_rng([seed, _STREAM])
        self._drawn = 0
        self._kept: list[tuple[np.ndarray, np.ndarray]] = []
        self._largest = math.inf

    def parameters(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {"exact": self._exact, "most": self._most, "seed": self._seed}

    @property
    def wish(self) -> int:
        """Bytes of the numbers and their keys."""
        return _HELD * self._exact

    def bounded(self, max_bytes: int) -> Self:
        """Returns a fresh one that holds fewer numbers."""
        exact = max(max_bytes // _HELD, _LEAST)
        return type(self)(exact, min(self._most, exact), self._seed)

    def result(self) -> SampledQuantilesResult:
        """Returns the distribution of all rows seen so far; later updates do not change it."""
        tally = self._tally
        _, values = self._compact()
        low, high = (self._low, self._high) if tally.count else (math.nan, math.nan)
        exact = tally.count <= self._exact
        return SampledQuantilesResult(
            tally.rows, tally.count, tally.missing, tally.negative_infinite, tally.positive_infinite,
            low, high, exact, 0.0 if exact else 2.576 * 0.5 / math.sqrt(self._most), np.sort(values), None,
        )  # fmt: skip

    def _update(self, values: pa.Array, weights: np.ndarray | None) -> None:
        if weights is not None:
            raise InvalidArgument("SampledQuantiles takes no weights. Received: an array of them. Leave them out.")
        numbers = finite_numbers("SampledQuantiles", values, None)
        self._tally.add(numbers.tally)
        found = numbers.values
        if not len(found):
            return
        self._low, self._high = min(self._low, numbers.low), max(self._high, numbers.high)
        keys = self._random.random(len(found))
        self._drawn += len(found)
        self._keep(keys, found)

    def _keep(self, keys: np.ndarray, values: np.ndarray) -> None:
        if self._largest < math.inf:
            near = np.flatnonzero(keys <= self._largest)
            keys, values = keys[near], values[near]
        # a copy: a view would keep the whole chunk alive
        self._kept.append((keys, values + 0.0))
        if self._tally.count > self._exact and sum(len(kept) for kept, _ in self._kept) > 2 * self._most:
            self._compact()

    def _compact(self) -> tuple[np.ndarray, np.ndarray]:
        keys, values = (np.concatenate([np.zeros(0), *(pair[at] for pair in self._kept)]) for at in (0, 1))
        if self._tally.count > self._exact and len(keys) > self._most:
            first = np.argpartition(keys, self._most - 1)[: self._most]
            keys, values = keys[first], values[first]
            self._largest = float(keys.max())
        self._kept = [(keys, values)]
        return keys, values

    def _merge(self, other: Self) -> None:
        self._tally.add(other._tally)
        self._low, self._high = min(self._low, other._low), max(self._high, other._high)
        for keys, values in other._kept:
            self._keep(keys, values)

    def _state(self) -> tuple[dict[str, Any], list[bytes]]:
        keys, values = self._compact()
        order = np.lexsort((values, keys))
        ends = np.array([self._low, self._high], "<f8")
        parts = [ends, keys[order].astype("<f8"), values[order].astype("<f8")]
        return {"tally": self._tally.as_list(), "drawn": self._drawn}, [part.tobytes() for part in parts]

    def _restore(self, state: dict[str, Any], parts: list[bytes]) -> None:
        self._tally, self._drawn = Tally(*state["tally"]), state["drawn"]
        self._random.bit_generator.advance(self._drawn)  # type: ignore[attr-defined]  # of PCG64, one step a number
        self._low, self._high = np.frombuffer(parts[0], "<f8").tolist()
        keys, values = (np.frombuffer(part, "<f8").astype(np.float64) for part in parts[1:3])
        self._kept = [(keys, values)]
        if self._tally.count > self._exact:
            self._largest = float(keys.max())
