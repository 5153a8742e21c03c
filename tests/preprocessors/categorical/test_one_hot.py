"""OneHot against scikit-learn's OneHotEncoder."""

import keras
import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import OneHotEncoder

import blocks
from blocks.errors import EmptySource, InvalidArgument, NotAdapted, SchemaMismatch
from blocks.preprocessors.categorical.one_hot import OneHot
from blocks.preprocessors.categorical.token_table import label

TEXT = st.text(st.characters(codec="utf-8"), max_size=3)


def encoder(tokens, values):
    theirs = OneHotEncoder(categories=[tokens], handle_unknown="ignore", sparse_output=False, dtype=np.float32)
    return theirs.fit(np.array([[token] for token in tokens], object)).transform(
        np.array([[v] for v in values], object)
    )


@given(st.lists(TEXT.filter(bool), min_size=1, max_size=40), st.lists(TEXT, min_size=1, max_size=20))
@settings(max_examples=50, deadline=None)
def test_columns_are_those_of_scikit_learn(seen, values):
    block = OneHot(missing="zeros", unseen="zeros", vocabulary=sorted(set(seen)))
    found = block(tf.constant([*seen, *values])).numpy().reshape(-1, len(set(seen)))
    np.testing.assert_array_equal(found, encoder(sorted(set(seen)), [*seen, *values]))


@given(
    st.lists(st.one_of(st.none(), st.sampled_from("abcd")), min_size=1, max_size=40),
    st.lists(st.sampled_from("abcdef")),
)
@settings(max_examples=40, deadline=None)
def test_every_row_has_a_single_one_when_missing_and_unseen_have_columns(seen, values):
    block = OneHot().adapt(pa.array(seen, pa.string()))
    rows = block(tf.constant([value or "" for value in [*seen, *values]])).numpy()
    assert (rows.sum(axis=1) == 1).all()
    assert rows[:, 0].tolist() == [float(value is None) for value in [*seen, *values]]
    assert rows[:, 1].tolist() == [float(value is not None and value not in seen) for value in [*seen, *values]]
    assert block.inverse(rows) == [v.encode() if v in seen and v is not None else None for v in [*seen, *values]]


def test_limits_and_order():
    tokens = ["c"] * 3 + ["b"] * 2 + ["a"] * 2 + ["d"]
    assert OneHot(min_count=2).adapt(tokens).tokens == [b"c", b"a", b"b"]
    block = OneHot(top_k=1).adapt(tokens)
    assert [feature.name for feature in block.outputs("x", ("x",))] == ["x_missing", "x_other", "x=c"]
    assert OneHot().adapt([3, 3, -1, None])(np.array([-1, 3, 4, np.iinfo(np.int64).min])).numpy().tolist() == [
        [0, 0, 0, 1],
        [0, 0, 1, 0],
        [0, 1, 0, 0],
        [1, 0, 0, 0],
    ]


def test_a_single_column_has_no_second_dimension():
    block = OneHot(missing="zeros", unseen="zeros", top_k=1).adapt(["a", "a", "b"])
    assert block(np.array(["a", "b"], object)).numpy().tolist() == [1.0, 0.0]
    assert block(keras.Input((), dtype="string")).shape == (None,)


def test_a_model_with_learned_width_is_rebuilt_before_its_tokens_are_read(tmp_path):
    block = OneHot().adapt(["a", "b", "b"])
    inputs = keras.Input((), dtype="string")
    outputs = keras.layers.Dense(2)(block(inputs))
    assert block(inputs).shape == (None, 4)
    model = keras.Model(inputs, outputs)
    model.save(tmp_path / "m.keras")
    raw = tf.constant(["a", "b", "", "c"])
    np.testing.assert_array_equal(model(raw), keras.saving.load_model(tmp_path / "m.keras")(raw))


def test_names_are_printable_short_and_different(torture, invalid):
    tokens = [token for token in torture if token] + invalid + ["x" * 64, "x" * 65, "x" * 65 + "y", "\\n", "\\xff\\xfe"]
    names = [label(token if isinstance(token, bytes) else token.encode()) for token in tokens]
    assert len(set(names)) == len(names)
    assert all(name.isprintable() and len(name) <= 64 + 11 for name in names)


def test_every_way_of_calling_gives_the_same_bits(same_bits, torture, invalid):
    tokens = [token.encode() for token in torture] + invalid
    block = OneHot(top_k=12).adapt(pa.array(tokens * 2, pa.binary()))
    rows = same_bits(block, [*tokens, b"unseen"] * 60)
    assert (rows.sum(axis=1) == 1).all()
    assert block.copy()(tf.constant(tokens)).numpy().tolist() == block(tf.constant(tokens)).numpy().tolist()


def test_errors_say_the_rule():
    with pytest.raises(NotAdapted, match="a column for each token"):
        OneHot()(keras.Input((), dtype="string"))
    with pytest.raises(NotAdapted, match="has not been adapted"):
        OneHot()(np.array(["a"], object))
    with pytest.raises(EmptySource, match="OneHot learns from values"):
        OneHot(missing="zeros", unseen="zeros").adapt(pa.array([None, ""], pa.string()))
    with pytest.raises(InvalidArgument, match="unseen is one of 'column', 'zeros'"):
        OneHot(unseen="error")
    with pytest.raises(InvalidArgument, match="min_count >= 1"):
        OneHot(min_count=0)
    with pytest.raises(InvalidArgument, match="every token once, and no missing one"):
        OneHot(vocabulary=["a", ""])
    with pytest.raises(InvalidArgument, match="a list of strings or of integers"):
        OneHot(vocabulary=["a", 1])
    with pytest.raises(InvalidArgument, match="its tokens are text"):
        OneHot(vocabulary=[b"\xff"])
    with pytest.raises(SchemaMismatch, match="takes strings or integers"):
        OneHot().adapt([1.5])
    with pytest.raises(SchemaMismatch, match=r"was adapted on strings. Received: int64"):
        OneHot().adapt(["a"])(np.array([1]))


def test_adult_census(real, same_bits, learned):
    train = blocks.read(real("adult_census/adult_train.csv")).to_table()
    test = blocks.read(real("adult_census/adult_test.csv")).to_table()
    for column in ("workclass", "education", "native_country"):
        block = learned(OneHot(unseen="zeros", missing="zeros", min_count=20), train[column])
        raw = [value or "" for value in test[column].to_pylist()]
        tokens = [token.decode() for token in block.tokens]
        np.testing.assert_array_equal(block(tf.constant(raw)), encoder(tokens, raw))
    same_bits(block, raw[:1100])
