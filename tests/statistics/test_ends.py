"""Statistics of numbers at the ends of float64, in chunks and merged, against exact arithmetic."""

import math
from decimal import Context, Decimal
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blocks.statistics import Moments, Power, Statistic

MOST, LEAST = np.finfo(np.float64).max, np.finfo(np.float64).tiny
numbers = st.one_of(
    st.sampled_from([0.0, MOST, -MOST, MOST / 2, 1e308, -1e300, 1e160, 1e-160, LEAST, -LEAST, 5e-324, 1e-310, 1.0]),
    st.floats(allow_nan=False, allow_infinity=False),
)
others = st.sampled_from([math.nan, math.inf, -math.inf, None])
chunks = st.lists(st.lists(st.one_of(numbers, numbers, numbers, others), max_size=6), min_size=1, max_size=4)
CONTEXT = Context(prec=60, Emin=-999_999, Emax=999_999)


def filled(kind, parts, merged: bool) -> Statistic:
    statistic = kind()
    for part in parts:
        other = kind()
        (other if merged else statistic).update(pa.array(part, pa.float64()))
        if merged:
            statistic.merge(Statistic.from_bytes(other.to_bytes()))
    return statistic


@settings(max_examples=150)
@given(chunks, st.booleans())
def test_moments_saturate_nowhere(parts, merged) -> None:
    result = filled(Moments, parts, merged).result()
    finite = [value for part in parts for value in part if value is not None and math.isfinite(value)]
    assert result.rows == sum(map(len, parts))
    assert result.count == len(finite)
    if not finite:
        assert math.isnan(result.mean)
        return
    exact = list(map(Fraction, finite))
    mean = sum(exact) / len(exact)
    variance = sum((value - mean) ** 2 for value in exact) / len(exact)
    std = Fraction(CONTEXT.sqrt(CONTEXT.divide(Decimal(variance.numerator), Decimal(variance.denominator))))
    size = max(map(abs, exact))
    assert (result.min, result.max) == (min(finite), max(finite))
    assert abs(Fraction(result.mean) - mean) <= size * Fraction(1e-14) + Fraction(5e-324)
    assert abs(Fraction(result.std) - std) <= std * Fraction(1e-12) + size * Fraction(1e-15) + Fraction(1e-323)


@settings(max_examples=60)
@given(chunks, st.booleans(), st.sampled_from(["yeo-johnson", "box-cox"]))
def test_powers_are_finite_whatever_the_numbers(parts, merged, method) -> None:
    result = filled(lambda: Power(method), parts, merged).result()
    if result.count:
        assert np.isfinite([result.exponent, result.origin, result.mean, result.std]).all()
        assert result.std >= 0


@pytest.mark.parametrize("size", [5e-324, 1e-310, LEAST, 1e-160, 1e160, 1e308])
def test_moments_of_one_magnitude(size) -> None:
    values = size * np.array([1.0, 1.0, 0.0, 1.0])
    result = filled(Moments, np.array_split(values, 2), True).result()
    assert result.std == pytest.approx(size * math.sqrt(3) / 4, rel=1e-12, abs=5e-324)
