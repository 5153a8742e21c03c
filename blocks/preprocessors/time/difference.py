"""Difference: the time from one column's instant to another's."""

from typing import Any, ClassVar

import keras

from blocks.block import Preprocessor
from blocks.errors import SchemaMismatch
from blocks.preprocessors.float64 import number_or_keep
from blocks.preprocessors.time.calendar import EXAMPLES, check_unit, instants
from blocks.preprocessors.time.duration import in_units, microseconds_of


@keras.saving.register_keras_serializable(package="blocks")
class Difference(Preprocessor):
    """The time from the first column to the second, as a number of units; negative where the second is earlier.

    Learns nothing. The key in `Columns` is the tuple of both, `("ordered", "delivered")`: dates and timestamps, both
    with a zone or both without, or times of day, or durations. Text goes through a `Timestamp` first:
    `[Timestamp(), Difference()]`. What is missing in either, or outside the years 1 to 9999, makes it missing.

    Args:
        unit: "week", "day", "hour", "minute", "s", "ms" or "us".
        missing: What a missing difference becomes: "keep" (NaN) or a number.

    Returns:
        float32 of shape (batch,), computed in float64.

    Raises:
        InvalidArgument: The unit is unknown.

    Example:
        >>> import tensorflow as tf
        >>> ordered, delivered = tf.constant([0], tf.int64), tf.constant([129_600_000_000], tf.int64)
        >>> Difference("day")((ordered, delivered)).numpy()
        array([1.5], dtype=float32)
    """

    accepts = ("time",)
    several = True
    one_kind_of_time: ClassVar[bool] = True

    def __init__(self, unit: str = "day", *, missing: str | float = "keep", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_unit("Difference", unit)
        self.unit = unit
        self.missing = number_or_keep("Difference", missing)
        self._scale = microseconds_of(unit)

    def compute(self, values: Any) -> Any:
        """Units in float64."""
        if not isinstance(values, tuple | list) or len(values) != 2:
            found = len(values) if isinstance(values, tuple | list) else 1
            raise SchemaMismatch(f"Difference takes two columns, with the key (from, to). Received: {found}.")
        (begin, no_begin), (end, no_end) = (instants("Difference", value) for value in values)
        # whole microseconds are subtracted: float64 holds those of instants to 1/4 of a microsecond only
        return in_units(end - begin, no_begin | no_end, self._scale, self.missing)

    def examples(self, dtype: str) -> list[Any]:
        """Odd instants."""
        return list(EXAMPLES)

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {**super().get_config(), "unit": self.unit, "missing": self.missing}
