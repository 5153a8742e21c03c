"""MaxAbs: numbers to [-1, 1] by one division, zero staying zero."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from blocks.block import Preprocessor, State, usable
from blocks.preprocessors.float64 import (
    NAN,
    check_choice,
    clip_keep_nan,
    divisor,
    flagged,
    infinite_to_ends,
    scalars,
    unflagged,
    within_float32,
)
from blocks.statistics import Moments, Statistic


@keras.saving.register_keras_serializable(package="blocks")
class MaxAbs(Preprocessor):
    """Divide by the learned largest absolute value, as scikit-learn's `MaxAbsScaler`.

    A column of zeros is divided by 1 (scikit-learn does so below 2e-15 already, whatever the unit). An infinite value
    counts as the largest, or smallest, finite one that was seen; what float32 cannot hold becomes its largest number.

    Args:
        clip: Whether values beyond what was seen stay in [-1, 1].
        missing: What NaN becomes: "mean" (the scaled mean) or "keep" (NaN).
        add_indicator: Whether a second feature, `<name>_missing`, says 1 where the value was missing, else 0.

    Returns:
        float32 of shape (batch,), or (batch, 2) with the indicator.

    Example:
        >>> MaxAbs().adapt(np.array([1.0, -4.0, np.nan]))(np.array([2.0, -4.0, np.nan])).numpy()
        array([ 0.5  , -1.   , -0.375], dtype=float32)
    """

    stacks = True

    def __init__(
        self, *, clip: bool = False, missing: str = "mean", add_indicator: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        check_choice("MaxAbs", "missing", missing, ("mean", "keep"))
        self.clip = clip
        self.missing = missing
        self.add_indicator = add_indicator

    def statistics(self) -> dict[str, Statistic]:
        """The column's moments."""
        return {"moments": Moments()}

    def learn(self, results: Mapping[str, Statistic]) -> State:
        """Scale, the finite range, and what missing becomes."""
        moments = results["moments"].result()
        usable(moments.count, "MaxAbs")
        scale = divisor(max(abs(moments.min), abs(moments.max)))
        return scalars(
            scale=scale,
            low=moments.min,
            high=moments.max,
            fill=moments.mean / scale,
        )

    def _restore(self, state: State) -> None:
        with tf.init_scope():
            self._scale = tf.Variable(state["scale"], trainable=False)
            self._low = tf.Variable(state["low"], trainable=False)
            self._high = tf.Variable(state["high"], trainable=False)
            self._fill = tf.Variable(state["fill"], trainable=False)

    def compute(self, values: Any) -> Any:
        """Scaled values in float64."""
        values = tf.cast(values, tf.float64)
        absent = tf.math.is_nan(values)
        scaled = within_float32(infinite_to_ends(values, self._low, self._high) / self._scale)
        if self.clip:
            scaled = clip_keep_nan(scaled, np.float64(-1), np.float64(1))
        # one NaN for all: a sign bit or payload that entered must not leave
        scaled = tf.where(absent, self._fill if self.missing == "mean" else NAN, scaled)
        return flagged(scaled, absent, self.add_indicator)

    def examples(self, dtype: str) -> list[Any]:
        """Numbers up to the largest and beyond, and what is missing or extreme."""
        scale = float(self.state["scale"])
        return [*(step * scale for step in (-1.0, -0.3, 0.7, 1.0, 1.5)), *super().examples(dtype)]

    def inverse(self, values: Any) -> np.ndarray:
        """Scaled values back to the column's unit, in float64; NaN where flagged or kept.

        Args:
            values: Scaled values of shape (rows,), or (rows, 2) with the indicator.
        """
        self.require_adapted()
        return unflagged(values, self.add_indicator) * self.state["scale"]

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {**super().get_config(), "clip": self.clip, "missing": self.missing, "add_indicator": self.add_indicator}
