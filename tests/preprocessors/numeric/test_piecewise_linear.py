"""PiecewiseLinear against equation 1 of the paper, written out in NumPy."""

import os
import pathlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import blocks.data
from blocks.errors import InvalidArgument
from blocks.preprocessors.numeric.piecewise_linear import PiecewiseLinear

RNG = np.random.default_rng(0)
ZEROS = np.where(RNG.random(5000) < 0.92, 0.0, np.round(RNG.lognormal(8, 1, 5000)))


def equation_1(rows, edges, width) -> np.ndarray:
    out = np.zeros((len(rows), width))
    last = len(edges) - 1
    for row, x in enumerate(rows):
        for t in range(1, last + 1):
            if x < edges[t - 1] and t > 1:
                out[row, t - 1] = 0
            elif x >= edges[t] and t < last:
                out[row, t - 1] = 1
            else:
                out[row, t - 1] = (x - edges[t - 1]) / (edges[t] - edges[t - 1])
    return out.astype(np.float32)


@pytest.mark.parametrize("strategy", ["quantile", "unique"])
@pytest.mark.parametrize("data", [RNG.normal(size=600), ZEROS[:600], RNG.poisson(2, 600).astype(float)])
def test_bits_of_the_paper(data, strategy) -> None:
    quantiles = np.quantile(np.unique(data) if strategy == "unique" else data, np.linspace(0, 1, 9))
    rows = np.concatenate([data[:200], data[:50] * 3 - 1])
    block = PiecewiseLinear(8, strategy=strategy).adapt(data)
    np.testing.assert_array_equal(block(rows), equation_1(rows, np.unique(quantiles), 8))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-20, 20).map(float), min_size=1, max_size=40), st.sampled_from(["quantile", "unique"]))
def test_bits_of_the_paper_for_any_ties(values, strategy) -> None:
    data = np.array(values)
    quantiles = np.quantile(np.unique(data) if strategy == "unique" else data, np.linspace(0, 1, 6))
    rows = np.append(data, [-30.0, 30.0])
    block = PiecewiseLinear(5, strategy=strategy).adapt(data)
    np.testing.assert_array_equal(block(rows), equation_1(rows, np.unique(quantiles), 5))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(allow_nan=False), min_size=1, max_size=30).filter(lambda v: np.isfinite(v).any()))
def test_clipped_it_fills_bin_after_bin_whatever_the_numbers(values) -> None:
    data = np.array(values)
    out = PiecewiseLinear(4, clip=True).adapt(data)(data).numpy()
    assert ((out >= 0) & (out <= 1)).all()
    assert (np.diff(out, axis=1) <= 0).all()


def test_unique_bins_stay_apart_where_quantiles_collapse() -> None:
    used = {s: len(PiecewiseLinear(32, strategy=s).adapt(ZEROS).state["edges"]) for s in ("quantile", "unique")}
    assert used["quantile"] < 6
    assert used["unique"] == 33


def test_infinity_is_the_end_and_missing_is_zero_or_flagged() -> None:
    block = PiecewiseLinear(2, add_indicator=True).adapt(np.array([0.0, 1.0, 2.0, np.inf]))
    out = block(np.array([np.inf, -np.inf, np.nan])).numpy()
    assert out.tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 1]]
    assert [feature.name for feature in block.outputs("x", ("x",))] == ["x_1", "x_2", "x_missing"]


def test_many_distinct_values_keep_the_rank_error() -> None:
    data = RNG.lognormal(size=300_000)
    edges = PiecewiseLinear(16).adapt(data).state["edges"]
    ranks = np.searchsorted(np.sort(data), edges) / len(data)
    assert np.abs(ranks - np.linspace(0, 1, 17)).max() < 2 * 0.0051
    assert (edges[0], edges[-1]) == (data.min(), data.max())


def test_integers_to_2_53_are_told_apart() -> None:
    data = 2.0**53 - np.arange(3.0)
    assert PiecewiseLinear(2).adapt(data)(data).numpy().tolist() == [[1, 1], [1, 0], [0, 0]]


def test_arguments_are_checked() -> None:
    with pytest.raises(InvalidArgument, match=r"n_bins is 2 at least\. Received: 1"):
        PiecewiseLinear(1)
    with pytest.raises(InvalidArgument, match="strategy is one of 'unique', 'quantile'"):
        PiecewiseLinear(strategy="tree")


@pytest.mark.skipif("BLOCKS_DATA" not in os.environ, reason="BLOCKS_DATA does not name the folder of real data")
@pytest.mark.parametrize(
    ("file", "column"), [("titanic/titanic.csv", "fare"), ("bike_sharing/bike_sharing_dataset_clean.csv", "users")]
)
def test_bits_of_the_paper_on_real_columns(file, column) -> None:
    data = blocks.data.read(pathlib.Path(os.environ["BLOCKS_DATA"]) / file).to_table()[column].to_numpy().astype(float)
    edges = np.unique(np.quantile(np.unique(data), np.linspace(0, 1, 49)))
    np.testing.assert_array_equal(PiecewiseLinear().adapt(data)(data[:800]), equation_1(data[:800], edges, 48))
