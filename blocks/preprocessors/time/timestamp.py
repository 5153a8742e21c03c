"""Timestamp: text, numbers and Arrow's dates and timestamps to instants."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import pyarrow as pa
import pyarrow.types as pt
import tensorflow as tf

from blocks.block import Preprocessor
from blocks.data.arrow_types import is_text, is_time
from blocks.data.raw_arrays import to_arrow, to_raw
from blocks.data.raw_columns import MISSING_INT, RawColumn
from blocks.errors import InvalidArgument, SchemaMismatch
from blocks.preprocessors.time.calendar import EXAMPLES, FIRST, LAST, UNITS, check_instants, check_unit
from blocks.preprocessors.time.formats import ISO, compile_format, parse
from blocks.preprocessors.time.zones import Zone


@keras.saving.register_keras_serializable(package="blocks")
class Timestamp(Preprocessor):
    """Text or numbers to instants, int64 microseconds since 1970 UTC, for a block of time that follows in the chain.

    What cannot be read is missing, offline as when served: a request with one bad date is still answered, and no
    training run ends at one. `unparsable` lists such values before they are learned from. Instants outside the years 1
    to 9999 are missing too.

    ISO 8601 is read as `2013-01-01`, `2013-01-01T05:17:36.123456+01:00`, or without separators, `20130101T051736Z`;
    "T" may be a space; minutes, seconds and fraction may be left out; the offset is `Z`, `UTC`, `+01`, `+0100`,
    `+01:00` or none, after a space or not. Digits beyond the microsecond are cut off. There are no leap seconds, no
    24:00 and no week dates. White space around a text is no part of it.

    Args:
        formats: "iso8601", or a format of `strptime`, or a list of these, of which the first that fits a text reads it.
            Directives: %Y %y %m %b %B %d %j %H %I %p %M %S %f %z, %a and %A (not looked at), %%. Names are English in
            any case, numbers ASCII digits, leading zeros optional where `strptime` has it so; %f takes up to 9 digits.
        unit: For columns of numbers, what they count since 1970 UTC: "ns" (cut to microseconds), "us", "ms", "s",
            "minute", "hour", "day" or "week". Fractions are rounded to the microsecond. Not for text.
        timezone: The zone of texts that say no offset and of timestamps without a zone: an IANA name, or an offset
            ("+02:00"); None for UTC. Of a wall-clock time that comes twice in autumn the earlier is meant; one that is
            skipped in spring counts from before the change (PEP 495's fold=0). Right to the year 2200.

    Returns:
        int64 of shape (batch,): microseconds since 1970 UTC, the smallest int64 where missing. Not a feature: it stands
        before `DateParts`, `Cyclical` or `Elapsed` in a chain, never last.

    Raises:
        InvalidArgument: A format, unit or zone is unknown, or `timezone` is given for numbers.

    Example:
        >>> block = Timestamp(["iso8601", "%d/%m/%Y"], timezone="Europe/Paris")
        >>> block(np.array(["2013-07-01T12:00", "01/07/2013", "soon"])).numpy().astype("datetime64[us]").tolist()
        [datetime.datetime(2013, 7, 1, 10, 0), datetime.datetime(2013, 6, 30, 22, 0), None]
    """

    identifier = True
    accepts = ("text", "number", "time")

    emits_features = False
    """Not a feature: instants have no place in float32 or int32."""

    def __init__(
        self,
        formats: str | Sequence[str] = ISO,
        *,
        unit: str | None = None,
        timezone: str | Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.formats = [formats] if isinstance(formats, str) else list(formats)
        if not self.formats:
            raise InvalidArgument("Timestamp takes one format at least. Received: none.")
        for text in self.formats:
            compile_format(text)
        if unit is not None:
            check_unit("Timestamp", unit, ("ns", *UNITS))
            if timezone is not None:
                raise InvalidArgument(
                    "Numbers count since 1970 UTC, so a timezone has no meaning for them. "
                    f"Received: unit={unit!r} and a timezone. Leave one out."
                )
        self.unit = unit
        self.zone = None if timezone is None else Zone.named(timezone)

    def raw_column(self, type: pa.DataType, column: str) -> RawColumn:
        """String, int64 or a float dtype, by the column.

        Raises:
            SchemaMismatch: The column is of text or time and a unit is given, or of numbers and none is; it has a zone
                and another is given; it holds times of day or durations.
        """
        raw = super().raw_column(type, column)
        check_instants("Timestamp", type, column)
        value_type = type.value_type if pt.is_dictionary(type) else type
        timed = is_time(value_type) or is_text(value_type)
        if not pt.is_null(type) and timed == (self.unit is not None):
            raise SchemaMismatch(
                "Timestamp reads numbers by their unit, Timestamp(unit='s') say, and text and timestamps without one. "
                f"Received: column {column!r} of type {type} and unit={self.unit!r}."
            )
        if pt.is_timestamp(value_type) and value_type.tz is not None and self.zone is not None:
            raise SchemaMismatch(
                f"A timestamp with a zone of its own needs no other. Received: column {column!r} of type {type} and "
                f"timezone={self.zone.name!r}. Leave timezone out here, and give it to DateParts."
            )
        return raw

    def compute(self, values: Any) -> Any:
        """Instants, int64."""
        values = tf.convert_to_tensor(values)
        if values.dtype == tf.string:
            found = self._parsed(values)
        elif self.unit is None:
            if values.dtype != tf.int64:
                raise SchemaMismatch(
                    f"Timestamp reads numbers by their unit. Received: {values.dtype.name}. Say Timestamp(unit='s')."
                )
            found = values if self.zone is None else _checked(values, self.zone.to_utc(_bounded(values)))
        elif values.dtype.is_integer:
            found = _scaled_integers(tf.cast(values, tf.int64), self.unit)
        else:
            found = _scaled_floats(tf.cast(values, tf.float64), self.unit)
        return _checked(found, found)

    def _parsed(self, text: Any) -> Any:
        text = tf.strings.strip(text)
        found = tf.fill(tf.shape(text), tf.constant(MISSING_INT, tf.int64))
        for form in reversed([compile_format(text) for text in self.formats]):
            local, offset, flags = parse(text, form)
            fits, says_offset = tf.unstack(flags, axis=-1)
            utc = local if self.zone is None else self.zone.to_utc(local)
            found = tf.where(fits, tf.where(says_offset, local - offset, utc), found)
        return found

    def call(self, inputs: Any) -> Any:
        """Instants, int64: they are not rounded to float32, as features are."""
        return self.compute(inputs)

    def compute_output_spec(self, inputs: Any) -> Any:
        """Int64 of the input's shape."""
        return keras.KerasTensor(inputs.shape, "int64")

    def unparsable(self, data: Any) -> list[Any]:
        """The distinct values of a column that would become missing though they are there.

        Args:
            data: Values of shape (rows,), in any form that `adapt` takes.

        Example:
            >>> Timestamp().unparsable(["2013-01-01", "2013-02-30", None])
            ['2013-02-30']
        """
        column = to_arrow(data, self.name).drop_null().unique()
        raw = to_raw(column, self.raw_column(column.type, self.name), self.name)
        lost = self.compute(tf.constant(raw)).numpy() == MISSING_INT
        return [value for value in column.filter(pa.array(lost)).to_pylist() if value not in ("", b"")]

    def examples(self, dtype: str) -> list[Any]:
        """Texts of every format, odd instants, numbers about 1970 and 2013."""
        if dtype == "string":
            texts = [compile_format(text).example for text in self.formats]
            return [*texts, "2000-02-29", "1900-02-29", "1969-12-31 23:59:59.999999", *super().examples(dtype)]
        if dtype == "int64" and self.unit is None:
            return list(EXAMPLES)
        return [*super().examples(dtype), 1_357_034_400, -86_401]

    def get_config(self) -> dict[str, Any]:
        """The configuration, the zone's table included."""
        return {
            **super().get_config(),
            "formats": self.formats,
            "unit": self.unit,
            "timezone": None if self.zone is None else self.zone.config(),
        }


def _bounded(values: Any) -> Any:
    return tf.clip_by_value(values, FIRST, LAST)


def _checked(values: Any, found: Any) -> Any:
    """What was found, missing where `values` lie outside the years 1 to 9999."""
    return tf.where((values < FIRST) | (values > LAST), tf.constant(MISSING_INT, tf.int64), found)


def _scaled_integers(values: Any, unit: str) -> Any:
    if unit == "ns":
        return tf.where(values == MISSING_INT, values, values // 1_000)
    most = (LAST + 1) // UNITS[unit]
    scaled = tf.clip_by_value(values, -most, most) * UNITS[unit]
    return tf.where((values < -most) | (values > most), tf.constant(MISSING_INT, tf.int64), scaled)


def _scaled_floats(values: Any, unit: str) -> Any:
    """Numbers with fractions: NaN, infinite and far ones are missing."""
    if unit == "ns":
        near = tf.abs(values) < np.float64(2**63)
        whole = tf.cast(tf.math.floor(tf.where(near, values, tf.zeros_like(values))), tf.int64)
        return tf.where(near, whole // 1_000, tf.constant(MISSING_INT, tf.int64))
    scaled = tf.round(values * np.float64(UNITS[unit]))
    near = tf.abs(scaled) <= np.float64(LAST + 1)
    whole = tf.cast(tf.where(near, scaled, tf.zeros_like(scaled)), tf.int64)
    return tf.where(near, whole, tf.constant(MISSING_INT, tf.int64))
