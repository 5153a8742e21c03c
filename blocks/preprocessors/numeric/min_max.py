"""MinMax: numbers to a given range."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from blocks.block import Preprocessor, State, usable
from blocks.errors import InvalidArgument
from blocks.preprocessors.float64 import (
    FLOAT32_MAX,
    NAN,
    check_choice,
    clip_keep_nan,
    divisor,
    flagged,
    from_unit,
    in_unit,
    infinite_to_ends,
    scalars,
    unflagged,
    unit_of,
    unit_variable,
    with_unit,
    within_float32,
)
from blocks.statistics import Moments, Statistic


@keras.saving.register_keras_serializable(package="blocks")
class MinMax(Preprocessor):
    """Scale the learned smallest and largest number to a range: `x * scale + offset`, as scikit-learn's `MinMaxScaler`.

    A constant column becomes the lower end (scikit-learn takes ranges below 2e-15 for constant, whatever the unit; here
    only 0 and subnormal ones are). An infinite value counts as the largest, or smallest, finite one that was seen; what
    float32 cannot hold becomes its largest number.

    Args:
        feature_range: The range, two rising numbers.
        clip: Whether values beyond what was seen stay inside the range.
        missing: What NaN becomes: "mean" (the scaled mean) or "keep" (NaN).
        add_indicator: Whether a second feature, `<name>_missing`, says 1 where the value was missing, else 0.

    Returns:
        float32 of shape (batch,), or (batch, 2) with the indicator.

    Example:
        >>> block = MinMax().adapt(np.array([1.0, 2.0, 6.0, np.nan]))
        >>> block(np.array([2.0, np.nan, np.inf, 11.0])).numpy()
        array([0.2, 0.4, 1. , 2. ], dtype=float32)
    """

    stacks = True

    def __init__(
        self,
        feature_range: tuple[float, float] = (0.0, 1.0),
        *,
        clip: bool = False,
        missing: str = "mean",
        add_indicator: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_choice("MinMax", "missing", missing, ("mean", "keep"))
        low, high = (float(end) for end in feature_range)
        if not (np.isfinite([low, high]).all() and low < high):
            raise InvalidArgument(f"feature_range is two finite, rising numbers. Received: {feature_range!r}.")
        if max(-low, high) > FLOAT32_MAX:
            raise InvalidArgument(
                f"feature_range lies within {FLOAT32_MAX:.2g}, float32's. Received: {feature_range!r}."
            )
        self.feature_range = (low, high)
        self.clip = clip
        self.missing = missing
        self.add_indicator = add_indicator

    def statistics(self) -> dict[str, Statistic]:
        """The column's moments."""
        return {"moments": Moments()}

    def learn(self, results: Mapping[str, Statistic]) -> State:
        """Scale and offset, the finite range, and what missing becomes."""
        moments = results["moments"].result()
        usable(moments.count, "MinMax")
        start, end = self.feature_range
        unit = unit_of(moments.min, moments.max)
        mean, low, high = (value * unit for value in (moments.mean, moments.min, moments.max))
        # a constant near float64's end is divided by itself, lest its product with the scale overflows
        scale = (np.float64(end) - start) / divisor(high - low, max(unit, abs(low)) if unit < 1 else unit)
        offset = start - low * scale
        fill = np.clip(mean * scale + offset, start, end)
        return with_unit(unit, scalars(scale=scale, offset=offset, low=low, high=high, fill=fill))

    def _restore(self, state: State) -> None:
        self._unit = unit_variable(state)
        with tf.init_scope():
            self._scale = tf.Variable(state["scale"], trainable=False)
            self._offset = tf.Variable(state["offset"], trainable=False)
            self._low = tf.Variable(from_unit(state["low"], state), trainable=False)
            self._high = tf.Variable(from_unit(state["high"], state), trainable=False)
            self._fill = tf.Variable(state["fill"], trainable=False)

    def compute(self, values: Any) -> Any:
        """Scaled values in float64."""
        values = tf.cast(values, tf.float64)
        absent = tf.math.is_nan(values)
        values = in_unit(infinite_to_ends(values, self._low, self._high), self._unit)
        scaled = within_float32(values * self._scale + self._offset)
        if self.clip:
            scaled = clip_keep_nan(scaled, *np.array(self.feature_range))
        # one NaN for all: a sign bit or payload that entered must not leave
        scaled = tf.where(absent, self._fill if self.missing == "mean" else NAN, scaled)
        return flagged(scaled, absent, self.add_indicator)

    def examples(self, dtype: str) -> list[Any]:
        """Numbers of the range and beyond, and what is missing or extreme."""
        low, high = (float(from_unit(self.state[end], self.state)) for end in ("low", "high"))
        return [low, high, low / 2 + high / 2, 2 * high - low, *super().examples(dtype)]

    def inverse(self, values: Any) -> np.ndarray:
        """Scaled values back to the column's unit, in float64; NaN where flagged or kept.

        Args:
            values: Scaled values of shape (rows,), or (rows, 2) with the indicator.
        """
        self.require_adapted()
        inside = (unflagged(values, self.add_indicator) - self.state["offset"]) / self.state["scale"]
        return from_unit(inside, self.state)

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {
            **super().get_config(),
            "feature_range": self.feature_range,
            "clip": self.clip,
            "missing": self.missing,
            "add_indicator": self.add_indicator,
        }
