"""Splitting: text to tokens, with TensorFlow's own ops and the same everywhere. What they become lives elsewhere."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import tensorflow as tf

from blocks.data.raw_columns import LIST_SEPARATOR
from blocks.errors import InvalidArgument
from blocks.preprocessors.float64 import check_choice

SPLITS: Final = ("words", "spaces", "characters")
_NO_WORD: Final = r"[^\pL\pN\pM_]+"
_SPACES: Final = r"[\pZ\x{85}\x1c-\x1f]+"
"""White space beside that of ASCII at which TensorFlow splits."""
_ALONE: Final = r"[^\pL\pN\pM\p{Cc}\p{Cf}_ ]|\p{Han}"
"""Characters that are each a word: signs, and those of Chinese."""


def check_split(owner: str, split: str, ngrams: Any) -> tuple[int, int]:
    """The shortest and longest n-gram that `ngrams` asks for.

    Raises:
        InvalidArgument: `split` is unknown, or `ngrams` no length or rising pair of lengths.
    """
    check_choice(owner, "split", split, SPLITS)
    pair = (ngrams, ngrams) if isinstance(ngrams, int) else tuple(ngrams)
    if len(pair) != 2 or not all(isinstance(n, int) for n in pair) or not 1 <= pair[0] <= pair[1]:
        raise InvalidArgument(f"{owner}'s ngrams is a length, 1 at least, or a rising pair. Received: {ngrams!r}.")
    return pair


def split_text(text: Any, split: str, ngrams: tuple[int, int]) -> Any:
    """Strings (batch,) to their tokens, ragged (batch, None); of a string without a token, none.

    The items of a list (raw, see `blocks.data.raw_columns`) are tokens as they are.

    Args:
        text: Any bytes.
        split: "words" (runs of letters, digits, marks and "_", by Unicode), "spaces" (what stands between ASCII white
            space) or "characters" (each byte that is no UTF-8 as U+FFFD).
        ngrams: The shortest and longest run of neighbours that is a token; words in a run stand a space apart. The
            shortest come first.
    """

    def of_text(text: Any) -> Any:
        if split == "characters":
            return tf.strings.unicode_split(text, "UTF-8", errors="replace")
        return tf.strings.split(tf.strings.regex_replace(text, _NO_WORD, " ") if split == "words" else text)

    tokens = by_form(text, of_text)
    if ngrams == (1, 1):
        return tokens
    return tf.strings.ngrams(tokens, tuple(range(ngrams[0], ngrams[1] + 1)), "" if split == "characters" else " ")


def words_and_signs(text: Any) -> Any:
    """Strings (batch,) to runs of letters, digits, marks and "_", and to each sign or Chinese character: ragged.

    Characters that control others (joiners, marks of direction) and bytes that are no UTF-8 stay in their words.
    """
    text = tf.strings.regex_replace(text, _SPACES, " ")
    return tf.strings.split(tf.strings.regex_replace(text, _ALONE, r" \0 "))


def by_form(text: Any, of_text: Callable[[Any], Any]) -> Any:
    """Strings to ragged tokens: those that are lists to their items, "" left out, the others by `of_text`."""
    lists = tf.strings.substr(text, 0, 1) == LIST_SEPARATOR

    def mixed() -> Any:
        parts = [of_text(tf.where(lists, "", text)), tf.strings.split(tf.where(lists, text, ""), LIST_SEPARATOR)]
        tokens, rows = (tf.concat(both, axis=0) for both in zip(*map(flat, parts), strict=True))
        tokens, rows = (tf.boolean_mask(both, tokens != "") for both in (tokens, rows))
        order = tf.argsort(rows, stable=True)
        tokens, rows = tf.gather(tokens, order), tf.gather(rows, order)
        return tf.RaggedTensor.from_value_rowids(tokens, rows, tf.size(text, tf.int64), validate=False)

    # mostly a column has no list, and is not split twice
    return tf.cond(tf.reduce_any(lists), mixed, lambda: of_text(text))


def flat(tokens: Any) -> tuple[Any, Any]:
    """Ragged tokens as a run of them, and the row of each, int64."""
    return tokens.values, tf.cast(tokens.value_rowids(), tf.int64)


def distinct_of_rows(tokens: Any, rows: Any, count: Any) -> Any:
    """Tokens of rows (`flat`) as ragged ones (count, None), of each row every one once, in order of appearance."""
    distinct, places = tf.unique(tokens, out_idx=tf.int64)
    number = tf.maximum(tf.size(distinct, tf.int64), 1)
    cells = tf.unique(rows * number + places).y
    return tf.RaggedTensor.from_value_rowids(
        tf.gather(distinct, cells % number), cells // number, tf.cast(count, tf.int64), validate=False
    )


def dense(cells: Any, values: Any, rows: Any, width: int) -> Any:
    """Values at cells (`row * width + column`, int64, each once) as a matrix (rows, width) that is 0 elsewhere."""
    shape = tf.stack([tf.cast(rows, tf.int64) * width])
    return tf.reshape(tf.scatter_nd(cells[:, tf.newaxis], values, shape), [rows, width])


def pairs(columns: Any, values: Any, rows: Any, count: Any) -> Any:
    """Values of rows in rising order, with their columns (int64), as float64 (count, most, 2): see `features.Entry`."""
    both = tf.stack([tf.cast(columns, tf.float64), values], axis=1)
    ragged = tf.RaggedTensor.from_value_rowids(both, rows, tf.cast(count, tf.int64), validate=False)
    most = tf.maximum(ragged.bounding_shape(axis=1), 1)
    return ragged.to_tensor(shape=tf.stack([tf.cast(count, tf.int64), most, 2]))


def number_of_rows(values: Any) -> Any:
    """The batch, as an int32 scalar."""
    return tf.shape(values, out_type=tf.int32)[0]


def distinct_cells(columns: Any, rows: Any, width: int) -> tuple[Any, Any]:
    """Cells that occur, in order of first appearance, and how often, both int64; columns below 0 are left out."""
    here = columns >= 0
    cells, _, counts = tf.unique_with_counts(tf.boolean_mask(rows * np.int64(width) + columns, here), out_idx=tf.int64)
    return cells, counts
