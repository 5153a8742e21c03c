"""Subword against a greedy matcher and a learner of merges in plain Python."""

import unicodedata
from collections import Counter
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import blocks
from blocks.errors import BlocksWarning, EmptySource, InvalidArgument, NotAdapted, SchemaMismatch
from blocks.offline.adapt import adapt
from blocks.offline.transform import Transform
from blocks.preprocessors import Columns, Subword
from blocks.preprocessors.text.character_table import strip_marks
from blocks.preprocessors.text.piece_learning import learned_pieces
from blocks.statistics import Counts

TEXT = st.text(st.sampled_from("abAB éÉ\u0301ß#_!ガ中\u200f\n\x00\u2003"), max_size=14)
PIECES = st.lists(st.text("abé#中", min_size=1, max_size=4), min_size=1, max_size=12, unique=True)


def words(text):
    """Words and signs, as lower-case characters without marks and controls."""
    text = "".join(" " if c.isspace() or unicodedata.category(c)[0] == "Z" else c for c in text)
    cut = ""
    for c in text:
        inner = c in "_ " or unicodedata.category(c)[0] in "LNM" or unicodedata.category(c) in ("Cc", "Cf")
        cut += c if inner and not "\u4e00" <= c <= "\u9fff" else f" {c} "
    kept = [[c for c in word if unicodedata.category(c) not in ("Cc", "Cf")] for word in cut.split(" ") if word]
    return [strip_marks("".join(word)).lower() for word in kept]


def greedy(word, pieces):
    """The ids of a word's pieces."""
    found, start = [], 0
    while start < len(word):
        ends = [end for end in range(len(word), start, -1) if "##" * (start > 0) + word[start:end] in pieces]
        if not ends:
            return [2]
        found.append(3 + pieces.index("##" * (start > 0) + word[start : ends[0]]))
        start = ends[0]
    return found if 0 < len(word) <= 100 else [2]


def expected(text, pieces, length):
    ids = [piece for word in words(text) for piece in greedy(word, pieces)] if text else [1]
    return (ids + [0] * length)[:length]


def merged(words, counts, number):
    """`learned_pieces` by counting all pairs again after each merge."""
    rows = [(["##" * (i > 0) + c for i, c in enumerate(word)], n) for word, n in zip(words, counts, strict=True)]
    alphabet = Counter()
    for row, n in rows:
        alphabet.update(dict.fromkeys(row, 0))
        for piece in row:
            alphabet[piece] += n
    pieces = sorted(alphabet, key=lambda piece: (-alphabet[piece], piece.encode()))[: max(number // 2, 1)]
    rows = [(row, n) for row, n in rows if set(row) <= set(pieces)]
    while len(pieces) < number:
        pairs = Counter()
        for row, n in rows:
            for pair in pairwise(row):
                pairs[pair] += n
        if not pairs or max(pairs.values()) < 2:
            break
        left, right = min(pairs, key=lambda pair: (-pairs[pair], *map(pieces.index, pair)))
        piece = left + right.removeprefix("##")
        pieces += [piece] * (piece not in pieces)
        for row, _ in rows:
            place = 0
            while place < len(row) - 1:
                if (row[place], row[place + 1]) == (left, right):
                    row[place : place + 2] = [piece]
                place += 1
    return pieces


@given(
    st.lists(st.text("abcé", min_size=1, max_size=9), min_size=1, max_size=12, unique=True),
    st.lists(st.integers(1, 6), min_size=12, max_size=12),
    st.integers(1, 40),
)
@settings(max_examples=60, deadline=None)
def test_merges_are_those_of_counting_all_pairs_each_time(words, counts, number):
    counts = counts[: len(words)]
    assert learned_pieces(words, np.array(counts), number) == merged(words, counts, number)


@given(st.lists(TEXT, min_size=1, max_size=12), PIECES, st.integers(1, 9))
@settings(max_examples=25, deadline=None)
def test_ids_are_those_of_a_greedy_matcher(texts, vocabulary, length):
    pieces = sorted({*vocabulary, *("##" + piece for piece in vocabulary[::2])})
    block = Subword(output_length=length, vocabulary=pieces)
    assert block(tf.constant(texts)).numpy().tolist() == [expected(text, pieces, length) for text in texts]


@given(st.lists(TEXT, min_size=4, max_size=16))
@settings(max_examples=10, deadline=None)
def test_it_learns_from_the_texts_of_each_word(texts):
    counts = Counter(word for text in texts for word in set(words(text)) if word)
    ordered = sorted((w for w in counts if counts[w] > 1), key=lambda word: (-counts[word], word.encode()))
    block = Subword(20)
    if not ordered:
        with pytest.raises(EmptySource):
            block.adapt(pa.array(texts))
        return
    block.adapt(pa.array(texts))
    pieces = [piece.decode() for piece in block.tokens]
    assert pieces == merged(ordered, [counts[word] for word in ordered], 17)
    assert block.cardinality == 3 + len(pieces) <= 20
    assert block(tf.constant(texts)).numpy().tolist() == [expected(text, pieces, 128) for text in texts]


def test_every_way_of_calling_gives_the_same_bits(learned, same_bits, torture, invalid):
    texts = [value.encode()[:2000] for value in torture] + invalid
    texts += [b" ".join(texts[:9]), b"abba abb ab", "\u202eabba\u202c \u200fab".encode()]
    block = learned(Subword(60, output_length=9, min_rows=1), pa.array(texts, pa.binary()))
    ids = same_bits(block, texts[::-3])
    assert ids.max() < block.cardinality
    assert block.copy()(tf.constant(texts[::-3])).numpy().tolist() == ids.tolist()
    with_marks, plain = block(tf.constant(["\u202eabba\u202c \u200fab", "abba ab"])).numpy().tolist()
    assert with_marks == plain


def test_a_megabyte_and_no_row():
    block = Subword(output_length=3, vocabulary=["a", "##a", "!"])
    texts = ["a" * 1_000_000, "a " * 500_000, "!" * 1_000_000, "a" * 100, "a" * 101, "\u0301" * 9]
    assert block(tf.constant(texts)).numpy().tolist() == [[2, 0, 0], [3] * 3, [5] * 3, [3, 4, 4], [2, 0, 0], [2, 0, 0]]
    assert block(tf.constant([], tf.string)).shape == (0, 3)
    seen = Subword(10).observed(tf.constant(texts[:1])).flat_values
    assert not len(seen)  # nor do the counts hold it


def test_an_entry_of_its_own_in_columns_offline_too():
    table = pa.table({"text": ["Call me", None, "call CALL now"], "same": ["x", "y", "x"]})
    columns = Columns({"text": Subword(9, output_length=3)})
    adapt(columns, None, blocks.read(table), verbose=False)
    assert columns.spec["text"].shape == (3,)
    raw = {"text": tf.constant(["Call me", "", "call CALL now"])}
    found = columns(raw)["text"].numpy()
    assert Transform(columns)(table.to_batches()[0])["text"].tolist() == found.tolist()
    block = columns.lanes[0].blocks[0]
    assert block.inverse(found)[2] == [b"call", b"call", None]


def test_too_many_words_for_the_memory_are_told():
    counts = Counts(4096)
    counts.update(pa.array([f"word{i}" for i in range(3000)] + ["often"] * 50))
    with pytest.warns(BlocksWarning, match="more distinct tokens than its memory holds"):
        state = Subword(40, min_rows=1).learn({"documents": counts})
    assert state["count_error"] > 0


def test_errors_say_the_rule(learned):
    for arguments, message in [
        ({"vocabulary_size": 3}, "vocabulary_size must be a whole number, from 4"),
        ({"output_length": 0}, "output_length must be a whole number, at least 1"),
        ({"case": "title"}, "Subword's case is 'lower'"),
        ({"vocabulary": [1, 2]}, "Subword's vocabulary is of strings"),
        ({"vocabulary": ["a", "a"]}, "every token once"),
    ]:
        with pytest.raises(InvalidArgument, match=message):
            Subword(**arguments)
    with pytest.raises(NotAdapted, match="has not been adapted"):
        Subword()(tf.constant(["a"]))
    with pytest.raises(SchemaMismatch, match="Subword takes columns of text"):
        learned(Subword(), [1])


def test_messages(real):
    lines = real("sms_spam/sms.tsv").read_text(encoding="utf-8").splitlines()
    block = Subword(600, output_length=40).adapt(lines)
    counts = Counter(word for line in lines for word in set(words(line)) if 0 < len(word) <= 100)
    ordered = sorted((w for w in counts if counts[w] > 1), key=lambda word: (-counts[word], word.encode()))
    pieces = [piece.decode() for piece in block.tokens]
    assert pieces == learned_pieces(ordered, np.array([counts[word] for word in ordered]), 597)
    some = lines[::20]
    assert block(tf.constant(some)).numpy().tolist() == [expected(line, pieces, 40) for line in some]
