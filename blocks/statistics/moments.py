"""Count, mean, variance and range of a numeric column."""

import dataclasses
import math
from typing import Any, Self

import numpy as np
import pyarrow as pa

from blocks.statistics import double_double as dd
from blocks.statistics.numeric import finite_numbers
from blocks.statistics.statistic import Statistic
from blocks.statistics.tally import Tally

# Numbers are held in a unit 2^(600 j) such that the largest lies within 2^-300 and 2^300: squares cannot overflow.
_UNIT = 600


@dataclasses.dataclass(frozen=True)
class MomentsResult:
    """What `Moments` learned. Without finite numbers, or when all weigh 0, what is undefined is nan.

    Attributes:
        rows: Rows seen.
        count: Rows with a finite number; those of weight 0 count too.
        missing: Rows with null or NaN.
        negative_infinite: Rows with -inf.
        positive_infinite: Rows with inf.
        weight: Sum of the weights of the finite numbers; `count` when no weights were given.
        mean: Weighted mean.
        variance: Population variance, `m2 / weight`; inf when it lies beyond float64 though `std` does not.
        std: Its square root, taken before it can overflow.
        min: Least finite number, of any weight.
        max: Largest finite number, of any weight.
        m2: Weighted sum of squared differences from the mean; inf beyond float64.
        sum: Weighted sum; inf or -inf beyond float64.
    """

    rows: int
    count: int
    missing: int
    negative_infinite: int
    positive_infinite: int
    weight: float
    mean: float
    variance: float
    std: float
    min: float
    max: float
    m2: float
    sum: float


class Moments(Statistic):
    """Mean, variance, minimum and maximum of numbers, booleans or times, with sample weights.

    A chunk is summed about its own mean in float64 (the corrected two-pass algorithm); chunks are joined by Chan's
    formula on double-double numbers. So neither a mean far from zero (1e9 + N(0, 1)) nor the number or order of the
    chunks costs digits: expect the mean within 1e-14 (|mean| + std) and the variance within 1e-13 of itself, for
    weights from 1e-100 up. Numbers of 1e-300 or 1e300 are scaled by a power of two first: nothing overflows or
    underflows that has a float64 result.

    Example:
        >>> moments = Moments()
        >>> moments.update(pa.array([1.0, 2.0, None, 6.0]))
        >>> result = moments.result()
        >>> result.mean, result.count, result.missing
        (3.0, 3, 1)

    Source: Chan, Golub, LeVeque, "Algorithms for Computing the Sample Variance" (1983).
    """

    def __init__(self) -> None:
        self._tally = Tally()
        self._low, self._high = math.inf, -math.inf
        self._unit = -2 * _UNIT
        self._weight = self._mean = self._m2 = dd.ZERO

    def result(self) -> MomentsResult:
        """Returns the moments of all rows seen so far."""
        tally, unit, weight = self._tally, self._unit, self._weight[0]
        mean = variance = std = m2 = total = math.nan
        if weight > 0:
            scaled = max(dd.divide(self._m2, self._weight)[0], 0.0)
            mean, std = _ldexp(self._mean[0], unit), _ldexp(math.sqrt(scaled), unit)
            variance, m2 = _ldexp(scaled, 2 * unit), _ldexp(self._m2[0], 2 * unit)
            total = _ldexp(dd.multiply(self._mean, self._weight)[0], unit)
        low, high = (self._low, self._high) if tally.count else (math.nan, math.nan)
        return MomentsResult(
            tally.rows, tally.count, tally.missing, tally.negative_infinite, tally.positive_infinite,
            weight, mean, variance, std, low, high, m2, total,
        )  # fmt: skip

    def _update(self, values: pa.Array, weights: np.ndarray | None) -> None:
        numbers = finite_numbers("Moments", values, weights)
        self._tally.add(numbers.tally)
        if not len(numbers.values):
            return
        low, high = numbers.low, numbers.high
        unit = _unit(low, high)
        x = np.ldexp(numbers.values, -unit) if unit else numbers.values
        center = math.ldexp(low, -unit)
        if numbers.weights is None:
            weight = float(len(x))
            if low != high:
                center = float(x.sum()) / weight
            deviations = x - center
            drift = float(deviations.sum())
            squares = float(np.multiply(deviations, deviations, out=deviations).sum())
        else:
            w = numbers.weights
            weight = float(w.sum())
            if low != high and weight > 0:
                center = float((w * x).sum()) / weight
            deviations = x - center
            weighted = w * deviations
            drift = float(weighted.sum())
            squares = float(np.multiply(weighted, deviations, out=deviations).sum())
        mean, m2 = (center, 0.0), dd.ZERO
        if weight > 0:
            mean = dd.two_sum(center, drift / weight)
            m2 = dd.two_sum(squares, -(drift * (drift / weight)))
        self._join(low, high, unit, (weight, 0.0), mean, m2)

    def _merge(self, other: Self) -> None:
        self._tally.add(other._tally)
        self._join(other._low, other._high, other._unit, other._weight, other._mean, other._m2)

    def _join(
        self, low: float, high: float, unit: int, weight: dd.DoubleDouble, mean: dd.DoubleDouble, m2: dd.DoubleDouble
    ) -> None:
        self._low, self._high = min(self._low, low), max(self._high, high)
        top = max(self._unit, unit)
        mine, my_m2 = _rescale(self._mean, self._unit - top), _rescale(self._m2, 2 * (self._unit - top))
        mean, m2 = _rescale(mean, unit - top), _rescale(m2, 2 * (unit - top))
        self._unit = top
        if weight[0] == 0.0:
            self._mean, self._m2 = mine, my_m2
        elif self._weight[0] == 0.0:
            self._weight, self._mean, self._m2 = weight, mean, m2
        else:
            total = dd.add(self._weight, weight)
            delta = dd.subtract(mean, mine)
            step = dd.multiply(delta, dd.divide(weight, total))
            self._mean = dd.add(mine, step)
            self._m2 = dd.add(dd.add(my_m2, m2), dd.multiply(dd.multiply(delta, step), self._weight))
            self._weight = total

    def _state(self) -> tuple[dict[str, Any], list[bytes]]:
        floats = np.array([self._low, self._high, *self._weight, *self._mean, *self._m2], dtype="<f8")
        return {"tally": self._tally.as_list(), "unit": self._unit}, [floats.tobytes()]

    def _restore(self, state: dict[str, Any], parts: list[bytes]) -> None:
        self._tally, self._unit = Tally(*state["tally"]), state["unit"]
        low, high, *rest = np.frombuffer(parts[0], dtype="<f8").tolist()
        self._low, self._high = low, high
        self._weight, self._mean, self._m2 = (rest[0], rest[1]), (rest[2], rest[3]), (rest[4], rest[5])


def _unit(low: float, high: float) -> int:
    largest = max(abs(low), abs(high))
    return _UNIT * round(math.frexp(largest)[1] / _UNIT) if largest else -2 * _UNIT


def _rescale(value: dd.DoubleDouble, exponent: int) -> dd.DoubleDouble:
    return (math.ldexp(value[0], exponent), math.ldexp(value[1], exponent)) if exponent else value


def _ldexp(value: float, exponent: int) -> float:
    try:
        return math.ldexp(value, exponent)
    except OverflowError:
        return math.copysign(math.inf, value)
