"""Zeros, negative numbers, skewness and kurtosis of a numeric column: what a mean and a deviation leave out."""

import dataclasses
import math
from typing import Any, Self

import numpy as np
import pyarrow as pa

from blocks.errors import InvalidArgument
from blocks.statistics.numeric import finite_numbers
from blocks.statistics.statistic import Statistic

# Numbers are held in a unit 2^(200 j), so that their fourth powers neither overflow nor vanish.
_UNIT = 200
_PIECE = 8192


@dataclasses.dataclass(frozen=True)
class NumberShapeResult:
    """What `NumberShape` learned, of the finite numbers.

    Attributes:
        count: How many there are.
        zeros: How many are 0.
        negative: How many are below 0.
        skewness: The third standardized moment, of the population; nan where all are equal.
        kurtosis: The fourth, less the normal distribution's 3; nan where all are equal.
    """

    count: int
    zeros: int
    negative: int
    skewness: float
    kurtosis: float


class NumberShape(Statistic):
    """Central moments up to the fourth, joined by Pébay's formulas; weights are refused.

    Expect skewness and kurtosis within 1e-9 of their size while the mean is not more than 1e6 deviations from zero.

    Example:
        >>> shape = NumberShape()
        >>> shape.update(pa.array([0.0, 0.0, 0.0, 4.0]))
        >>> shape.result().zeros, round(shape.result().skewness, 4)
        (3, 1.1547)

    Source: Pébay, "Formulas for Robust, One-Pass Parallel Computation of Covariances and Arbitrary-Order Statistical
        Moments" (Sandia report 2008-6212); `scipy.stats.skew` and `kurtosis` are the same numbers.
    """

    def __init__(self) -> None:
        self._count = self._zeros = self._negative = self._unit = 0
        self._mean = 0.0
        self._powers = np.zeros(3)  # sums of the second to fourth powers of differences from the mean

    def result(self) -> NumberShapeResult:
        """Returns the shape of all rows seen so far."""
        skewness = kurtosis = math.nan
        second, third, fourth = self._powers.tolist()
        # what rounding leaves of equal numbers is no spread
        if self._count and second > self._count * (1e-15 * abs(self._mean)) ** 2:
            spread = second / self._count
            skewness = third / self._count / spread**1.5
            kurtosis = fourth / self._count / spread**2 - 3.0
        return NumberShapeResult(self._count, self._zeros, self._negative, skewness, kurtosis)

    def _update(self, values: pa.Array, weights: np.ndarray | None) -> None:
        if weights is not None:
            raise InvalidArgument("NumberShape takes no weights. Received: an array of them. Leave them out.")
        numbers = finite_numbers("NumberShape", values, None)
        x = numbers.values
        if not len(x):
            return
        if numbers.low <= 0.0:
            self._zeros += int(np.count_nonzero(x == 0.0))
            self._negative += int(np.count_nonzero(x < 0.0)) if numbers.low < 0.0 else 0
        largest = max(abs(numbers.low), abs(numbers.high))
        unit = _UNIT * round(math.frexp(largest)[1] / _UNIT) if largest else 0
        scaled = np.ldexp(x, -unit) if unit else x
        mean = float(scaled.mean()) if numbers.low != numbers.high else float(scaled[0])
        self._join(len(x), unit, mean, _powers(scaled, mean))

    def _merge(self, other: Self) -> None:
        self._zeros += other._zeros
        self._negative += other._negative
        if other._count:
            self._join(other._count, other._unit, other._mean, other._powers)

    def _join(self, count: int, unit: int, mean: float, powers: np.ndarray) -> None:
        if not self._count:
            self._count, self._unit, self._mean, self._powers = count, unit, mean, powers.copy()
            return
        top = max(self._unit, unit)
        mine, my_mean = _rescaled(self._powers, self._unit - top), math.ldexp(self._mean, self._unit - top)
        theirs, mean = _rescaled(powers, unit - top), math.ldexp(mean, unit - top)
        n, m = self._count, count
        total, apart = n + m, mean - my_mean
        a2, a3, a4 = mine.tolist()
        b2, b3, b4 = theirs.tolist()
        step = apart / total
        self._powers = np.array(
            [
                a2 + b2 + apart * step * n * m,
                a3 + b3 + apart * step * step * n * m * (n - m) + 3 * step * (n * b2 - m * a2),
                a4
                + b4
                + apart * step**3 * n * m * (n * n - n * m + m * m)
                + 6 * step * step * (n * n * b2 + m * m * a2)
                + 4 * step * (n * b3 - m * a3),
            ]
        )
        self._count, self._unit, self._mean = total, top, my_mean + step * m

    def _state(self) -> tuple[dict[str, Any], list[bytes]]:
        counts = [self._count, self._zeros, self._negative, self._unit]
        return {"counts": counts}, [np.array([self._mean, *self._powers], "<f8").tobytes()]

    def _restore(self, state: dict[str, Any], parts: list[bytes]) -> None:
        self._count, self._zeros, self._negative, self._unit = state["counts"]
        self._mean, *powers = np.frombuffer(parts[0], "<f8").tolist()
        self._powers = np.array(powers)


def _powers(x: np.ndarray, mean: float) -> np.ndarray:
    """Sums of the second to fourth powers of differences from the mean, in pieces that fit the cache."""
    # no dot products: a threaded BLAS would take the cores from the other columns
    found = np.zeros(3)
    for start in range(0, len(x), _PIECE):
        away = x[start : start + _PIECE] - mean
        square = away * away
        found[0] += square.sum()
        found[1] += np.multiply(away, square, out=away).sum()
        found[2] += np.multiply(square, square, out=square).sum()
    return found


def _rescaled(powers: np.ndarray, exponent: int) -> np.ndarray:
    return np.ldexp(powers, exponent * np.arange(2, 5)) if exponent else powers
