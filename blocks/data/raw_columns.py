"""Raw columns: the arrays of shape (batch,) in which rows enter the graph, made from Arrow.

The rule (DESIGN.md, contract 7) stands here once: float16 and float32 enter as float32; other numbers and booleans as
float64 (null is NaN); integers that a block treats as identifiers as int64, and times as int64 microseconds (null is
the smallest int64): dates and timestamps since 1970 UTC, times of day since midnight, durations as they are; strings
and binary as string (null is ""); lists of strings, binary or integers as string too, each item led by the unit
separator, an empty list as that alone (null is "").

What shares a dtype is kept apart by its kind, which a model declares: an identifier is no instant, a duration is none
either, and a timestamp without a zone is not one with a zone, whose clocks differ by hours. What a block makes of them
does not live here.
"""

from collections.abc import Callable
from typing import Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from blocks.data.encodings import decoded, require_arrow_values
from blocks.errors import SchemaMismatch

RawType = Literal[
    "float32",
    "float64",
    "int64",
    "string",
    "list",
    "timestamp",
    "timestamp_utc",
    "instant",
    "time",
    "duration",
]
"""The kinds of raw columns: "timestamp" is dates and timestamps without a zone, "timestamp_utc" those with one,
"instant" either of them (of a column that was all missing, or of a model from before they were told apart), "time" a
time of day."""

TENSOR_DTYPES: Final[dict[str, str]] = {
    "float32": "float32",
    "float64": "float64",
    "int64": "int64",
    "string": "string",
    "list": "string",
    "timestamp": "int64",
    "timestamp_utc": "int64",
    "instant": "int64",
    "time": "int64",
    "duration": "int64",
}
"""The dtype of the tensor in which each kind enters the graph."""

TIMES: Final = ("timestamp", "timestamp_utc", "instant", "time", "duration")
"""The kinds that are microseconds."""

MISSING_INT: Final = np.iinfo(np.int64).min
"""What a missing identifier or time is in an int64 column."""

SECONDS_OR_MILLISECONDS: Final = (10**8, 10**13)
"""Microseconds within 115 days of 1970, and not within its first 100 seconds, where seconds and milliseconds of any
year to 2286 lie."""

LAST_MICROSECOND: Final = 253_402_300_799_999_999
"""Of the year 9999."""

A_DAY: Final = 86_400_000_000
"""Microseconds."""

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


def is_naive(type: pa.DataType) -> bool:
    """Whether an Arrow type is a date, or a timestamp that says no zone."""
    return pt.is_date(type) or (pt.is_timestamp(type) and type.tz is None)


def is_list(type: pa.DataType) -> bool:
    """Whether an Arrow type is a list, of any layout and length, of text or integers."""
    if pt.is_list(type) or pt.is_large_list(type) or pt.is_fixed_size_list(type):
        return is_text(type.value_type) or pt.is_integer(natural(type.value_type)) or pt.is_null(type.value_type)
    return False


def is_number(type: pa.DataType) -> bool:
    """Whether an Arrow type is a number or boolean."""
    return pt.is_integer(type) or pt.is_floating(type) or pt.is_boolean(type) or pt.is_decimal(type)


_FAMILIES: Final[dict[str, Callable[[pa.DataType], bool]]] = {
    "string": is_text,
    "list": lambda type: is_text(type) or is_list(type),
    "int64": lambda type: pt.is_integer(type) or pt.is_boolean(type) or pt.is_floating(type),
    "float64": is_number,
    "float32": is_number,
    "timestamp": lambda type: is_naive(type) or pt.is_integer(type),
    "timestamp_utc": lambda type: (pt.is_timestamp(type) and type.tz is not None) or pt.is_integer(type),
    "instant": lambda type: is_instant(type) or pt.is_integer(type),
    "time": lambda type: pt.is_time(type) or pt.is_integer(type),
    "duration": lambda type: pt.is_duration(type) or pt.is_integer(type),
}
"""The Arrow types that may enter where a kind was declared. Integers are the raw form of times: microseconds."""

_MEANS: Final = {
    "string": "text",
    "list": "lists, or text",
    "int64": "integers (identifiers)",
    "float64": "numbers",
    "float32": "numbers",
    "timestamp": "dates, or timestamps without a zone",
    "timestamp_utc": "timestamps with a zone",
    "instant": "dates or timestamps",
    "time": "times of day",
    "duration": "durations",
}


def raw_type(type: pa.DataType, *, identifier: bool = False) -> RawType:
    """The dtype in which a column of this Arrow type enters the graph.

    Args:
        type: The column's Arrow type; a dictionary counts by its values.
        identifier: Whether the block that reads it treats integers as identifiers rather than quantities.

    Returns:
        "float32" or "float64" of numbers, "int64" of identifiers, "string", "list" (strings that hold lists), and of
        times "timestamp", "timestamp_utc", "time" or "duration".

    Raises:
        SchemaMismatch: The type has no raw form (structs, maps, lists of lists or of fractions).

    Example:
        >>> import pyarrow as pa
        >>> raw_type(pa.int32()), raw_type(pa.int32(), identifier=True), raw_type(pa.large_string())
        ('float64', 'int64', 'string')
        >>> raw_type(pa.date32()), raw_type(pa.timestamp("ms", "Europe/Rome")), raw_type(pa.duration("s"))
        ('timestamp', 'timestamp_utc', 'duration')
    """
    if pt.is_dictionary(type):
        return raw_type(type.value_type, identifier=identifier)
    if is_text(type):
        return "string"
    if is_instant(type):
        return "timestamp" if is_naive(type) else "timestamp_utc"
    if is_time(type):
        return "time" if pt.is_time(type) else "duration"
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
            or, float64 to float32, rounded once; anything else is refused. A column without a value is of any family.
        name: The column's name, for the error.

    Returns:
        Array of shape (rows,): float32, float64, int64, or object (str or bytes) for "string" and "list". Where lists
        are expected, text enters as it is; where times are, int64 microseconds do.

    Raises:
        SchemaMismatch: The column is of another family (text where numbers were, a duration where timestamps were, a
            timestamp without a zone where one had a zone), integers where times were are no microseconds, or a list's
            item holds the unit separator.

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
    values = decoded(values)
    kind = values.type
    if not pt.is_null(kind) and not _FAMILIES[dtype](kind):
        if not _empty(values):
            raise SchemaMismatch(
                f"Column {name!r} enters the model as {dtype}: {_MEANS[dtype]}, as when the model was adapted. "
                f"Received: {kind}. {_fix(kind, dtype, name)}"
            )
        values, kind = pa.nulls(len(values)), pa.null()
    if dtype in ("string", "list"):
        if pt.is_null(kind):
            return np.full(len(values), "", object)
        if is_list(kind):
            values = _joined(values, name)
        out = values.to_numpy(zero_copy_only=False)
        if values.null_count:
            out = np.where(values.is_null().to_numpy(zero_copy_only=False), "", out)
        return out
    tensor = TENSOR_DTYPES[dtype]
    if pt.is_null(kind):
        return np.full(len(values), np.nan if tensor != "int64" else MISSING_INT, tensor)
    if tensor == "int64":
        found = _to_int64(values, name)
        if dtype != "int64" and pt.is_integer(kind):
            _check_microseconds(found, dtype, name)
        return found
    if pt.is_boolean(kind) or pt.is_decimal(kind):
        values = values.cast(pa.float64())
    if pt.is_floating(values.type) and not pt.is_float16(values.type) and values.null_count:
        values = pc.fill_null(values, pa.scalar(np.nan, values.type))
    # astype of a column that has the dtype already is a view: nothing here writes into it
    return values.to_numpy(zero_copy_only=False).astype(tensor, copy=False)


def _empty(values: pa.Array) -> bool:
    """Whether a column has rows, and no value in any: pandas makes floats of such, whatever they were."""
    if pt.is_floating(values.type):
        return len(values) > 0 and bool(pc.all(pc.is_null(values, nan_is_null=True)).as_py())
    return 0 < len(values) == values.null_count


def _fix(kind: pa.DataType, dtype: str, name: str) -> str:
    """What to do about a column of another family."""
    if dtype == "timestamp_utc" and is_naive(kind):
        return "Say whose clock it shows: pyarrow.compute.assume_timezone(column, 'Europe/Rome'), pandas' tz_localize."
    if dtype == "timestamp" and pt.is_timestamp(kind):
        return "Take the time that its clock shows: pyarrow.compute.local_timestamp(column), pandas' tz_localize(None)."
    if dtype in ("timestamp", "timestamp_utc", "instant") and is_number(kind):
        zone = ", utc=True" if dtype == "timestamp_utc" else ""
        return f"Make timestamps of numbers by their unit: pandas.to_datetime(column, unit='s'{zone})."
    return f"Cast the column, or read it with column_types={{{name!r}: ...}}."


def _check_microseconds(values: np.ndarray, dtype: str, name: str) -> None:
    """Refuse integers that are hardly the microseconds that they would be taken for.

    Raises:
        SchemaMismatch: All of them count something else.
    """
    present = values[(values != MISSING_INT) & (values != 0)]
    if not len(present) or dtype == "duration":
        return
    if dtype == "time":
        # seconds and milliseconds of any time of day lie in the first 87 seconds of one
        wrong = bool(present.min() < 0 or not A_DAY // 1000 <= present.max() < A_DAY)
        rule = "from 0 to 86,399,999,999"
        fix = "Give times of day (pa.time32('s'), say), or integers of that unit."
    else:
        size = np.abs(present)
        low, high = SECONDS_OR_MILLISECONDS
        wrong = bool(low <= size.max() < high or size.min() > LAST_MICROSECOND)
        rule = "since 1970 UTC"
        fix = "Give timestamps (column.cast(pa.timestamp('s')), say), or integers of that unit."
    if wrong:
        raise SchemaMismatch(
            f"Column {name!r} enters the model as {dtype}, whose raw form is integers of microseconds {rule}. "
            f"Received: {present[0]}, which looks like another unit. {fix}"
        )


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
        require_arrow_values(values, name)
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
