"""Arrow columns as the NumPy arrays that enter the graph, as `blocks.data.raw_columns` says of each."""

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from blocks.data.arrow_types import is_list, is_naive, is_number
from blocks.data.encodings import decoded, require_arrow_values
from blocks.data.fixed_size_lists import fixed_size_lists, items_of
from blocks.data.raw_columns import A_DAY, LIST_SEPARATOR, MISSING_INT, RawColumn
from blocks.errors import SchemaMismatch

SECONDS_OR_MILLISECONDS: Final = (10**8, 10**13)
"""Microseconds within 115 days of 1970, and not within its first 100 seconds, where seconds and milliseconds of any
year to 2286 lie."""

LAST_MICROSECOND: Final = 253_402_300_799_999_999
"""Of the year 9999."""


def to_raw(values: pa.Array | pa.ChunkedArray, raw: RawColumn, name: str = "column") -> np.ndarray:
    r"""One Arrow column as the NumPy array that enters the graph.

    Args:
        values: Column of any length.
        raw: What `raw_column` said when the model was adapted. Other types that it takes are converted exactly or,
            float64 to float32, rounded once; anything else is refused. A column without a value may enter anywhere.
        name: The column's name, for the error.

    Returns:
        Array of shape (rows, *raw.shape): float32, float64, int64, or object (str or bytes) for "string" and "list".
        Where lists are expected, text enters as it is; where times are, int64 microseconds do. Of a window, each value
        enters as a number by itself does; one that is null altogether is as many NaN. Not to be written to.

    Raises:
        SchemaMismatch: The column is of another family (text where numbers were, a duration where timestamps were, a
            timestamp without a zone where one had a zone, a window of another length), integers where times were are no
            microseconds, or a list's item holds the unit separator.

    Example:
        >>> import pyarrow as pa
        >>> to_raw(pa.array([1, None]), RawColumn("float64"))
        array([ 1., nan])
        >>> to_raw(pa.array(["a", None]), RawColumn("string"))
        array(['a', ''], dtype=object)
        >>> to_raw(pa.array([["a", "b"], [], None]), RawColumn("list"))
        array(['\x1fa\x1fb', '\x1f', ''], dtype=object)
        >>> to_raw(pa.array([[1, None], None], pa.list_(pa.int32(), 2)), RawColumn("float64", (2,)))
        array([[ 1., nan],
               [nan, nan]])
    """
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    values = decoded(values)
    type = values.type
    if not pt.is_null(type) and not raw.takes(type):
        if not _empty(values):
            if pt.is_fixed_size_list(type) and not raw.shape:
                raise SchemaMismatch(
                    f"Column {name!r} enters the model as {raw}: {raw.means}; it has shape (batch,). Received: column "
                    f"{name!r} of shape ({len(values)}, {type.list_size}). Give one value a row: values[:, 0], say."
                )
            raise SchemaMismatch(
                f"Column {name!r} enters the model as {raw}: {raw.means}, as when the model was adapted. "
                f"Received: {type}. {_fix(type, raw, name)}"
            )
        values, type = pa.nulls(len(values)), pa.null()
    if raw.shape:
        return _windows(values, raw, name)
    if raw.dtype == "string":
        if pt.is_null(type):
            return np.full(len(values), "", object)
        if is_list(type):
            values = _joined(values, name)
        out = values.to_numpy(zero_copy_only=False)
        if values.null_count:
            out = np.where(values.is_null().to_numpy(zero_copy_only=False), "", out)
        return out
    if pt.is_null(type):
        return np.full(len(values), np.nan if raw.dtype != "int64" else MISSING_INT, raw.dtype)
    if raw.dtype == "int64":
        found = _to_int64(values, name)
        if raw.is_time and pt.is_integer(type):
            _check_microseconds(found, raw.kind, name)
        return found
    if pt.is_boolean(type) or pt.is_decimal(type):
        values = values.cast(pa.float64())
    if pt.is_floating(values.type) and not pt.is_float16(values.type) and values.null_count:
        values = pc.fill_null(values, pa.scalar(np.nan, values.type))
    # astype of a column that has the dtype already is a view: nothing here writes into it
    return values.to_numpy(zero_copy_only=False).astype(raw.dtype, copy=False)


def _windows(lists: pa.Array, raw: RawColumn, name: str) -> np.ndarray:
    """Lists of numbers of one size as an array of two axes."""
    (size,), number = raw.shape, RawColumn(raw.kind)
    if pt.is_null(lists.type):
        return np.full((len(lists), size), np.nan, raw.dtype)
    items, absent = items_of(lists, size, name)
    found = to_raw(items, number, name).reshape(-1, size)
    if absent is None:
        return found
    values = np.full((len(lists), size), np.nan, raw.dtype)
    values[~absent] = found
    return values


def values_one_by_one(column: pa.Array, raw: RawColumn, name: str) -> pa.Array:
    """What the statistics of a column are of: the column itself, and of windows each value, one after the other.

    Example:
        >>> lists = pa.array([[1, 2], None], pa.list_(pa.int8(), 2))
        >>> values_one_by_one(lists, RawColumn("float64", (2,)), "x").to_pylist()
        [1.0, 2.0, nan, nan]
    """
    return pa.array(to_raw(column, raw, name).reshape(-1)) if raw.shape else column


def _empty(values: pa.Array) -> bool:
    """Whether a column has rows, and no value in any: pandas makes floats of such, whatever they were."""
    if pt.is_floating(values.type):
        return len(values) > 0 and bool(pc.all(pc.is_null(values, nan_is_null=True)).as_py())
    return 0 < len(values) == values.null_count


def _fix(type: pa.DataType, raw: RawColumn, name: str) -> str:
    """What to do about a column of a type that may not enter."""
    kind = raw.kind
    if raw.shape and not pt.is_nested(type):
        return f"Give {raw.shape[0]} values a row, a missing one as None or NaN."
    if raw.shape:
        return f"Give windows as the model was adapted on: blocks.windows(..., length={raw.shape[0]})."
    if kind == "timestamp_utc" and is_naive(type):
        return "Say whose clock it shows: pyarrow.compute.assume_timezone(column, 'Europe/Rome'), pandas' tz_localize."
    if kind == "timestamp" and pt.is_timestamp(type):
        return "Take the time that its clock shows: pyarrow.compute.local_timestamp(column), pandas' tz_localize(None)."
    if kind in ("timestamp", "timestamp_utc", "instant") and is_number(type):
        zone = ", utc=True" if kind == "timestamp_utc" else ""
        return f"Make timestamps of numbers by their unit: pandas.to_datetime(column, unit='s'{zone})."
    return f"Cast the column, or read it with column_types={{{name!r}: ...}}."


def _check_microseconds(values: np.ndarray, kind: str, name: str) -> None:
    """Refuse integers that are hardly the microseconds that they would be taken for.

    Raises:
        SchemaMismatch: All of them count something else.
    """
    present = values[(values != MISSING_INT) & (values != 0)]
    if not len(present) or kind == "duration":
        return
    if kind == "time":
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
            f"Column {name!r} enters the model as {kind}, whose raw form is integers of microseconds {rule}. "
            f"Received: {present[0]}, which looks like another unit. {fix}"
        )


def _joined(lists: pa.Array, name: str) -> pa.Array:
    """Lists as text, each item led by the separator, which stands alone for an empty list."""
    if pt.is_fixed_size_list(lists.type):
        lists = lists.cast(pa.large_list(lists.type.value_type))
    bounds = lists.offsets.to_numpy().astype(np.int64)
    items = lists.values.slice(bounds[0], bounds[-1] - bounds[0])  # a slice shares its parent's items
    binary = pt.is_binary(items.type) or pt.is_large_binary(items.type)
    items = items.cast(pa.large_binary() if binary else pa.large_string())
    start, empty = (pa.scalar(text.encode() if binary else text, items.type) for text in (LIST_SEPARATOR, ""))
    separated = pc.match_substring(items, LIST_SEPARATOR)
    if pc.any(separated).as_py():
        raise SchemaMismatch(
            f"The items of a list hold no unit separator ({LIST_SEPARATOR!r}), which stands between them on their way "
            f"into the model. Received: {items.filter(separated)[0].as_py()!r} in column {name!r}. Replace it."
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
        values = _within_int64(values).cast(pa.timestamp("us", kind.tz), safe=False).cast(pa.int64())
    elif pt.is_date(kind):
        values = _within_int64(values).cast(pa.timestamp("us")).cast(pa.int64())
    elif pt.is_time(kind):
        values = values.cast(pa.time64("us"), safe=False).cast(pa.int64())
    elif pt.is_duration(kind):
        values = _within_int64(values).cast(pa.duration("us"), safe=False).cast(pa.int64())
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


def _within_int64(values: pa.Array) -> pa.Array:
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
        values: The column, of shape (rows,); or (rows, n), whose rows become lists of fixed size.
        name: Its name, for the error.

    Raises:
        SchemaMismatch: It has no rows, or values of mixed types.

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
    if (shape is not None and not 1 <= len(shape) <= 2) or isinstance(
        values, (str, bytes, int, float, bool, type(None))
    ):
        raise SchemaMismatch(
            f"A raw column has shape (batch,), or (batch, n) of windows. Received: column {name!r} of shape "
            f"{shape or ()}. Give one value or window a row; wrap a single row's values in lists."
        )
    if shape is not None and len(shape) == 2 and shape[1] and np.asarray(values).dtype.kind in "fiub":
        return fixed_size_lists(np.asarray(values))
    if isinstance(values, np.ndarray) and values.dtype.kind in "US":
        values = values.tolist()
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        raise SchemaMismatch(
            f"A raw column holds values of one type. Received: column {name!r}, for which Arrow says: {error}"
        ) from error
