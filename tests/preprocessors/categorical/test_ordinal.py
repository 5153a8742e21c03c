"""Ordinal against scikit-learn's OrdinalEncoder."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import OrdinalEncoder

import blocks
from blocks.errors import InvalidArgument, SchemaMismatch
from blocks.preprocessors.categorical.ordinal import Ordinal

TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=3)


@given(st.lists(TEXT, min_size=1, max_size=20, unique=True), st.lists(TEXT, max_size=20))
@settings(max_examples=60, deadline=None)
def test_places_are_those_of_scikit_learn(order, values):
    theirs = OrdinalEncoder(categories=[order], handle_unknown="use_encoded_value", unknown_value=-1, dtype=np.float32)
    theirs.fit(np.array([[token] for token in order], object))
    expected = theirs.transform(np.array([[value] for value in [*order, *values]], object))[:, 0]
    block = Ordinal(order)
    np.testing.assert_array_equal(block(tf.constant([*order, *values])), expected)
    assert block.inverse(block(tf.constant(order))) == order


def test_missing_and_unseen_stay_apart():
    raw = np.array(["b", "", "?"], object)
    np.testing.assert_array_equal(Ordinal(["a", "b"])(raw), np.array([1, np.nan, -1], np.float32))
    np.testing.assert_array_equal(Ordinal(["a", "b"], missing=9, unseen="keep")(raw), np.float32([1, 9, np.nan]))
    ids = Ordinal(["a", "b"], output_mode="int")
    assert ids(raw).numpy().tolist() == [3, 0, 1]
    assert ids.cardinality == 4
    assert ids.inverse(ids(raw)) == ["b", None, None]
    integers = Ordinal([10, 5], output_mode="int")
    assert integers(np.array([5, 10, 7, np.iinfo(np.int64).min])).numpy().tolist() == [3, 2, 1, 0]


def test_every_way_of_calling_gives_the_same_bits(same_bits, torture):
    tokens = [token for token in torture if token]
    same_bits(Ordinal(tokens, missing=0.5), [*torture, "unseen"] * 60)
    same_bits(Ordinal(tokens, output_mode="int"), [*torture, "unseen"] * 60)


def test_errors_say_the_rule():
    for order, message in [
        ([], "one token at least"),
        (["a", "a"], "every token once"),
        ("ab", "a list of strings or of integers"),
        ([1.5], "a list of strings or of integers"),
        ([1 << 70], "integers of 64 bits"),
    ]:
        with pytest.raises(InvalidArgument, match=message):
            Ordinal(order)
    with pytest.raises(InvalidArgument, match="missing is 'keep' or a finite number"):
        Ordinal(["a"], missing=np.inf)
    with pytest.raises(SchemaMismatch, match=r"was adapted on integers. Received: string"):
        Ordinal([1])(np.array(["1"], object))


def test_titanic_classes(real, learned, same_bits):
    raw = blocks.read(real("titanic/titanic.csv")).to_table()["class"].to_pylist()
    block = learned(Ordinal(["Third", "Second", "First"]), raw)
    assert same_bits(block, raw).tolist() == [float({"Third": 0, "Second": 1, "First": 2}[value]) for value in raw]
