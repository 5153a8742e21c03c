"""MissingIndicator: whether a value is there."""

from typing import Any

import keras
import tensorflow as tf

from blocks.block import Preprocessor
from blocks.data.raw_columns import MISSING_INT


@keras.saving.register_keras_serializable(package="blocks")
class MissingIndicator(Preprocessor):
    """1 where the value is missing, else 0: NaN of numbers, "" of text, a null date or time. Learns nothing.

    Infinite values are there.

    Returns:
        float32 of shape (batch,).

    Example:
        >>> import numpy as np
        >>> MissingIndicator()(np.array([0.5, np.nan, np.inf])).numpy()
        array([0., 1., 0.], dtype=float32)
    """

    accepts = ("number", "text", "time")
    stacks = True

    def compute(self, values: Any) -> Any:
        """The indicator in float64."""
        values = tf.convert_to_tensor(values)
        if values.dtype == tf.string:
            absent = tf.equal(values, "")
        elif values.dtype == tf.int64:
            absent = tf.equal(values, MISSING_INT)
        else:
            absent = tf.math.is_nan(tf.cast(values, tf.float64))
        return tf.cast(absent, tf.float64)
