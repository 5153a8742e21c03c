"""Gaussian: a number's mean and standard deviation."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from blocks.block import Regressor
from blocks.block.precision import wide
from blocks.errors import InvalidArgument
from blocks.regressors.error_metrics import error_metrics


@keras.saving.register_keras_serializable(package="blocks")
class GaussianLoss(keras.losses.Loss):
    """The negative log-likelihood of a normal distribution, of targets in units of their scale; of several, its mean.

    Args:
        scale: The target's standard deviation, or those of several.

    Example:
        >>> round(float(GaussianLoss(1.0)(np.array([2.0]), np.array([[1.0, 1.0]]))), 4)  # log(2 pi) / 2 + 1 / 2
        1.4189
    """

    def __init__(self, scale: float | Sequence[float], **kwargs: Any) -> None:
        super().__init__(**{"dtype": wide(), "name": "negative_log_likelihood", **kwargs})
        self.scale = scale

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The loss of each row, (batch,)."""
        mean, deviation = y_pred[..., 0], y_pred[..., 1]
        error = (y_true - mean) / deviation
        loss = 0.5 * error * error + ops.log(deviation / np.asarray(self.scale)) + 0.5 * math.log(2 * math.pi)
        return ops.mean(loss, axis=-1) if len(loss.shape) > 1 else loss

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {**super().get_config(), "scale": self.scale}


@keras.saving.register_keras_serializable(package="blocks")
class Gaussian(Regressor):
    """A number's mean and standard deviation, or those of several, by the likelihood of a normal distribution.

    The standard deviation is a softplus above a floor, so that no row's likelihood grows without bound, and starts as
    the target's own.

    Args:
        target: Name of the target column, or of several.
        floor: The least standard deviation that is predicted, as a share of the target's own.
        sample_weight: Name of a column of non-negative weights, or None.
        on_bad_target: "error" or "skip", for rows whose target is missing or infinite.
        state: What an earlier `adapt` learned.

    Returns:
        `prediction`, the mean, and `standard_deviation`, float64 (float32 on JAX) of shape (batch,), or (batch,
        targets) where `target` names several; with an extractor that has members, those of the members' mixture.

    Raises:
        BadTarget: At `adapt`, when a target is no number, or no value of it is usable.

    Parameters: 2 * (width + 1) * targets.

    Example:
        >>> from blocks import regressors
        >>> head = regressors.Gaussian("price")
        >>> head.restore({"mean": np.array(10.0), "scale": np.array(2.0)})
        >>> head(np.zeros((1, 4), "float32")).numpy().round(3)
        array([[10.,  2.]])

    Source: Nix, Weigend, "Estimating the Mean and Variance of the Target Probability Distribution" (1994).
    """

    spreads = True
    follows_level = True

    def __init__(
        self,
        target: str | Sequence[str],
        *,
        floor: float = 1e-3,
        sample_weight: str | None = None,
        on_bad_target: str = "error",
        state: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(target, sample_weight=sample_weight, on_bad_target=on_bad_target, state=state, **kwargs)
        if not 0 < floor < 1:
            raise InvalidArgument(f"Gaussian's floor is between 0 and 1. Received: {floor}.")
        self.floor = float(floor)

    def build(self, input_shape: Any) -> None:
        """Make the dense units."""
        self.require_adapted()
        start = [0.0, math.log(math.expm1(1 - self.floor))]
        bias = keras.initializers.Constant(start * len(self.targets))
        self.units = self.dense(2 * len(self.targets), input_shape, bias_initializer=bias)
        self.built = True

    def call(self, inputs: Any) -> Any:
        """Mean and standard deviation, (batch, 2) or (batch, targets, 2), in the target's unit."""
        units = ops.cast(self.units(inputs), wide())
        if not isinstance(self.target, str):
            units = ops.reshape(units, (-1, len(self.targets), 2))
        mean = units[..., 0] * self.state["scale"] + self.state["mean"]
        deviation = (self.floor + ops.softplus(units[..., 1])) * self.state["scale"]
        return ops.stack([mean, deviation], axis=-1)

    def compute_output_spec(self, inputs: Any) -> Any:
        """(batch, 2) or (batch, targets, 2)."""
        several = () if isinstance(self.target, str) else (len(self.targets),)
        return keras.KerasTensor((inputs.shape[0], *several, 2), wide())

    def default_loss(self) -> keras.losses.Loss:
        """The negative log-likelihood of the standardised target."""
        self.require_adapted()
        return GaussianLoss(self.state["scale"].tolist())

    def default_metrics(self) -> list[keras.metrics.Metric]:
        """The mean's errors, in the target's unit."""
        return error_metrics(self, [0])

    def answer(self, predictions: Any) -> dict[str, Any]:
        """The mean, and the standard deviation."""
        return {"prediction": predictions[..., 0], "standard_deviation": predictions[..., 1]}

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {**super().get_config(), "floor": self.floor}
