"""Elapsed: the time since a reference that does not move."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import keras
import numpy as np
import pyarrow as pa
import tensorflow as tf

from blocks.block import Preprocessor, State, usable
from blocks.data.raw_columns import RawColumn
from blocks.errors import InvalidArgument
from blocks.preprocessors.float64 import NAN, number_or_keep
from blocks.preprocessors.time.calendar import EXAMPLES, UNITS, check_instants, check_unit, instants
from blocks.statistics import Moments, Statistic


@keras.saving.register_keras_serializable(package="blocks")
class Elapsed(Preprocessor):
    """Time since a reference, as a number of units with its fraction; negative before it.

    The reference is fixed, or learned and then fixed. It is never "now": a model would answer differently every day,
    and differently from how it was trained. Instants outside the years 1 to 9999 are missing.

    Args:
        since: A date or time (ISO 8601, or a `date` or `datetime`; without an offset it counts as UTC), or "min" or
            "max": the first or the last instant seen in `adapt`, exact to the microsecond from 1685 to 2255.
        unit: "week", "day", "hour", "minute", "s", "ms" or "us".
        missing: What a missing instant becomes: "keep" (NaN) or a number.

    Returns:
        float32 of shape (batch,), computed in float64.

    Raises:
        InvalidArgument: `since` is no date, "now" for one, or the unit is unknown.

    Example:
        >>> instant = tf.constant([1_357_034_400_000_000], tf.int64)  # 2013-01-01T10:00Z
        >>> Elapsed("2012-12-31", unit="hour")(instant).numpy()
        array([34.], dtype=float32)
    """

    accepts = ("time",)
    stacks = True

    def __init__(
        self,
        since: str | date = "min",
        *,
        unit: str = "day",
        missing: str | float = "keep",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_unit("Elapsed", unit)
        self.since = since.isoformat() if isinstance(since, date) else since
        self.unit = unit
        self.missing = number_or_keep("Elapsed", missing)
        if not self.learns:
            self.restore({"reference": _instant(self.since)})

    def statistics(self) -> dict[str, Statistic]:
        """The range of what is seen, when no date is given."""
        return {"range": Moments()} if self.since in ("min", "max") else {}

    def observed(self, values: Any) -> Any:
        """Microseconds as float64, NaN where missing."""
        values, absent = instants("Elapsed", values)
        return tf.where(absent, NAN, tf.cast(values, tf.float64))

    def learn(self, results: Mapping[str, Statistic]) -> State:
        """The reference, in microseconds."""
        seen = results["range"].result()
        usable(seen.count, "Elapsed")
        return {"reference": np.asarray(seen.min if self.since == "min" else seen.max).astype(np.int64)}

    def _restore(self, state: State) -> None:
        with tf.init_scope():
            self._reference = tf.Variable(state["reference"], trainable=False)
            # a variable: TensorFlow rewrites x / constant as x * (1 / constant), other bits
            self._unit = tf.Variable(UNITS[self.unit], dtype=tf.float64, trainable=False)

    def raw_column(self, type: pa.DataType, column: str) -> RawColumn:
        """Int64: microseconds since 1970 UTC.

        Raises:
            SchemaMismatch: The column holds no dates or timestamps.
        """
        check_instants("Elapsed", type, column)
        return super().raw_column(type, column)

    def compute(self, values: Any) -> Any:
        """Units in float64."""
        values, absent = instants("Elapsed", values)
        elapsed = tf.cast(values - self._reference, tf.float64) / self._unit
        missing = NAN if self.missing == "keep" else tf.constant(self.missing, tf.float64)
        return tf.where(absent, missing, elapsed)

    def examples(self, dtype: str) -> list[Any]:
        """The reference and its neighbours, and odd instants."""
        reference = int(self.state["reference"])
        return [reference, reference + 1, reference - UNITS["day"], *EXAMPLES]

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {**super().get_config(), "since": self.since, "unit": self.unit, "missing": self.missing}


def _instant(since: Any) -> np.ndarray:
    try:
        when = datetime.fromisoformat(since)
    except (TypeError, ValueError) as error:
        raise InvalidArgument(
            "Elapsed counts since a date (ISO 8601, '2013-01-01T05:00Z'), 'min' or 'max', never since now. "
            f"Received: {since!r}."
        ) from error
    when = when if when.tzinfo is not None else when.replace(tzinfo=UTC)
    return np.asarray((when - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1), np.int64)
