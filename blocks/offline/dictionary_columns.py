"""Columns of strings by their distinct values: Arrow dictionaries."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from blocks.data.arrow_types import is_text
from blocks.data.raw_arrays import to_raw
from blocks.data.raw_columns import RawColumn

TEXT = RawColumn("string")

_LOOK = 4096
"""Rows by which it is told whether texts repeat."""

PIECE_BYTES = 1 << 21
"""Of texts that are worked on at once: what a block needs of memory beside them is many times as much."""


def encode(column: pa.Array, name: str) -> pa.DictionaryArray:
    """A column of strings, dictionary-encoded."""
    if pa.types.is_dictionary(column.type):
        return column
    if not is_text(column.type):  # refused, unless nothing is there
        column = pa.array(to_raw(column, TEXT, name), pa.string())
    return column.dictionary_encode()


def few_texts(column: pa.Array) -> pa.DictionaryArray | None:
    """A column of strings by its distinct values, None where hardly any repeats, or where it holds no strings.

    Example:
        >>> few_texts(pa.array(["a", "b", "a", "a"])).dictionary.to_pylist(), few_texts(pa.array(["a", "b"]))
        (['a', 'b'], None)
    """
    if pa.types.is_dictionary(column.type):
        return column if is_text(column.type) else None
    if not is_text(column.type):
        return None
    looked_at = column.slice(0, _LOOK)
    if 2 * len(looked_at.dictionary_encode().dictionary) > len(looked_at):
        return None
    coded = column.dictionary_encode()
    return coded if 2 * len(coded.dictionary) <= len(column) else None


def positions(coded: pa.DictionaryArray) -> np.ndarray:
    """Each row's position in the dictionary; one past its end for a missing value."""
    indices = coded.indices
    if indices.null_count:
        indices = pc.fill_null(indices.cast(pa.int32()), len(coded.dictionary))
    return indices.to_numpy(zero_copy_only=False)


def distinct_values(dictionary: pa.Array, name: str) -> np.ndarray:
    """A dictionary's values as they enter a block, and last a missing one."""
    return np.append(to_raw(dictionary, TEXT, name), "")


def pieces_of_texts(values: np.ndarray) -> list[np.ndarray]:
    """Texts in runs of about `PIECE_BYTES`, one at least; a longer text begins a run.

    Example:
        >>> [len(piece) for piece in pieces_of_texts(np.array(["ab", "c" * PIECE_BYTES, "d"], object))]
        [1, 2]
    """
    ends = np.cumsum(np.fromiter(map(len, values), np.int64, len(values)))
    return np.split(values, 1 + np.flatnonzero(np.diff(ends // PIECE_BYTES)))


def same_dictionary(one: pa.Array, other: pa.Array) -> bool:
    """Whether two dictionaries hold the same values; of one file it takes no look at them."""
    if one is other or len(one) != len(other):
        return one is other
    same_memory = [b.address if b else 0 for b in one.buffers()] == [b.address if b else 0 for b in other.buffers()]
    return (same_memory and one.offset == other.offset) or one.equals(other)
