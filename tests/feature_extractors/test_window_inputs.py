"""Windows in every tabular extractor: their values side by side, whatever else stands beside; none of them lost."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from blocks.errors import InvalidArgument
from blocks.feature_extractors import DCN, MLP, FTTransformer, Keras, ResNet, TabM, Tower, WideDeep
from blocks.feature_extractors.inputs import TabularInputs
from blocks.features.spec import Entry, Feature, FeatureSpec

RANDOM = np.random.default_rng(0)
ROWS, LENGTH = 9, 5
WINDOWS = {
    "close": Entry.of_windows(LENGTH, [Feature("close", ("close",))]),
    "volume": Entry.of_windows(LENGTH, [Feature("volume", ("volume",)), Feature("volume_missing", ("volume",))]),
    "bins": Entry.of_windows(LENGTH, [Feature("bins", ("bins",), 4)]),
}
SPEC = FeatureSpec.pack([Feature("age", ("age",)), Feature("city", ("city",), 4)], WINDOWS)
FEATURES = {
    "numeric": RANDOM.normal(size=(ROWS, 1)).astype("f4"),
    "categorical": RANDOM.integers(0, 4, (ROWS, 1)).astype("i4"),
    "close": RANDOM.normal(size=(ROWS, LENGTH)).astype("f4"),
    "volume": RANDOM.normal(size=(ROWS, LENGTH, 2)).astype("f4"),
    "bins": RANDOM.integers(0, 4, (ROWS, LENGTH)).astype("i4"),
}
EVERY = {
    "MLP": lambda **options: MLP([16, 12], **options),
    "MLP, piecewise-linear": lambda **options: MLP([16], numeric_embeddings="piecewise_linear", **options),
    "ResNet": lambda **options: ResNet(8, depth=1, **options),
    "FTTransformer": lambda **options: FTTransformer(8, depth=1, heads=2, **options),
    "DCN": lambda **options: DCN([16], **options),
    "WideDeep": lambda **options: WideDeep([6], wide_units=3, **options),
    "TabM": lambda **options: TabM([6], k=3, **options),
    "Tower": lambda **options: Tower({"x": (["close", "bins"], WideDeep([5])), "y": (None, MLP([4]))}, **options),
    "Keras": lambda **options: Keras(keras.layers.Dense(3), **options),
}


def arrays(values):
    return keras.ops.convert_to_numpy(values)


def test_values_stand_side_by_side_and_ids_by_one_table():
    layer = TabularInputs(SPEC, embedding_dim=3)
    found = arrays(layer(keras.tree.map_structure(tf.constant, FEATURES)))
    table = next(arrays(weight) for weight in layer.weights if "window_bins" in weight.path)
    assert found.shape[1:] == layer.compute_output_shape({n: v.shape for n, v in FEATURES.items()})[1:] == (34,)
    np.testing.assert_array_equal(found[:, 0], FEATURES["numeric"][:, 0])
    np.testing.assert_array_equal(found[:, 4:9], FEATURES["close"])
    np.testing.assert_array_equal(found[:, 9:19], FEATURES["volume"].reshape(ROWS, -1))
    np.testing.assert_array_equal(found[:, 19:], table[FEATURES["bins"]].reshape(ROWS, -1))
    assert sum(layer.widths({n: v.shape for n, v in FEATURES.items()})) == 34


def test_a_window_is_one_token():
    layer = TabularInputs(SPEC, token_dim=7)
    found = layer(keras.tree.map_structure(tf.constant, FEATURES))
    assert found.shape == (ROWS, 5, 7)
    assert layer.compute_output_shape({n: (None, *v.shape[1:]) for n, v in FEATURES.items()}) == (None, 5, 7)


@pytest.mark.parametrize("name", EVERY)
def test_every_extractor_reads_every_value_and_learns(name):
    keras.utils.set_random_seed(3)
    extractor = EVERY[name](spec=SPEC)
    values = keras.tree.map_structure(tf.constant, FEATURES)
    inputs = {n: tf.Variable(v) for n, v in values.items() if v.dtype == tf.float32}
    with tf.GradientTape() as tape:
        found = extractor({**values, **{n: tf.convert_to_tensor(v) for n, v in inputs.items()}})
        loss = tf.reduce_sum(found * tf.constant(RANDOM.normal(size=found.shape), found.dtype))
    weights = [weight.value for weight in extractor.trainable_weights]
    gradients = tape.gradient(loss, [*inputs.values(), *weights])
    assert all(gradient is not None for gradient in gradients)
    for entry, gradient in zip(inputs, gradients, strict=False):
        reached = np.abs(tf.convert_to_tensor(gradient).numpy()).reshape(ROWS, -1).sum(axis=0)
        assert (reached > 0).all() or ("piecewise" in name and entry == "numeric")
    twin = type(extractor).from_config(extractor.get_config())
    assert twin(values).shape == found.shape


@pytest.mark.parametrize("name", ["MLP", "WideDeep", "TabM", "FTTransformer"])
def test_windows_need_nothing_beside(name):
    spec = FeatureSpec({"close": WINDOWS["close"]})
    assert EVERY[name](spec=spec)({"close": tf.constant(FEATURES["close"])}).shape[0] == ROWS


def test_one_entry_as_it_is_for_layers_over_steps():
    steps = Keras(
        keras.Sequential([keras.layers.Conv1D(4, 2), keras.layers.GlobalAveragePooling1D()]), inputs="volume", spec=SPEC
    )
    assert steps(keras.tree.map_structure(tf.constant, FEATURES)).shape == (ROWS, 4)


def test_wide_and_deep_needs_something_wide():
    spec = FeatureSpec({"bins": WINDOWS["bins"]})
    with pytest.raises(InvalidArgument, match=r"wide part is of numbers.*Received: bins\. Use MLP"):
        WideDeep([4], spec=spec)({"bins": tf.constant(FEATURES["bins"])})
