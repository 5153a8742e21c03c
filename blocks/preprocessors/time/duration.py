"""Duration: a duration, or a time of day, as a number of units."""

from typing import Any

import keras
import pyarrow as pa
import pyarrow.types as pt
import tensorflow as tf

from blocks.block import Preprocessor
from blocks.data.encodings import natural_type
from blocks.data.raw_columns import A_DAY, MISSING_INT, RawColumn
from blocks.errors import SchemaMismatch
from blocks.preprocessors.float64 import NAN, number_or_keep
from blocks.preprocessors.time.calendar import UNITS, check_unit


@keras.saving.register_keras_serializable(package="blocks")
class Duration(Preprocessor):
    """How long a duration is, as a number of units with its fraction; of a time of day, how long since midnight.

    Learns nothing. The time from one instant to another is `Difference`'s to say, that since a fixed one `Elapsed`'s.

    Args:
        unit: "week", "day", "hour", "minute", "s", "ms" or "us".
        missing: What a missing duration becomes: "keep" (NaN) or a number.

    Returns:
        float32 of shape (batch,), computed in float64.

    Raises:
        InvalidArgument: The unit is unknown.

    Example:
        >>> Duration("hour")(tf.constant([5_400_000_000, -3_600_000_000], tf.int64)).numpy()
        array([ 1.5, -1. ], dtype=float32)
    """

    accepts = ("time",)

    def __init__(self, unit: str = "day", *, missing: str | float = "keep", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_unit("Duration", unit)
        self.unit = unit
        self.missing = number_or_keep("Duration", missing)
        self._scale = microseconds_of(unit)

    def raw_column(self, type: pa.DataType, column: str) -> RawColumn:
        """Of int64: microseconds.

        Raises:
            SchemaMismatch: The column holds neither durations nor times of day.
        """
        kind = natural_type(type)
        if pt.is_null(kind):
            return RawColumn("duration")
        if pt.is_date(kind) or pt.is_timestamp(kind):
            raise SchemaMismatch(
                f"Duration takes durations and times of day. Received: column {column!r} of type {type}. Use Elapsed() "
                "for the time since a fixed instant, Difference() for that between two columns."
            )
        return super().raw_column(type, column)

    def compute(self, values: Any) -> Any:
        """Units in float64."""
        values, absent = spans("Duration", values)
        return in_units(values, absent, self._scale, self.missing)

    def examples(self, dtype: str) -> list[Any]:
        """Nothing, the least, ends of a day, long ones, missing."""
        return [MISSING_INT, 0, 1, -1, A_DAY - 1, A_DAY, -A_DAY, 7 * A_DAY + 1, 36_525 * A_DAY]

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {**super().get_config(), "unit": self.unit, "missing": self.missing}


def microseconds_of(unit: str) -> tf.Variable:
    """A unit of time to divide microseconds by."""
    with tf.init_scope():
        # a variable: TensorFlow rewrites x / constant as x * (1 / constant), other bits
        return tf.Variable(UNITS[unit], dtype=tf.float64, trainable=False)


def spans(block: str, values: Any) -> tuple[Any, Any]:
    """Int64 microseconds, 0 where missing, and a mask of those places.

    Raises:
        SchemaMismatch: They are not int64.
    """
    values = tf.convert_to_tensor(values)
    if values.dtype != tf.int64:
        raise SchemaMismatch(
            f"{block} takes int64 microseconds. Received: {values.dtype.name}. Give durations, or cast the column."
        )
    absent = tf.equal(values, MISSING_INT)
    return tf.where(absent, tf.zeros_like(values), values), absent


def in_units(microseconds: Any, absent: Any, scale: Any, missing: str | float) -> Any:
    """Microseconds as float64 units, and what is absent as `missing` says."""
    number = NAN if missing == "keep" else tf.constant(missing, tf.float64)
    return tf.where(absent, number, tf.cast(microseconds, tf.float64) / scale)
