"""Blocks outside a `blocks.Model`: adapted alone, in a Functional model, in `tf.data`, in Keras' FeatureSpace."""

import keras
import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from sklearn.preprocessing import StandardScaler

import blocks
from blocks import preprocessors
from blocks.errors import InvalidArgument

NUMBERS = np.array([1.0, 2.0, np.nan, 4.0])
TOKENS = np.array(["x", "y", "x", ""])


@pytest.mark.parametrize(
    "data",
    [
        NUMBERS,
        NUMBERS.tolist(),
        NUMBERS[:, np.newaxis],
        pa.array(NUMBERS),
        tf.data.Dataset.from_tensor_slices(NUMBERS).batch(3),
        blocks.read({"a": NUMBERS}),
        [pa.array(NUMBERS[:1]), pa.array(NUMBERS[1:])],
    ],
    ids=["array", "list", "column", "arrow", "dataset", "source", "chunks"],
)
def test_a_block_adapts_by_itself_from_anything_that_holds_a_column(data):
    block = preprocessors.Standardize().adapt(data)
    wanted = StandardScaler().fit(NUMBERS[~np.isnan(NUMBERS)][:, np.newaxis])
    assert block.state["mean"] == wanted.mean_[0]
    assert block.state["scale"] == pytest.approx(wanted.scale_[0], rel=1e-15)


def test_a_source_of_several_columns_is_refused():
    with pytest.raises(InvalidArgument, match=r"learns from one column.*source\.select"):
        preprocessors.Standardize().adapt(blocks.read({"a": NUMBERS, "b": NUMBERS}))


def test_a_block_of_several_columns_adapts_from_a_tuple():
    block = preprocessors.Cross().adapt((["a", "a", "b"], ["c", "c", "d"]))
    ids = block((tf.constant(["a", "b", "b"]), tf.constant(["c", "d", "c"])))
    assert ids.numpy().tolist() == [2, 3, 1]


def test_a_block_is_a_layer_of_a_functional_model_and_of_tf_data():
    block = preprocessors.Standardize().adapt(NUMBERS)
    inputs = keras.Input((), dtype="float64")
    model = keras.Model(inputs, block(inputs))
    wanted = block(NUMBERS).numpy()
    assert model(NUMBERS).numpy().tobytes() == wanted.tobytes()
    mapped = tf.data.Dataset.from_tensor_slices(NUMBERS).batch(3).map(block)
    assert np.concatenate([batch.numpy() for batch in mapped]).tobytes() == wanted.tobytes()


def test_a_block_is_a_feature_of_feature_space():
    space = keras.utils.FeatureSpace(
        {
            "a": keras.utils.FeatureSpace.feature("float32", preprocessors.Standardize(), "float"),
            "c": keras.utils.FeatureSpace.feature("string", preprocessors.Vocabulary(), "int"),
        },
        output_mode="dict",
    )
    raw = {"a": NUMBERS, "c": TOKENS}
    space.adapt(tf.data.Dataset.from_tensor_slices(raw).batch(2))
    features = space(raw)
    assert features["c"].numpy()[:, 0].tolist() == [2, 3, 2, 0]
    alone = preprocessors.Standardize().adapt(NUMBERS.astype(np.float32))
    assert features["a"].numpy()[:, 0].tolist() == alone(NUMBERS.astype(np.float32)).numpy().tolist()
