"""Quantiles against NumPy: equal while exact, within the stated rank error beyond."""

import math
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blocks.errors import InvalidArgument, SchemaMismatch
from blocks.statistics import Quantiles, Statistic
from blocks.statistics.distinct_values import DistinctValues

FRACTIONS = np.linspace(0, 1, 21)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.floats(-1e300, 1e300), max_size=20), max_size=4),
    st.lists(st.floats(0, 1), max_size=5),
    st.lists(st.floats(-1e300, 1e300), max_size=5),
)
def test_small_data_equals_numpy(chunks, fractions, points) -> None:
    statistic = Quantiles()
    for chunk in chunks:
        statistic.update(pa.array(chunk, pa.float64()))
    result, values = statistic.result(), np.array([x for chunk in chunks for x in chunk])
    if not len(values):
        assert np.isnan(result.quantile(0.5))
        assert np.isnan(result.rank([1.0, 2.0])).all()
        assert math.isnan(result.min)
        return
    np.testing.assert_array_equal(result.quantile(fractions), np.quantile(values, fractions))
    np.testing.assert_array_equal(result.rank(points), [np.mean(values <= x) for x in points])
    assert (result.min, result.max, result.exact, result.error) == (values.min(), values.max(), True, 0.0)


@pytest.mark.parametrize("draw", ["normal", "lognormal", "integers", "sorted"])
def test_the_sketch_keeps_its_rank_error(draw) -> None:
    rng = np.random.default_rng(3)
    values = {
        "normal": lambda: rng.normal(size=200_000),
        "lognormal": lambda: rng.lognormal(0, 4, 200_000),
        "integers": lambda: rng.integers(0, 9, 200_000).astype(float),
        "sorted": lambda: np.sort(rng.normal(size=200_000)),
    }[draw]()
    statistic = Quantiles(exact=1000)
    for part in np.array_split(values, 13):
        other = statistic.empty()
        other.update(pa.array(part))
        statistic.merge(other)
    result = statistic.result()
    assert not result.exact
    assert 0.005 < result.error < 0.01
    assert (result.count, result.min, result.max) == (200_000, values.min(), values.max())
    ordered = np.sort(values)
    # The stated error holds at 99% a point; twice it at all of 21 points, so that this cannot fail by chance.
    allowed = 2 * result.error
    found = result.quantile(FRACTIONS)
    low = np.searchsorted(ordered, found, "left") / len(values)
    high = np.searchsorted(ordered, found, "right") / len(values)
    assert (low <= FRACTIONS + allowed).all()
    assert (high >= FRACTIONS - allowed).all()
    np.testing.assert_allclose(result.rank(found), high, rtol=0, atol=allowed)
    assert len(statistic.to_bytes()) < 20_000


def test_a_saved_sketch_answers_the_same_and_goes_on() -> None:
    statistic = Quantiles(exact=10)
    statistic.update(pa.array(np.arange(10_000.0)))
    restored = Statistic.from_bytes(statistic.to_bytes())
    np.testing.assert_array_equal(restored.result().quantile(FRACTIONS), statistic.result().quantile(FRACTIONS))
    restored.update(pa.array([-5.0, 1e9]))
    assert (restored.result().min, restored.result().max, restored.result().count) == (-5.0, 1e9, 10_002)


def test_a_result_does_not_change_later() -> None:
    statistic = Quantiles(exact=10)
    statistic.update(pa.array(np.arange(100.0)))
    result = statistic.result()
    statistic.update(pa.array([1e9]))
    assert result.quantile(1.0) == 99.0


@pytest.mark.parametrize(("first", "second"), [(5, 5), (50, 5), (5, 50), (50, 50), (0, 50), (50, 0)])
def test_exact_and_sketched_merge(first, second) -> None:
    one, other = Quantiles(exact=20), Quantiles(exact=20)
    one.update(pa.array(np.arange(first, dtype=float)))
    other.update(pa.array(np.arange(second, dtype=float) + 1000))
    before = other.to_bytes()
    one.merge(other)
    assert other.to_bytes() == before
    result = one.result()
    assert (result.count, result.exact) == (first + second, first + second <= 20)
    assert result.rank(999.0) == first / (first + second)


def test_missing_and_infinite_touch_nothing_else() -> None:
    for exact in (100, 0):
        statistic = Quantiles(exact=exact)
        statistic.update(pa.array([1.0, None, math.nan, math.inf, 3.0, -math.inf, 2.0]))
        result = statistic.result()
        assert (result.missing, result.negative_infinite, result.positive_infinite) == (2, 1, 1)
        assert result.quantile([0.0, 0.5, 1.0]).tolist() == [1.0, 2.0, 3.0]
        assert result.quantile([[0.5]]).shape == (1, 1)
        assert result.rank(np.zeros((2, 0))).shape == (2, 0)


def test_what_is_refused() -> None:
    with pytest.raises(InvalidArgument, match=r"k is from 8 to 65535. Received: 7"):
        Quantiles(k=7)
    with pytest.raises(InvalidArgument, match=r"exact is 0 at least. Received: -1"):
        Quantiles(exact=-1)
    with pytest.raises(InvalidArgument, match=r"takes no weights"):
        Quantiles().update(pa.array([1.0]), np.ones(1))
    with pytest.raises(InvalidArgument, match=r"fractions from 0 to 1. Received: 50"):
        Quantiles().result().quantile(50)
    with pytest.raises(SchemaMismatch, match=r"Quantiles takes numbers"):
        Quantiles().update(pa.array(["a"]))


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=9),
    st.floats(0, 1),
    st.sampled_from([Quantiles, DistinctValues]),
)
def test_quantiles_of_numbers_too_far_apart_to_subtract(values, fraction, kind) -> None:
    statistic = kind()
    statistic.update(pa.array(values))
    ordered = sorted(map(Fraction, set(values) if kind is DistinctValues else values))
    place = Fraction(fraction) * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    expected = ordered[below] + (ordered[above] - ordered[below]) * (place - below)
    found = Fraction(float(statistic.result().quantile(fraction)))
    assert abs(found - expected) <= Fraction(1e-13) * max(map(abs, ordered)) + Fraction(1e-323)
