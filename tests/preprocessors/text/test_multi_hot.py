"""MultiHot against scikit-learn's MultiLabelBinarizer and a count in Python."""

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import MultiLabelBinarizer

import blocks
from blocks.errors import EmptySource, InvalidArgument, SchemaMismatch
from blocks.preprocessors.text.multi_hot import MultiHot

WORDS = ["rice", "beans", "fajita veggies", "é", "\x00"]
LISTS = st.lists(st.lists(st.sampled_from([*WORDS, "", "  ", " fish "]), max_size=5), min_size=1, max_size=25)


def parts(text, separator):
    return [part.strip(" \t\n\v\f\r") for part in text.split(separator) if part.strip(" \t\n\v\f\r")]


@given(LISTS, st.sampled_from(["|", ", ", "ab"]))
@settings(max_examples=60, deadline=None)
def test_columns_are_those_of_scikit_learn(lists, separator):
    texts = [separator.join(tokens) for tokens in lists]
    block = MultiHot(separator, vocabulary=WORDS, missing="zeros", unseen="zeros")
    split = [[token for token in parts(text, separator) if token in WORDS] for text in texts]
    expected = MultiLabelBinarizer(classes=WORDS).fit_transform(split)
    np.testing.assert_array_equal(block(tf.constant(texts)), expected.astype(np.float32))


@given(LISTS)
@settings(max_examples=40, deadline=None)
def test_counts_missing_and_unseen(lists):
    texts = ["|".join(tokens) for tokens in lists]
    rows = MultiHot(vocabulary=WORDS, output_mode="count")(tf.constant(texts)).numpy()
    for text, row in zip(texts, rows.tolist(), strict=True):
        counts = Counter(parts(text, "|"))
        other = sum(count for token, count in counts.items() if token not in WORDS)
        assert row == [float(not text), other, *(counts[word] for word in WORDS)]


@given(LISTS)
@settings(max_examples=25, deadline=None)
def test_learned_tokens_stand_by_falling_count(learned, lists):
    texts = ["|".join(tokens) for tokens in lists]
    counts = Counter(part for text in texts for part in parts(text, "|"))
    block = learned(MultiHot(min_count=2), pa.array(texts, pa.string()))
    ordered = sorted((token.encode() for token in counts if counts[token] > 1), key=lambda t: (-counts[t.decode()], t))
    assert block.tokens == ordered
    assert [f.name for f in block.outputs("x", ("x",))][:2] == ["x_missing", "x_other"]


def test_white_space_separates(learned):
    block = learned(MultiHot(None, top_k=2, missing="zeros", unseen="zeros"), ["a b\tb", " b ", None])
    assert block.tokens == [b"b", b"a"]
    assert block(tf.constant(["a\n\na", "c", "", "b a"])).numpy().tolist() == [[0, 1], [0, 0], [0, 0], [1, 1]]


def test_every_way_of_calling_gives_the_same_bits(learned, same_bits, torture, invalid):
    texts = [value.encode() for value in torture] + invalid
    texts += [b"|".join(texts[:5]), b"||", b"|".join([b"\r"] * 5)]
    for mode in ("binary", "count"):
        block = learned(MultiHot(output_mode=mode, top_k=15), pa.array(texts, pa.binary()))
        rows = same_bits(block, texts * 50)
        assert rows.shape == (len(texts) * 50, 17)


def test_a_megabyte(learned):
    block = learned(MultiHot(), ["a|b"])
    assert block(tf.constant(["a|" * 500_000, "x" * 1_000_000])).numpy().tolist() == [[0, 0, 1, 0], [0, 1, 0, 0]]


def test_errors_say_the_rule(learned):
    with pytest.raises(InvalidArgument, match="separator is a string, or None"):
        MultiHot("")
    with pytest.raises(InvalidArgument, match="output_mode is one of 'binary', 'count'"):
        MultiHot(output_mode="sum")
    with pytest.raises(SchemaMismatch, match="MultiHot takes columns of text"):
        learned(MultiHot(), [1, 2])
    with pytest.raises(EmptySource, match="MultiHot learns from values"):
        learned(MultiHot(missing="zeros", unseen="zeros"), ["", "|"])


def test_chipotle(real, learned, same_bits):
    raw = blocks.read(real("chipotle_orders/chipotle.tsv"), delimiter="\t").to_table()["choice_description"].to_pylist()
    texts = [(value or "").replace("[", "").replace("]", "") for value in raw]
    block = learned(MultiHot(",", unseen="zeros", missing="zeros"), texts)
    words = [token.decode() for token in block.tokens]
    expected = MultiLabelBinarizer(classes=words).fit_transform([parts(text, ",") for text in texts])
    np.testing.assert_array_equal(block(tf.constant(texts)), expected.astype(np.float32))
    same_bits(block, texts[:1100])
