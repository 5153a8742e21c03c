"""Deviance: the loss and metric of numbers that are not negative."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from blocks.block.precision import wide


def deviance(true: Any, predicted: Any, power: float) -> Any:
    """The Tweedie deviance of each number; of power 1, Poisson's.

    Example:
        >>> float(deviance(ops.array([0.0]), ops.array([3.0]), 1.0)[0])
        6.0

    Source: Jørgensen, "Exponential Dispersion Models" (1987); scikit-learn's `mean_tweedie_deviance` is its mean.
    """
    if power == 1:
        there = ops.where(true > 0, true, 1.0)
        return 2 * (ops.where(true > 0, true * ops.log(there / predicted), 0.0) - true + predicted)
    rest = 2 - power
    return 2 * (
        ops.power(true, rest) / ((1 - power) * rest)
        - true * ops.power(predicted, 1 - power) / (1 - power)
        + ops.power(predicted, rest) / rest
    )


@keras.saving.register_keras_serializable(package="blocks")
class DevianceLoss(keras.losses.Loss):
    """The Tweedie deviance of targets in units of their mean; of several, its mean.

    Args:
        power: Of the variance, 1 (Poisson) to below 2.
        unit: The target's mean, or those of several.
    """

    def __init__(self, power: float, unit: float | Sequence[float] = 1.0, **kwargs: Any) -> None:
        super().__init__(**{"dtype": wide(), "name": "deviance", **kwargs})
        self.power = power
        self.unit = unit

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The loss of each row, (batch,)."""
        unit = np.asarray(self.unit)
        loss = deviance(y_true / unit, y_pred / unit, self.power)
        return ops.mean(loss, axis=-1) if len(loss.shape) > 1 else loss

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {**super().get_config(), "power": self.power, "unit": self.unit}


@keras.saving.register_keras_serializable(package="blocks")
class DevianceMetric(keras.metrics.Mean):
    """The mean deviance in the target's unit, over several targets too.

    Args:
        power: Of the variance.
    """

    def __init__(self, power: float, name: str = "deviance", **kwargs: Any) -> None:
        super().__init__(name=name, **{"dtype": wide(), **kwargs})
        self.power = power

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Add a batch of targets and predictions."""
        true, predicted = (ops.convert_to_tensor(values, wide()) for values in (y_true, y_pred))
        super().update_state(deviance(true, predicted, self.power), sample_weight)

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {**super().get_config(), "power": self.power}
