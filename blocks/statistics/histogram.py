"""How much weight lies at each value of a number from 0 to 1: exact for few distinct values, on a fine grid beyond."""

import dataclasses
from typing import Any, Self

import numpy as np
import pyarrow as pa

from blocks.errors import InvalidArgument
from blocks.statistics.numeric import finite_numbers
from blocks.statistics.statistic import Statistic


@dataclasses.dataclass(frozen=True)
class HistogramResult:
    """What `Histogram` learned.

    Attributes:
        rows: Rows with a number from 0 to 1; all others are left out.
        values: (distinct,) float64, rising.
        weights: (distinct,) float64, the weight of the rows at each value.
        exact: Whether the values are the column's own.
        error: How far a value may lie from the column's own; 0.0 when exact.
    """

    rows: int
    values: np.ndarray
    weights: np.ndarray
    exact: bool
    error: float


class Histogram(Statistic):
    """Weights by value of numbers from 0 to 1, such as probabilities.

    Up to `exact` distinct values are held as they are. With one more, all are rounded to multiples of 1 / cells, where
    `cells` is the largest power of two that is at most `exact` and 65,536. Which of the two depends on the set of
    values alone, so chunks and order change nothing (but the last bits of sums of fractional weights).

    Args:
        exact: Distinct values held, 16 bytes each, 2 at least: 4 MiB by default.

    Example:
        >>> histogram = Histogram()
        >>> histogram.update(pa.array([0.5, 0.25, 0.5]))
        >>> histogram.result().values.tolist(), histogram.result().weights.tolist()
        ([0.25, 0.5], [1.0, 2.0])
    """

    def __init__(self, exact: int = 1 << 18) -> None:
        if exact < 2:
            raise InvalidArgument(f"exact is 2 at least. Received: {exact}.")
        self._exact = exact
        self._cells = min(1 << 16, 1 << (exact.bit_length() - 1))
        self._coarse = False
        self._rows = 0
        self._values = np.zeros(0)
        self._weights = np.zeros(0)

    def parameters(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {"exact": self._exact}

    def result(self) -> HistogramResult:
        """Returns the weights of all rows seen so far."""
        error = 0.5 / self._cells if self._coarse else 0.0
        return HistogramResult(self._rows, self._values.copy(), self._weights.copy(), not self._coarse, error)

    def _update(self, values: pa.Array, weights: np.ndarray | None) -> None:
        numbers = finite_numbers("Histogram", values, weights)
        within = (numbers.values >= 0) & (numbers.values <= 1)
        found = numbers.values[within] + 0.0
        self._rows += len(found)
        self._add(found, np.ones(len(found)) if numbers.weights is None else numbers.weights[within])

    def _merge(self, other: Self) -> None:
        self._rows += other._rows
        self._coarse |= other._coarse
        self._add(other._values, other._weights)

    def _add(self, values: np.ndarray, weights: np.ndarray) -> None:
        values, weights = np.concatenate([self._values, values]), np.concatenate([self._weights, weights])
        if self._coarse:
            values = self._rounded(values)
        distinct, place = np.unique(values, return_inverse=True)
        if len(distinct) > self._exact and not self._coarse:
            self._coarse = True
            distinct, place = np.unique(self._rounded(values), return_inverse=True)
        self._values = distinct
        self._weights = np.asarray(np.bincount(place, weights, len(distinct)), np.float64)

    def _rounded(self, values: np.ndarray) -> np.ndarray:
        return np.round(values * self._cells) / self._cells

    def _state(self) -> tuple[dict[str, Any], list[bytes]]:
        parts = [self._values.astype("<f8").tobytes(), self._weights.astype("<f8").tobytes()]
        return {"rows": self._rows, "coarse": self._coarse}, parts

    def _restore(self, state: dict[str, Any], parts: list[bytes]) -> None:
        self._rows, self._coarse = state["rows"], state["coarse"]
        self._values, self._weights = (np.frombuffer(part, "<f8").astype(np.float64) for part in parts)
