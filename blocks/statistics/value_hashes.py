"""64-bit hashes of values by what they are, for telling equal rows: numbers by their bits, and not by their text.

`hashing.hash64` assigns rows to splits and estimates distinct values; it is pinned for ever, makes all that is missing
one value, and takes single values alone. These are faster for numbers, keep null apart, and take nested values.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from blocks.errors import InvalidArgument
from blocks.statistics.canonical_types import canonical, canonical_type, is_text, microseconds
from blocks.statistics.hashing import STEP, hash64, mix64
from blocks.statistics.statistic import unsupported
from blocks.statistics.tokens import same_entries

_NULL: Final = np.uint64(0x9AE16A3B2F90404F)
_DIGITS_OF_FLOATS: Final = 15


def value_hashes(values: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """Hashes each value; equal values have equal hashes, whatever Arrow type holds them.

    Numbers are equal where they are so as numbers, integers beyond 2^53 too: 1, 1.0, true and the decimal 1.00; a
    decimal and a float where they are so to 15 digits, or as texts; -0.0 and 0.0; NaN and NaN. A date is its midnight,
    text its bytes in UTF-8. Null is equal to null alone: neither to NaN nor to "". Lists are equal where they have
    equal values in equal order, structs where their fields are.

    Args:
        values: (rows,) Any type.

    Returns:
        (rows,) uint64.

    Raises:
        SchemaMismatch: The type is unknown.

    Example:
        >>> one, other = value_hashes(pa.array([1, None, 2])), value_hashes(pa.array([1.0, None, np.nan]))
        >>> (one == other).tolist()
        [True, True, False]
    """
    if isinstance(values, pa.ChunkedArray):
        return np.concatenate([value_hashes(chunk) for chunk in values.chunks] or [np.zeros(0, np.uint64)])
    if isinstance(values, pa.ExtensionArray):
        return value_hashes(values.storage)
    kind = values.type
    if pt.is_dictionary(kind):
        return _looked_up(_entries(values.dictionary), values.indices)
    if pt.is_run_end_encoded(kind):
        return value_hashes(pc.run_end_decode(values))
    hashes = _nested(values) if pt.is_nested(kind) else _single(values)
    if values.null_count:
        hashes = np.where(np.asarray(values.is_null()), _NULL, hashes)
    return hashes


class ColumnHashes:
    """`value_hashes` of one chunk of a column after another: a dictionary that they share is hashed once.

    Example:
        >>> hashes = ColumnHashes()
        >>> bool((hashes.of(pa.array(["a", "b"]).dictionary_encode()) == value_hashes(pa.array(["a", "b"]))).all())
        True
    """

    def __init__(self) -> None:
        self._dictionary: pa.Array | None = None
        self._hashes = np.zeros(0, np.uint64)

    def of(self, values: pa.Array) -> np.ndarray:
        """The hashes of a chunk's values; see `value_hashes`."""
        if not pt.is_dictionary(values.type):
            return value_hashes(values)
        dictionary = values.dictionary
        if self._dictionary is None or not same_entries(self._dictionary, dictionary):
            self._dictionary, self._hashes = dictionary, _entries(dictionary)
        return _looked_up(self._hashes, values.indices)


def _entries(dictionary: pa.Array) -> np.ndarray:
    """The hashes of a dictionary's entries and, last, of null."""
    return np.append(value_hashes(dictionary), _NULL)


def _looked_up(entries: np.ndarray, indices: pa.Array) -> np.ndarray:
    if indices.null_count:
        indices = indices.cast(pa.int64()).fill_null(len(entries) - 1)
    return entries.take(indices.to_numpy())


def row_hashes(columns: Sequence[pa.Array | pa.ChunkedArray]) -> np.ndarray:
    """Hashes rows of several columns by `value_hashes`; the order of the columns matters.

    Args:
        columns: At least one, each (rows,).

    Returns:
        (rows,) uint64.

    Raises:
        InvalidArgument: No column, or columns of different lengths.

    Example:
        >>> one, other = row_hashes([pa.array([1, 1]), pa.array(["a", "a"])])
        >>> bool(one == other)
        True
    """
    if len({len(column) for column in columns}) != 1:
        lengths = [len(column) for column in columns]
        raise InvalidArgument(f"Rows are hashed over one or more columns of one length. Received lengths: {lengths}.")
    return combined([value_hashes(column) for column in columns])


def combined(hashes: Sequence[np.ndarray]) -> np.ndarray:
    """One hash of several, each (rows,) uint64, of one row; their order matters."""
    total = np.zeros_like(hashes[0])
    for one in hashes:
        total = mix64((total + STEP) ^ one)
    return total


def _single(values: pa.Array) -> np.ndarray:
    kind = canonical_type(values.type)
    if kind is None:
        raise unsupported("A hash", "columns of values, lists and structs", values.type)
    if pt.is_null(kind):
        return np.full(len(values), _NULL)
    if is_text(kind):
        return hash64(values)
    rest: np.ndarray | None = None
    if pt.is_temporal(kind):
        if getattr(values.type, "unit", "") == "ns":
            # what is cut off when they become microseconds
            rest = (values.view(pa.int64()).fill_null(0).to_numpy() % 1000).astype(np.uint64)
        values = microseconds(values)
    elif pt.is_decimal(kind):
        numbers = values.cast(pa.string()).cast(pa.float64())  # Arrow's own way is off by a bit at times
        if values.type.precision > _DIGITS_OF_FLOATS:
            exact = hash64(values)
            rest = np.where((exact == hash64(numbers)) | _short(values), np.uint64(0), exact)
        values = numbers
    else:
        values = canonical(values)
    if pt.is_boolean(values.type):
        values = values.cast(pa.int64())
    numbers = (values.fill_null(0) if values.null_count else values).to_numpy()
    floats = numbers.astype(np.float64) + 0.0  # which turns -0.0 into 0.0
    if pt.is_integer(values.type):
        lost = _lost(numbers, floats)
        rest = lost if rest is None else rest + lost
    else:
        np.copyto(floats, np.nan, where=np.isnan(floats))  # of many bit patterns one
    bits = floats.view(np.uint64)
    bits += STEP
    mixed = mix64(bits)
    return mix64(mixed if rest is None else mixed ^ rest)


def _short(decimals: pa.Array) -> np.ndarray:
    """Whether each has so few digits that no other such number has its float."""
    digits = pc.replace_substring_regex(decimals.cast(pa.string()), r"E.*|[-.]", "")
    lengths = pc.utf8_length(pc.utf8_trim(digits, "0"))
    return np.asarray(lengths.fill_null(0)) <= _DIGITS_OF_FLOATS


def _lost(integers: np.ndarray, floats: np.ndarray) -> np.ndarray:
    """What integers differ by from their floats, modulo 2^64; 0 up to 2^53."""
    beyond = 2.0 ** (63 if integers.dtype == np.int64 else 64)
    # the float next above the largest integer is the type's smallest one, modulo 2^64
    back = np.where(floats >= beyond, np.float64(np.iinfo(integers.dtype).min), floats).astype(integers.dtype)
    return integers.view(np.uint64) - back.view(np.uint64)


def _nested(values: pa.Array) -> np.ndarray:
    kind = values.type
    if pt.is_struct(kind):
        # fields by name, in whatever order a type has them
        fields = sorted(range(kind.num_fields), key=lambda i: kind.field(i).name)
        return row_hashes([values.field(i) for i in fields] or [pa.nulls(len(values))])
    if pt.is_map(kind):
        lengths = np.diff(values.offsets.to_numpy())
        inner = row_hashes([_of_map(values, values.keys), _of_map(values, values.items)])
    elif pt.is_fixed_size_list(kind):
        # of a null list, its values are there too
        lengths = np.full(len(values), kind.list_size)
        inner = value_hashes(values.values.slice(values.offset * kind.list_size, len(values) * kind.list_size))
    elif pt.is_list(kind) or pt.is_large_list(kind):
        offsets = values.offsets.to_numpy()
        lengths = np.diff(offsets)
        inner = value_hashes(values.values.slice(offsets[0], offsets[-1] - offsets[0]))
    else:
        raise unsupported("A hash", "columns of values, lists and structs", kind)
    ends = np.cumsum(lengths)
    place = np.arange(len(inner)) - np.repeat(ends - lengths, lengths)
    total = np.concatenate([np.zeros(1, np.uint64), np.cumsum(mix64(inner ^ mix64(STEP * place.astype(np.uint64))))])
    return mix64((total[ends] - total[ends - lengths]) ^ mix64(lengths.astype(np.uint64) ^ _NULL))


def _of_map(values: pa.Array, inner: pa.Array) -> pa.Array:
    offsets = values.offsets
    return inner.slice(offsets[0].as_py(), offsets[-1].as_py() - offsets[0].as_py())
