"""Vocabulary against Keras' StringLookup and a count in plain Python."""

from collections import Counter

import keras
import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import blocks
from blocks.errors import BlocksWarning, InvalidArgument, NotAdapted, SchemaMismatch
from blocks.offline.adapt import adapt
from blocks.preprocessors import Columns, Vocabulary

TEXT = st.text(st.characters(codec="utf-8"), max_size=4)
TORTURE = [
    "new\nline",
    "\r",
    "\x85",
    "\u2028",
    "\x0b",
    "a\x00b",
    "\x00",
    "\N{GRINNING FACE}",
    "x" * 10_000,
    " ",
    "[UNK]",
]


def ordered(tokens):
    """By falling count, ties by byte order."""
    counts = Counter(token.encode() for token in tokens if token)
    return sorted(counts, key=lambda token: (-counts[token], token))


@given(st.lists(st.one_of(st.none(), TEXT), min_size=1, max_size=60))
@settings(max_examples=60, deadline=None)
def test_tokens_stand_by_falling_count_ties_by_bytes(tokens):
    assert Vocabulary().adapt(pa.array(tokens, pa.string())).tokens == ordered([token or "" for token in tokens])


@given(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=60))
@settings(max_examples=25, deadline=None)
def test_ids_are_those_of_keras_string_lookup(tokens):
    ours = Vocabulary().adapt(tokens)
    lookup = keras.layers.StringLookup(mask_token="", vocabulary=ours.tokens)
    raw = np.array([*tokens, "", "unseen"], object)
    assert ours(raw).numpy().tolist() == lookup(tf.constant(raw)).numpy().tolist()


def test_order_is_that_of_keras_adapt_ties_included():
    # Keras breaks ties by the falling token, we by the rising one: equal counts aside, the order is the same
    tokens = ["b"] * 4 + ["a"] * 3 + ["c"] * 2 + ["d"]
    lookup = keras.layers.StringLookup(mask_token="")
    lookup.adapt(tf.constant(tokens))
    assert [token.decode() for token in Vocabulary().adapt(tokens).tokens] == lookup.get_vocabulary()[2:]


@given(st.lists(st.integers(-(2**63) + 1, 2**63 - 1), min_size=1, max_size=30))
@settings(max_examples=30, deadline=None)
def test_integers_are_exact(values):
    block = Vocabulary().adapt(pa.array(values, pa.int64()))
    counts = Counter(values)
    assert block.tokens == sorted(counts, key=lambda value: (-counts[value], value))
    ids = block(np.array(values)).numpy()
    assert block.inverse(ids) == values


@pytest.mark.parametrize("token", TORTURE, ids=lambda token: ascii(token)[:12])
def test_any_token_survives_state_and_keras_file(token, tmp_path):
    block = Vocabulary().adapt([token, token, "other"])
    inputs = keras.Input((), dtype="string")
    model = keras.Model(inputs, block(inputs))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    raw = tf.constant([token, "other", "", "unseen"])
    assert block(raw).numpy().tolist() == loaded(raw).numpy().tolist() == [2, 3, 0, 1]
    assert loaded.layers[-1].tokens == [token.encode(), b"other"]


def test_binary_tokens_that_are_no_text():
    block = Vocabulary().adapt(pa.array([b"\xff\xfe", b"\xff\xfe", b"\x80"]))
    assert block.tokens == [b"\xff\xfe", b"\x80"]
    assert block(tf.constant([b"\x80", b"\xff\xfe"])).numpy().tolist() == [3, 2]
    assert block.copy().tokens == block.tokens


def test_limits():
    tokens = ["a"] * 3 + ["b"] * 2 + ["c"] * 2 + ["d"]
    assert Vocabulary(min_count=2).adapt(tokens).tokens == [b"a", b"b", b"c"]
    assert Vocabulary(top_k=2).adapt(tokens).tokens == [b"a", b"b"]
    assert Vocabulary(min_count=3, top_k=2).adapt(tokens).tokens == [b"a"]
    block = Vocabulary(num_oov_indices=3).adapt(tokens)
    assert block.cardinality == 1 + 3 + 4
    unseen = block(np.array([f"token {i}" for i in range(300)], object)).numpy()
    assert set(unseen.tolist()) == {1, 2, 3}
    hashed = 1 + tf.strings.to_hash_bucket_fast([f"token {i}" for i in range(300)], 3).numpy()
    assert unseen.tolist() == hashed.tolist()
    none = Vocabulary(num_oov_indices=0).adapt(tokens)
    assert none(np.array(["zzz", "", "a"], object)).numpy().tolist() == [0, 0, 1]


def test_no_token_is_frequent_enough():
    block = Vocabulary(min_count=5).adapt(["a", "b", None])
    assert block.tokens == []
    assert block.cardinality == 2
    assert block(np.array(["a", ""], object)).numpy().tolist() == [1, 0]
    integers = Vocabulary(min_count=5).adapt([1, 2, None])
    assert integers(np.array([1, np.iinfo(np.int64).min])).numpy().tolist() == [1, 0]


def test_a_given_vocabulary_needs_no_adapt():
    block = Vocabulary(vocabulary=["b", "a"])
    assert block.adapted
    assert block(np.array(["a", "b", "c", ""], object)).numpy().tolist() == [3, 2, 1, 0]
    assert Vocabulary(vocabulary=[10, 20])(np.array([20, 10, 5])).numpy().tolist() == [3, 2, 1]


def test_dictionary_encoded_and_plain_columns_teach_the_same():
    column = pa.array(["x", None, "y", "x"])
    assert Vocabulary().adapt(column.dictionary_encode()).tokens == Vocabulary().adapt(column).tokens


def test_errors_say_the_rule():
    with pytest.raises(InvalidArgument, match=r"min_count >= 1"):
        Vocabulary(min_count=0)
    with pytest.raises(InvalidArgument, match=r"every token once"):
        Vocabulary(vocabulary=["a", "a"])
    with pytest.raises(SchemaMismatch, match=r"takes strings or integers. Received: .* of type double"):
        Vocabulary().adapt([1.5])
    with pytest.raises(NotAdapted, match=r"has not been adapted"):
        Vocabulary()(np.array(["a"], object))
    with pytest.raises(SchemaMismatch, match=r"was adapted on strings. Received: int64"):
        Vocabulary().adapt(["a"])(np.array([1]))
    with pytest.raises(SchemaMismatch, match=r"was adapted on integers. Received: string"):
        Vocabulary().adapt([1])(np.array(["1"], object))


# -- more distinct tokens than memory holds ----------------------------------------------------------------------------

LITTLE = 1 << 14


def stream(heads=20, tail=6_000, seed=0):
    """Frequent tokens, and a long tail of tokens that come once or twice, shuffled, in chunks."""
    random = np.random.default_rng(seed)
    frequent = [np.full(4_000 // (rank + 1), rank) for rank in range(heads)]
    rare = [random.integers(heads, heads + tail, tail), heads + np.arange(tail)]
    rows = random.permutation(np.concatenate([*frequent, *rare]))
    tokens = np.char.mod("token %05d", rows)
    return [pa.array(part) for part in np.array_split(tokens, 10)]


def test_top_k_is_right_within_the_reported_bound_beyond_memory():
    chunks = stream()
    counts = Counter(token.encode() for chunk in chunks for token in chunk.to_pylist())
    with pytest.warns(
        BlocksWarning, match=r"Vocabulary .* more distinct tokens than.*counts are up to [\d,]+ too small"
    ):
        block = Vocabulary(top_k=10, max_bytes=LITTLE).adapt(chunks)
    # Misra-Gries: the error is at most rows / (tokens that fit + 1); a token takes 11 bytes and 24
    assert 0 < block.count_error <= sum(counts.values()) / (LITTLE // 4 / 35)
    least = sorted(counts.values())[-10]
    assert len(block.tokens) == 10
    assert all(counts[token] >= least - block.count_error for token in block.tokens)
    assert {token for token in counts if counts[token] > least + block.count_error} <= set(block.tokens)


def test_beyond_memory_all_that_is_more_frequent_than_the_bound_is_kept():
    chunks = stream()
    counts = Counter(token.encode() for chunk in chunks for token in chunk.to_pylist())
    with pytest.warns(BlocksWarning, match="tokens as rare as that may be missing"):
        block = Vocabulary(max_bytes=LITTLE).adapt(chunks)
    assert {token for token in counts if counts[token] > block.count_error} <= set(block.tokens)
    with pytest.warns(BlocksWarning):
        sure = Vocabulary(min_count=50, max_bytes=LITTLE).adapt(chunks)
    assert all(counts[token] >= 50 for token in sure.tokens)
    assert {token for token in counts if counts[token] >= 50 + sure.count_error} <= set(sure.tokens)


def test_the_bound_survives_a_reload_and_is_described(tmp_path):
    table = pa.table({"city": pa.chunked_array(stream())})
    columns = Columns({"city": Vocabulary(top_k=5, max_bytes=LITTLE)})
    with pytest.warns(BlocksWarning, match="Vocabulary"):
        adapt(columns, None, blocks.read(table), verbose=False)
    block = columns["city"][0][0]
    assert f"count_error={block.count_error}" in columns.describe()
    assert columns.copy()["city"][0][0].count_error == block.count_error > 0
    assert columns.copy()["city"][0][0].max_bytes == LITTLE


def test_within_memory_nothing_is_said_and_fingerprints_are_as_ever():
    block = Vocabulary(top_k=5).adapt(stream())
    assert block.count_error == 0
    assert "count_error" not in block.state
    assert "max_bytes" not in block.get_config()
    with pytest.raises(InvalidArgument, match="max_bytes is 4096 at least"):
        Vocabulary(max_bytes=10)


@pytest.mark.parametrize("after", [Vocabulary(), Vocabulary(num_oov_indices=3), blocks.preprocessors.OneHot()])
def test_whole_numbers_of_a_block_before_are_tokens(after):
    """Hours of the day come as floats from the block that makes them."""
    from datetime import datetime, timedelta

    times = [datetime(2024, 1, 1) + timedelta(hours=3 * step) for step in range(40)]
    columns = Columns({"at": [blocks.preprocessors.DateParts(["hour"]), after]})
    blocks.Model(columns, head=blocks.regressors.Mean("y"), seed=0).adapt({"at": times, "y": list(range(40))})
    microseconds = np.array([np.datetime64(time, "us").astype(np.int64) for time in [*times[:8], *times[:8]]])
    (features,) = columns({"at": microseconds}).values()
    features = np.asarray(features).reshape(16, -1)
    assert len(np.unique(features, axis=0)) == 8  # eight hours, each another token
    assert (features[:8] == features[8:]).all()
    strange = np.asarray(next(iter(columns({"at": microseconds + 3_600_000_000}).values()))).reshape(16, -1)
    known = {row.tobytes() for row in features}
    assert all(row.tobytes() not in known for row in strange)
