"""TfIdf against scikit-learn's TfidfVectorizer."""

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer

import blocks
from blocks.errors import EmptySource, InvalidArgument, NotAdapted
from blocks.features.sparse import Sparse
from blocks.offline.adapt import adapt
from blocks.offline.transform import Transform
from blocks.preprocessors import Columns
from blocks.preprocessors.categorical.token_table import label
from blocks.preprocessors.text.tf_idf import TfIdf

TEXT = st.text(st.sampled_from("ab c1,é\x00"), max_size=14)


def theirs(block, texts, norm="l2", ngrams=(1, 1)):
    """scikit-learn's, over our tokens and without missing texts among what it learns from."""
    vectorizer = TfidfVectorizer(
        vocabulary=[token.decode() for token in block.tokens],
        token_pattern=r"(?u)\w+",
        lowercase=False,
        norm=norm,
        ngram_range=ngrams,
    )
    return vectorizer.fit([text for text in texts if text])


def assert_equal_within_a_bit(found, expected):
    np.testing.assert_array_max_ulp(found, expected.astype(np.float32), 1)


@given(st.lists(TEXT, min_size=1, max_size=20), st.sampled_from(["l2", None]), st.sampled_from([(1, 1), (1, 2)]))
@settings(max_examples=60, deadline=None)
def test_weights_are_those_of_scikit_learn(learned, texts, norm, ngrams):
    texts = ["ab", *texts]
    block = learned(TfIdf(6, norm=norm, ngrams=ngrams), pa.array(texts, pa.string()))
    expected = theirs(block, texts, norm, ngrams).transform(texts).toarray()
    assert_equal_within_a_bit(block(tf.constant(texts)).numpy().reshape(len(texts), -1), expected)


@given(st.lists(TEXT, min_size=1, max_size=20))
@settings(max_examples=40, deadline=None)
def test_tokens_are_those_in_the_most_texts(learned, texts):
    sets = [set(TfidfVectorizer(token_pattern=r"(?u)\w+", lowercase=False).build_analyzer()(text)) for text in texts]
    counts = {token: sum(token in one for one in sets) for one in sets for token in one}
    assume(counts)
    order = sorted(counts, key=lambda token: (-counts[token], token.encode()))
    block = learned(TfIdf(4), pa.array(texts, pa.string()))
    assert [token.decode() for token in block.tokens] == order[:4]
    assert [feature.name for feature in block.outputs("x", ("x",))] == [f"x={label(token)}" for token in block.tokens]


def test_a_text_without_a_token_is_zero(learned):
    block = learned(TfIdf(3), ["a b", "b c", None, "c c"])
    rows = block(tf.constant(["", "!", "unseen", "a"])).numpy()
    assert rows[:3].any() == False  # noqa: E712
    assert rows[3].sum() == 1.0
    assert block.width == 3


def test_every_way_of_calling_gives_the_same_bits(learned, same_bits, torture, invalid):
    texts = [value.encode()[:500] for value in torture] + invalid
    texts += [b" ".join(texts[:9]), b"a b a c", b"".join(invalid)]
    for options in ({}, {"split": "characters", "ngrams": (2, 3)}, {"split": "spaces", "norm": None}):
        block = learned(TfIdf(40, **options), pa.array(texts, pa.binary()))
        rows = same_bits(block, texts * 42)
        assert np.isfinite(rows).all()
        np.testing.assert_array_equal(block.copy()(tf.constant(texts)), rows[: len(texts)])


def test_a_megabyte_and_no_row(learned):
    block = learned(TfIdf(2), ["a b", "b"])
    assert_equal_within_a_bit(block(tf.constant(["b " * 500_000])).numpy(), np.array([[1.0, 0.0]]))
    assert block(tf.constant([], tf.string)).shape == (0, 2)


def test_errors_say_the_rule(learned):
    with pytest.raises(InvalidArgument, match="norm is 'l2' or None"):
        TfIdf(3, norm="l1")
    with pytest.raises(InvalidArgument, match="top_k >= 1"):
        TfIdf(0)
    with pytest.raises(NotAdapted, match="a column for each token"):
        TfIdf(3).outputs("x", ("x",))
    with pytest.raises(EmptySource, match="TfIdf learns from values"):
        learned(TfIdf(3), ["!", ""])


def test_messages(real, learned, same_bits):
    lines = real("sms_spam/sms.tsv").read_text(encoding="utf-8").splitlines()
    block = learned(TfIdf(500), lines)
    vectorizer = theirs(block, lines)
    expected = vectorizer.transform(lines).toarray()
    words = TfidfVectorizer(token_pattern=r"(?u)\w+", lowercase=False, max_features=None).fit(lines)
    most = np.sort(words.transform(lines).astype(bool).sum(axis=0).A1)[::-1][:500]
    ours = (vectorizer.transform(lines) > 0).sum(axis=0).A1
    np.testing.assert_array_equal(ours, most)
    found = np.concatenate([block(tf.constant(lines[i : i + 1000])).numpy() for i in range(0, len(lines), 1000)])
    assert_equal_within_a_bit(found, expected)
    assert (found == expected.astype(np.float32)).mean() > 0.9999
    same_bits(block, lines[:1100])
    assert blocks.features.spec.FeatureSpec.pack(block.outputs("text", ("text",)))["numeric"].shape == (500,)


def dense_of(pairs, width):
    return Sparse.from_pairs(np.asarray(pairs), width).dense()


@given(st.lists(TEXT | st.none(), min_size=1, max_size=20), st.sampled_from(["l2", None]), st.integers(1, 9))
@settings(max_examples=40, deadline=None)
def test_sparse_rows_are_the_dense_columns_bit_for_bit(texts, norm, size):
    learn = pa.array(["ab c", "c1", *texts], pa.string())
    block, sparse = TfIdf(6, norm=norm).adapt(learn), TfIdf(6, norm=norm, sparse=True).adapt(learn)
    raw = np.array([text or "" for text in learn.to_pylist()])
    expected = block(raw).numpy().reshape(len(raw), -1)
    for start in range(0, len(raw), size):
        found = sparse(raw[start : start + size])
        assert found.dtype == tf.float32
        np.testing.assert_array_equal(dense_of(found, len(block.tokens)), expected[start : start + size])
    assert sparse(np.array([], str)).shape == (0, 1, 2)


def test_offline_sparse_rows_are_the_dense_columns_of_text_and_lists():
    texts = [" ".join(f"w{i * j % 37}" for j in range(i % 23)) for i in range(5_000)]
    table = pa.table({"text": texts, "list": [text.split() for text in texts]})
    made = {}
    for sparse in (False, True):
        columns = Columns({name: TfIdf(30, sparse=sparse) for name in ("text", "list")})
        adapt(columns, None, blocks.read(table), verbose=False)
        made[sparse] = Transform(columns)(table.combine_chunks().to_batches()[0])
    both = np.concatenate([made[True][name].dense() for name in ("text", "list")], axis=1)
    np.testing.assert_array_equal(both, made[False]["numeric"])
    assert made[True]["text"].nbytes < made[False]["numeric"].nbytes


def test_what_is_sparse_by_itself_and_what_older_files_mean():
    assert not TfIdf(1024).sparse
    assert TfIdf(1025).sparse
    assert not TfIdf(5000, sparse=False).sparse
    # as an older version wrote it: dense, whatever its width
    older = {name: value for name, value in TfIdf(5000).get_config().items() if name != "sparse"}
    assert not TfIdf.from_config(older).sparse
    assert TfIdf.from_config(TfIdf(5000).get_config()).sparse
    assert TfIdf.from_config(TfIdf(5, sparse=True).get_config()).sparse
    assert not TfIdf.from_config(TfIdf(5000, sparse=False).get_config()).sparse
    # fingerprints of older stores hold
    assert "sparse" not in TfIdf(300).get_config()
    for sparse in ("yes", 1.5):
        with pytest.raises(InvalidArgument, match="sparse is True"):
            TfIdf(5, sparse=sparse)
    with pytest.raises(InvalidArgument, match="fewer than 16,777,216 columns"):
        TfIdf(1 << 24, sparse=True)
