"""The distinct tokens of a column with their counts, chunk by chunk: what `Counts` and `Distinct` are made of.

Chunks are counted over dictionary indices; a token is looked at once a dictionary, never once a row.
"""

import dataclasses

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from blocks.errors import SchemaMismatch
from blocks.statistics.canonical_types import canonical, canonical_type, is_text
from blocks.statistics.statistic import unsupported
from blocks.statistics.tally import Tally

# A dictionary this many times as long as the chunk costs more to count over than the chunk's own tokens.
_LONG_DICTIONARY = 16


@dataclasses.dataclass(frozen=True)
class Tokens:
    """Tokens in their canonical type, each with a positive count. The same token may stand here twice.

    Attributes:
        values: (tokens,) Without missing values and infinities.
        counts: (tokens,) int64.
        weights: (tokens,) float64, or None when no weights were given.
    """

    values: pa.Array
    counts: np.ndarray
    weights: np.ndarray | None

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self.values.nbytes + self.counts.nbytes + (0 if self.weights is None else self.weights.nbytes)


def token_type(statistic: str, values: pa.Array, before: pa.DataType | None) -> pa.DataType | None:
    """Returns the canonical type after this chunk; None while all chunks were of the null type.

    Raises:
        SchemaMismatch: The type is nested, or differs from the one before.
    """
    dtype = canonical_type(values.type)
    if dtype is None:
        raise unsupported(statistic, "columns of single values", values.type)
    if pa.types.is_null(dtype):
        return before
    return joined_type(statistic, before, dtype)


def joined_type(statistic: str, before: pa.DataType | None, dtype: pa.DataType | None) -> pa.DataType | None:
    """The type of both, where None fits any; SchemaMismatch when they differ."""
    if before is not None and dtype is not None and before != dtype:
        raise SchemaMismatch(
            f"{statistic} keeps one type of values, {before} here. Received: {dtype}. Cast the chunks to one type."
        )
    return before if dtype is None else dtype


class DictionaryCounter:
    """Counts the entries of one dictionary for as long as chunks bring the same one."""

    def __init__(self) -> None:
        self._dictionary: pa.Array | None = None
        self._counts = np.zeros(0, dtype=np.int64)
        self._weights: np.ndarray | None = None

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return 0 if self._dictionary is None else self._dictionary.nbytes + 16 * len(self._counts)

    def fits(self, dictionary: pa.Array) -> bool:
        """Whether chunks with this dictionary can be added before `take`."""
        mine = self._dictionary
        if mine is None:
            return True
        return same_entries(mine, dictionary)

    def add(self, values: pa.DictionaryArray, weights: np.ndarray | None) -> None:
        """Adds a chunk whose dictionary `fits`."""
        size = len(values.dictionary)
        if self._dictionary is None:
            self._dictionary = values.dictionary
            # The last entry counts the nulls.
            self._counts = np.zeros(size + 1, dtype=np.int64)
        indices = values.indices
        if indices.null_count:
            indices = pc.fill_null(indices.cast(pa.int64()), size)
        positions = indices.to_numpy()
        if positions.dtype == np.uint64:
            positions = positions.astype(np.int64)
        if weights is not None or self._weights is not None:
            if self._weights is None:
                self._weights = self._counts.astype(np.float64)
            self._weights += np.bincount(positions, weights, minlength=size + 1)
        self._counts += np.bincount(positions, minlength=size + 1)

    def tokens(self) -> tuple[Tokens, Tally] | None:
        """Returns the tokens counted, and how many rows held none; None before the first chunk. Changes nothing."""
        if self._dictionary is None:
            return None
        counts, weights = self._counts, self._weights
        used = np.flatnonzero(counts[:-1])
        values = canonical(self._dictionary)
        if len(used) < len(values):
            values = values.take(pa.array(used))
        missing = int(counts[-1])
        tokens = Tokens(values, counts[used], None if weights is None else weights[used])
        return _without_missing(tokens, Tally(rows=int(counts.sum()), missing=missing))

    def take(self) -> tuple[Tokens, Tally] | None:
        """Returns what `tokens` does, and starts anew."""
        taken = self.tokens()
        self._dictionary, self._weights = None, None
        return taken


def encoded(values: pa.Array) -> pa.DictionaryArray:
    """The values as a dictionary array, whose dictionary is not much longer than the chunk."""
    if pa.types.is_dictionary(values.type) and len(values.dictionary) <= _LONG_DICTIONARY * len(values):
        return values
    return canonical(values).dictionary_encode()


def joined(pieces: list[Tokens]) -> Tokens:
    """Returns the pieces as one, each token once, and takes them out of the list: memory is short here."""
    given = pa.concat_arrays([piece.values for piece in pieces])
    counts = np.concatenate([piece.counts for piece in pieces])
    weights = None
    if any(piece.weights is not None for piece in pieces):
        weights = np.concatenate([piece.counts if piece.weights is None else piece.weights for piece in pieces])
    pieces.clear()
    values = given.dictionary_encode()
    del given
    indices, size = values.indices.to_numpy(), len(values.dictionary)
    # Float sums of counts are exact below 2^53 rows.
    counts = np.bincount(indices, counts, minlength=size).astype(np.int64)
    weights = None if weights is None else np.bincount(indices, weights, minlength=size)
    return Tokens(values.dictionary, counts, weights)


def same_entries(one: pa.Array, other: pa.Array) -> bool:
    """Whether two dictionaries are one: mostly as they are the same part of memory."""
    if one.type != other.type or len(one) != len(other):
        return False
    # Slices of one Parquet row group share their dictionary's memory; comparing 50,000 strings would cost more
    # than counting the chunk.
    return _memory(one) == _memory(other) or one.equals(other)


def _memory(values: pa.Array) -> tuple[int, list[int]]:
    return values.offset, [0 if buffer is None else buffer.address for buffer in values.buffers()]


def _without_missing(tokens: Tokens, tally: Tally) -> tuple[Tokens, Tally]:
    values, counts = tokens.values, tokens.counts
    if pa.types.is_floating(values.type):
        numbers = values.to_numpy(zero_copy_only=False)
        tally.negative_infinite += int(counts[numbers == -np.inf].sum())
        tally.positive_infinite += int(counts[numbers == np.inf].sum())
        tally.missing += int(counts[np.isnan(numbers)].sum())
        keep = np.isfinite(numbers)
        # Adding 0.0 makes one token of 0.0 and -0.0.
        values = pa.array(numbers + 0.0, from_pandas=True)
    else:
        keep = np.asarray(values.is_valid())
        if is_text(values.type):
            keep = np.asarray(pc.fill_null(pc.greater(pc.binary_length(values), 0), False))
        tally.missing += int(counts[~keep].sum())
    if keep.all():
        return Tokens(values, counts, tokens.weights), tally
    weights = None if tokens.weights is None else tokens.weights[keep]
    return Tokens(values.filter(pa.array(keep)), counts[keep], weights), tally
