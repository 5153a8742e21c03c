"""Cyclical: a position in a cycle as a point on the circle."""

from collections.abc import Mapping
from typing import Any, Final

import keras
import numpy as np
import pyarrow as pa
import tensorflow as tf

from blocks.block import Preprocessor
from blocks.data.raw_columns import RawColumn
from blocks.errors import InvalidArgument
from blocks.features.spec import Feature
from blocks.preprocessors.float64 import NAN, flagged, flagged_features, full_packets, number_or_keep
from blocks.preprocessors.time.calendar import (
    DAY,
    EXAMPLES,
    UNITS,
    check_clock,
    check_unit,
    civil_from_days,
    days_from_civil,
    days_in_month,
    instants,
    is_leap,
    iso_week,
    weekday,
)
from blocks.preprocessors.time.date_parts import parts_of
from blocks.preprocessors.time.zones import Zone

PARTS: Final = ("month", "day", "hour", "minute", "weekday", "day_of_year", "week", "quarter")
PERIODS: Final = ("minute", "hour", "day", "week", "month", "quarter", "year")


@keras.saving.register_keras_serializable(package="blocks")
class Cyclical(Preprocessor):
    """Sine and cosine of the position in a cycle: 23:59 lies beside 00:00, December beside January. Learns nothing.

    Of a position p in a cycle of length P the features are sin(2 pi p / P) and cos(2 pi p / P). p is reduced to its
    quarter of the circle exactly before sine and cosine are taken, so the four cardinal points are exact (6 of 24 hours
    gives 1 and 0), and no precision is lost far from 0.

    Args:
        part: For dates and timestamps, a part in whole steps, the first at angle 0: "month", "day" (of the month),
            "hour", "minute", "weekday", "day_of_year", "week" (ISO 8601) or "quarter". The cycle has as many steps as
            that month, year or ISO year has. Features: `<name>_<part>_sin` and `_cos`.
        period: In place of `part`. A calendar period, "minute", "hour", "day", "week" (from Monday), "month", "quarter"
            or "year": the position moves on with every microsecond. Or a positive number: the cycle's length, of
            numbers in their own unit (360 for degrees), or, with `unit`, of time since 1970-01-01T00:00 on the wall.
            Features: `<name>_<period>_sin` and `_cos`, without the period when it is a number. Of times of day the part
            is "hour" or "minute", the period "day", "hour", "minute" or a number with its unit.
        unit: For a number of a fixed unit of time: "week", "day", "hour", "minute", "s", "ms" or "us".
        timezone: The zone whose clocks and calendar are read, as in `DateParts`; None for UTC.
        missing: What sine and cosine of a missing or infinite value are: a number, by default 0, the circle's centre,
            equally far from every point; or "keep" for NaN.
        add_indicator: Whether a third feature, `<name>_missing`, says 1 where the value is missing or infinite, else 0.

    Returns:
        float32 of shape (batch, 2), or (batch, 3) with the indicator, computed in float64.

    Raises:
        InvalidArgument: Not one of `part` and `period`, or an unknown one, unit or zone.

    Example:
        >>> import numpy as np
        >>> Cyclical(period=360)(np.array([0.0, 90.0, -180.0, np.nan])).numpy()
        array([[ 0.,  1.], [ 1.,  0.], [ 0., -1.], [ 0.,  0.]], dtype=float32)
    """

    stacks = True

    def __init__(
        self,
        part: str | None = None,
        *,
        period: str | float | None = None,
        unit: str | None = None,
        timezone: str | Mapping[str, Any] | None = None,
        missing: str | float = 0.0,
        add_indicator: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        _check(part, period)
        if unit is not None:
            check_unit("Cyclical", unit)
            if not isinstance(period, int | float):
                raise InvalidArgument(f"unit goes with a period that is a number. Received: unit={unit!r}.")
        self.part = part
        self.period = period if isinstance(period, str) or period is None else float(period)
        self.unit = unit
        if self.of_numbers and timezone is not None:
            raise InvalidArgument(f"timezone goes with dates and times. Received: period={period!r} of numbers.")
        self.zone = None if timezone is None else Zone.named(timezone)
        self.missing = number_or_keep("Cyclical", missing)
        self.add_indicator = add_indicator

    @property
    def of_numbers(self) -> bool:
        """Whether the cycle is one of numbers rather than of time."""
        return isinstance(self.period, float) and self.unit is None

    def raw_column(self, type: pa.DataType, column: str) -> RawColumn:
        """Of time int64, microseconds since 1970 UTC or midnight; of numbers float32 or float64.

        Raises:
            SchemaMismatch: The column holds something else.
        """
        # the families depend on the arguments here; the role declares them for the class
        self.accepts = ("number",) if self.of_numbers else ("time",)
        daily = self.part in ("hour", "minute") or self.period in ("minute", "hour", "day") or self.unit is not None
        check_clock("Cyclical", type, column, daily, self.zone)
        return super().raw_column(type, column)

    def compute(self, values: Any) -> Any:
        """Sine and cosine in float64."""
        if self.of_numbers:
            values = tf.cast(values, tf.float64)
            absent = ~tf.math.is_finite(values)
            place, length = tf.where(absent, tf.zeros_like(values), values), np.float64(self.period)
        else:
            values, absent = instants("Cyclical", values)
            place, length = self._position(values if self.zone is None else self.zone.to_local(values))
        sine, cosine = on_circle(place, length)
        missing = NAN if self.missing == "keep" else tf.constant(self.missing, tf.float64)
        pair = tf.stack([tf.where(absent, missing, sine), tf.where(absent, missing, cosine)], axis=-1)
        return flagged(pair, absent, self.add_indicator)

    def _position(self, local: Any) -> tuple[Any, Any]:
        """Where wall-clock time stands in its cycle, and the cycle's length, float64."""
        if self.part is not None:
            place, length = _step(local, self.part)
        elif isinstance(self.period, str):
            place, length = _moment(local, self.period)
        else:
            length = np.float64(self.period or 0) * UNITS[self.unit or "us"]
            return tf.cast(local, tf.float64), length
        return tf.cast(place, tf.float64), tf.cast(length, tf.float64)

    def outputs(self, name: str, columns: tuple[str, ...]) -> list[Feature]:
        """Sine, cosine, and the indicator."""
        cycle = self.part or (f"{self.period}" if isinstance(self.period, str) else "")
        stem = f"{name}_{cycle}" if cycle else name
        features = [Feature(f"{stem}_sin", columns), Feature(f"{stem}_cos", columns)]
        return flagged_features(features, name, columns, self.add_indicator)

    def examples(self, dtype: str) -> list[Any]:
        """Cardinal points, or odd instants."""
        if not self.of_numbers:
            return list(EXAMPLES)
        assert isinstance(self.period, float)
        return [self.period * quarter / 4 for quarter in range(-1, 5)] + super().examples(dtype)

    def get_config(self) -> dict[str, Any]:
        """The configuration, the zone's table included."""
        return {
            **super().get_config(),
            "part": self.part,
            "period": self.period,
            "unit": self.unit,
            "timezone": None if self.zone is None else self.zone.config(),
            "missing": self.missing,
            "add_indicator": self.add_indicator,
        }


def on_circle(place: Any, length: Any) -> tuple[Any, Any]:
    """Sine and cosine of 2 pi place / length, float64, the same bits at every batch size.

    Args:
        place: float64 of shape (batch,), finite.
        length: float64, positive: a scalar or of shape (batch,).
    """
    fourfold = 4.0 * tf.math.floormod(place, length)
    quarter = tf.add_n([tf.cast(fourfold >= turns * length, tf.float64) for turns in (1.0, 2.0, 3.0)])
    angle = (fourfold - quarter * length) * (np.float64(np.pi / 2) / length)
    sine, cosine = full_packets(tf.sin, angle), full_packets(tf.cos, angle)
    odd = (quarter == 1.0) | (quarter == 3.0)
    across, along = tf.where(odd, cosine, sine), tf.where(odd, sine, cosine)
    across = tf.where(quarter >= 2.0, -across, across)
    along = tf.where((quarter == 1.0) | (quarter == 2.0), -along, along)
    # no negative zeros: they have other bits
    return (
        tf.where(across == 0.0, tf.zeros_like(across), across),
        tf.where(along == 0.0, tf.zeros_like(along), along),
    )


def _step(local: Any, part: str) -> tuple[Any, Any]:
    """A part counted from 0, and the number of such steps in its cycle; int64 (the number may be a plain integer)."""
    value = parts_of(local, [part])[part]
    days = local // DAY
    year, month, _ = civil_from_days(days)
    if part == "day":
        return value - 1, days_in_month(year, month)
    if part == "day_of_year":
        return value - 1, 365 + tf.cast(is_leap(year), tf.int64)
    if part == "week":
        year, _ = iso_week(days)
        # 28 December always lies in the last week
        return value - 1, iso_week(days_from_civil(year, 12, 28))[1]
    first, steps = {"month": (1, 12), "hour": (0, 24), "minute": (0, 60), "weekday": (0, 7), "quarter": (1, 4)}[part]
    return value - first, steps


def _moment(local: Any, period: str) -> tuple[Any, Any]:
    """Microseconds since the period began, and its length in microseconds; int64."""
    if period in ("minute", "hour", "day"):
        return local % UNITS[period], UNITS[period]
    days = local // DAY
    if period == "week":
        return local - (days - weekday(days)) * DAY, UNITS["week"]
    year, month, _ = civil_from_days(days)
    months = {"month": 1, "quarter": 3, "year": 12}[period]
    first = (month - 1) // months * months + 1
    after = first + months
    start = days_from_civil(year, first, 1)
    end = days_from_civil(year + after // 13, (after - 1) % 12 + 1, 1)
    return local - start * DAY, (end - start) * DAY


def _check(part: Any, period: Any) -> None:
    number = isinstance(period, int | float) and not isinstance(period, bool)
    if (part is None) == (period is None):
        raise InvalidArgument(f"Cyclical takes one of part and period. Received: part={part!r}, period={period!r}.")
    if part is not None and part not in PARTS:
        raise InvalidArgument(f"Cyclical's part is one of {', '.join(map(repr, PARTS))}. Received: {part!r}.")
    if period is not None and (not (0 < period < float("inf")) if number else period not in PERIODS):
        raise InvalidArgument(
            f"Cyclical's period is a positive number or one of {', '.join(map(repr, PERIODS))}. Received: {period!r}."
        )
