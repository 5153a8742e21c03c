"""How much weight lies at each value of a number from 0 to 1: exact for few distinct values, in fine bins beyond."""

import dataclasses
from typing import Any, Self

import numpy as np
import pyarrow as pa

from blocks.errors import InvalidArgument
from blocks.statistics.numeric import finite_numbers
from blocks.statistics.score_table import ScoreTable
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

    Up to `exact` distinct values are held as they are. With more, values whose leading bits agree share a bin, known by
    its middle: a `ScoreTable`'s bins, which are finest next to 0 and 1. Which values share one depends on the set of
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
        self._rows = 0
        self._table = ScoreTable(1, exact)

    def parameters(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {"exact": self._exact}

    def result(self) -> HistogramResult:
        """Returns the weights of all rows seen so far."""
        least, greatest = self._table.scores, self._table.greatest
        error = float((greatest - least).max(initial=0.0)) / 2
        return HistogramResult(
            self._rows, (least + greatest) / 2, self._table.sums[:, 0].copy(), self._table.exact, error
        )

    def _update(self, values: pa.Array, weights: np.ndarray | None) -> None:
        numbers = finite_numbers("Histogram", values, weights)
        within = (numbers.values >= 0) & (numbers.values <= 1)
        found = numbers.values[within]
        self._rows += len(found)
        of_rows = np.ones(len(found)) if numbers.weights is None else numbers.weights[within]
        self._table.update(found, of_rows[:, None])

    def _merge(self, other: Self) -> None:
        self._rows += other._rows
        self._table.merge(other._table)

    def _state(self) -> tuple[dict[str, Any], list[bytes]]:
        return {"rows": self._rows}, [self._table.to_bytes()]

    def _restore(self, state: dict[str, Any], parts: list[bytes]) -> None:
        self._rows, self._table = state["rows"], ScoreTable.from_bytes(parts[0])
