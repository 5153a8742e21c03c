"""Standardize: numbers to zero mean and unit variance."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from blocks.block import Preprocessor, State, usable
from blocks.errors import InvalidArgument
from blocks.preprocessors.float64 import (
    SMALLEST_NORMAL,
    divisor,
    from_unit,
    in_unit,
    scalars,
    unit_of,
    unit_variable,
    with_unit,
)
from blocks.statistics import Moments, Statistic


@keras.saving.register_keras_serializable(package="blocks")
class Standardize(Preprocessor):
    """Subtract the mean and divide by the standard deviation, both learned: `(x - mean) / std`.

    The standard deviation is the population's (divided by the number of rows), as scikit-learn's `StandardScaler` has
    it; a constant column, or one whose variance is rounding noise, is divided by 1. An infinite value, or one whose
    image lies beyond float64, counts as the largest, or smallest, finite one that was seen. Of a column of windows all
    values count alike: it has one mean and one deviation, as it has one of whatever another block of numbers learns.

    Args:
        missing: What NaN becomes: "mean" (0 after scaling) or "keep" (NaN).
        add_indicator: Whether a second feature, `<name>_missing`, says 1 where the value was missing, else 0.

    Returns:
        float32 of shape (batch,), or (batch, 2) with the indicator; of windows (batch, n), or (batch, n, 2).

    Example:
        >>> import numpy as np
        >>> block = Standardize().adapt(np.array([1.0, 2.0, 3.0, np.nan]))
        >>> block(np.array([2.0, np.nan, np.inf])).numpy()
        array([0.       , 0.       , 1.2247449], dtype=float32)
    """

    stacks = True

    def __init__(self, *, missing: str = "mean", add_indicator: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if missing not in ("mean", "keep"):
            raise InvalidArgument(f"Standardize's missing is 'mean' or 'keep'. Received: {missing!r}.")
        self.missing = missing
        self.add_indicator = add_indicator

    def statistics(self) -> dict[str, Statistic]:
        """The column's moments."""
        return {"moments": Moments()}

    def learn(self, results: Mapping[str, Statistic]) -> State:
        """Mean, scale, and the finite range."""
        moments = results["moments"].result()
        usable(moments.count, "Standardize")
        unit = unit_of(moments.min, moments.max)
        mean, std, low, high = (value * unit for value in (moments.mean, moments.std, moments.min, moments.max))
        # scikit-learn's rule for a column that is constant but for rounding (Chan, Golub and LeVeque 1983), over the
        # larger of mean and deviation, since the variance itself may lie beyond float64
        noise = np.finfo(np.float64).eps
        size = max(abs(mean), std) or 1.0
        variance = (std / size) ** 2
        bound = moments.count * noise * variance + (moments.count * (mean / size) * noise) ** 2
        scale = unit if variance <= bound else divisor(std, unit)
        return with_unit(unit, scalars(mean=mean, scale=scale, low=low, high=high))

    def _restore(self, state: State) -> None:
        self._unit = unit_variable(state)
        with tf.init_scope():
            # variables rather than constants: TensorFlow rewrites x / constant as x * (1 / constant), other bits
            self._mean = tf.Variable(state["mean"], trainable=False)
            self._scale = tf.Variable(state["scale"], trainable=False)
            with np.errstate(over="ignore"):
                ends = np.array([state["low"], state["high"]]) - state["mean"]
                low, high = np.where(np.abs(ends) < SMALLEST_NORMAL, 0.0, ends) / state["scale"]
            self._lowest = tf.Variable(low, trainable=False)
            self._highest = tf.Variable(high, trainable=False)

    def compute(self, values: Any) -> Any:
        """Scaled values in float64."""
        values = tf.cast(values, tf.float64)
        absent = tf.math.is_nan(values)
        scaled = (in_unit(values, self._unit) - self._mean) / self._scale
        # after the division rather than before it: a finite number may have no finite image
        scaled = tf.where(tf.math.is_inf(scaled), tf.where(scaled > 0, self._highest, self._lowest), scaled)
        if self.missing == "mean":
            scaled = tf.where(absent, tf.zeros_like(scaled), scaled)
        if self.add_indicator:
            return tf.stack([scaled, tf.cast(absent, tf.float64)], axis=-1)
        return scaled

    def examples(self, dtype: str) -> list[Any]:
        """Numbers about the mean, and what is missing or extreme."""
        state = self.state
        near = [float(state["mean"] + step * state["scale"]) for step in (-2.0, -0.3, 0.0, 0.7, 3.0)]
        return [*from_unit(np.array(near), state).tolist(), *super().examples(dtype)]

    def inverse(self, values: Any) -> np.ndarray:
        """Scaled values back to the column's unit, in float64; missing ones come back as the mean unless kept.

        Args:
            values: Scaled values of shape (rows,), or (rows, 2) with the indicator.
        """
        self.require_adapted()
        scaled = np.asarray(values, np.float64)
        if self.add_indicator:
            scaled = np.where(scaled[:, 1] > 0, np.nan, scaled[:, 0])
        return from_unit(scaled * self.state["scale"] + self.state["mean"], self.state)

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {**super().get_config(), "missing": self.missing, "add_indicator": self.add_indicator}
