"""Raw columns: the arrays of shape (batch,) in which rows enter the graph, made from Arrow.

The rule (DESIGN.md, contract 7) stands here once: float16 and float32 enter as float32; other numbers and booleans as
float64 (null is NaN); integers that a block treats as identifiers as int64 and dates and timestamps as int64
microseconds since 1970 UTC (null is the smallest int64); strings and binary as string (null is ""); lists of strings,
binary or integers as string too, each item led by the unit separator, an empty list as that alone (null is "").
What a block makes of them does not live here.
"""

from typing import Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from blocks.errors import SchemaMismatch

RawType = Literal["float32", "float64", "int64", "string", "list"]

MISSING_INT: Final = np.iinfo(np.int64).min
"""What a missing identifier, date or timestamp is in an int64 column."""

LIST_SEPARATOR: Final = "\x1f"
"""What leads every item of a list in its raw string: ASCII's unit separator."""


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


def is_list(type: pa.DataType) -> bool:
    """Whether an Arrow type is a list, of any layout and length, of text or integers."""
    if pt.is_list(type) or pt.is_large_list(type) or pt.is_fixed_size_list(type):
        return is_text(type.value_type) or pt.is_integer(natural(type.value_type)) or pt.is_null(type.value_type)
    return False


def is_number(type: pa.DataType) -> bool:
    """Whether an Arrow type is a number or boolean."""
    return pt.is_integer(type) or pt.is_floating(type) or pt.is_boolean(type) or pt.is_decimal(type)


def raw_type(type: pa.DataType, *, identifier: bool = False) -> RawType:
    """The dtype in which a column of this Arrow type enters the graph.

    Args:
        type: The column's Arrow type; a dictionary counts by its values.
        identifier: Whether the block that reads it treats integers as identifiers rather than quantities.

    Returns:
        "float32", "float64", "int64", "string", or "list": strings that hold lists.

    Raises:
        SchemaMismatch: The type has no raw form (structs, maps, lists of lists or of fractions).

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
    if is_list(type):
        return "list"
    raise SchemaMismatch(
        "A raw column holds numbers, booleans, dates, timestamps, strings, binary, or lists of strings or integers. "
        f"Received: {type}. Leave the column out or flatten it before it is read."
    )


def to_raw(values: pa.Array | pa.ChunkedArray, dtype: str, name: str = "column") -> np.ndarray:
    r"""One Arrow column as the NumPy array that enters the graph.

    Args:
        values: Column of any length.
        dtype: What `raw_type` said when the model was adapted. Other types of the same family are converted exactly
            or, float64 to float32, rounded once; anything else is refused.
        name: The column's name, for the error.

    Returns:
        Array of shape (rows,): float32, float64, int64, or object (str or bytes) for "string" and "list". Where lists
        are expected, text enters as it is.

    Raises:
        SchemaMismatch: The column is of another family (text where numbers were, say), or a list's item holds the unit
            separator.

    Example:
        >>> import pyarrow as pa
        >>> to_raw(pa.array([1, None]), "float64")
        array([ 1., nan])
        >>> to_raw(pa.array(["a", None]), "string")
        array(['a', ''], dtype=object)
        >>> to_raw(pa.array([["a", "b"], [], None]), "list")
        array(['\x1fa\x1fb', '\x1f', ''], dtype=object)
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
            "list": is_text(kind) or is_list(kind),
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
    if dtype in ("string", "list"):
        if pt.is_null(kind):
            return np.full(len(values), "", object)
        if is_list(kind):
            values = _joined(values, name)
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


def _joined(lists: pa.Array, name: str) -> pa.Array:
    """Lists as text, each item led by the separator, which stands alone for an empty list."""
    if pt.is_fixed_size_list(lists.type):
        lists = lists.cast(pa.large_list(lists.type.value_type))
    bounds = lists.offsets.to_numpy().astype(np.int64)
    items = lists.values.slice(bounds[0], bounds[-1] - bounds[0])  # a slice shares its parent's items
    kind = natural(items.type)
    binary = is_text(kind) and not (pt.is_string(kind) or pt.is_large_string(kind) or pt.is_string_view(kind))
    items = items.cast(kind).cast(pa.large_binary() if binary else pa.large_string())
    start, empty = (pa.scalar(text.encode() if binary else text, items.type) for text in (LIST_SEPARATOR, ""))
    held = pc.match_substring(items, LIST_SEPARATOR)
    if pc.any(held).as_py():
        raise SchemaMismatch(
            f"The items of a list hold no unit separator ({LIST_SEPARATOR!r}), which stands between them on their way "
            f"into the model. Received: {items.filter(held)[0].as_py()!r} in column {name!r}. Replace it in the data."
        )
    items = pc.binary_join_element_wise(start, pc.fill_null(items, empty), empty)
    joined = pc.binary_join(pa.LargeListArray.from_arrays(pa.array(bounds - bounds[0]), items), empty)
    joined = pc.if_else(pc.equal(pc.binary_length(joined), 0), start, joined)
    return pc.if_else(lists.is_null(), pa.scalar(None, joined.type), joined)


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
        values = _held(values).cast(pa.timestamp("us", kind.tz), safe=False).cast(pa.int64())
    elif pt.is_date(kind):
        values = _held(values).cast(pa.timestamp("us")).cast(pa.int64())
    elif pt.is_time(kind):
        values = values.cast(pa.time64("us"), safe=False).cast(pa.int64())
    elif pt.is_duration(kind):
        values = _held(values).cast(pa.duration("us"), safe=False).cast(pa.int64())
    else:
        try:
            values = values.cast(pa.int64())
        except pa.ArrowInvalid as error:
            raise SchemaMismatch(
                f"Identifiers enter the model as int64. Received: larger ones in column {name!r} of type {kind} "
                f"({error}). Cast the column to string."
            ) from error
    if values.null_count:
        values = pc.fill_null(values, pa.scalar(MISSING_INT, pa.int64()))
    return values.to_numpy(zero_copy_only=False)


def _held(values: pa.Array) -> pa.Array:
    """Dates, timestamps or durations, null where microseconds in int64 cannot hold them (292,000 years)."""
    kind = values.type
    unit = "day" if pt.is_date32(kind) else "ms" if pt.is_date64(kind) else kind.unit
    most = (MISSING_INT + 1) // -{"day": 86_400_000_000, "s": 1_000_000, "ms": 1_000, "us": 1, "ns": 1}[unit]
    counted = values.cast(pa.int32() if pt.is_date32(kind) else pa.int64()).cast(pa.int64())
    ends = pc.min_max(counted).as_py()
    if ends["max"] is None or (ends["max"] <= most and ends["min"] >= -most):
        return values
    far = pc.or_(pc.greater(counted, most), pc.less(counted, -most))
    return pc.if_else(far, pa.scalar(None, kind), values)


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
