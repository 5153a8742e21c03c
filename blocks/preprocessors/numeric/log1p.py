"""Log1p: the logarithm that tames long right tails."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from blocks.block import Preprocessor
from blocks.preprocessors.float64 import full_packets

NAN = np.float64("nan")


@keras.saving.register_keras_serializable(package="blocks")
class Log1p(Preprocessor):
    """`log(1 + x)`, or with `signed`, `sign(x) * log(1 + |x|)`. Learns nothing.

    Missing stays missing (NaN), and so does what has no logarithm: below -1 without `signed`. -1 becomes -inf and inf
    stays inf, which a `Standardize` that follows bounds to the finite range.

    Args:
        signed: Whether negative values are mirrored.

    Returns:
        float32 of shape (batch,), computed in float64 (see DESIGN.md, contract 4: in float32 the last bit would depend
        on the batch size).

    Example:
        >>> import numpy as np
        >>> Log1p(signed=True)(np.array([-1.0, 0.0, 1.0])).numpy()
        array([-0.6931472,  0.       ,  0.6931472], dtype=float32)
    """

    stacks = True

    def __init__(self, *, signed: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.signed = signed

    def compute(self, values: Any) -> Any:
        """The logarithm in float64."""
        values = tf.cast(values, tf.float64)
        # one NaN for all: the sign bit of log1p's own depends on the batch size
        if self.signed:
            return tf.where(tf.math.is_nan(values), NAN, tf.sign(values) * full_packets(tf.math.log1p, tf.abs(values)))
        return tf.where(values >= -1.0, full_packets(tf.math.log1p, values), NAN)

    def inverse(self, values: Any) -> Any:
        """`exp(y) - 1`, in float64."""
        values = tf.cast(values, tf.float64)
        if self.signed:
            return (tf.sign(values) * tf.math.expm1(tf.abs(values))).numpy()
        return tf.math.expm1(values).numpy()

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {**super().get_config(), "signed": self.signed}
