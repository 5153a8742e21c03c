"""Clip: predictions held between two ends."""

import math
from typing import Any

import keras
import tensorflow as tf

from blocks.block import Postprocessor, Regressor
from blocks.errors import InvalidArgument
from blocks.postprocessors.number_answers import NEEDS, POINTS


# another name than preprocessors.Clip's, or one would be reloaded as the other
@keras.saving.register_keras_serializable(package="blocks", name="PostClip")
class Clip(Postprocessor):
    """Hold `prediction`, `quantiles`, `low` and `high`, where they are, between two ends: no negative counts, say.

    Args:
        low: The lower end, or None for none.
        high: The upper end, or None for none.

    Returns:
        The answers, with those replaced in their own dtype; NaN stays NaN.

    Example:
        >>> Clip(0)({"prediction": tf.constant([-1.5, 2.0])})["prediction"].numpy()
        array([0., 2.], dtype=float32)
    """

    works_on = Regressor
    needs = NEEDS

    def __init__(self, low: float | None = None, high: float | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        ends = [end for end in (low, high) if end is not None]
        if (
            not ends
            or not all(isinstance(end, int | float) and math.isfinite(end) for end in ends)
            or ends[0] > ends[-1]
        ):
            raise InvalidArgument(
                f"Clip takes a low that is at most its high, or one of them. Received: low={low!r}, high={high!r}."
            )
        self.low = low
        self.high = high

    def call(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """The answers, clipped."""
        clipped = {name: self._clip(inputs[name]) for name in POINTS if name in inputs}
        return {**inputs, **clipped}

    def _clip(self, values: Any) -> Any:
        if self.low is not None:
            values = tf.maximum(values, tf.cast(self.low, values.dtype))
        return values if self.high is None else tf.minimum(values, tf.cast(self.high, values.dtype))

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {**super().get_config(), "low": self.low, "high": self.high}
