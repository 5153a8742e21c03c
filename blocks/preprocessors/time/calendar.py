"""The proleptic Gregorian calendar on int64 tensors, and what an instant is. No block lives here; zones are in `zones`.

An instant is int64 microseconds since 1970-01-01T00:00Z, as Arrow timestamps enter the graph; the smallest int64 is a
missing one. Days are counted from 1970-01-01. All divisions round down, so years before 1970 are right too.

Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms",
https://howardhinnant.github.io/date_algorithms.html
"""

from typing import Any, Final

import pyarrow as pa
import pyarrow.types as pt
import tensorflow as tf

from blocks.data.raw_columns import MISSING_INT
from blocks.errors import InvalidArgument, SchemaMismatch

UNITS: Final = {
    "us": 1,
    "ms": 1_000,
    "s": 1_000_000,
    "minute": 60_000_000,
    "hour": 3_600_000_000,
    "day": 86_400_000_000,
    "week": 604_800_000_000,
}
"""Microseconds of each unit of fixed length."""

DAY: Final = UNITS["day"]

FIRST: Final = -62_135_596_800_000_000
"""0001-01-01T00:00Z."""

LAST: Final = 253_402_300_799_999_999
"""The last microsecond of the year 9999, UTC."""

EXAMPLES: Final = [MISSING_INT, 0, -1, FIRST, LAST, 951_868_799_999_999, -2_203_891_200_000_000, 1_357_034_400_000_000]
"""Instants worth trying: missing, about 1970, the ends, a leap day's last, 1900-03-01, 2013-01-01T10:00Z."""


def check_unit(block: str, unit: Any, units: Any = UNITS) -> None:
    """Refuse what is no unit of time.

    Raises:
        InvalidArgument: It is not.
    """
    if unit not in units:
        raise InvalidArgument(f"{block}'s unit is one of {', '.join(map(repr, units))}. Received: {unit!r}.")


def check_instants(block: str, type: pa.DataType, column: str) -> None:
    """Refuse times of day and durations, which are no instants.

    Raises:
        SchemaMismatch: The column holds such.
    """
    if pt.is_time(type) or pt.is_duration(type):
        raise SchemaMismatch(
            f"{block} takes dates and timestamps. Received: column {column!r} of type {type}. Use Duration(unit='hour')"
            f"{', or Cyclical(period=' + repr('day') + ')' if pt.is_time(type) else ''}."
        )


def check_clock(block: str, type: pa.DataType, column: str, steps: bool, zone: Any) -> None:
    """Refuse times of day where a block reads more than a clock, and durations.

    Args:
        block: Its name.
        type: The column's Arrow type.
        column: Its name.
        steps: Whether the block reads hours, minutes and less alone.
        zone: The zone that it reads clocks in, or None.

    Raises:
        SchemaMismatch: The column holds such.
    """
    if not pt.is_time(type):
        check_instants(block, type, column)
    elif not steps or zone is not None:
        raise SchemaMismatch(
            f"{block} takes dates and timestamps, and of a time of day the hour or minute alone, without a timezone. "
            f"Received: column {column!r} of type {type}. Ask for no other part, or use Duration(unit='hour'), "
            "the time since midnight."
        )


def instants(block: str, values: Any) -> tuple[Any, Any]:
    """Int64 microseconds, 0 where missing or outside the years 1 to 9999, and a mask of those places.

    Raises:
        SchemaMismatch: They are not int64.
    """
    values = tf.convert_to_tensor(values)
    if values.dtype != tf.int64:
        raise SchemaMismatch(
            f"{block} takes instants: int64 microseconds since 1970 UTC. Received: {values.dtype.name}. "
            f"Put Timestamp before it: [Timestamp(), {block}(...)]."
        )
    absent = (values < FIRST) | (values > LAST)
    return tf.where(absent, tf.zeros_like(values), values), absent


def days_from_civil(year: Any, month: Any, day: Any) -> Any:
    """Days since 1970-01-01 of a date; int64 tensors (or integers) of one shape.

    Example:
        >>> days_from_civil(2000, 3, 1), days_from_civil(1969, 12, 31)
        (11017, -1)
    """
    # the year begins in March, so that the leap day is its last
    march = (month + 9) % 12
    year = year - march // 10
    era = year // 400
    of_era = year - era * 400
    day_of_year = (153 * march + 2) // 5 + day - 1
    return era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + day_of_year - 719_468


def civil_from_days(days: Any) -> tuple[Any, Any, Any]:
    """Year, month (1 to 12) and day (1 to 31) of days since 1970-01-01; int64 tensors (or integers).

    Example:
        >>> civil_from_days(11017), civil_from_days(-1)
        ((2000, 3, 1), (1969, 12, 31))
    """
    days = days + 719_468
    era = days // 146_097
    of_era = days - era * 146_097
    year = (of_era - of_era // 1_460 + of_era // 36_524 - of_era // 146_096) // 365
    day_of_year = of_era - (365 * year + year // 4 - year // 100)
    march = (5 * day_of_year + 2) // 153
    return year + era * 400 + march // 10, (march + 2) % 12 + 1, day_of_year - (153 * march + 2) // 5 + 1


def is_leap(year: Any) -> Any:
    """Whether a year has a 29 February."""
    return ((year % 4 == 0) & (year % 100 != 0)) | (year % 400 == 0)


def days_in_month(year: Any, month: Any) -> Any:
    """The number of days of a month; int64 tensors."""
    return days_from_civil(year + month // 12, month % 12 + 1, 1) - days_from_civil(year, month, 1)


def weekday(days: Any) -> Any:
    """0 for Monday to 6 for Sunday."""
    return (days + 3) % 7


def iso_week(days: Any) -> tuple[Any, Any]:
    """ISO 8601's year and week (1 to 53): a week belongs to the year of its Thursday."""
    thursday = days - weekday(days) + 3
    year, _, _ = civil_from_days(thursday)
    return year, (thursday - days_from_civil(year, 1, 1)) // 7 + 1
