"""Keras(...): anybody's layer or model gets what it asked for, and keeps its weights."""

import keras
import numpy as np
import pytest

from blocks.errors import InvalidArgument
from blocks.feature_extractors import Keras
from blocks.features.spec import Feature, FeatureSpec

SPEC = FeatureSpec.pack([Feature("a", ("a",)), Feature("b", ("b",)), Feature("c", ("c",), 5)])
FEATURES = {"numeric": np.ones((3, 2), "float32"), "categorical": np.array([[0], [4], [1]], "int32")}


def test_flat_gives_numbers_and_embedded_ids():
    block = Keras(keras.layers.Dense(4, use_bias=False), spec=SPEC, embedding_dim=3)
    found = block(FEATURES)
    flat = np.concatenate([FEATURES["numeric"], block.flat.tables[0].numpy()[FEATURES["categorical"][:, 0]]], axis=1)
    assert np.allclose(found, flat @ block.layer.kernel.numpy(), rtol=1e-5, atol=1e-6)


def test_one_entry_and_all_of_them():
    alone = Keras(keras.layers.Dense(4, use_bias=False), inputs="numeric", spec=SPEC)
    assert np.allclose(alone(FEATURES), FEATURES["numeric"] @ alone.layer.kernel.numpy(), rtol=1e-5)
    inputs = {
        "numeric": keras.Input((2,), name="numeric"),
        "categorical": keras.Input((1,), dtype="int32", name="categorical"),
    }
    embedded = keras.layers.Flatten()(keras.layers.Embedding(5, 3)(inputs["categorical"]))
    model = keras.Model(inputs, keras.layers.Concatenate()([inputs["numeric"], embedded]))
    packed = Keras(model, inputs="packed", spec=SPEC)
    assert np.array_equal(packed(FEATURES), model(FEATURES))


def test_training_reaches_the_wrapped_layer():
    block = Keras(keras.layers.Dropout(0.9), inputs="numeric", spec=SPEC)
    assert np.array_equal(block(FEATURES), FEATURES["numeric"])
    assert not np.array_equal(block(FEATURES, training=True), FEATURES["numeric"])


def test_errors_say_the_rule():
    with pytest.raises(InvalidArgument, match=r"wraps a keras.layers.Layer or keras.Model. Received: int"):
        Keras(3)
    with pytest.raises(InvalidArgument, match=r"inputs is 'flat', 'packed' or an entry .* Received: 'image'"):
        Keras(keras.layers.Dense(3), inputs="image").bind(SPEC)
