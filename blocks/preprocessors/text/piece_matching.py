"""Matching: words to the longest pieces that a vocabulary has, all words at once, with TensorFlow's own ops. No block.

The vocabulary is a trie: a table from a node and a character to the next node. Every place of every word walks it side
by side, as far as it leads, and keeps the longest piece on the way; then each word hops from its first piece to the
next. So a word costs its characters times the length of a piece, whatever the vocabulary's size, and no row waits for
another.
"""

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import tensorflow as tf

from blocks.preprocessors.text.piece_learning import CONTINUED

LONGEST_WORD: Final = 100
"""Characters of a word beyond which it is unknown."""

_HOPS: Final = math.ceil(math.log2(LONGEST_WORD))
_CHARACTERS: Final = 1 << 21
"""More than there are characters."""
_PIECES: Final = 1 << 32
"""More than there are pieces."""
_END: Final = -1
"""What ends each word: no character, so that no walk goes on to the next word."""


def piece_trie(pieces: Sequence[str]) -> tuple[tf.lookup.StaticHashTable, tf.Variable]:
    """Pieces, those that continue a word led by "##", as a trie; keep both as attributes of the block.

    Returns:
        The table from `node * 2^21 + character` to the next node, -1 where there is none; and of each node 1 + the
        place of the piece that ends there, 0 for none. Words begin at node 0, what continues them at node 1.
    """
    children: dict[int, int] = {_END: _END}  # TensorFlow has no empty tables
    ends = [0, 0]
    for place, piece in enumerate(pieces):
        rest = piece.removeprefix(CONTINUED)
        node = 1 if rest and rest != piece else 0  # "##" itself can begin a word alone
        for character in rest or piece:
            step = node * _CHARACTERS + ord(character)
            node = children.setdefault(step, len(ends))
            if node == len(ends):
                ends.append(0)
        ends[node] = 1 + place
    with tf.init_scope():
        steps, nodes = (tf.constant(list(part), tf.int64) for part in (children.keys(), children.values()))
        table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(steps, nodes), default_value=_END)
        return table, tf.Variable(np.array(ends, np.int64), trainable=False)


def matched(children: tf.lookup.StaticHashTable, ends: tf.Variable, words: Any) -> tuple[Any, Any]:
    """Characters of words, ragged (words, None) int32, to the places of their pieces, word after word.

    Greedy: the longest piece that begins the word, then the longest that continues it there, and so on. A word that
    cannot be spelled so, is longer than `LONGEST_WORD` or empty, is -1 alone.

    Args:
        children: Of `piece_trie`.
        ends: The same.
        words: Characters as numbers.

    Returns:
        (pieces,) int64, and (words,) int64, how many of them each word has.
    """
    lengths, count = words.row_lengths(), words.nrows()
    starts, rows = words.row_starts() + tf.range(count), owners(lengths + 1)
    places = tf.range(tf.size(rows, tf.int64))
    of_characters = tf.range(tf.size(words.values, tf.int64)) + words.value_rowids()
    characters = tf.tensor_scatter_nd_update(
        tf.fill([tf.size(rows)], np.int64(_END)), of_characters[:, tf.newaxis], tf.cast(words.values, tf.int64)
    )
    begins = places == tf.gather(starts, rows)
    longest, piece = _longest(children, ends, characters, begins)
    visited = _visited(begins, places + longest)
    fails = visited & (longest == 0) & ((characters != _END) | begins)
    failed = tf.math.unsorted_segment_max(tf.cast(fails, tf.int32), rows, count) > 0
    failed = tf.gather(failed | (lengths > LONGEST_WORD), rows)
    kept = true_places(tf.where(failed, begins, visited & (characters != _END)))
    piece = tf.gather(tf.where(failed, np.int64(-1), piece), kept)
    return piece, tf.math.unsorted_segment_sum(tf.ones_like(kept), tf.gather(rows, kept), count)


def owners(counts: Any) -> Any:
    """Counts (n,) of things, 1 at least, to whose each of them is, (sum of counts,) int64.

    `tf.repeat` does it over a mask of n times the largest count.
    """
    firsts = tf.cumsum(counts, exclusive=True)[:, tf.newaxis]
    return tf.cumsum(tf.scatter_nd(firsts, tf.ones_like(counts), tf.reduce_sum(counts, keepdims=True))) - 1


def true_places(mask: Any) -> Any:
    """Where a mask (n,) is true, int64."""
    return tf.where(mask)[:, 0]


def _longest(children: tf.lookup.StaticHashTable, ends: tf.Variable, characters: Any, begins: Any) -> tuple[Any, Any]:
    """Of each place the length of the longest piece there, 0 for none, and the piece."""
    count = tf.size(characters, tf.int64)

    def step(length: Any, walking: Any, node: Any, found: Any) -> tuple[Any, ...]:
        character = tf.gather(characters, walking + length)
        # no sum: the number that ends a word keeps all its bits, and is no step
        node = children.lookup(tf.bitwise.bitwise_or(node * _CHARACTERS, character))
        goes_on = true_places(node >= 0)
        walking, node = tf.gather(walking, goes_on), tf.gather(node, goes_on)
        length += 1
        end = tf.gather(ends, node)
        here = true_places(end > 0)
        longer = length * _PIECES + tf.gather(end, here)
        return (
            length,
            walking,
            node,
            tf.tensor_scatter_nd_update(found, tf.gather(walking, here)[:, tf.newaxis], longer),
        )

    start = (tf.zeros([], tf.int64), tf.range(count), tf.where(begins, np.int64(0), np.int64(1)))
    any_number = tf.TensorShape([None])
    *_, found = tf.while_loop(
        lambda _, walking, *__: tf.size(walking) > 0,
        step,
        (*start, tf.zeros([count], tf.int64)),
        shape_invariants=(tf.TensorShape([]), any_number, any_number, any_number),
    )
    return found // _PIECES, found % _PIECES - 1


def _visited(begins: Any, follows: Any) -> Any:
    """Which places are reached from those that begin a word, by hops from each place to the one that follows."""
    reached = tf.cast(begins, tf.int32)
    for _ in range(_HOPS):  # each time twice as far
        reached = tf.maximum(reached, tf.math.unsorted_segment_max(reached, follows, tf.size(reached)))
        follows = tf.gather(follows, follows)
    return reached > 0
