"""DateParts: an instant's year, month, hour and so on, as numbers."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import keras
import pyarrow as pa
import tensorflow as tf

from blocks.block import Preprocessor
from blocks.data.raw_columns import RawColumn
from blocks.errors import InvalidArgument
from blocks.features.spec import Feature
from blocks.preprocessors.float64 import NAN, flagged, flagged_features, number_or_keep
from blocks.preprocessors.time.calendar import (
    DAY,
    EXAMPLES,
    UNITS,
    check_clock,
    civil_from_days,
    days_from_civil,
    instants,
    iso_week,
    weekday,
)
from blocks.preprocessors.time.zones import Zone

PARTS: Final = (
    "year",
    "month",
    "day",
    "hour",
    "minute",
    "weekday",
    "day_of_year",
    "week",
    "quarter",
    "is_weekend",
)


@keras.saving.register_keras_serializable(package="blocks")
class DateParts(Preprocessor):
    """Parts of dates and timestamps by the Gregorian calendar, each a number. Learns nothing.

    The parts are pandas': `year`; `month` 1 to 12; `day` of the month 1 to 31; `hour` 0 to 23; `minute` 0 to 59;
    `weekday` 0 (Monday) to 6 (Sunday); `day_of_year` 1 to 366; `week` 1 to 53 (ISO 8601); `quarter` 1 to 4;
    `is_weekend` 1 on Saturday and Sunday, else 0. Instants outside the years 1 to 9999 are missing. Of times of day
    `hour` and `minute` can be asked.

    Args:
        parts: Names of parts, in the order of the features. Only a block of one part without indicator can stand
            before another in a chain.
        timezone: The zone whose clocks and calendar are read: an IANA name, an offset ("+02:00"); None for UTC, which
            is right for timestamps without a zone too. Named zones are right to the year 2200.
        missing: What every part of a missing instant is: a number, by default one that no part has; or "keep" for NaN.
        add_indicator: Whether one more feature, `<name>_missing`, says 1 where the instant is missing, else 0.

    Returns:
        float32 of shape (batch,) for one part, (batch, parts) for several, plus the indicator. Features are named
        `<name>_<part>`.

    Raises:
        InvalidArgument: A part is unknown or named twice, or the zone is unknown.

    Example:
        >>> instant = tf.constant([1_357_034_400_000_000], tf.int64)  # 2013-01-01T10:00Z, a Tuesday
        >>> DateParts(["year", "weekday", "hour"], timezone="America/New_York")(instant).numpy()
        array([[2.013e+03, 1.000e+00, 5.000e+00]], dtype=float32)
    """

    accepts = ("time",)
    stacks = True

    def __init__(
        self,
        parts: Sequence[str] = ("year", "month", "day", "weekday", "hour"),
        *,
        timezone: str | Mapping[str, Any] | None = None,
        missing: str | float = -1.0,
        add_indicator: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        parts = [parts] if isinstance(parts, str) else list(parts)
        if not parts or len(set(parts)) < len(parts) or not set(parts) <= set(PARTS):
            raise InvalidArgument(
                f"DateParts takes one or more of {', '.join(map(repr, PARTS))}, each once. Received: {parts!r}."
            )
        self.parts = parts
        self.zone = None if timezone is None else Zone.named(timezone)
        self.missing = number_or_keep("DateParts", missing)
        self.add_indicator = add_indicator

    def raw_column(self, type: pa.DataType, column: str) -> RawColumn:
        """Of int64: microseconds since 1970 UTC, or since midnight.

        Raises:
            SchemaMismatch: The column holds no dates or timestamps, nor times of day that hours or minutes are asked
                of.
        """
        check_clock("DateParts", type, column, set(self.parts) <= {"hour", "minute"}, self.zone)
        return super().raw_column(type, column)

    def compute(self, values: Any) -> Any:
        """The parts in float64, integers all."""
        values, absent = instants("DateParts", values)
        found = parts_of(values if self.zone is None else self.zone.to_local(values), self.parts)
        missing = NAN if self.missing == "keep" else tf.constant(self.missing, tf.float64)
        columns = [tf.where(absent, missing, tf.cast(found[part], tf.float64)) for part in self.parts]
        parts = columns[0] if len(columns) == 1 else tf.stack(columns, axis=-1)
        return flagged(parts, absent, self.add_indicator)

    def outputs(self, name: str, columns: tuple[str, ...]) -> list[Feature]:
        """A number for each part, and the indicator."""
        features = [Feature(f"{name}_{part}", columns) for part in self.parts]
        return flagged_features(features, name, columns, self.add_indicator)

    def examples(self, dtype: str) -> list[Any]:
        """Leap days, ends of years, instants before 1970, missing."""
        return list(EXAMPLES)

    def get_config(self) -> dict[str, Any]:
        """The configuration, the zone's table included."""
        return {
            **super().get_config(),
            "parts": self.parts,
            "timezone": None if self.zone is None else self.zone.config(),
            "missing": self.missing,
            "add_indicator": self.add_indicator,
        }


def parts_of(local: Any, wanted: Sequence[str]) -> dict[str, Any]:
    """Parts by name, int64, of microseconds of wall-clock time.

    Example:
        >>> {part: int(value) for part, value in parts_of(tf.constant(-1, tf.int64), ["year", "week", "hour"]).items()}
        {'year': 1969, 'week': 1, 'hour': 23}
    """
    days = local // DAY
    clock = local - days * DAY
    year, month, day = civil_from_days(days)
    of_week = weekday(days)
    parts = {
        "year": lambda: year,
        "month": lambda: month,
        "day": lambda: day,
        "hour": lambda: clock // UNITS["hour"],
        "minute": lambda: clock // UNITS["minute"] % 60,
        "weekday": lambda: of_week,
        "day_of_year": lambda: days - days_from_civil(year, 1, 1) + 1,
        "week": lambda: iso_week(days)[1],
        "quarter": lambda: (month + 2) // 3,
        "is_weekend": lambda: of_week // 5,
    }
    return {part: parts[part]() for part in wanted}
