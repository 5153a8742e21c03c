"""A digest of the values of a source, which depends on neither format, chunks nor encoding."""

import hashlib
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from blocks.data.chunking import rechunk
from blocks.statistics.canonical_types import canonical_type
from blocks.statistics.hashing import hash64


def content_hash(schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> str:
    """BLAKE2b over names, types and a 64-bit hash of every value: the same for the same values, however chunked."""
    digest = hashlib.blake2b(digest_size=16)
    digest.update(repr([(field.name, str(field.type)) for field in schema]).encode())
    for batch in rechunk(batches, 65_536):
        for column in batch.columns:
            for part in _flat(column):
                digest.update(hash64(part if canonical_type(part.type) is not None else _as_text(part)).tobytes())
    return digest.hexdigest()


def _as_text(array: pa.Array) -> pa.Array:
    """Values of a type that nothing here computes with (unions, intervals) as text."""
    return pa.array([None if value is None else repr(value) for value in array.to_pylist()], pa.string())


def _flat(array: pa.Array) -> Iterator[pa.Array]:
    """A nested column as columns of single values: what is null, how long each list is, and what lies inside."""
    kind = array.type
    if isinstance(array, pa.ExtensionArray):
        yield from _flat(array.storage)
    elif pa.types.is_struct(kind):
        yield array.is_valid()
        for field in array.flatten():
            yield from _flat(field)
    elif pa.types.is_map(kind):
        yield from _flat(array.cast(pa.list_(pa.struct([("key", kind.key_type), ("value", kind.item_type)]))))
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        yield pc.list_value_length(array)
        yield from _flat(array.flatten())
    else:
        yield array
