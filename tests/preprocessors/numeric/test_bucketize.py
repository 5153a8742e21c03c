"""Bucketize against NumPy's digitize and scikit-learn's KBinsDiscretizer."""

import os
import pathlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import KBinsDiscretizer

import blocks.data
from blocks.errors import InvalidArgument
from blocks.preprocessors.numeric.bucketize import Bucketize
from blocks.preprocessors.numeric.power_transform import PowerTransform

RNG = np.random.default_rng(0)
NUMBERS = st.floats(allow_nan=False, allow_subnormal=False)


@settings(max_examples=80, deadline=None)
@given(st.lists(NUMBERS, min_size=1), st.sets(st.floats(-1e300, 1e300, allow_subnormal=False), max_size=9))
def test_given_boundaries_as_numpy(values, boundaries) -> None:
    data, edges = np.array(values), np.array(sorted(boundaries))
    block = Bucketize(edges.tolist())
    ids = block(np.concatenate([data, edges, [np.nan]])).numpy()
    assert ids[-1] == 0
    np.testing.assert_array_equal(ids[:-1], 1 + np.digitize(np.concatenate([data, edges]), edges))
    assert block.cardinality == len(edges) + 2 > ids.max()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-9, 9).map(float) | NUMBERS.filter(np.isfinite), min_size=1), st.integers(1, 12))
def test_quantile_bins_as_numpy_with_ties(values, num_bins) -> None:
    data = np.array(values)
    if not np.isfinite(data.max() - data.min()):
        data /= 4
    edges = np.quantile(data, np.linspace(0, 1, num_bins + 1)[1:-1])
    block = Bucketize(num_bins=num_bins).adapt(data)
    np.testing.assert_array_equal(block(data), 1 + np.digitize(data, np.maximum.accumulate(edges)))
    assert block.cardinality == num_bins + 1


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("strategy", ["uniform", "quantile"])
def test_bins_of_scikit_learn(strategy) -> None:
    data = RNG.lognormal(size=3000)
    options = {"quantile_method": "linear"} if strategy == "quantile" else {}
    theirs = KBinsDiscretizer(9, encode="ordinal", strategy=strategy, subsample=None, **options)
    expected = theirs.fit_transform(data[:, None])[:, 0] + 1
    np.testing.assert_array_equal(Bucketize(num_bins=9, strategy=strategy).adapt(data)(data), expected)


def test_one_hot_is_the_ids_as_columns() -> None:
    data = np.append(RNG.normal(size=100), [np.nan, np.inf, -np.inf])
    ids = Bucketize(num_bins=4).adapt(data)(data).numpy()
    block = Bucketize(num_bins=4, output_mode="one_hot").adapt(data)
    np.testing.assert_array_equal(block(data), np.eye(5, dtype=np.float32)[ids])
    names = [feature.name for feature in block.outputs("x", ("x",))]
    assert names == ["x_missing", "x_bin_1", "x_bin_2", "x_bin_3", "x_bin_4"]


def test_collapsed_quantiles_leave_bins_empty() -> None:
    data = np.array([0.0] * 90 + list(range(1, 11)))
    ids = Bucketize(num_bins=10).adapt(data)(data).numpy()
    assert set(ids.tolist()) == {9, 10}
    assert set(Bucketize(num_bins=10).adapt(np.full(5, 3.0))(np.array([2.0, 3.0, 4.0])).numpy().tolist()) == {1, 10}


def test_a_boundary_learned_after_a_logarithm_is_one_at_any_batch_size() -> None:
    """float64 log1p differs in its last bit between a batch of 1 and one of 8, unless that is taken care of."""
    counts = np.arange(3000.0)
    log = PowerTransform().adapt(counts)
    boundaries = log.compute(counts).numpy()
    block = Bucketize(boundaries.tolist())
    whole = block.call(log.compute(counts)).numpy()
    for size in (1, 3, 7):
        parts = [block.call(log.compute(counts[i : i + size])).numpy() for i in range(0, 999, size)]
        np.testing.assert_array_equal(np.concatenate(parts)[:999], whole[:999])


def test_integers_to_2_53_and_a_range_beyond_float64() -> None:
    assert Bucketize([2.0**53 - 1, 2.0**53])(2.0**53 - np.array([2.0, 1, 0])).numpy().tolist() == [1, 2, 3]
    block = Bucketize(num_bins=4, strategy="uniform").adapt(np.array([-1.6e308, 1.6e308]))
    np.testing.assert_allclose(block.state["boundaries"], [-0.8e308, 0, 0.8e308], atol=1e290)


@pytest.mark.parametrize("chunk", [32, 1000, 100_000])
def test_quartiles_do_not_depend_on_the_chunk(chunk) -> None:
    data = np.random.default_rng(5).normal(size=100_000)
    block = Bucketize(num_bins=4).adapt([data[i : i + chunk] for i in range(0, len(data), chunk)])
    np.testing.assert_array_equal(block.state["boundaries"], np.quantile(data, [0.25, 0.5, 0.75]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "bin_boundaries or num_bins, not both"),
        ({"bin_boundaries": [1.0], "num_bins": 2}, "bin_boundaries or num_bins, not both"),
        ({"num_bins": 0}, "num_bins is 1 at least"),
        ({"bin_boundaries": [1.0, 1.0]}, "finite and rising"),
        ({"bin_boundaries": [np.nan]}, "finite and rising"),
        ({"num_bins": 2, "strategy": "k"}, "strategy is one of 'quantile', 'uniform'"),
        ({"num_bins": 2, "output_mode": "count"}, "output_mode is one of 'int', 'one_hot'"),
    ],
)
def test_arguments_are_checked(arguments, message) -> None:
    with pytest.raises(InvalidArgument, match=message):
        Bucketize(**arguments)


@pytest.mark.skipif("BLOCKS_DATA" not in os.environ, reason="BLOCKS_DATA does not name the folder of real data")
@pytest.mark.parametrize(
    ("file", "column"), [("titanic/titanic.csv", "fare"), ("bike_sharing/bike_sharing_dataset_clean.csv", "users")]
)
def test_bins_of_numpy_on_real_columns(file, column) -> None:
    data = blocks.data.read(pathlib.Path(os.environ["BLOCKS_DATA"]) / file).to_table()[column].to_numpy().astype(float)
    edges = np.quantile(data, np.linspace(0, 1, 21)[1:-1])
    np.testing.assert_array_equal(Bucketize(num_bins=20).adapt(data)(data), 1 + np.digitize(data, edges))


@pytest.mark.skipif("BLOCKS_DATA" not in os.environ, reason="BLOCKS_DATA does not name the folder of real data")
def test_sketched_bins_on_flights_hold_the_rank_error() -> None:
    source = blocks.data.read(pathlib.Path(os.environ["BLOCKS_DATA"]) / "nycflights13/flights.parquet")
    data = source.to_table()["arr_delay"].to_numpy().astype(float)
    boundaries = Bucketize(num_bins=20).adapt(data).state["boundaries"]
    present = np.sort(data[np.isfinite(data)])
    low, high = (np.searchsorted(present, boundaries, side) / len(present) for side in ("left", "right"))
    wanted, error = np.linspace(0, 1, 21)[1:-1], 2 * 0.0066  # 20 quantiles at once: twice the error of one
    assert ((low - error <= wanted) & (wanted <= high + error)).all()
