"""Tokens against Python's re and scikit-learn's n-grams."""

import re
import unicodedata
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import CountVectorizer

import blocks
from blocks.errors import InvalidArgument, NotAdapted, SchemaMismatch
from blocks.offline.adapt import adapt
from blocks.offline.transform import Transform
from blocks.preprocessors import Columns
from blocks.preprocessors.text.normalize import Normalize
from blocks.preprocessors.text.tokens import Tokens

TEXT = st.text(st.sampled_from("ab c1_,!é\u0301ガ\n\x00"), max_size=10)
SPACE = " \t\n\v\f\r"


def words(text):
    """Runs of letters, digits, marks and underscores, from Unicode's categories."""
    kept = "".join(c if c == "_" or unicodedata.category(c)[0] in "LNM" else " " for c in text)
    return kept.split()


def split(text, how):
    return words(text) if how == "words" else list(text) if how == "characters" else re.findall(f"[^{SPACE}]+", text)


def joined(tokens, how, low, high):
    between = "" if how == "characters" else " "
    return [between.join(tokens[i : i + n]) for n in range(low, high + 1) for i in range(len(tokens) - n + 1)]


@given(
    st.lists(TEXT, min_size=1, max_size=12),
    st.sampled_from(["words", "spaces", "characters"]),
    st.sampled_from([(1, 1), (1, 2), (2, 3)]),
)
@settings(max_examples=80, deadline=None)
def test_ids_and_learned_order(learned, texts, how, ngrams):
    block = learned(Tokens(5, split=how, ngrams=ngrams, min_count=2), pa.array(texts, pa.string()))
    rows = [joined(split(text, how), how, *ngrams) for text in texts]
    counts = Counter(token for row in rows for token in row)
    order = sorted((token.encode() for token in counts if counts[token] > 1), key=lambda t: (-counts[t.decode()], t))
    assert block.tokens == order
    found = block(tf.constant(texts)).numpy()
    for text, row, ids in zip(texts, rows, found.tolist(), strict=True):
        expected = [3 + order.index(t.encode()) if t.encode() in order else 2 for t in row][:5] if text else [1]
        assert ids == expected + [0] * (5 - len(expected))


@given(st.lists(TEXT.filter(bool), min_size=1, max_size=12))
@settings(max_examples=30, deadline=None)
def test_ngrams_are_those_of_scikit_learn(texts):
    theirs = CountVectorizer(ngram_range=(1, 2), tokenizer=words, token_pattern=None, lowercase=False).build_analyzer()
    observed = Tokens(3, ngrams=(1, 2)).observed(tf.constant(texts)).values.numpy().tolist()
    assert Counter(observed) == Counter(token.encode() for text in texts for token in theirs(text))


def test_padding_missing_unseen_and_no_token_stay_apart():
    block = Tokens(3, vocabulary=["a"], num_oov_indices=2)
    rows = block(tf.constant(["a b a a", "", "!", "b"])).numpy()
    assert rows[0].tolist() == [4, rows[3, 0], 4]
    assert rows[1].tolist() == [1, 0, 0]
    assert rows[2].tolist() == [0, 0, 0]
    assert rows[3, 0] in (2, 3)
    assert block.cardinality == 5
    assert block.inverse(rows) == [[b"a", None, b"a"], [None], [], [None]]


def test_an_entry_of_its_own_in_columns_offline_too(learned):
    table = pa.table({"text": ["Call me", None, "call CALL now"], "same": ["x", "y", "x"]})
    columns = Columns({"text": [Normalize(), Tokens(2)]})
    adapt(columns, None, blocks.read(table), verbose=False)
    assert columns.spec["text"].shape == (2,)
    assert columns.spec["text"].features[0].cardinality == 6
    raw = {"text": tf.constant(["Call me", "", "call CALL now"])}
    expected = [[3, 4], [1, 0], [3, 3]]
    assert columns(raw)["text"].numpy().tolist() == expected
    assert Transform(columns)(table.to_batches()[0])["text"].tolist() == expected


def test_every_way_of_calling_gives_the_same_bits(learned, same_bits, torture, invalid):
    texts = [value.encode()[:2000] for value in torture] + invalid
    texts += [b" ".join(texts[:9]), b"a b a"]
    for options in ({}, {"split": "characters", "ngrams": 2}, {"split": "spaces", "num_oov_indices": 3}):
        block = learned(Tokens(6, top_k=8, **options), pa.array(texts, pa.binary()))
        ids = same_bits(block, texts * 43)
        assert ids.min() == 0
        assert ids.max() < block.cardinality
        assert block.copy()(tf.constant(texts)).numpy().tolist() == ids[: len(texts)].tolist()


def test_a_megabyte_and_no_row():
    block = Tokens(3, split="characters", vocabulary=["é"])
    assert block(tf.constant(["é" * 1_000_000])).numpy().tolist() == [[3, 3, 3]]
    assert Tokens(2, vocabulary=["a"])(tf.constant(["a " * 500_000])).numpy().tolist() == [[3, 3]]
    assert block(tf.constant([], tf.string)).shape == (0, 3)


def test_errors_say_the_rule(learned):
    for arguments, message in [
        ({"output_length": 0}, "output_length >= 1"),
        ({"output_length": 3, "num_oov_indices": 0}, "num_oov_indices >= 1"),
        ({"output_length": 3, "split": "lines"}, "split is one of 'words', 'spaces', 'characters'"),
        ({"output_length": 3, "ngrams": (2, 1)}, "a length, 1 at least, or a rising pair"),
        ({"output_length": 3, "ngrams": 0}, "a length, 1 at least, or a rising pair"),
        ({"output_length": 3, "vocabulary": ["a", "a"]}, "every token once"),
    ]:
        with pytest.raises(InvalidArgument, match=message):
            Tokens(**arguments)
    with pytest.raises(NotAdapted, match="has not been adapted"):
        Tokens(3)(tf.constant(["a"]))
    with pytest.raises(SchemaMismatch, match="Tokens takes columns of text"):
        learned(Tokens(3), [1])


def test_messages(real, learned, same_bits):
    lines = real("sms_spam/sms.tsv").read_text(encoding="utf-8").splitlines()
    block = learned(Tokens(20, min_count=3), lines)
    counts = Counter(word for line in lines for word in words(line))
    order = sorted((w.encode() for w in counts if counts[w] > 2), key=lambda token: (-counts[token.decode()], token))
    assert block.tokens == order
    ids = {token.decode(): 3 + place for place, token in enumerate(order)}
    expected = [[ids.get(word, 2) for word in words(line)[:20]] for line in lines]
    padded = np.array([row + [0] * (20 - len(row)) for row in expected])
    np.testing.assert_array_equal(block(tf.constant(lines)), padded)
    same_bits(block, lines[:1100])
