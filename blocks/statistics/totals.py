"""Sums of rows of numbers."""

import dataclasses
from typing import Any, Self

import numpy as np
import pyarrow as pa

from blocks.errors import InvalidArgument
from blocks.statistics.statistic import Statistic, unsupported


@dataclasses.dataclass(frozen=True)
class TotalsResult:
    """What `Totals` learned.

    Attributes:
        rows: Rows seen.
        sums: (width,) float64, weighted.
    """

    rows: int
    sums: np.ndarray


class Totals(Statistic):
    """Weighted sums of rows of `width` numbers, in float64: order changes the last bits alone.

    Args:
        width: Numbers of a row.

    Example:
        >>> totals = Totals(2)
        >>> totals.update(pa.array([[1.0, 2.0], [3.0, 4.0]], pa.list_(pa.float64(), 2)))
        >>> totals.result().sums.tolist()
        [4.0, 6.0]
    """

    def __init__(self, width: int) -> None:
        if width < 1:
            raise InvalidArgument(f"width is 1 at least. Received: {width}.")
        self._width = width
        self._rows = 0
        self._sums = np.zeros(width)

    def parameters(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {"width": self._width}

    def result(self) -> TotalsResult:
        """Returns the sums so far."""
        return TotalsResult(self._rows, self._sums.copy())

    def _update(self, values: pa.Array, weights: np.ndarray | None) -> None:
        if not pa.types.is_fixed_size_list(values.type) or values.type.list_size != self._width or values.null_count:
            raise unsupported("Totals", f"lists of {self._width} numbers, none of them null", values.type)
        numbers = values.flatten().cast(pa.float64()).to_numpy(zero_copy_only=False).reshape(-1, self._width)
        self._rows += len(numbers)
        self._sums = self._sums + (numbers.sum(axis=0) if weights is None else weights @ numbers)

    def _merge(self, other: Self) -> None:
        self._rows += other._rows
        self._sums = self._sums + other._sums

    def _state(self) -> tuple[dict[str, Any], list[bytes]]:
        return {"rows": self._rows}, [self._sums.astype("<f8").tobytes()]

    def _restore(self, state: dict[str, Any], parts: list[bytes]) -> None:
        self._rows = state["rows"]
        self._sums = np.frombuffer(parts[0], "<f8").astype(np.float64)
