"""Forecast metrics of training: errors of many steps that say something whatever the unit."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from blocks.block.precision import wide


@keras.saving.register_keras_serializable(package="blocks")
class SymmetricPercentageError(keras.metrics.Mean):
    """The mean of 2 |y - f| / (|y| + |f|), from 0 to 2; 0 where both are 0.

    Example:
        >>> metric = SymmetricPercentageError()
        >>> metric.update_state([[1.0, 0.0]], [[3.0, 0.0]])
        >>> float(metric.result())
        0.5

    Source: Makridakis, Spiliotis, Assimakopoulos, "The M4 Competition" (2020), as a share rather than in percent.
    """

    def __init__(self, name: str = "smape", **kwargs: Any) -> None:
        super().__init__(name=name, **{"dtype": wide(), **kwargs})

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Add a batch of targets and predictions of one shape."""
        true, predicted = (ops.convert_to_tensor(values, wide()) for values in (y_true, y_pred))
        size = ops.abs(true) + ops.abs(predicted)
        error = 2 * ops.abs(true - predicted) / ops.where(size > 0, size, ops.ones_like(size))
        super().update_state(error, sample_weight)


@keras.saving.register_keras_serializable(package="blocks")
class WeightedQuantileLoss(keras.metrics.Metric):
    """Twice the sum of pinball losses, the mean over levels, divided by the sum of the targets' sizes.

    Args:
        levels: Of the predicted quantiles, in their order.

    Example:
        >>> metric = WeightedQuantileLoss([0.5])
        >>> metric.update_state([[1.0, 3.0]], [[[2.0], [3.0]]])  # 2 * 0.5 / 4
        >>> float(metric.result())
        0.25

    Source: Salinas et al., "DeepAR" (2020), arXiv 1704.04110, section 4; GluonTS' `mean_wQuantileLoss`.
    """

    def __init__(self, levels: Sequence[float], name: str = "weighted_quantile_loss", **kwargs: Any) -> None:
        super().__init__(name=name, **{"dtype": wide(), **kwargs})
        self.levels = list(levels)
        self.lost = self.add_variable((), "zeros", dtype=wide(), name="lost")
        self.size = self.add_variable((), "zeros", dtype=wide(), name="size")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Add a batch of targets (batch, steps) and quantiles (batch, steps, levels)."""
        true, predicted = (ops.convert_to_tensor(values, wide()) for values in (y_true, y_pred))
        levels, error = np.asarray(self.levels), true[..., None] - predicted
        lost = ops.mean(ops.maximum(levels * error, (levels - 1) * error), axis=-1)
        weight = 1.0 if sample_weight is None else ops.reshape(ops.cast(sample_weight, wide()), (-1, 1))
        self.lost.assign_add(2 * ops.sum(lost * weight))
        self.size.assign_add(ops.sum(ops.abs(true) * weight))

    def result(self) -> Any:
        """The loss so far; 0 where no target has a size."""
        return self.lost / ops.where(self.size > 0, self.size, ops.ones_like(self.size))

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {**super().get_config(), "levels": self.levels}
