"""One Arrow type for each kind of value, so that chunks of int8, int64 or a dictionary of either are one column.

Nothing is counted here; `numeric` and `tokens` do that.
"""

import pyarrow as pa
import pyarrow.compute as pc

from blocks.errors import SchemaMismatch

EPOCH = pa.timestamp("us")


def canonical_type(dtype: pa.DataType) -> pa.DataType | None:
    """Returns the type that values of `dtype` are counted in, or None for nested and unknown types.

    Integers become int64 (uint64 stays), floats float64, decimals the widest of their scale, dates date32, times and
    durations microseconds, timestamps microseconds UTC without a zone, text large_string, bytes large_binary.

    Example:
        >>> canonical_type(pa.dictionary(pa.int32(), pa.string()))
        DataType(large_string)
    """
    types = pa.types
    if types.is_dictionary(dtype):
        return canonical_type(dtype.value_type)
    if types.is_null(dtype) or types.is_boolean(dtype) or types.is_uint64(dtype):
        return dtype
    if types.is_integer(dtype):
        return pa.int64()
    if types.is_floating(dtype):
        return pa.float64()
    if types.is_decimal(dtype):
        return pa.decimal256(76, dtype.scale) if dtype.bit_width == 256 else pa.decimal128(38, dtype.scale)
    if types.is_date(dtype):
        return pa.date32()
    if types.is_timestamp(dtype):
        return EPOCH
    if types.is_time(dtype):
        return pa.time64("us")
    if types.is_duration(dtype):
        return pa.duration("us")
    if types.is_string(dtype) or types.is_large_string(dtype) or types.is_string_view(dtype):
        return pa.large_string()
    if (
        types.is_binary(dtype)
        or types.is_large_binary(dtype)
        or types.is_binary_view(dtype)
        or types.is_fixed_size_binary(dtype)
    ):
        return pa.large_binary()
    return None


def canonical(values: pa.Array) -> pa.Array:
    """Returns the values in their canonical type; a dictionary is decoded, nanoseconds are cut to microseconds.

    Raises:
        SchemaMismatch: A time lies beyond what int64 microseconds hold (about 292,000 years from 1970).
    """
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    target = canonical_type(values.type)
    if target is None or values.type == target:
        return values
    try:
        if pa.types.is_timestamp(values.type):
            # The view drops the zone and keeps the instant.
            values = values.view(pa.timestamp(values.type.unit))
        return values.cast(target, safe=getattr(values.type, "unit", None) != "ns")
    except pa.ArrowInvalid as error:
        raise SchemaMismatch(
            f"Values of type {values.type} must fit {target}: {error}. Clip them before they come here."
        ) from error


def is_text(dtype: pa.DataType) -> bool:
    """Whether a canonical type holds text or bytes, whose empty value counts as missing."""
    return pa.types.is_large_string(dtype) or pa.types.is_large_binary(dtype)


def microseconds(values: pa.Array) -> pa.Array:
    """Returns dates, timestamps, times and durations as int64 microseconds (since 1970-01-01 UTC, or midnight)."""
    values = canonical(values)
    if pa.types.is_date(values.type):
        values = pc.cast(values, EPOCH)
    return values.view(pa.int64())
