"""A 64-bit hash of column values that never changes: on every machine, in every release, for every Arrow encoding.

Rows are assigned to splits by it and distinct values are estimated from it, so its golden values are pinned by a test.
It is fast and well mixed, and not cryptographic. `mix64` is what else in the library draws rows by their hashes.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from blocks.errors import InvalidArgument
from blocks.statistics.canonical_types import canonical, canonical_type
from blocks.statistics.statistic import unsupported

STEP = np.uint64(0x9E3779B97F4A7C15)
"""SplitMix64's increment: the golden ratio in 64 bits, an odd number whose multiples are spread evenly."""

_BLOCK_BYTES = 1 << 19


def hash64(values: pa.Array | pa.ChunkedArray, seed: int = 0) -> np.ndarray:
    """Hashes each value by its canonical text.

    Equal values hash equally whatever holds them: string, large or view string, binary, dictionary, any integer width.
    A whole float below 2^53 hashes as that integer, and an integer as its decimal text, so that a column keeps its
    hashes when it is widened from integers to floats or strings. Other floats hash as the shortest text that gives
    them back, decimals without trailing zeros, booleans as true or false, dates and UTC times as ISO text. Null, NaN,
    "" and b"" are the same value: missing.

    Args:
        values: (rows,) Any type but nested ones.
        seed: From 0 to 2^64 - 1; other seeds give independent hashes.

    Returns:
        (rows,) uint64.

    Raises:
        InvalidArgument: The seed is out of range.
        SchemaMismatch: The type is nested or unknown.

    Example:
        >>> bool((hash64(pa.array([7, 0])) == hash64(pa.array(["7", "0"]))).all())
        True

    Source: each 8-byte word is mixed with its position by SplitMix64's finaliser (Steele, Lea, Flood 2014), the mixed
    words are summed, and the sum is mixed with the length.
    """
    if not 0 <= seed < 1 << 64:
        raise InvalidArgument(f"A seed is from 0 to 2^64 - 1. Received: {seed}.")
    if isinstance(values, pa.ChunkedArray):
        return np.concatenate([hash64(chunk, seed) for chunk in values.chunks] or [np.zeros(0, np.uint64)])
    if pa.types.is_dictionary(values.type):
        entries = np.append(hash64(values.dictionary, seed), _missing_hash(seed))
        indices = pc.fill_null(values.indices.cast(pa.int64()), len(values.dictionary))
        return entries[indices.to_numpy()]
    text = _canonical_text(values)
    if not len(text):
        return np.zeros(0, dtype=np.uint64)
    offsets = np.frombuffer(text.buffers()[1], dtype=np.int64)[text.offset : text.offset + len(text) + 1]
    hashes = np.empty(len(text), dtype=np.uint64)
    data = text.buffers()[2]
    data = np.zeros(0, dtype=np.uint8) if data is None else np.frombuffer(data, dtype=np.uint8)
    start = 0
    while start < len(text):
        # Blocks that fit the cache; a single longer value makes a block of its own.
        stop = int(np.searchsorted(offsets, offsets[start] + _BLOCK_BYTES, side="right")) - 1
        stop = min(max(stop, start + 1), start + _BLOCK_BYTES // 8, len(text))
        hashes[start:stop] = _hash_block(offsets[start : stop + 1], data, np.uint64(seed))
        start = stop
    hashes[np.diff(offsets) == 0] = _missing_hash(seed)
    if text.null_count:
        hashes[np.asarray(text.is_null())] = _missing_hash(seed)
    return hashes


def hash_rows(columns: Sequence[pa.Array | pa.ChunkedArray], seed: int = 0) -> np.ndarray:
    """Hashes rows of several columns; the order of the columns matters.

    Args:
        columns: At least one, each (rows,).
        seed: From 0 to 2^64 - 1.

    Returns:
        (rows,) uint64.

    Raises:
        InvalidArgument: No column, or columns of different lengths.

    Example:
        >>> hash_rows([pa.array([1, 1]), pa.array(["a", "b"])]).shape
        (2,)
    """
    lengths = [len(column) for column in columns]
    if len(set(lengths)) != 1:
        raise InvalidArgument(f"Rows are hashed over one or more columns of one length. Received lengths: {lengths}.")
    combined = np.zeros(lengths[0], dtype=np.uint64)
    for column in columns:
        combined = mix64((combined + STEP) ^ hash64(column, seed))
    return combined


def mix64(z: np.ndarray) -> np.ndarray:
    """SplitMix64's finaliser of uint64: a bijection in which every bit that enters decides about half of the others."""
    z = z ^ (z >> np.uint64(30))
    z *= np.uint64(0xBF58476D1CE4E5B9)
    z ^= z >> np.uint64(27)
    z *= np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return z


def _missing_hash(seed: int) -> np.uint64:
    return mix64(np.array([seed ^ 0x6D697373696E6721], dtype=np.uint64))[0]


def _canonical_text(values: pa.Array) -> pa.Array:
    """The values as large_string or large_binary, where every missing one is null or empty."""
    dtype = canonical_type(values.type)
    if dtype is None:
        raise unsupported("A hash", "columns of single values", values.type)
    values = canonical(values)
    if pa.types.is_null(dtype):
        return pa.nulls(len(values), pa.large_string())
    if pa.types.is_floating(dtype):
        text = _float_text(values)
    elif pa.types.is_decimal(dtype):
        text = _decimal_text(values)
    elif pa.types.is_duration(dtype):
        text = values.view(pa.int64()).cast(pa.large_string())
    else:
        text = values if pa.types.is_large_binary(dtype) else values.cast(pa.large_string())
    return text


def _float_text(values: pa.Array) -> pa.Array:
    numbers = np.asarray(values.fill_null(np.nan)) if values.null_count else values.to_numpy()
    whole = (np.abs(numbers) < 2.0**53) & (np.trunc(numbers) == numbers)
    integers = pa.array(np.where(whole, numbers, 0.0).astype(np.int64)).cast(pa.large_string())
    if whole.all():
        return integers
    fractions = pa.array(numbers, mask=np.isnan(numbers)).cast(pa.large_string())
    return pc.if_else(pa.array(whole), integers, fractions)


def _decimal_text(values: pa.Array) -> pa.Array:
    text = values.cast(pa.large_string())
    if values.type.scale <= 0:
        return text
    text = pc.replace_substring_regex(text, r"^(-?\d+)(\.\d*[1-9])?\.?0*(E.*)?$", r"\1\2\3")
    return pc.replace_substring_regex(text, "^0E.*", "0")


def _hash_block(offsets: np.ndarray, data: np.ndarray, seed: np.uint64) -> np.ndarray:
    lengths = np.diff(offsets)
    words = (lengths + 7) >> 3
    # Eight zero bytes, so that the last word of the last value can be read whole.
    block = np.concatenate([data[offsets[0] : offsets[-1]], np.zeros(8, dtype=np.uint8)])
    # Overlapping words at every byte position: one gather reads unaligned words without Python per value.
    view: np.ndarray = np.ndarray((len(block) - 7,), dtype="<u8", buffer=block.data, strides=(1,))
    starts = offsets[:-1] - offsets[0]
    longest = int(words.max())
    keys = mix64(seed + STEP * np.arange(1, longest + 1, dtype=np.uint64))
    if longest <= 1:
        total = mix64((view[starts] & _tail_mask(lengths)) ^ (keys[0] if longest else np.uint64(0)))
        total[words == 0] = 0
    else:
        total = _sum_words(view, starts, lengths, words, keys)
    return mix64(total ^ mix64(seed ^ lengths.astype(np.uint64)))


def _sum_words(
    view: np.ndarray, starts: np.ndarray, lengths: np.ndarray, words: np.ndarray, keys: np.ndarray
) -> np.ndarray:
    """The sum of each value's mixed words, over all words of all values at once."""
    ends = np.cumsum(words)
    first = ends - words
    position = np.arange(ends[-1]) - np.repeat(first, words)
    mixed = view[np.repeat(starts, words) + 8 * position]
    filled = words > 0
    mixed[ends[filled] - 1] &= _tail_mask((lengths - 8 * (words - 1))[filled])
    mixed = mix64(mixed ^ keys[position])
    total = np.zeros(len(words), dtype=np.uint64)
    total[filled] = np.add.reduceat(mixed, first[filled])
    return total


def _tail_mask(lengths: np.ndarray) -> np.ndarray:
    """Keeps the first 1 to 8 bytes of a little-endian word."""
    spare = (np.uint64(8) - np.minimum(lengths, 8).astype(np.uint64)) * np.uint64(8)
    return np.uint64(0xFFFFFFFFFFFFFFFF) >> np.minimum(spare, np.uint64(63))
