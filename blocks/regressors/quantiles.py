"""Quantiles: how a number is distributed, by some of its quantiles."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from blocks.block import Regressor
from blocks.block.precision import wide
from blocks.regressors.coverage_metric import CoverageMetric
from blocks.regressors.error_metrics import error_metrics
from blocks.regressors.ordered_quantiles import checked_levels, nearest_half, normal_start, ordered
from blocks.regressors.target_scale import TargetScale


@keras.saving.register_keras_serializable(package="blocks")
class PinballLoss(keras.losses.Loss):
    """The mean over levels of `max(level * error, (level - 1) * error)`, of errors in units of the target's scale.

    Args:
        levels: The levels, in the order of the predicted quantiles.
        scale: The target's standard deviation, or those of several.

    Example:
        >>> loss = PinballLoss([0.1, 0.9], 1.0)
        >>> round(float(loss([1.0], [[0.0, 3.0]])), 3)  # (0.1 * 1 + 0.1 * 2) / 2
        0.15

    Source: Koenker, Bassett, "Regression Quantiles" (1978).
    """

    def __init__(self, levels: Sequence[float], scale: float | Sequence[float], **kwargs: Any) -> None:
        super().__init__(**{"dtype": wide(), "name": "pinball", **kwargs})
        self.levels = list(levels)
        self.scale = scale

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The loss of each row, (batch,)."""
        levels, scale = np.asarray(self.levels), np.asarray(self.scale)[..., np.newaxis]
        error = (ops.expand_dims(y_true, -1) - y_pred) / scale
        loss = ops.maximum(levels * error, (levels - 1) * error)
        return ops.mean(loss, axis=tuple(range(1, len(loss.shape))))

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {**super().get_config(), "levels": self.levels, "scale": self.scale}


@keras.saving.register_keras_serializable(package="blocks")
class Quantiles(Regressor):
    """Quantiles of a number, or of several: by the pinball loss on the standardised target, and never crossing.

    The level nearest 0.5 is predicted by itself, each other one as a positive step (softplus) from its neighbour. The
    steps start as a normal distribution's. The metrics are those of `prediction`, and `coverage`: how many targets lie
    between the first and last level, to be compared with the difference of these.

    Args:
        target: Name of the target column, or of several.
        levels: The levels, ascending, between 0 and 1.
        sample_weight: Name of a column of non-negative weights, or None.
        on_bad_target: "error" or "skip", for rows whose target is missing or infinite.
        state: What an earlier `adapt` learned.

    Returns:
        `quantiles`, float64 (float32 on JAX) of shape (batch, levels), or (batch, targets, levels) where `target` names
        several, and `prediction`, that of the level nearest 0.5.

    Raises:
        BadTarget: At `adapt`, when a target is no number, or no value of it is usable.

    Parameters: (width + 1) * levels * targets.

    Example:
        >>> from blocks import regressors
        >>> head = regressors.Quantiles("price", levels=(0.1, 0.5, 0.9))
        >>> head.restore({"mean": np.array(10.0), "scale": np.array(2.0)})
        >>> head(np.zeros((1, 4), "float32")).numpy().round(3)
        array([[ 7.437, 10.   , 12.563]])

    Source: Koenker, Bassett, "Regression Quantiles" (1978).
    """

    follows_level = True

    def __init__(
        self,
        target: str | Sequence[str],
        levels: Sequence[float] = (0.05, 0.5, 0.95),
        *,
        sample_weight: str | None = None,
        on_bad_target: str = "error",
        state: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(target, sample_weight=sample_weight, on_bad_target=on_bad_target, state=state, **kwargs)
        self.levels = checked_levels(levels, "Quantiles")

    @property
    def middle(self) -> int:
        """The position of the level nearest 0.5."""
        return nearest_half(self.levels)

    def build(self, input_shape: Any) -> None:
        """Make the dense units."""
        self.require_adapted()
        start = normal_start(self.levels)
        self.units = self.dense(
            len(self.targets) * len(self.levels),
            input_shape,
            bias_initializer=keras.initializers.Constant(np.tile(start, len(self.targets)).tolist()),
        )
        self.built = True

    def call(self, inputs: Any) -> Any:
        """The quantiles in the target's unit."""
        units = ops.cast(self.units(inputs), wide())
        if not isinstance(self.target, str):
            units = ops.reshape(units, (-1, len(self.targets), len(self.levels)))
        scale = TargetScale.of({name: value[..., np.newaxis] for name, value in self.state.items()})
        return scale.inverse(ordered(units, self.middle))

    def compute_output_spec(self, inputs: Any) -> Any:
        """(batch, levels) or (batch, targets, levels)."""
        several = () if isinstance(self.target, str) else (len(self.targets),)
        return keras.KerasTensor((inputs.shape[0], *several, len(self.levels)), wide())

    def default_loss(self) -> keras.losses.Loss:
        """The pinball loss over standardised errors."""
        self.require_adapted()
        return PinballLoss(self.levels, self.state["scale"].tolist())

    def default_metrics(self) -> list[keras.metrics.Metric]:
        """The errors of `prediction`, in the target's unit, and the coverage."""
        errors = error_metrics(self, [self.middle])
        return errors if len(self.levels) < 2 else [*errors, CoverageMetric(name="coverage")]

    def answer(self, predictions: Any) -> dict[str, Any]:
        """The quantiles, and the one nearest the median."""
        return {"prediction": predictions[..., self.middle], "quantiles": predictions}

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {**super().get_config(), "levels": list(self.levels)}
