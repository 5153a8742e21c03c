"""Round: numbers to so many decimals."""

from typing import Any, Final

import keras
import numpy as np
import tensorflow as tf

from blocks.arguments import check_whole_number
from blocks.block import Preprocessor
from blocks.preprocessors.float64 import NAN, finite_stays_finite, number_or_keep

_WHOLE: Final = np.float64(2.0**52)
"""Float64 numbers from here up have no fraction."""


@keras.saving.register_keras_serializable(package="blocks")
class Round(Preprocessor):
    """Round to `decimals` places, halves to the even neighbour, as `numpy.round` does. Learns nothing.

    A number that float64 holds no finer than that anyway is left as it is (NumPy moves the last bit of some). Infinite
    values pass. Missing stays missing (NaN) unless `missing` gives a number: the blocks that follow in a chain see the
    gap.

    Args:
        decimals: Places after the point, -300 to 300; negative ones round to tens, hundreds, ...
        missing: What NaN becomes: "keep" (NaN) or a number.

    Returns:
        float32 of shape (batch,).

    Example:
        >>> Round(1)(np.array([0.25, 1.36, np.nan])).numpy()
        array([0.2, 1.4, nan], dtype=float32)
    """

    stacks = True

    def __init__(self, decimals: int = 0, *, missing: str | float = "keep", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.decimals = check_whole_number("Round's decimals", decimals, -300, most=300)
        self.missing = number_or_keep("Round", missing)
        with tf.init_scope():
            # a variable: TensorFlow rewrites x / constant as x * (1 / constant), other bits
            self._power = tf.Variable(10.0 ** abs(decimals), dtype=tf.float64, trainable=False)

    def compute(self, values: Any) -> Any:
        """Rounded values in float64."""
        values = tf.cast(values, tf.float64)
        if self.decimals >= 0:
            scaled = values * self._power
            rounded = tf.where(tf.abs(scaled) < _WHOLE, tf.round(scaled) / self._power, values)
        else:
            rounded = tf.round(values / self._power) * self._power
        other = NAN if self.missing == "keep" else np.float64(self.missing)
        return finite_stays_finite(tf.where(tf.math.is_nan(values), other, rounded))

    def examples(self, dtype: str) -> list[Any]:
        """Halves, and what is missing or extreme."""
        unit = 10.0**-self.decimals
        return [*(step * unit for step in (0.5, 1.5, 2.5, -0.5, 0.49, 7.3)), *super().examples(dtype)]

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {**super().get_config(), "decimals": self.decimals, "missing": self.missing}
