"""Durations as users give them, "4h" or a timedelta, counted in the units of a column of times."""

import datetime
import math
import re
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from blocks.errors import InvalidArgument, SchemaMismatch

NANOSECONDS = {
    "ns": 1,
    "us": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "min": 60 * 10**9,
    "h": 3600 * 10**9,
    "d": 86_400 * 10**9,
    "w": 7 * 86_400 * 10**9,
}
"""Units of a duration; months and years are none, since they differ in length."""

_TEXT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]+)\s*")


def nanoseconds(value: Any, name: str) -> int:
    """A duration in nanoseconds.

    Args:
        value: A text such as "4h", "90min", "1.5d" (units ns, us, ms, s, min, h, d, w), a `datetime.timedelta`, a
            `numpy.timedelta64` of a fixed unit, or 0.
        name: The argument's, for messages.

    Raises:
        InvalidArgument: It is no duration, or a negative one.

    Example:
        >>> nanoseconds("4h", "horizon")
        14400000000000
        >>> nanoseconds("1 month", "horizon")
        Traceback (most recent call last):
        blocks.errors.InvalidArgument: horizon is a duration: a number and a unit (ns, us, ms, s, min, h, d, w), ...
    """
    found: Fraction | None = None
    if isinstance(value, str) and (match := _TEXT.fullmatch(value)):
        unit = match.group(2) if match.group(2) in NANOSECONDS else match.group(2).lower()
        if unit in NANOSECONDS:
            found = Fraction(match.group(1)) * NANOSECONDS[unit]
    elif isinstance(value, datetime.timedelta):
        found = Fraction(value // datetime.timedelta(microseconds=1)) * 1000
    elif isinstance(value, np.timedelta64) and np.datetime_data(value)[0] in (*"smhDW", "ms", "us", "ns"):
        found = None if np.isnat(value) else _of_numpy(value)
    elif isinstance(value, int) and not isinstance(value, bool) and value == 0:
        found = Fraction(0)
    if found is None or found < 0 or found.denominator != 1:
        raise InvalidArgument(
            f"{name} is a duration: a number and a unit ({', '.join(NANOSECONDS)}), as in '4h', or a timedelta; not "
            f"negative. Received: {value!r}."
        )
    return int(found)


def _of_numpy(value: np.timedelta64) -> Fraction:
    unit, count = np.datetime_data(value)
    return Fraction(int(value.astype(np.int64))) * count * NANOSECONDS[{"m": "min", "D": "d", "W": "w"}.get(unit, unit)]


def in_units_of(kind: pa.DataType, value: Any, name: str) -> int:
    """A duration in the units in which a column counts time, rounded up: what starts within it is not after it.

    Args:
        kind: The column's type: a timestamp, a date, or whole numbers.
        value: A duration; a whole number for a column of whole numbers.
        name: The argument's, for messages.

    Raises:
        InvalidArgument: It does not fit the column.
    """
    if pt.is_integer(kind):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 0:
            raise InvalidArgument(
                f"{name} of a column of whole numbers is a whole number, at least 0. Received: {value!r}."
            )
        return int(value)
    return math.ceil(Fraction(nanoseconds(value, name), unit_of(kind)))


def unit_of(kind: pa.DataType) -> int:
    """The unit of a column of dates or timestamps, in nanoseconds."""
    if pt.is_date32(kind):
        return NANOSECONDS["d"]
    return NANOSECONDS["ms" if pt.is_date64(kind) else kind.unit]


def require_time(kind: pa.DataType, column: str) -> None:
    """Refuse a column that has no order in time.

    Raises:
        SchemaMismatch: It holds neither timestamps, dates nor whole numbers.
    """
    if not (pt.is_timestamp(kind) or pt.is_date(kind) or pt.is_integer(kind)):
        raise SchemaMismatch(
            f"A column to split by time holds timestamps, dates or whole numbers. Received: {column!r} of type {kind}. "
            f"Read it as such: column_types={{{column!r}: 'timestamp[us]'}}."
        )


def as_counts(column: pa.Array, name: str) -> np.ndarray:
    """Times as int64 counts of the column's unit.

    Raises:
        InvalidArgument: One is missing.
    """
    if column.null_count:
        raise InvalidArgument(
            f"A row without a time has no place in the order of time. Received: {column.null_count} missing of "
            f"{len(column)} rows in {name!r}. Leave them out first: "
            f"source.filter(pyarrow.compute.field({name!r}).is_valid())."
        )
    if pt.is_date32(column.type):
        column = column.cast(pa.int32())
    try:
        return column.cast(pa.int64()).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:
        raise InvalidArgument(
            f"Whole numbers as times are below 2^63. Received: {pc.max(column).as_py()} in {name!r}. Divide them by a "
            "unit."
        ) from None
