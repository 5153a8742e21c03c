"""Columns as NumPy's arrays of numbers, truth values, dates and times: what is missing is NaN or NaT, or refused."""

import numpy as np
import pyarrow as pa
import pyarrow.types as pt

from blocks.data.writing.rows_writer import refuse, refuse_missing

Layout = tuple[np.dtype, tuple[int, ...]]
"""The type of a value, and the shape of a row's."""


def numpy_layout(field: pa.Field) -> Layout:
    """What a column is in NumPy.

    Raises:
        SchemaMismatch: It holds texts, or what else has no size of its own.
    """
    kind, shape = field.type, []
    while pt.is_fixed_size_list(kind) and kind.list_size:
        shape.append(kind.list_size)
        kind = kind.value_type
    if pt.is_timestamp(kind) and kind.tz is None:
        return np.dtype(f"<M8[{kind.unit}]"), tuple(shape)
    if pt.is_duration(kind):
        return np.dtype(f"<m8[{kind.unit}]"), tuple(shape)
    if pt.is_date32(kind):
        return np.dtype("<M8[D]"), tuple(shape)
    if pt.is_integer(kind) or pt.is_floating(kind) or pt.is_boolean(kind):
        return np.dtype(kind.to_pandas_dtype()).newbyteorder("<"), tuple(shape)
    refuse(field, "NumPy")


def numpy_values(field: pa.Field, values: pa.Array, layout: Layout, missing: dict[str, int]) -> np.ndarray:
    """The values of a column.

    Args:
        field: Of the column.
        values: Of it.
        layout: What `numpy_layout` says.
        missing: By column, how many floats were missing; counted on.

    Raises:
        SchemaMismatch: A list, an integer or a truth value is missing.
    """
    dtype, shape = layout
    rows = len(values)
    while pt.is_fixed_size_list(values.type) and values.type.list_size:
        if values.null_count:
            refuse(field, "NumPy", "a list is missing")
        values = values.flatten()
    if dtype.kind in "mM":
        whole = values.cast(pa.int32()) if pt.is_date32(values.type) else values
        whole = whole.cast(pa.int64()).fill_null(np.iinfo(np.int64).min)  # NaT
        found = whole.to_numpy(zero_copy_only=False).view(dtype)
    else:
        if values.null_count and not pt.is_floating(values.type):
            refuse_missing(field, "NumPy", "a float, a date or a time")
        if values.null_count:
            missing[field.name] += values.null_count
            values = values.fill_null(np.array(np.nan, dtype)[()])
        found = values.to_numpy(zero_copy_only=False).astype(dtype, copy=False)
    return found.reshape(rows, *shape)
