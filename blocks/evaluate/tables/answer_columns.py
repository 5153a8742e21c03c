"""Columns: what a prediction table holds as the NumPy arrays that are judged: lists, numbers, labels."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from blocks.data.arrow_types import is_number
from blocks.data.encodings import natural_type
from blocks.errors import SchemaMismatch
from blocks.targets.description import HeadDescription
from blocks.targets.label_sets import encode_labels


def matrix(values: pa.Array, name: str) -> np.ndarray:
    """A column of equally long lists as (rows, width), a null as NaN.

    Raises:
        SchemaMismatch: It is none.
    """
    kind = values.type
    if pt.is_list(kind) or pt.is_large_list(kind):
        lengths = pc.list_value_length(values)
        if values.null_count or pc.count_distinct(lengths).as_py() != 1:
            raise SchemaMismatch(f"{name!r} holds lists of one length, none of them null. Received: other ones.")
        kind = pa.list_(kind.value_type, lengths[0].as_py())
        values = pa.FixedSizeListArray.from_arrays(values.flatten(), kind.list_size)
    if not pt.is_fixed_size_list(kind) or not is_number(kind.value_type):
        raise SchemaMismatch(f"{name!r} holds lists of numbers of one length. Received: {values.type}.")
    inner = values.values.slice(values.offset * kind.list_size, len(values) * kind.list_size)
    if pt.is_boolean(inner.type):
        inner = inner.cast(pa.uint8())
    rows = inner.to_numpy(zero_copy_only=False).reshape(len(values), kind.list_size)
    if values.null_count:
        rows = np.where(np.asarray(values.is_null())[:, None], np.nan, rows)
    return rows


def numbers(values: pa.Array, name: str) -> np.ndarray:
    """A column of numbers, (rows,), a null as NaN.

    Raises:
        SchemaMismatch: It holds none.
    """
    if pt.is_dictionary(values.type):
        values = values.dictionary_decode()
    if not is_number(values.type) and not pt.is_null(values.type):
        raise SchemaMismatch(f"{name!r} holds numbers. Received: a column of type {values.type}.")
    if values.null_count or not pt.is_floating(values.type):
        values = values.cast(pa.float64())
    return values.to_numpy(zero_copy_only=False)


def label_truth(columns: Sequence[pa.Array], head: HeadDescription) -> tuple[np.ndarray, np.ndarray]:
    """Which labels are true of each row, (rows, labels) of 0 and 1, and which rows are usable."""
    if len(columns) == 1 and not is_number(natural_type(columns[0].type)):
        return encode_labels(columns[0], head.separator, list(head.classes or ()), head.targets[0])
    flags = np.stack([numbers(values, name) for values, name in zip(columns, head.targets, strict=True)], axis=1)
    usable = ((flags == 0) | (flags == 1)).all(axis=1)
    return np.where(usable[:, None], flags, 0), usable


def step_matrix(values: pa.Array, name: str) -> np.ndarray:
    """A column of lists, or of numbers as lists of one, as float64 (rows, width), a null row as NaN."""
    if not pt.is_nested(values.type):
        return numbers(values, name).astype(np.float64, copy=False)[:, None]
    return matrix(values, name).astype(np.float64, copy=False)


def of_target(values: np.ndarray, i: int, targets: int) -> np.ndarray:
    """What an answer says of one of several targets, (rows, values) as float64."""
    return values.reshape(len(values), targets, -1)[:, i].astype(np.float64, copy=False)


def all_finite(values: np.ndarray) -> np.ndarray:
    """Which rows hold finite numbers alone."""
    finite = np.isfinite(values)
    return finite if finite.ndim == 1 else finite.all(axis=1)
