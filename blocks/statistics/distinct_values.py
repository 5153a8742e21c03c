"""The distribution of the different values of a numeric column, each counted once."""

import dataclasses
import math
from typing import Any, Self

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike

from blocks.errors import InvalidArgument
from blocks.statistics.hashing import mix64
from blocks.statistics.numeric import NumbersSeen, checked_fractions, finite_numbers, interpolated
from blocks.statistics.statistic import Statistic
from blocks.statistics.tally import Tally

# bytes of a number and its hash
_HELD = 16
_LEAST = 16


@dataclasses.dataclass(frozen=True)
class DistinctValuesResult(NumbersSeen):
    """What `DistinctValues` learned, beside the attributes of `NumbersSeen`.

    Attributes:
        values: (values,) float64, rising: all different numbers when exact, else a uniform sample of them.
        exact: Whether `values` are all.
        error: Rank error as a fraction of the different numbers: a quantile lies between those at q - error and
            q + error with 99% confidence, one q at a time; 0.0 when exact.
    """

    values: np.ndarray
    exact: bool
    error: float

    def quantile(self, q: ArrayLike) -> np.ndarray:
        """Returns the numbers below which fractions of the different numbers lie, as `numpy.quantile` does.

        Args:
            q: Fractions from 0 to 1, of any shape; 0 and 1 give `min` and `max`.

        Returns:
            float64 of the shape of `q`; nan when there is no number.

        Raises:
            InvalidArgument: A fraction lies outside 0 to 1.
        """
        fractions = checked_fractions(q)
        if not self.count:
            return np.full(fractions.shape, math.nan)
        found = interpolated(self.values, fractions)
        return np.where(fractions == 0, self.min, np.where(fractions == 1, self.max, found))

    @property
    def estimate(self) -> float:
        """How many different numbers there are; relative standard error 1 / sqrt(k - 2) where not `exact`.

        Source: Beyer et al., "On Synopses for Distinct-Value Estimation" (SIGMOD 2007).
        """
        if self.exact:
            return float(len(self.values))
        return (len(self.values) - 1) / (float(mix64(self.values.view(np.uint64)).max()) / 2.0**64)


class DistinctValues(Statistic):
    """Holds the different numbers of a column, or beyond `k` of them a uniform sample of `k`.

    The sample is of the `k` numbers with the smallest 64-bit hashes: a pure function of the set of numbers, so chunks,
    order, repetition and merging change nothing, and a second pass gives the same bits. Weights do not matter to it.

    Args:
        k: Numbers held, 16 bytes each, 16 at least: 1 MiB and a rank error of 0.5% by default.

    Example:
        >>> distinct = DistinctValues()
        >>> distinct.update(pa.array([0.0, 0.0, 0.0, 1.0, 7.0, None]))
        >>> float(distinct.result().quantile(0.5))
        1.0

    Source: Bar-Yossef et al., "Counting Distinct Elements in a Data Stream" (2002): bottom-k sampling; the hash is the
        finalizer of Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators" (2014). The error is that of
        a sample quantile, 2.576 standard deviations of at most 0.5 / sqrt(k).
    """

    def __init__(self, k: int = 1 << 16) -> None:
        if k < _LEAST:
            raise InvalidArgument(f"k is {_LEAST} at least. Received: {k}.")
        self._k = k
        self._tally = Tally()
        self._low, self._high = math.inf, -math.inf
        self._hashes = np.zeros(0, np.uint64)
        self._values = np.zeros(0)

    def parameters(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {"k": self._k}

    @property
    def wish(self) -> int:
        """Bytes of the numbers and their hashes."""
        return _HELD * self._k

    def bounded(self, max_bytes: int) -> Self:
        """Returns a fresh one that holds fewer numbers."""
        return type(self)(max(max_bytes // _HELD, _LEAST))

    def result(self) -> DistinctValuesResult:
        """Returns the distribution of all rows seen so far."""
        tally, exact = self._tally, len(self._values) < self._k
        low, high = (self._low, self._high) if tally.count else (math.nan, math.nan)
        error = 0.0 if exact else 2.576 * 0.5 / math.sqrt(self._k)
        return DistinctValuesResult(
            tally.rows, tally.count, tally.missing, tally.negative_infinite, tally.positive_infinite,
            low, high, np.sort(self._values), exact, error,
        )  # fmt: skip

    def _update(self, values: pa.Array, weights: np.ndarray | None) -> None:
        numbers = finite_numbers("DistinctValues", values, None)
        self._tally.add(numbers.tally)
        if len(numbers.values):
            self._low, self._high = min(self._low, numbers.low), max(self._high, numbers.high)
            # Adding 0.0 turns -0.0 into 0.0: one value
            kept = numbers.values + 0.0
            self._keep_smallest(mix64(kept.view(np.uint64)), kept)

    def _merge(self, other: Self) -> None:
        self._tally.add(other._tally)
        self._low, self._high = min(self._low, other._low), max(self._high, other._high)
        self._keep_smallest(other._hashes, other._values)

    def _keep_smallest(self, hashes: np.ndarray, values: np.ndarray) -> None:
        if len(self._hashes) == self._k:
            small = hashes < self._hashes[-1]
            hashes, values = hashes[small], values[small]
        elif len(hashes) > 8 * self._k:
            # of many, those that may stay: sorting all would take longer than all else
            near = hashes <= np.partition(hashes, 4 * self._k)[4 * self._k]
            if len(np.unique(hashes[near])) >= self._k:
                hashes, values = hashes[near], values[near]
        if not len(hashes):
            return
        # the hash is a bijection of the bits, so that equal hashes are equal values
        hashes, first = np.unique(np.concatenate([self._hashes, hashes]), return_index=True)
        self._hashes = hashes[: self._k]
        self._values = np.concatenate([self._values, values])[first[: self._k]]

    def _state(self) -> tuple[dict[str, Any], list[bytes]]:
        ends = np.array([self._low, self._high], "<f8")
        return {"tally": self._tally.as_list()}, [ends.tobytes(), self._values.astype("<f8").tobytes()]

    def _restore(self, state: dict[str, Any], parts: list[bytes]) -> None:
        self._tally = Tally(*state["tally"])
        self._low, self._high = np.frombuffer(parts[0], "<f8").tolist()
        self._values = np.frombuffer(parts[1], "<f8").astype(np.float64)
        self._hashes = mix64(self._values.view(np.uint64))
