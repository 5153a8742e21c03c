"""MinMax against scikit-learn in float64, rounded once."""

import os
import pathlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import MinMaxScaler

import blocks.data
from blocks.errors import InvalidArgument
from blocks.preprocessors.numeric.min_max import MinMax

RNG = np.random.default_rng(0)


def oracle(data, rows, **arguments) -> np.ndarray:
    scaler = MinMaxScaler(**arguments).fit(data[:, None])
    return scaler.transform(rows[:, None])[:, 0].astype(np.float32)


@pytest.mark.parametrize("feature_range", [(0, 1), (-1, 1), (5.5, 5.75)])
@pytest.mark.parametrize("clip", [False, True])
@pytest.mark.parametrize("data", [RNG.normal(1e6, 3, 4000), RNG.lognormal(0, 4, 4000), RNG.integers(0, 9, 400)])
def test_bits_of_scikit_learn(data, clip, feature_range) -> None:
    data = data.astype(np.float64)
    rows = np.concatenate([data, data * 1.7 - 3])
    block = MinMax(feature_range, clip=clip).adapt(data)
    np.testing.assert_array_equal(block(rows), oracle(data, rows, feature_range=feature_range, clip=clip))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-1e30, 1e30), min_size=2, max_size=20).filter(lambda v: max(v) - min(v) > 1e-12))
def test_bits_of_scikit_learn_for_any_numbers(values) -> None:
    data = np.array(values)
    expected = oracle(data, data)
    expected[np.abs(expected) < np.finfo(np.float32).tiny] = 0  # TensorFlow's floats have no subnormals
    np.testing.assert_array_equal(MinMax().adapt(data)(data), expected)


def test_integers_to_2_53_are_exact() -> None:
    data = 2.0**53 - np.arange(5.0)
    assert MinMax((0, 4)).adapt(data)(data).numpy().tolist() == [4, 3, 2, 1, 0]


def test_small_units_are_no_constants_and_infinities_are_the_ends() -> None:
    block = MinMax().adapt(np.array([1e-20, 3e-20, 2e-20, np.inf]))
    np.testing.assert_allclose(block(np.array([2e-20, np.inf, -np.inf])), [0.5, 1, 0], rtol=1e-7, atol=1e-15)


def test_missing_is_the_scaled_mean() -> None:
    assert MinMax().adapt(np.array([0.0, 1.0, 5.0, np.nan]))(np.array([np.nan])).numpy() == np.float32(0.4)


@pytest.mark.parametrize("feature_range", [(1, 1), (2, 1), (0, np.inf), (np.nan, 1)])
def test_a_range_rises(feature_range) -> None:
    with pytest.raises(InvalidArgument, match=r"feature_range is two finite, rising numbers\. Received"):
        MinMax(feature_range)


@pytest.mark.skipif("BLOCKS_DATA" not in os.environ, reason="BLOCKS_DATA does not name the folder of real data")
@pytest.mark.parametrize(
    ("file", "column"),
    [
        ("titanic/titanic.csv", "age"),
        ("titanic/titanic.csv", "fare"),
        ("nycflights13/flights.parquet", "arr_delay"),
        ("bike_sharing/bike_sharing_dataset_clean.csv", "users"),
    ],
)
def test_bits_of_scikit_learn_on_real_columns(file, column) -> None:
    data = blocks.data.read(pathlib.Path(os.environ["BLOCKS_DATA"]) / file).to_table()[column].to_numpy().astype(float)
    block = MinMax(missing="keep").adapt(data)
    np.testing.assert_array_equal(block(data), oracle(data, data))
