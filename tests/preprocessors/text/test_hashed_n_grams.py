"""HashedNGrams against scikit-learn's n-grams and weights, put into columns by TensorFlow's hash one by one."""

import math
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import CountVectorizer

import blocks
from blocks.errors import EmptySource, InvalidArgument
from blocks.features.sparse import Sparse
from blocks.features.spec import FeatureSpec
from blocks.offline.adapt import adapt
from blocks.offline.transform import Transform
from blocks.preprocessors import Columns, HashedNGrams, Normalize

TEXT = st.text(st.sampled_from("ab c_,!éガ\n"), max_size=12)
WORDS = CountVectorizer(ngram_range=(1, 2), token_pattern=r"\w+", lowercase=False).build_analyzer()
CHARACTERS = CountVectorizer(
    ngram_range=(2, 3), analyzer="char_wb", preprocessor=lambda text: " ".join(WORDS_ALONE(text))
).build_analyzer()
WORDS_ALONE = CountVectorizer(token_pattern=r"\w+", lowercase=False).build_analyzer()
BUCKETS = 97


def bucket(gram):
    return int(tf.strings.to_hash_bucket_fast(gram, BUCKETS))


def columns(text):
    """How often each column occurs."""
    of_characters = ["\x01" + gram for gram in CHARACTERS(text)]
    return Counter(map(bucket, [*WORDS(text), *of_characters])) if text else Counter()


def dense(block, texts):
    return Sparse.from_pairs(block(tf.constant(texts, tf.string)).numpy(), BUCKETS).dense()


@given(st.lists(TEXT, min_size=2, max_size=8), st.sampled_from([1, 2]))
@settings(max_examples=15, deadline=None)
def test_weights_are_those_of_tf_idf_by_column(texts, min_rows):
    texts = [*texts, "ab c", "c ab"]
    block = HashedNGrams(BUCKETS, characters=(2, 3), sublinear_tf=True, min_rows=min_rows).adapt(pa.array(texts))
    counts = [columns(text) for text in texts]
    documents = Counter(column for row in counts for column in row)
    number = sum(text != "" for text in texts)
    expected = np.zeros((len(texts), BUCKETS))
    for row, found in zip(expected, counts, strict=True):
        for column, count in found.items():
            if documents[column] >= min_rows:
                row[column] = (1 + math.log(count)) * (math.log((1 + number) / (1 + documents[column])) + 1)
        row /= np.linalg.norm(row) or 1.0
    np.testing.assert_allclose(dense(block, texts), expected, rtol=1e-6)


def test_counts_and_marks_learn_nothing():
    texts = ["a a b", "", "!", "b"]
    counted = HashedNGrams(BUCKETS, words=1, weighting="count", norm=None)
    assert not counted.learns
    found = dense(counted, texts)
    assert found[0, [bucket("a"), bucket("b")]].tolist() == [2, 1]
    assert found.sum(axis=1).tolist() == [3, 0, 0, 1]
    marked = HashedNGrams(BUCKETS, words=1, weighting="binary", norm=None)
    assert dense(marked, texts).sum(axis=1).tolist() == [2, 0, 0, 1]


def test_words_beyond_the_most_are_not_read():
    block = HashedNGrams(BUCKETS, words=1, weighting="count", norm=None, max_words=3)
    assert dense(block, ["a b c d e", "d"]).sum(axis=1).tolist() == [3, 1]
    assert block(tf.constant(["a " * 500_000])).numpy().tolist() == [[[bucket("a"), 3.0]]]
    letters = HashedNGrams(BUCKETS, words=None, characters=4, weighting="count", norm=None)
    assert dense(letters, ["x" * 1_000_000]).sum() == 999_999


def test_a_sparse_entry_offline_and_served():
    table = pa.table({"text": ["Call me", None, "call CALL now", "Call me"]})
    made = Columns({"text": [Normalize(), HashedNGrams(BUCKETS, words=1)]})
    adapt(made, None, blocks.read(table), verbose=False)
    entry = made.spec["text"]
    assert (entry.sparse, entry.columns, entry.names) == (True, BUCKETS, ("text",))
    assert FeatureSpec.from_json(made.spec.to_json()) == made.spec
    stored = Transform(made)(table.to_batches()[0])["text"]
    served = made({"text": tf.constant(["Call me", "", "call CALL now", "Call me"])})["text"].numpy()
    np.testing.assert_array_equal(stored.dense(), Sparse.from_pairs(served, BUCKETS).dense())
    assert np.count_nonzero(stored.dense(), axis=1).tolist() == [2, 0, 2, 2]


def test_errors_say_the_rule():
    for arguments, message in [
        ({"num_buckets": 0}, "num_buckets must be a whole number"),
        ({"words": None}, "of words, of characters, or both"),
        ({"weighting": "bm25"}, "weighting is one of 'tf_idf', 'count', 'binary'"),
        ({"norm": "l1"}, "norm is 'l2' or None"),
        ({"max_words": 0}, "max_words must be a whole number, at least 1, or None"),
    ]:
        with pytest.raises(InvalidArgument, match=message):
            HashedNGrams(**arguments)
    with pytest.raises(EmptySource):
        HashedNGrams().adapt(pa.array([None, ""]))
