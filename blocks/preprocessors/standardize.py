"""Standardize: numbers to zero mean and unit variance."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from blocks.block import Preprocessor, State, usable
from blocks.errors import InvalidArgument
from blocks.features import Feature
from blocks.preprocessors.numbers import scalars
from blocks.statistics import Moments, Statistic


@keras.saving.register_keras_serializable(package="blocks")
class Standardize(Preprocessor):
    """Subtract the mean and divide by the standard deviation, both learned: `(x - mean) / std`.

    The standard deviation is the population's (divided by the number of rows), as scikit-learn's `StandardScaler` has
    it; a constant column, or one whose variance is rounding noise, is divided by 1. An infinite value counts as the
    largest, or smallest, finite one that was seen.

    Args:
        missing: What NaN becomes: "mean" (0 after scaling) or "keep" (NaN).
        indicator: Whether a second feature, `<name>_missing`, says 1 where the value was missing, else 0.

    Returns:
        float32 of shape (batch,), or (batch, 2) with the indicator.

    Example:
        >>> import numpy as np
        >>> block = Standardize().adapt(np.array([1.0, 2.0, 3.0, np.nan]))
        >>> block(np.array([2.0, np.nan, np.inf])).numpy()
        array([0.       , 0.       , 1.2247449], dtype=float32)
    """

    def __init__(self, *, missing: str = "mean", indicator: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if missing not in ("mean", "keep"):
            raise InvalidArgument(f"Standardize's missing is 'mean' or 'keep'. Received: {missing!r}.")
        self.missing = missing
        self.indicator = indicator

    def statistics(self) -> dict[str, Statistic]:
        """The column's moments."""
        return {"moments": Moments()}

    def learn(self, results: Mapping[str, Statistic]) -> State:
        """Mean, scale, and the finite range."""
        moments = results["moments"].result()
        usable(moments.count, "Standardize")
        # scikit-learn's rule for a column that is constant but for rounding (Chan, Golub and LeVeque 1983)
        noise = np.finfo(np.float64).eps
        bound = moments.count * noise * moments.variance + (moments.count * moments.mean * noise) ** 2
        scale = 1.0 if moments.variance <= bound else moments.std
        return scalars(mean=moments.mean, scale=scale, low=moments.min, high=moments.max)

    def _restore(self, state: State) -> None:
        with tf.init_scope():
            # variables rather than constants: TensorFlow rewrites x / constant as x * (1 / constant), other bits
            self._mean = tf.Variable(state["mean"], trainable=False)
            self._scale = tf.Variable(state["scale"], trainable=False)
            self._low = tf.Variable(state["low"], trainable=False)
            self._high = tf.Variable(state["high"], trainable=False)

    def compute(self, values: Any) -> Any:
        """Scaled values in float64."""
        values = tf.cast(values, tf.float64)
        absent = tf.math.is_nan(values)
        bounded = tf.where(tf.math.is_inf(values), tf.where(values > 0, self._high, self._low), values)
        scaled = (bounded - self._mean) / self._scale
        if self.missing == "mean":
            scaled = tf.where(absent, tf.zeros_like(scaled), scaled)
        if self.indicator:
            return tf.stack([scaled, tf.cast(absent, tf.float64)], axis=-1)
        return scaled

    def outputs(self, name: str, columns: tuple[str, ...]) -> list[Feature]:
        """The scaled number, and its indicator."""
        return [Feature(name, columns)] + ([Feature(f"{name}_missing", columns)] if self.indicator else [])

    def examples(self, dtype: str) -> list[Any]:
        """Numbers about the mean, and what is missing or extreme."""
        state = self.state
        near = [float(state["mean"] + step * state["scale"]) for step in (-2.0, -0.3, 0.0, 0.7, 3.0)]
        return [*near, *super().examples(dtype)]

    def inverse(self, values: Any) -> np.ndarray:
        """Scaled values back to the column's unit, in float64; missing ones come back as the mean unless kept.

        Args:
            values: Scaled values of shape (rows,), or (rows, 2) with the indicator.
        """
        self.require_adapted()
        scaled = np.asarray(values, np.float64)
        if self.indicator:
            scaled = np.where(scaled[:, 1] > 0, np.nan, scaled[:, 0])
        return scaled * self.state["scale"] + self.state["mean"]

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {**super().get_config(), "missing": self.missing, "indicator": self.indicator}
