"""Blocks as features of Keras' FeatureSpace, whose columns have shape (batch, 1)."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from blocks.preprocessors import (
    Bucketize,
    Cyclical,
    Log1p,
    MultiHot,
    PowerTransform,
    QuantileTransform,
    Standardize,
    Tokens,
)
from blocks.preprocessors.float64 import full_packets

NUMBERS = np.append(np.random.default_rng(0).lognormal(2, 1, 40), [np.nan, 0.0]).astype("float32")
TEXT = np.array(["a|b", "b c", "", "a"] * 10 + ["d", "a"])

BLOCKS = {
    "Log1p": (Log1p, NUMBERS),
    "PowerTransform": (PowerTransform, NUMBERS),
    "QuantileTransform": (lambda: QuantileTransform(20, output_distribution="normal"), NUMBERS),
    "Cyclical": (lambda: Cyclical(period=24), NUMBERS),
    "Standardize": (lambda: Standardize(add_indicator=True), NUMBERS),
    "Bucketize": (lambda: Bucketize(num_bins=4), NUMBERS),
    "MultiHot": (MultiHot, TEXT),
    "Tokens": (lambda: Tokens(3), TEXT),
}


@pytest.mark.parametrize("name", BLOCKS)
def test_a_column_of_shape_batch_1_has_the_bits_of_one_of_shape_batch(name):
    make, data = BLOCKS[name]
    block = make()
    if block.learns:
        block.adapt(data)
    whole = block(data).numpy()
    for size in (1, 2, 3, 7, 8, 16, 17, 42):
        parts = [block(data[start : start + size, np.newaxis]).numpy() for start in range(0, 42, size)]
        assert all(part.ndim == 2 for part in parts)
        assert np.concatenate(parts).tobytes() == whole.tobytes()
    inputs = keras.Input((1,), dtype="string" if data is TEXT else "float32")
    assert keras.Model(inputs, block(inputs)).output.shape[1:] == block(data[:, np.newaxis]).shape[1:]


def test_feature_space_takes_them():
    numbers = {"Log1p": NUMBERS, "PowerTransform": NUMBERS, "QuantileTransform": NUMBERS, "Cyclical": NUMBERS}
    features = {name: keras.utils.FeatureSpace.feature("float32", BLOCKS[name][0](), "float") for name in numbers}
    space = keras.utils.FeatureSpace(features, output_mode="dict")
    space.adapt(tf.data.Dataset.from_tensor_slices(numbers).batch(9))
    found = space(numbers)
    for name in numbers:
        block = BLOCKS[name][0]()
        if block.learns:
            block.adapt(NUMBERS)
        alone = block(NUMBERS).numpy()
        assert found[name].numpy().reshape(alone.shape).tobytes() == alone.tobytes()


def test_packets_of_any_shape():
    values = tf.constant(np.random.default_rng(1).lognormal(size=(7, 3)))
    flat = full_packets(tf.math.log1p, tf.reshape(values, [-1])).numpy()
    assert full_packets(tf.math.log1p, values).numpy().tobytes() == flat.tobytes()
    assert full_packets(tf.math.log1p, values[:, :1]).shape == (7, 1)
