"""What an Arrow type holds, in any layout: text, numbers, times, lists, windows; dictionaries count by their values."""

import pyarrow as pa
import pyarrow.types as pt

from blocks.data.encodings import natural_type


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
        return is_text(type.value_type) or pt.is_integer(natural_type(type.value_type)) or pt.is_null(type.value_type)
    return False


def is_window(type: pa.DataType) -> bool:
    """Whether an Arrow type is a list of so many numbers or booleans in every row, one after the other."""
    return pt.is_fixed_size_list(type) and type.list_size > 0 and is_number(natural_type(type.value_type))


def is_number(type: pa.DataType) -> bool:
    """Whether an Arrow type is a number or boolean."""
    return pt.is_integer(type) or pt.is_floating(type) or pt.is_boolean(type) or pt.is_decimal(type)
