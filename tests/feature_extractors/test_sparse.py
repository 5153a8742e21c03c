"""Sparse entries in every extractor: one vector, the sum of the columns' vectors times their values."""

import keras
import numpy as np
import pytest

from blocks.feature_extractors import DCN, MLP, FTTransformer, ResNet, TabM, Tower, WideDeep, inputs
from blocks.feature_extractors.inputs import TabularInputs, weighted_sum
from blocks.features.sparse import Sparse
from blocks.features.spec import Entry, Feature, FeatureSpec

RANDOM = np.random.default_rng(0)
ROWS, WORDS = 9, 30
SPEC = FeatureSpec.pack(
    [Feature("age", ("age",)), Feature("city", ("city",), 4)],
    {"text": Entry.of_pairs(Feature(f"text={i}", ("text",)) for i in range(WORDS))},
)
DENSE = np.where(RANDOM.random((ROWS, WORDS)) < 0.3, RANDOM.normal(size=(ROWS, WORDS)), 0).astype("f4")
DENSE[2] = 0
PAIRS = Sparse.from_dense(DENSE).pairs()
FEATURES = {
    "numeric": RANDOM.normal(size=(ROWS, 1)).astype("f4"),
    "categorical": RANDOM.integers(0, 4, (ROWS, 1)).astype("i4"),
    "text": PAIRS,
}
EVERY = {
    "MLP": lambda **options: MLP([6, 5], **options),
    "ResNet": lambda **options: ResNet(8, depth=1, **options),
    "FTTransformer": lambda **options: FTTransformer(8, depth=1, heads=2, **options),
    "DCN": lambda **options: DCN([6], **options),
    "WideDeep": lambda **options: WideDeep([6], wide_units=3, **options),
    "TabM": lambda **options: TabM([6], k=3, **options),
    "Tower": lambda **options: Tower({"x": (["text"], WideDeep([5])), "y": (None, MLP([4]))}, **options),
}


@pytest.mark.parametrize("limit", [8192, 10])
def test_the_sum_is_the_product_with_the_dense_matrix(limit, monkeypatch):
    monkeypatch.setattr(inputs, "DENSE_COLUMNS", limit)
    table = RANDOM.normal(size=(WORDS, 5)).astype("f4")
    found = keras.ops.convert_to_numpy(weighted_sum(PAIRS, table, "float32"))
    np.testing.assert_allclose(found, DENSE.astype("f8") @ table, rtol=1e-5, atol=1e-6)
    assert not found[2].any()
    none = keras.ops.convert_to_numpy(weighted_sum(PAIRS[:0], table, "float32"))
    assert none.shape == (0, 5)


@pytest.mark.parametrize("name", EVERY)
def test_every_extractor_takes_them_and_learns(name):
    import tensorflow as tf

    extractor = EVERY[name](spec=SPEC)
    values = keras.tree.map_structure(tf.constant, FEATURES)
    with tf.GradientTape() as tape:
        found = extractor(values)
        loss = tf.reduce_sum(found * found)
    tables = [weight for weight in extractor.trainable_weights if "sparse_" in weight.path]
    assert [table.shape[0] for table in tables] == [WORDS]
    gradient = tf.convert_to_tensor(tape.gradient(loss, tables[0].value)).numpy()
    # columns that occur learn, and no other does
    assert (np.abs(gradient).sum(axis=1) > 0).tolist() == DENSE.any(axis=0).tolist()
    # zeros at the rows' ends change no bit, nor does the order within a row
    longer = {**FEATURES, "text": np.pad(PAIRS, ((0, 0), (0, 5), (0, 0)))[:, ::-1]}
    np.testing.assert_array_equal(extractor(longer), found)
    twin = type(extractor).from_config(extractor.get_config())
    assert twin(values).shape == found.shape


def test_half_precision_does_not_reach_the_columns_numbers():
    wide = FeatureSpec({"text": Entry.of_pairs(Feature(f"text={i}", ("text",)) for i in range(5_000))})
    dense = np.zeros((2, 5_000), "f4")
    dense[0, 4_097], dense[1, 4_999] = 1.0, 1.0
    layer = TabularInputs(wide, embedding_dim=3, dtype="mixed_float16")
    single = TabularInputs(wide, embedding_dim=3)
    pairs = {"text": Sparse.from_dense(dense).pairs()}
    layer(pairs), single(pairs)
    layer.set_weights(single.get_weights())
    np.testing.assert_allclose(layer(pairs), single(pairs), rtol=2e-3, atol=1e-4)
    core = keras.Model(given := {"text": keras.Input((None, 2), name="text")}, layer(given))
    np.testing.assert_array_equal(core(pairs), layer(pairs))
