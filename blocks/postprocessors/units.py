"""Units: predictions in another unit than the target's."""

import math
from typing import Any

import keras
import tensorflow as tf

from blocks.block import Postprocessor, Regressor
from blocks.errors import InvalidArgument
from blocks.postprocessors.number_answers import NEEDS, POINTS


@keras.saving.register_keras_serializable(package="blocks")
class Units(Postprocessor):
    """Multiply `prediction`, `quantiles`, `low` and `high` by a scale and add an offset; scale `standard_deviation`.

    Nothing can be calibrated after it, since held-out targets are in their own unit: put it after `ConformalInterval`.

    Args:
        scale: Not 0. With one below 0, `low` and `high` change places, and `quantiles` their order.
        offset: Added after.
        unit: What the new unit is called; it stands in the configuration, and so in the export's manifest.

    Returns:
        The answers, with those replaced in their own dtype.

    Example:
        >>> Units(1.8, 32.0, "Fahrenheit")({"prediction": tf.constant([100.0])})["prediction"].numpy()
        array([212.], dtype=float32)
    """

    works_on = Regressor
    needs = NEEDS
    converts = True

    def __init__(self, scale: float, offset: float = 0.0, unit: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        numbers = all(isinstance(value, int | float) and math.isfinite(value) for value in (scale, offset))
        if not numbers or scale == 0:
            raise InvalidArgument(
                f"Units takes a finite scale that is not 0 and a finite offset. Received: {scale!r}, {offset!r}."
            )
        self.scale = float(scale)
        self.offset = float(offset)
        self.unit = unit

    def call(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """The answers, converted in float64."""
        answers = {name: self._convert(inputs[name], self.offset) for name in POINTS if name in inputs}
        if "standard_deviation" in inputs:
            answers["standard_deviation"] = tf.abs(self._convert(inputs["standard_deviation"], 0.0))
        if self.scale < 0:
            other = {"low": "high", "high": "low"}
            answers = {other.get(name, name): values for name, values in answers.items()}
            if "quantiles" in answers:
                answers["quantiles"] = tf.reverse(answers["quantiles"], axis=[-1])
        return {**inputs, **answers}

    def _convert(self, values: Any, offset: float) -> Any:
        return tf.cast(tf.cast(values, tf.float64) * self.scale + offset, values.dtype)

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {**super().get_config(), "scale": self.scale, "offset": self.offset, "unit": self.unit}
