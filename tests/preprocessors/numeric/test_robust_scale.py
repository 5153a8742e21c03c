"""RobustScale against scikit-learn in float64, rounded once; and beyond the exact size, within the rank error."""

import os
import pathlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import RobustScaler

import blocks.data
from blocks.errors import InvalidArgument
from blocks.preprocessors.numeric.robust_scale import RobustScale

RNG = np.random.default_rng(0)


def oracle(data, rows, **arguments) -> np.ndarray:
    return RobustScaler(**arguments).fit(data[:, None]).transform(rows[:, None])[:, 0].astype(np.float32)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"quantile_range": (10.0, 95.0)},
        {"with_centering": False},
        {"with_scaling": False},
        {"unit_variance": True, "quantile_range": (20.0, 70.0)},
    ],
)
@pytest.mark.parametrize("data", [RNG.normal(1e6, 3, 4001), RNG.lognormal(0, 4, 4000), RNG.integers(0, 9, 400)])
def test_bits_of_scikit_learn(data, arguments) -> None:
    data = data.astype(np.float64)
    rows = np.concatenate([data, data * 1.7 - 3])
    np.testing.assert_array_equal(RobustScale(**arguments).adapt(data)(rows), oracle(data, rows, **arguments))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-1e30, 1e30), min_size=5, max_size=25))
def test_scikit_learn_for_any_numbers(values) -> None:
    data = np.array(values)
    low, high = np.percentile(data, [25, 75])
    if high - low < 1e-12:  # where scikit-learn takes any unit for constant
        return
    expected = oracle(data, data)
    np.testing.assert_allclose(RobustScale().adapt(data)(data), expected, rtol=2e-7, atol=1e-37)


def test_more_than_half_of_one_value_is_divided_by_1() -> None:
    data = np.array([0.0] * 60 + list(range(40)))
    assert RobustScale((5, 40)).adapt(data)(np.array([0.0, 7.0])).numpy().tolist() == [0, 7]


def test_the_sketch_keeps_its_rank_error() -> None:
    data = RNG.normal(size=400_000)
    state = RobustScale().adapt(data).state
    middle = (data < state["center"]).mean()
    assert abs(middle - 0.5) < 0.01
    quartiles = np.quantile(data, [0.24, 0.26, 0.74, 0.76])
    assert quartiles[2] - quartiles[1] < state["scale"] < quartiles[3] - quartiles[0]


def test_differences_beyond_float64_are_finite() -> None:
    block = RobustScale((0, 100)).adapt(np.array([-1.7e308, 0.0, 1.7e308]))
    assert np.isfinite(block(np.array([-1.7e308, 1.7e308, np.inf, 3.0]))).all()


@pytest.mark.parametrize("quantile_range", [(75, 25), (-1, 50), (0, 101), (5,), "ab", (50, 50)])
def test_a_range_is_two_rising_percentages(quantile_range) -> None:
    with pytest.raises(InvalidArgument, match=r"quantile_range is two rising percentages, 0 to 100\. Received"):
        RobustScale(quantile_range)


def test_unit_variance_has_no_ends() -> None:
    with pytest.raises(InvalidArgument, match="a normal distribution has no ends"):
        RobustScale((0, 75), unit_variance=True)


@pytest.mark.skipif("BLOCKS_DATA" not in os.environ, reason="BLOCKS_DATA does not name the folder of real data")
@pytest.mark.parametrize(
    ("file", "column"),
    [
        ("titanic/titanic.csv", "age"),
        ("titanic/titanic.csv", "fare"),
        ("bike_sharing/bike_sharing_dataset_clean.csv", "users"),
        ("bike_sharing/bike_sharing_dataset_clean.csv", "temp"),
    ],
)
def test_bits_of_scikit_learn_on_real_columns(file, column) -> None:
    data = blocks.data.read(pathlib.Path(os.environ["BLOCKS_DATA"]) / file).to_table()[column].to_numpy().astype(float)
    np.testing.assert_array_equal(RobustScale(missing="keep").adapt(data)(data), oracle(data, data))
