"""Round: predictions to so many decimals."""

from typing import Any

import keras
import tensorflow as tf

from blocks.arguments import check_whole_number
from blocks.block import Postprocessor, Regressor
from blocks.postprocessors.number_answers import NEEDS, POINTS


# another name than preprocessors.Round's, or one would be reloaded as the other
@keras.saving.register_keras_serializable(package="blocks", name="PostRound")
class Round(Postprocessor):
    """Round `prediction` and `quantiles` to `decimals` places, halves to the even neighbour, and intervals outwards.

    `low` is rounded down and `high` up, so that an interval's coverage is kept.

    Args:
        decimals: Places after the point, -300 to 300; negative ones round to tens, hundreds, ...

    Returns:
        The answers, with those replaced in their own dtype.

    Example:
        >>> answers = Round()({"prediction": tf.constant([2.5, 3.6]), "low": tf.constant([1.9, 1.0])})
        >>> answers["prediction"].numpy(), answers["low"].numpy()
        (array([2., 4.], dtype=float32), array([1., 1.], dtype=float32))
    """

    works_on = Regressor
    needs = NEEDS

    def __init__(self, decimals: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.decimals = check_whole_number("Round's decimals", decimals, -300, most=300)
        with tf.init_scope():
            # a variable: TensorFlow rewrites x / constant as x * (1 / constant), other bits
            self._power = tf.Variable(10.0 ** abs(decimals), dtype=tf.float64, trainable=False)

    def call(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """The answers, rounded."""
        ways = {"low": tf.floor, "high": tf.math.ceil}
        rounded = {name: self._round(inputs[name], ways.get(name, tf.round)) for name in POINTS if name in inputs}
        return {**inputs, **rounded}

    def _round(self, values: Any, way: Any) -> Any:
        exact = tf.cast(values, tf.float64)
        if self.decimals < 0:
            return tf.cast(way(exact / self._power) * self._power, values.dtype)
        scaled = exact * self._power
        # beyond 2^52 a number has no fraction
        return tf.cast(tf.where(tf.abs(scaled) < 2.0**52, way(scaled) / self._power, exact), values.dtype)

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {**super().get_config(), "decimals": self.decimals}
