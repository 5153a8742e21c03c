"""Moments against exact rational arithmetic and NumPy."""

import math
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blocks.errors import InvalidArgument, SchemaMismatch
from blocks.statistics import Moments, MomentsResult, Statistic


def moments(*chunks, weights=None) -> MomentsResult:
    statistic = Moments()
    for chunk in chunks:
        statistic.update(chunk if isinstance(chunk, pa.Array) else pa.array(chunk), weights)
    return statistic.result()


def exact(values, weights=None) -> tuple[Fraction, Fraction]:
    """Mean and population variance without rounding."""
    w = [Fraction(1)] * len(values) if weights is None else [Fraction(float(x)) for x in weights]
    x = [Fraction(float(v)) for v in values]
    mean = sum(a * b for a, b in zip(w, x, strict=True)) / sum(w)
    return mean, sum(a * (b - mean) ** 2 for a, b in zip(w, x, strict=True)) / sum(w)


def close(value: float, truth: Fraction, tolerance: float, scale: float = 0.0) -> bool:
    return abs(Fraction(value) - truth) <= Fraction(tolerance) * max(abs(truth), Fraction(scale))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(-1e300, 1e300).filter(lambda x: x == 0 or abs(x) > 1e-290), min_size=1, max_size=20),
    st.integers(0, 20),
)
def test_equals_exact_arithmetic_at_every_magnitude(values, cut) -> None:
    mean, variance = exact(values)
    cut = min(cut, len(values))
    result = moments(pa.array(values[:cut], pa.float64()), pa.array(values[cut:], pa.float64()))
    assert close(result.mean, mean, 1e-14, max(abs(v) for v in values))
    assert (result.min, result.max, result.count) == (min(values), max(values), len(values))
    # The square root over fractions scaled to 1: a variance of 1e600 is no float.
    scale = Fraction(max(abs(v) for v in values)) or Fraction(1)
    deviation = math.sqrt(variance / scale**2)
    assert Fraction(result.std) / scale == pytest.approx(deviation, rel=1e-12, abs=1e-30)


@pytest.mark.parametrize("chunk", [1, 7, 1000, 20_000])
@pytest.mark.parametrize(("offset", "spread"), [(1e9, 1.0), (0.0, 1.0), (1e15, 3.0), (-1e200, 1e190), (1e-200, 1e-200)])
def test_digits_survive_a_large_offset_and_any_chunking(offset, spread, chunk) -> None:
    values = offset + spread * np.random.default_rng(0).normal(size=20_000 if chunk > 1 else 2_000)
    mean, variance = exact(values)
    result = moments(*[values[i : i + chunk] for i in range(0, len(values), chunk)])
    assert close(result.mean, mean, 1e-15, abs(offset) + spread)
    assert result.std == pytest.approx(spread * math.sqrt(variance / Fraction(spread) ** 2), rel=1e-13)


def test_extremes_overflow_only_where_the_result_does() -> None:
    result = moments([1.5e308, -1.5e308, 1.5e308], [-1.5e308])
    assert (result.mean, result.variance, result.m2) == (0.0, math.inf, math.inf)
    assert result.std == pytest.approx(1.5e308, rel=1e-15)
    tiny = moments([5e-324], [0.0])
    assert (tiny.min, tiny.max, tiny.variance) == (0.0, 5e-324, 0.0)
    assert moments([3e-200, 1e-200]).std == pytest.approx(1e-200, rel=1e-15)
    assert moments([1e308] * 4).sum == math.inf
    mixed = moments([1e-300, 2e-300], [1e300, 1e300])
    assert mixed.mean == pytest.approx(5e299, rel=1e-15)


def test_a_constant_has_no_deviation() -> None:
    for value in (0.1, 1e300, -7e-320, 0.0, 123456789.123):
        result = moments(*[[value] * n for n in (3, 1, 1000)])
        assert (result.mean, result.std, result.variance, result.m2) == (value, 0.0, 0.0, 0.0)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(-1e6, 1e6), st.sampled_from([0.0, 0.25, 1.0, 3.5, 1e-9, 1e9])), min_size=1, max_size=20
    )
)
def test_weights_equal_exact_arithmetic(pairs) -> None:
    values, weights = np.array(pairs).T
    result = moments(values, weights=weights)
    assert (result.count, result.min, result.max) == (len(values), values.min(), values.max())
    if not weights.any():
        assert math.isnan(result.mean)
        assert math.isnan(result.variance)
        return
    mean, variance = exact(values, weights)
    assert result.weight == pytest.approx(weights.sum(), rel=1e-15)
    assert close(result.mean, mean, 1e-13, abs(values).max())
    # a variance below the smallest number is 0
    assert close(result.variance, variance, 1e-12, 1e-26 * float(abs(values).max()) ** 2 + math.ulp(0.0))
    assert result.sum == pytest.approx(float(sum(Fraction(a) * Fraction(b) for a, b in pairs)), rel=1e-9, abs=1e-3)


def test_a_weight_of_two_is_a_row_twice() -> None:
    weighted = moments([1.0, 2.0, 10.0], weights=np.array([2.0, 1.0, 3.0]))
    repeated = moments([1.0, 1.0, 2.0, 10.0, 10.0, 10.0])
    for name in ("weight", "mean", "variance", "m2", "sum", "min", "max"):
        assert getattr(weighted, name) == pytest.approx(getattr(repeated, name), rel=1e-15)


def test_missing_and_infinite_touch_nothing_else() -> None:
    clean = moments([1.0, 2.0, 4.0])
    dirty = moments([1.0, None, 2.0, math.nan, math.inf, 4.0, -math.inf, math.inf])
    assert (dirty.rows, dirty.count, dirty.missing) == (8, 3, 2)
    assert (dirty.negative_infinite, dirty.positive_infinite) == (1, 2)
    for name in ("mean", "variance", "std", "min", "max", "m2", "sum", "weight", "count"):
        assert getattr(dirty, name) == getattr(clean, name)
    weights = np.array([1.0, 5, 2, 5, 5, 3, 5, 5])
    values = pa.array([1.0, None, 2.0, math.nan, math.inf, 4.0, -math.inf, math.inf])
    assert moments(values, weights=weights).mean == pytest.approx((1 + 4 + 12) / 6, rel=1e-15)


@pytest.mark.parametrize("values", [[], [None, None], [math.nan], [math.inf, -math.inf]])
def test_nothing_finite_gives_nan(values) -> None:
    result = moments(pa.array(values, pa.float64()))
    assert (result.count, result.weight, result.rows) == (0, 0.0, len(values))
    for name in ("mean", "variance", "std", "min", "max", "m2", "sum"):
        assert math.isnan(getattr(result, name))


@pytest.mark.parametrize(
    "dtype",
    [
        *(pa.int8(), pa.uint8(), pa.int16(), pa.uint16(), pa.int32(), pa.uint32(), pa.int64(), pa.uint64()),
        *(pa.float16(), pa.float32(), pa.float64(), pa.decimal128(9, 2), pa.duration("us"), pa.time64("us")),
    ],
)
def test_every_numeric_type_gives_the_same(dtype) -> None:
    base = pa.array([1, 2, None, 9], pa.float64() if pa.types.is_floating(dtype) else pa.int64())
    result = moments(base.cast(pa.decimal128(21, 2)).cast(dtype) if pa.types.is_decimal(dtype) else base.cast(dtype))
    assert (result.mean, result.min, result.max, result.missing) == (4.0, 1.0, 9.0, 1)


def test_booleans_dates_and_times() -> None:
    assert moments([True, False, None, True]).mean == pytest.approx(2 / 3, rel=1e-15)
    second = pa.array([1, 3], pa.timestamp("s", "Asia/Tokyo"))
    assert moments(second).mean == 2e6
    assert moments(pa.array([1500, 2500], pa.timestamp("ns"))).mean == 1.5
    assert moments(pa.array([1, 2], pa.date32())).mean == 1.5 * 86_400e6
    assert moments(pa.array([86_400_000], pa.date64())).mean == 86_400e6


def test_float32_is_widened_before_it_is_summed() -> None:
    values = np.full(100_000, 16_777_217.5, dtype=np.float32)
    assert moments(values).sum == float(values[0]) * 100_000


def test_the_sign_of_zero_does_not_depend_on_order() -> None:
    for values in ([0.0, -0.0], [-0.0, 0.0], [-0.0]):
        result = moments(values)
        assert [math.copysign(1, x) for x in (result.min, result.max)] == [1, 1]


@pytest.mark.parametrize(
    "column", [pa.array(["a"]), pa.array([b"a"]), pa.array(["a"]).dictionary_encode(), pa.array([[1]])]
)
def test_other_types_are_refused(column) -> None:
    statistic = Moments()
    with pytest.raises(SchemaMismatch, match=r"Moments takes numbers, booleans, dates and times. Received: .*Cast"):
        statistic.update(column)
    assert statistic.to_bytes() == Moments().to_bytes()


def test_a_time_beyond_microseconds_is_refused() -> None:
    with pytest.raises(SchemaMismatch, match=r"must fit timestamp\[us\]"):
        moments(pa.array([2**60], pa.timestamp("s")))


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0], r"shape \(2,\). Received: shape \(1,\)"),
        ([[1.0, 1.0]], r"shape \(1, 2\)"),
        ([1.0, -1.0], r"from 0 to 1e.100. Received: from -1.0 to 1.0"),
        ([1.0, math.nan], r"Received: from nan"),
        ([1.0, math.inf], r"to inf"),
    ],
)
def test_weights_are_checked(weights, message) -> None:
    with pytest.raises(InvalidArgument, match=message):
        Moments().update(pa.array([1.0, 2.0]), np.array(weights))


def test_an_arrow_array_is_asked_for() -> None:
    with pytest.raises(InvalidArgument, match=r"takes an Arrow array. Received: list"):
        Moments().update([1.0])  # type: ignore[arg-type]


def test_a_million_merges_lose_nothing() -> None:
    part = Moments()
    part.update(pa.array([0.1]))
    total = Moments()
    for _ in range(20):  # doubling
        total.merge(part)
        part = Statistic.from_bytes(total.to_bytes())
    result = total.result()
    assert result.count == 2**19
    assert (result.mean, result.std) == (0.1, 0.0)
