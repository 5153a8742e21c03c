"""The finite numbers of a numeric column as float64, and a tally of the rest: the input of every numeric statistic."""

import dataclasses
import math

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike

from blocks.errors import InvalidArgument
from blocks.statistics.canonical_types import canonical_type, microseconds
from blocks.statistics.statistic import unsupported
from blocks.statistics.tally import Tally


@dataclasses.dataclass(frozen=True)
class Numbers:
    """The finite numbers of a chunk. `values` may share the chunk's memory: do not write to it.

    Attributes:
        values: (count,) float64.
        weights: (count,) float64 or None.
        low: The least of the values; nan when there is none.
        high: The largest of the values; nan when there is none.
        tally: The rows of the chunk by what they hold.
    """

    values: np.ndarray
    weights: np.ndarray | None
    low: float
    high: float
    tally: Tally


@dataclasses.dataclass(frozen=True)
class NumbersSeen:
    """How many rows a statistic of numbers has seen, by what they hold, and between which ends.

    Attributes:
        rows: Rows seen.
        count: Rows with a finite number.
        missing: Rows with null or NaN.
        negative_infinite: Rows with -inf.
        positive_infinite: Rows with inf.
        min: Least finite number, exact; nan when there is none.
        max: Largest finite number, exact; nan when there is none.
    """

    rows: int
    count: int
    missing: int
    negative_infinite: int
    positive_infinite: int
    min: float
    max: float


def finite_numbers(statistic: str, column: pa.Array, weights: np.ndarray | None) -> Numbers:
    """Splits a chunk into finite float64 numbers and the count of everything else.

    Integers beyond 2^53 and decimals are rounded to float64, dates and times become microseconds.

    Raises:
        SchemaMismatch: The column holds neither numbers, booleans, nor times.
    """
    rows = len(column)
    array = _as_float64(statistic, column)
    if array.null_count:
        if weights is not None:
            weights = weights[np.asarray(array.is_valid())]
        array = array.drop_null()
    values = array.to_numpy()
    tally = Tally(rows=rows, missing=rows - len(values))
    low, high = _extremes(values)
    # NaN spreads through min and max, so two finite extremes prove that every value is finite.
    if len(values) and not (math.isfinite(low) and math.isfinite(high)):
        finite = np.isfinite(values)
        tally.negative_infinite = int(np.count_nonzero(values == -np.inf))
        tally.positive_infinite = int(np.count_nonzero(values == np.inf))
        tally.missing += int(np.count_nonzero(np.isnan(values)))
        values = values[finite]
        weights = None if weights is None else weights[finite]
        low, high = _extremes(values)
    return Numbers(values, weights, low, high, tally)


def checked_fractions(q: ArrayLike) -> np.ndarray:
    """The fractions that quantiles are asked for by, as float64.

    Raises:
        InvalidArgument: One lies outside 0 to 1.
    """
    fractions = np.asarray(q, dtype=np.float64)
    if not np.all((fractions >= 0) & (fractions <= 1)):
        raise InvalidArgument(f"A quantile is asked for by fractions from 0 to 1. Received: {q!r}.")
    return fractions


def interpolated(ordered: np.ndarray, fractions: np.ndarray) -> np.ndarray:
    """The quantiles of rising numbers, as `numpy.quantile` has them; of numbers so far apart that it overflows, too."""
    # halves of them, whose differences cannot
    unit = 0.5 if len(ordered) and ordered[-1] / 2 - ordered[0] / 2 > np.finfo(np.float64).max / 2 else 1.0
    found = np.quantile(ordered * unit, fractions) if unit != 1.0 else np.quantile(ordered, fractions)
    return np.asarray(found / unit)


def _as_float64(statistic: str, column: pa.Array) -> pa.Array:
    target = canonical_type(column.type)
    if target is None or pa.types.is_large_string(target) or pa.types.is_large_binary(target):
        raise unsupported(statistic, "numbers, booleans, dates and times", column.type)
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_temporal(target):
        column = microseconds(column)
    return column.cast(pa.float64(), safe=False)


def _extremes(values: np.ndarray) -> tuple[float, float]:
    # Adding 0.0 turns -0.0 into 0.0, so that the sign of a zero does not depend on the order of the rows.
    return (float(values.min()) + 0.0, float(values.max()) + 0.0) if len(values) else (math.nan, math.nan)
