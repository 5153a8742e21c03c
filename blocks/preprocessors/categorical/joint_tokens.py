"""Joint tokens: a value, the fold of its row and the target's class counted together, as `TargetEncode` learns them."""

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from blocks.data.arrow_types import is_number, is_text
from blocks.data.raw_arrays import to_raw
from blocks.data.raw_columns import MISSING_INT, RawColumn
from blocks.errors import BadTarget, SchemaMismatch
from blocks.statistics import hash64

BEGINNING: Final = np.dtype([("integer", "u1"), ("fold", "u1"), ("label", ">u8")])
"""How a counted token begins; the value's bytes follow, none for a missing one."""


def numbers_of_target(target: pa.Array) -> np.ndarray:
    """A target as float64, NaN where it is missing.

    Raises:
        BadTarget: It holds no numbers.
    """
    target = target.dictionary_decode() if pt.is_dictionary(target.type) else target
    if not is_number(target.type) and not pt.is_null(target.type):
        raise BadTarget(
            f"TargetEncode takes the target for a number. Received: one of type {target.type}. Cast it, or use "
            "kind='classes'."
        )
    return to_raw(target, RawColumn("float64"), "target")


def classes_of_target(target: pa.Array) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Hashes of the distinct classes, each row's class among them, and which rows have one."""
    coded = target if pt.is_dictionary(target.type) else target.dictionary_encode()
    found = coded.dictionary
    there = found.is_valid().to_numpy(zero_copy_only=False)
    if is_text(found.type):
        there &= pc.fill_null(pc.not_equal(pc.binary_length(found), 0), False).to_numpy(zero_copy_only=False)
    elif pt.is_floating(found.type):
        there &= pc.fill_null(pc.is_finite(found), False).to_numpy(zero_copy_only=False)
    class_of_row = pc.fill_null(coded.indices.cast(pa.int64()), len(found)).to_numpy()
    return np.append(hash64(found), np.uint64(0)), class_of_row, np.append(there, False)[class_of_row]


def distinct_entries(values: pa.Array, name: str) -> tuple[pa.Array, np.ndarray, bool]:
    """Distinct values as bytes, b"" for what is missing; each row's among them; and whether they are integers.

    Raises:
        SchemaMismatch: They are neither text nor integers.
    """
    coded = values if pt.is_dictionary(values.type) else values.dictionary_encode()
    found = coded.dictionary
    missing = pa.array([b""], pa.large_binary())
    integer = pt.is_integer(found.type) or pt.is_boolean(found.type)
    if integer:
        numbers = to_raw(found, RawColumn("int64"), name)
        found = pa.array(numbers, mask=numbers == MISSING_INT).cast(pa.large_string())
    elif not is_text(found.type) and not pt.is_null(found.type):
        raise SchemaMismatch(
            f"TargetEncode takes strings or integers. Received: {name!r} with values of type {found.type}. Put a block "
            "before it that makes ids of them (Bucketize(), for quantities)."
        )
    entries = pa.concat_arrays([pc.fill_null(found.cast(pa.large_binary()), b""), missing])
    return entries, pc.fill_null(coded.indices.cast(pa.int64()), len(found)).to_numpy(), integer


def joint_tokens(entries: pa.Array, integer: bool, fold: np.ndarray, label: np.ndarray) -> pa.Array:
    """One token for each value with its fold and label.

    Args:
        entries: (n,) The values as bytes.
        integer: Whether they are integers.
        fold: (n,) Their folds.
        label: (n,) uint64 Hashes of classes, or signs.
    """
    heads = np.empty(len(entries), BEGINNING)
    heads["integer"], heads["fold"], heads["label"] = integer, fold, label
    begin = pa.Array.from_buffers(pa.binary(BEGINNING.itemsize), len(heads), [None, pa.py_buffer(heads.tobytes())])
    return pc.binary_join_element_wise(begin.cast(pa.large_binary()), entries, pa.scalar(b"", pa.large_binary()))


def parts_of_tokens(tokens: pa.Array) -> tuple[np.ndarray, pa.Array]:
    """What each counted token begins with, and the values' bytes after it."""
    offsets = np.frombuffer(tokens.buffers()[1], np.int64)[tokens.offset : tokens.offset + len(tokens) + 1]
    data = np.frombuffer(tokens.buffers()[2], np.uint8)[offsets[0] : offsets[-1]]
    offsets = offsets - offsets[0]
    at = offsets[:-1, np.newaxis] + np.arange(BEGINNING.itemsize)
    rest = np.ones(len(data), bool)
    rest[at] = False
    bounds = offsets - BEGINNING.itemsize * np.arange(len(offsets))
    buffers = [None, pa.py_buffer(bounds.tobytes()), pa.py_buffer(data[rest].tobytes())]
    return data[at].view(BEGINNING)[:, 0], pa.Array.from_buffers(pa.large_binary(), len(tokens), buffers)


def ranked_values(entries: pa.Array, counts: np.ndarray, heads: np.ndarray) -> tuple[pa.Array, np.ndarray]:
    """The values among counted entries by falling count, ties by value; and each entry's rank, the last if missing."""
    there = np.flatnonzero(pc.binary_length(entries).to_numpy())
    tokens = entries.take(pa.array(there))
    if heads["integer"].any():
        tokens = tokens.cast(pa.large_string()).cast(pa.int64())
    table = pa.table({"count": counts[there], "token": tokens})
    order = pc.sort_indices(table, [("count", "descending"), ("token", "ascending")])
    place = np.full(len(entries), len(tokens))
    place[there[order.to_numpy()]] = np.arange(len(tokens))
    return tokens.take(order), place
