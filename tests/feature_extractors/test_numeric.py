"""Embeddings of numbers against the paper's equations in plain Python and NumPy."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from blocks.errors import InvalidArgument
from blocks.feature_extractors import MLP, PeriodicEmbeddings, PiecewiseLinearEmbeddings
from blocks.feature_extractors.numeric import LinearEmbeddings, as_config, from_config

RANDOM = np.random.default_rng(0)


def learned(columns, n_bins, **options):
    """The layer, its bins learned from columns of shape (rows, n)."""
    columns = np.asarray(columns, np.float32)
    layer = PiecewiseLinearEmbeddings(n_bins, **options)
    extractor = keras_of(layer)
    extractor.adapt(columns)
    return extractor.learners()[0]


def keras_of(layer):
    return MLP([2], numeric_embeddings=layer)


def encoded(value, edges):
    """Equation 1 of the paper with clipped outer bins, for one number; `edges` all different."""
    if np.isnan(value):
        return [0.0] * (len(edges) - 1)
    return [
        0.0 if value < low else 1.0 if value >= high else (value - low) / (high - low)
        for low, high in itertools.pairwise(edges)
    ]


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(-40, 40).map(lambda i: i / 8), min_size=2, max_size=60, unique=True),
    st.integers(1, 9),
    st.lists(
        st.one_of(st.floats(-8, 8, width=32), st.just(float("nan")), st.just(float("inf"))), min_size=1, max_size=9
    ),
)
def test_piecewise_linear_is_the_papers_equation(values, n_bins, asked):
    layer = learned(np.array(values)[:, None], n_bins)
    few = len(values) <= n_bins + 1
    edges = np.sort(values) if few else np.quantile(np.sort(values), np.linspace(0, 1, n_bins + 1))
    edges = np.unique(np.float32(edges))
    expected = np.zeros((len(asked), n_bins))
    for row, value in zip(expected, asked, strict=True):
        row[: len(edges) - 1] = encoded(np.float32(value), edges)
    found = layer(np.array(asked, np.float32)[:, None]).numpy()[:, 0]
    assert found.shape == expected.shape
    assert np.allclose(found, expected, atol=1e-5)


def test_bins_are_over_distinct_values():
    zero_heavy = np.zeros((10_000, 1))
    zero_heavy[:50, 0] = np.arange(1, 51)
    edges = learned(zero_heavy, 10).edges.numpy()[0]
    assert np.array_equal(edges, np.linspace(0, 50, 11).astype(np.float32))
    assert len(np.unique(np.quantile(zero_heavy, np.linspace(0, 1, 11)))) == 2  # what quantiles of rows would give


def test_columns_without_bins_are_zero_and_finite():
    columns = np.array([[3.0, np.nan, 0.0], [3.0, np.nan, 1.0], [3.0, np.nan, np.inf]])
    layer = learned(columns, 4)
    assert layer.adapted
    found = layer(np.array([[3.0, 1.0, 0.25], [9.0, np.nan, np.nan], [-np.inf, np.inf, np.inf]], "float32")).numpy()
    assert np.array_equal(found[:, :2], np.zeros((3, 2, 4)))
    assert np.array_equal(found[:, 2], [[0.25, 0, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0]])


def test_gradients_are_finite_where_bins_are_empty_and_numbers_missing():
    layer = learned([[0.0, 5.0], [1.0, 5.0]], 6, dim=3)
    values = tf.constant([[0.5, 5.0], [np.nan, np.nan]])
    with tf.GradientTape() as tape:
        tape.watch(values)
        loss = tf.reduce_sum(layer(values) ** 2)
    for gradient in tape.gradient(loss, [values, *(w.value for w in layer.trainable_variables)]):
        assert np.isfinite(gradient).all()
    assert len(layer.trainable_variables) == 2


def test_linear_map_of_each_feature():
    layer = learned(RANDOM.normal(size=(200, 3)), 7, dim=4, activation="relu")
    plain = PiecewiseLinearEmbeddings(7)
    plain.build((None, 3))
    plain.restore(layer.state)
    values = RANDOM.normal(size=(9, 3)).astype("float32")
    encoding = plain(values).numpy().astype(np.float64)
    kernel, bias = layer.map.kernel.numpy(), layer.map.bias.numpy()
    expected = np.stack([encoding[:, j] @ kernel[j] + bias[j] for j in range(3)], axis=1)
    assert np.allclose(layer(values), np.maximum(expected, 0), atol=1e-5)
    assert layer.count_params() == 3 * 8 + 1 + 3 * 8 * 4


def test_before_it_learns_bins_are_quantiles_of_the_normal_distribution():
    layer = PiecewiseLinearEmbeddings(2)
    layer.build((None, 1))
    assert not layer.adapted
    assert np.allclose(layer.edges.numpy(), [[-3.0902, 0.0, 3.0902]], atol=1e-3)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("dim", [None, 5])
def test_periodic_is_the_papers_equation(shared, dim):
    layer = PeriodicEmbeddings(4, dim, frequency_scale=0.5, shared=shared)
    values = RANDOM.normal(size=(9, 3)).astype("float32")
    found = layer(values).numpy()
    angles = 2 * np.pi * values[:, :, None].astype(np.float64) * layer.frequencies.numpy()
    expected = np.concatenate([np.cos(angles), np.sin(angles)], axis=-1)
    count = 3 * 4
    if dim is not None:
        kernel, bias = layer.map.kernel.numpy(), layer.map.bias.numpy()
        own = range(3) if not shared else [...] * 3
        expected = np.stack([expected[:, j] @ kernel[k] + bias[k] for j, k in enumerate(own)], axis=1)
        expected = np.maximum(expected, 0)
        count += (1 if shared else 3) * 9 * 5
    assert np.allclose(found, expected, atol=1e-5)
    assert layer.count_params() == count
    assert np.isfinite(layer(np.array([[np.nan, np.inf, -np.inf]], "float32"))).all()


def test_linear_embeddings():
    layer = LinearEmbeddings(4)
    values = RANDOM.normal(size=(5, 3)).astype("float32")
    found = layer(values).numpy()
    assert np.allclose(found, values[:, :, None] * layer.kernel.numpy() + layer.bias.numpy(), atol=1e-6)


@pytest.mark.parametrize("layer", [PiecewiseLinearEmbeddings(4, 3), PeriodicEmbeddings(4, 3)])
def test_half_precision_bins_and_angles_are_computed_in_single(layer):
    half = MLP([3], numeric_embeddings=layer, dtype="mixed_float16")
    single = MLP([3], numeric_embeddings=layer)
    values = (1000 + RANDOM.normal(size=(50, 2))).astype("float32")  # float16 holds steps of 0.5 there
    half.adapt(values), single.adapt(values)
    for mine, theirs in zip(single.inputs_layer.numbers.weights, half.inputs_layer.numbers.weights, strict=True):
        mine.assign(theirs)
    found = half.inputs_layer(values)
    assert found.dtype == "float16"
    assert np.allclose(found, single.inputs_layer(values), atol=5e-3)


def test_names_layers_and_configurations_say_which():
    assert as_config(None) is None
    assert isinstance(from_config("piecewise_linear"), PiecewiseLinearEmbeddings)
    config = as_config(PeriodicEmbeddings(7, shared=True))
    twin = from_config(as_config(config), dim=9)
    assert (twin.n_frequencies, twin.shared, twin.dim) == (7, True, 9)
    assert keras.saving.deserialize_keras_object(config).n_frequencies == 7


def test_errors_say_the_rule():
    with pytest.raises(InvalidArgument, match=r"None, 'piecewise_linear', 'periodic', .* Received: 'quantile'"):
        MLP([3], numeric_embeddings="quantile")
    with pytest.raises(InvalidArgument, match=r"1 bin or more. Received: n_bins=0"):
        PiecewiseLinearEmbeddings(0)
    with pytest.raises(InvalidArgument, match=r"1 frequency or more"):
        PeriodicEmbeddings(0)
