"""RobustScale: numbers by their median and a range between quantiles, which outliers do not move."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from blocks.block import Preprocessor, State, usable
from blocks.errors import InvalidArgument
from blocks.preprocessors.float64 import (
    NAN,
    check_choice,
    check_percentages,
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
from blocks.statistics import Quantiles, Statistic


@keras.saving.register_keras_serializable(package="blocks")
class RobustScale(Preprocessor):
    """Subtract the median and divide by a range of quantiles, as scikit-learn's `RobustScaler`.

    Quantiles are exact up to the exact size of `blocks.statistics.Quantiles`, and of its sketch, with the rank error
    stated there, beyond. A range of 0 (a constant, or more than half of the column one value) is divided by 1. An
    infinite value counts as the largest, or smallest, finite one that was seen; what float32 cannot hold becomes its
    largest number.

    Args:
        quantile_range: The quantiles that make the range, in percent.
        with_centering: Whether the median is subtracted.
        with_scaling: Whether the range is divided by.
        unit_variance: Whether the range is that of a normal distribution of variance 1, so that normal data end with
            variance 1.
        missing: What NaN becomes: "median" (0 when centered) or "keep" (NaN).
        add_indicator: Whether a second feature, `<name>_missing`, says 1 where the value was missing, else 0.

    Returns:
        float32 of shape (batch,), or (batch, 2) with the indicator.

    Example:
        >>> block = RobustScale().adapt(np.array([1.0, 2.0, 3.0, 4.0, 1000.0, np.nan]))
        >>> block(np.array([3.0, 5.0, np.nan])).numpy()
        array([0., 1., 0.], dtype=float32)
    """

    stacks = True

    def __init__(
        self,
        quantile_range: tuple[float, float] = (25.0, 75.0),
        *,
        with_centering: bool = True,
        with_scaling: bool = True,
        unit_variance: bool = False,
        missing: str = "median",
        add_indicator: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_choice("RobustScale", "missing", missing, ("median", "keep"))
        self.quantile_range = check_percentages("RobustScale", "quantile_range", quantile_range)
        if unit_variance and not 0 < self.quantile_range[0] < self.quantile_range[1] < 100:
            raise InvalidArgument(
                "unit_variance needs a range within 0 and 100: a normal distribution has no ends. "
                f"Received: quantile_range={quantile_range!r}."
            )
        self.with_centering = with_centering
        self.with_scaling = with_scaling
        self.unit_variance = unit_variance
        self.missing = missing
        self.add_indicator = add_indicator

    def statistics(self) -> dict[str, Statistic]:
        """The column's quantiles."""
        return {"quantiles": Quantiles()}

    def learn(self, results: Mapping[str, Statistic]) -> State:
        """Center and scale, the finite range, and what missing becomes."""
        quantiles = results["quantiles"].result()
        usable(quantiles.count, "RobustScale")
        percent = np.array(self.quantile_range) / 100
        unit = unit_of(quantiles.min, quantiles.max)
        low, high = quantiles.quantile(percent) * unit
        median = quantiles.quantile(0.5) * unit
        # without scaling, a number comes out in the column's own unit
        scale = divisor(high - low, unit) if self.with_scaling else unit
        if self.unit_variance:
            normal = tf.math.ndtri(tf.constant(percent, tf.float64)).numpy()
            scale = np.float64(scale / (normal[1] - normal[0]))
        center = np.float64(median if self.with_centering else 0.0)
        state = scalars(
            center=center,
            scale=scale,
            low=quantiles.min * unit,
            high=quantiles.max * unit,
            fill=(median - center) / scale,
        )
        return with_unit(unit, state)

    def _restore(self, state: State) -> None:
        self._unit = unit_variable(state)
        with tf.init_scope():
            self._center = tf.Variable(state["center"], trainable=False)
            self._scale = tf.Variable(state["scale"], trainable=False)
            self._low = tf.Variable(from_unit(state["low"], state), trainable=False)
            self._high = tf.Variable(from_unit(state["high"], state), trainable=False)
            self._fill = tf.Variable(state["fill"], trainable=False)

    def compute(self, values: Any) -> Any:
        """Scaled values in float64."""
        values = tf.cast(values, tf.float64)
        absent = tf.math.is_nan(values)
        scaled = (in_unit(infinite_to_ends(values, self._low, self._high), self._unit) - self._center) / self._scale
        # one NaN for all: a sign bit or payload that entered must not leave
        scaled = tf.where(absent, self._fill if self.missing == "median" else NAN, scaled)
        return flagged(within_float32(scaled), absent, self.add_indicator)

    def examples(self, dtype: str) -> list[Any]:
        """Numbers about the center, and what is missing or extreme."""
        center, scale = float(self.state["center"]), float(self.state["scale"])
        near = np.array([center + step * scale for step in (-1.0, -0.3, 0.0, 0.7, 3.0)])
        return [*from_unit(near, self.state).tolist(), *super().examples(dtype)]

    def inverse(self, values: Any) -> np.ndarray:
        """Scaled values back to the column's unit, in float64; NaN where flagged or kept.

        Args:
            values: Scaled values of shape (rows,), or (rows, 2) with the indicator.
        """
        self.require_adapted()
        return from_unit(unflagged(values, self.add_indicator) * self.state["scale"] + self.state["center"], self.state)

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {
            **super().get_config(),
            "quantile_range": self.quantile_range,
            "with_centering": self.with_centering,
            "with_scaling": self.with_scaling,
            "unit_variance": self.unit_variance,
            "missing": self.missing,
            "add_indicator": self.add_indicator,
        }
