"""QuantileTransform against scikit-learn in float64, rounded once; beyond the exact size, within the rank error."""

import os
import pathlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import QuantileTransformer

import blocks.data
from blocks.errors import InvalidArgument
from blocks.preprocessors.numeric.quantile_transform import QuantileTransform

RNG = np.random.default_rng(0)
COLUMNS = {
    "lognormal": RNG.lognormal(0, 3, 5000),
    "zeros": np.where(RNG.random(5000) < 0.7, 0.0, RNG.lognormal(5, 1, 5000)),
    "integers": RNG.poisson(3, 5000).astype(float),
    "few": np.array([3.0, 1.0, 7.0, 7.0]),
}


def oracle(data, rows, count, distribution) -> np.ndarray:
    transformer = QuantileTransformer(n_quantiles=count, output_distribution=distribution, subsample=None)
    return transformer.fit(data[:, None]).transform(rows[:, None].copy())[:, 0].astype(np.float32)


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize("distribution", ["uniform", "normal"])
@pytest.mark.parametrize("count", [2, 10, 1000])
@pytest.mark.filterwarnings("ignore:n_quantiles")
def test_bits_of_scikit_learn(name, distribution, count) -> None:
    data = COLUMNS[name]
    rows = np.concatenate([data, data * 1.01 - 0.01, [-1e9, 1e9]])
    block = QuantileTransform(count, output_distribution=distribution).adapt(data)
    np.testing.assert_array_equal(block(rows), oracle(data, rows, count, distribution))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-50, 50).map(lambda x: x / 8), min_size=2, max_size=30))
@pytest.mark.filterwarnings("ignore:n_quantiles")
def test_bits_of_scikit_learn_for_any_ties(values) -> None:
    data = np.array(values)
    rows = np.concatenate([data, data + 0.01])
    np.testing.assert_array_equal(QuantileTransform(9).adapt(data)(rows), oracle(data, rows, 9, "uniform"))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=30))
def test_ranks_rise_from_0_to_1_whatever_the_numbers(values) -> None:
    data = np.sort(np.array(values))
    ranks = QuantileTransform(7).adapt(data)(data).numpy()
    assert ((ranks >= 0) & (ranks <= 1)).all()
    assert (np.diff(ranks) >= -1e-6).all()


def test_the_ends_and_missing() -> None:
    rows = np.array([-np.inf, np.inf, np.nan])
    assert QuantileTransform().adapt(np.arange(9.0))(rows).numpy().tolist() == [0, 1, 0.5]
    normal = QuantileTransform(output_distribution="normal").adapt(np.arange(9.0))(rows).numpy()
    np.testing.assert_allclose(normal, [-5.1993375, 5.1993375, 0], rtol=1e-6)


def test_small_units_are_not_flattened() -> None:
    data = 1e-9 * np.arange(101.0)
    normal = QuantileTransform(output_distribution="normal").adapt(data)(data).numpy()
    assert len(np.unique(normal)) == 101


def test_the_sketch_keeps_its_rank_error() -> None:
    data = RNG.lognormal(size=400_000)
    ranks = QuantileTransform().adapt(data)(data[:20_000]).numpy()
    true = np.searchsorted(np.sort(data), data[:20_000]) / len(data)
    assert np.abs(ranks - true).max() < 2 * 0.0066


def test_inverse_of_scikit_learn() -> None:
    data = COLUMNS["lognormal"]
    for distribution in ("uniform", "normal"):
        block = QuantileTransform(50, output_distribution=distribution).adapt(data)
        transformer = QuantileTransformer(n_quantiles=50, output_distribution=distribution, subsample=None)
        ranks = transformer.fit_transform(data[:, None])
        expected = transformer.inverse_transform(ranks.copy())[:, 0]
        np.testing.assert_allclose(block.inverse(ranks[:, 0]), expected, rtol=1e-9)


def test_two_quantiles_at_least() -> None:
    with pytest.raises(InvalidArgument, match=r"n_quantiles is 2 at least\. Received: 1"):
        QuantileTransform(1)


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
@pytest.mark.parametrize("distribution", ["uniform", "normal"])
@pytest.mark.filterwarnings("ignore:n_quantiles")
def test_bits_of_scikit_learn_on_real_columns(file, column, distribution) -> None:
    data = blocks.data.read(pathlib.Path(os.environ["BLOCKS_DATA"]) / file).to_table()[column].to_numpy().astype(float)
    block = QuantileTransform(missing="keep", output_distribution=distribution).adapt(data)
    np.testing.assert_array_equal(block(data), oracle(data, data, 1000, distribution))
