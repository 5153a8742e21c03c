"""Histogram, RowSample, Totals, and the k-th smallest of Quantiles: against NumPy; merging, chunks and order."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blocks.errors import InvalidArgument, SchemaMismatch
from blocks.statistics import Histogram, Quantiles, RowSample, Statistic, Totals

SHARES = st.lists(st.none() | st.floats(-0.5, 1.5) | st.sampled_from([0.0, 0.25, 1.0, float("nan")]), max_size=40)


def column(make, values):
    return pa.array(values, pa.float64() if make is Histogram else pa.list_(pa.float64(), 2))


def fresh(make):
    return {Histogram: lambda: Histogram(8), RowSample: lambda: RowSample(2, 8), Totals: lambda: Totals(2)}[make]()


def fed(make, *chunks):
    statistic = fresh(make)
    for chunk in chunks:
        statistic.update(column(make, chunk))
    return statistic


@pytest.mark.parametrize("make", [Histogram, RowSample, Totals])
@settings(max_examples=30)
@given(data=st.data())
def test_merging_chunks_order_and_saving_change_nothing(make, data):
    drawn = st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), max_size=40)
    a, b, c = (data.draw(SHARES if make is Histogram else drawn) for _ in range(3))
    whole = fed(make, a + b + c).to_bytes()
    assert fed(make, a, b, c).to_bytes() == whole
    assert fed(make, c[::-1] + a + b).to_bytes() == whole
    one, two = fed(make, a), fed(make, b, c)
    for left, right in ((one, two), (two, one)):
        total = left.empty()
        total.merge(left)
        total.merge(right)
        assert total.to_bytes() == whole
    restored = Statistic.from_bytes(one.to_bytes())
    restored.merge(two)
    assert restored.to_bytes() == whole


def test_histogram_is_exact_then_in_bins():
    values = np.random.default_rng(0).random(1000)
    weights = np.random.default_rng(1).random(1000)
    exact, coarse = Histogram(), Histogram(100)
    for part in np.split(np.arange(1000), 10):
        for statistic in (exact, coarse):
            statistic.update(pa.array(values[part]), weights[part])
    order = np.argsort(values)
    result = exact.result()
    assert (result.rows, result.exact, result.error) == (1000, True, 0.0)
    assert np.array_equal(result.values, values[order])
    assert np.allclose(result.weights, weights[order])
    result = coarse.result()
    assert (result.rows, result.exact) == (1000, False)
    assert len(result.values) <= 100
    assert 0 < result.error < 0.04
    for value, found in zip(result.values, result.weights.cumsum(), strict=True):
        below, above = (weights[values <= value + side * result.error].sum() for side in (-1, 1))
        assert below - 1e-9 <= found <= above + 1e-9
    assert np.isclose(result.weights.sum(), weights.sum())


def test_values_next_to_zero_and_one_are_told_apart_in_bins_too():
    histogram = Histogram(1 << 10)
    histogram.update(pa.array(np.concatenate([np.random.default_rng(0).random(5000), [1e-9, 1e-8, 1.0 - 2**-40, 1.0]])))
    values = histogram.result().values
    assert np.allclose(values[:2], [1e-9, 1e-8], rtol=1e-2)
    assert 1.0 - values[-2] < 2**-39
    assert values[-1] == 1.0


def test_a_row_sample_is_uniform():
    rows = np.random.default_rng(0).normal(size=(20_000, 3))
    values = pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1)), 3)
    seen = []
    for seed in (0, 1):
        sample = RowSample(3, 2000, seed)
        sample.update(values)
        result = sample.result()
        assert (result.rows, result.exact, result.values.shape) == (20_000, False, (2000, 3))
        assert np.abs(result.values.mean(axis=0)).max() < 5 / np.sqrt(2000)
        assert {tuple(row) for row in result.values} <= {tuple(row) for row in rows}
        seen.append(result.values)
    assert not np.array_equal(*seen)
    with pytest.raises(SchemaMismatch, match="RowSample takes lists of 3 numbers"):
        sample.update(pa.array([1.0]))


def test_totals_are_weighted_sums():
    rows, weights = np.random.default_rng(0).normal(size=(100, 2)), np.random.default_rng(1).random(100)
    totals = Totals(2)
    totals.update(pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1)), 2), weights)
    assert np.allclose(totals.result().sums, weights @ rows)
    for make in (lambda: Totals(0), lambda: RowSample(0), lambda: Histogram(1)):
        with pytest.raises(InvalidArgument, match="at least"):
            make()


@pytest.mark.parametrize("held", [1 << 18, 100])
def test_the_kth_smallest(held):
    values = np.random.default_rng(0).permutation(5000).astype(float)
    quantiles = Quantiles(4096, held)
    quantiles.update(pa.array(values))
    result = quantiles.result()
    for k in (1, 2, 777, 5000):
        assert result.smallest(k) == pytest.approx(k - 1, abs=5000 * result.error)
    with pytest.raises(InvalidArgument, match=r"k is from 1 to the 5000 numbers that there are. Received: 5001"):
        result.smallest(5001)
