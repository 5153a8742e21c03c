"""Raw columns: the arrays of shape (batch,) in which rows enter the graph, made from Arrow.

The rule (DESIGN.md, contract 7) stands here once: float16 and float32 enter as float32; other numbers and booleans as
float64 (null is NaN); integers that a block treats as identifiers as int64 and dates and timestamps as int64
microseconds since 1970 UTC (null is the smallest int64); strings and binary as string (null is "").
What a block makes of them does not live here.
"""

from typing import Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from blocks.errors import SchemaMismatch

RawType = Literal["float32", "float64", "int64", "string"]

MISSING_INT: Final = np.iinfo(np.int64).min
"""What a missing identifier, date or timestamp is in an int64 column."""


def natural(type: pa.DataType) -> pa.DataType:
    """The type of the values, however they are encoded.

    Example:
        >>> natural(pa.dictionary(pa.int32(), pa.string()))
        DataType(string)
    """
    return type.value_type if pt.is_dictionary(type) else type


def is_text(type: pa.DataType) -> bool:
    """Whether an Arrow type enters the graph as strings; dictionaries count by their values."""
    if pt.is_dictionary(type):
        return is_text(type.value_type)
    return (
        pt.is_string(type)
        or pt.is_large_string(type)
        or pt.is_string_view(type)
        or pt.is_binary(type)
        or pt.is_large_binary(type)
        or pt.is_fixed_size_binary(type)
    )


def is_time(type: pa.DataType) -> bool:
    """Whether an Arrow type is a date, timestamp, time of day or duration."""
    return pt.is_temporal(type) and not pt.is_interval(type)


def is_instant(type: pa.DataType) -> bool:
    """Whether an Arrow type is a date or timestamp."""
    return pt.is_date(type) or pt.is_timestamp(type)


def is_number(type: pa.DataType) -> bool:
    """Whether an Arrow type is a number or boolean."""
    return pt.is_integer(type) or pt.is_floating(type) or pt.is_boolean(type) or pt.is_decimal(type)


def raw_type(type: pa.DataType, *, identifier: bool = False) -> RawType:
    """The dtype in which a column of this Arrow type enters the graph.

    Args:
        type: The column's Arrow type; a dictionary counts by its values.
        identifier: Whether the block that reads it treats integers as identifiers rather than quantities.

    Returns:
        "float32", "float64", "int64" or "string".

    Raises:
        SchemaMismatch: The type has no scalar raw form (lists, structs, maps).

    Example:
        >>> import pyarrow as pa
        >>> raw_type(pa.int32()), raw_type(pa.int32(), identifier=True), raw_type(pa.large_string())
        ('float64', 'int64', 'string')
    """
    if pt.is_dictionary(type):
        return raw_type(type.value_type, identifier=identifier)
    if is_text(type):
        return "string"
    if is_time(type):
        return "int64"
    if pt.is_float16(type) or pt.is_float32(type):
        return "float32"
    if identifier and (pt.is_integer(type) or pt.is_boolean(type)):
        return "int64"
    if is_number(type) or pt.is_null(type):
        return "float64"
    raise SchemaMismatch(
        f"A raw column holds numbers, booleans, dates, timestamps, strings or binary. Received: {type}. "
        "Leave the column out or flatten it before it is read."
    )


def to_raw(values: pa.Array | pa.ChunkedArray, dtype: str, name: str = "column") -> np.ndarray:
    """One Arrow column as the NumPy array that enters the graph.

    Args:
        values: Column of any length.
        dtype: What `raw_type` said when the model was adapted. Other types of the same family are converted exactly
            or, float64 to float32, rounded once; anything else is refused.
        name: The column's name, for the error.

    Returns:
        Array of shape (rows,): float32, float64, int64, or object (str or bytes) for "string".

    Raises:
        SchemaMismatch: The column is of another family (text where numbers were, say).

    Example:
        >>> import pyarrow as pa
        >>> to_raw(pa.array([1, None]), "float64")
        array([ 1., nan])
        >>> to_raw(pa.array(["a", None]), "string")
        array(['a', ''], dtype=object)
    """
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    if pt.is_dictionary(values.type):
        values = values.dictionary_decode()
    kind = values.type
    fits = (
        pt.is_null(kind)
        or {
            "string": is_text(kind),
            "int64": is_time(kind) or pt.is_integer(kind) or pt.is_boolean(kind) or pt.is_floating(kind),
            "float64": is_number(kind),
            "float32": is_number(kind),
        }[dtype]
    )
    if not fits:
        raise SchemaMismatch(
            f"Column {name!r} enters the model as {dtype}, as it was when the model was adapted. Received: {kind}. "
            f"Cast the column, or read it with column_types={{{name!r}: ...}}."
        )
    if dtype == "string":
        if pt.is_null(kind):
            return np.full(len(values), "", object)
        out = values.to_numpy(zero_copy_only=False)
        if values.null_count:
            out = np.where(values.is_null().to_numpy(zero_copy_only=False), "", out)
        return out
    if pt.is_null(kind):
        return np.full(len(values), np.nan if dtype != "int64" else MISSING_INT, dtype)
    if dtype == "int64":
        return _to_int64(values, name)
    if pt.is_boolean(kind) or pt.is_decimal(kind):
        values = values.cast(pa.float64())
    if pt.is_floating(values.type) and not pt.is_float16(values.type) and values.null_count:
        values = pc.fill_null(values, pa.scalar(np.nan, values.type))
    # astype of a column that has the dtype already is a view: nothing here writes into it
    return values.to_numpy(zero_copy_only=False).astype(dtype, copy=False)


def _to_int64(values: pa.Array, name: str) -> np.ndarray:
    kind = values.type
    if pt.is_floating(kind):
        # pandas makes floats of integers with gaps
        values = pc.if_else(pc.is_nan(values), pa.scalar(None, kind), values)
        try:
            values = values.cast(pa.int64())
        except pa.ArrowInvalid as error:
            raise SchemaMismatch(
                f"Column {name!r} enters the model as int64, as it was when the model was adapted. "
                f"Received: fractions, or numbers beyond int64 ({error})."
            ) from error
    if pt.is_timestamp(kind):
        values = values.cast(pa.timestamp("us", kind.tz), safe=False).cast(pa.int64())
    elif pt.is_date(kind):
        values = values.cast(pa.timestamp("us")).cast(pa.int64())
    elif pt.is_time(kind):
        values = values.cast(pa.time64("us"), safe=False).cast(pa.int64())
    elif pt.is_duration(kind):
        values = values.cast(pa.duration("us"), safe=False).cast(pa.int64())
    else:
        values = values.cast(pa.int64())
    if values.null_count:
        values = pc.fill_null(values, pa.scalar(MISSING_INT, pa.int64()))
    return values.to_numpy(zero_copy_only=False)


def to_arrow(values: object, name: str = "column") -> pa.Array:
    """Anything that holds one column (Arrow, NumPy, list, tensor, pandas or Polars series) as an Arrow array.

    Args:
        values: The column, of shape (rows,).
        name: Its name, for the error.

    Raises:
        SchemaMismatch: It has another rank, or values of mixed types.

    Example:
        >>> to_arrow(["a", None]).null_count
        1
    """
    if isinstance(values, pa.ChunkedArray):
        return values.combine_chunks()
    if isinstance(values, pa.Array):
        return values
    if hasattr(values, "__arrow_c_stream__"):
        return pa.chunked_array(values).combine_chunks()
    if hasattr(values, "numpy") and callable(values.numpy):
        values = values.numpy()
    shape = np.shape(values) if isinstance(values, np.ndarray) else None
    if (shape is not None and len(shape) != 1) or isinstance(values, (str, bytes, int, float, bool, type(None))):
        raise SchemaMismatch(
            f"A raw column has shape (batch,). Received: column {name!r} of shape {shape or ()}. "
            "Give one value a row; wrap a single row's values in lists."
        )
    if isinstance(values, np.ndarray) and values.dtype.kind in "US":
        values = values.tolist()
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        raise SchemaMismatch(
            f"A raw column holds values of one type. Received: column {name!r}, for which Arrow says: {error}"
        ) from error
