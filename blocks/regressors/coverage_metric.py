"""Coverage metric: how many targets lie between the first and the last of predicted quantiles."""

from typing import Any

import keras
from keras import ops

from blocks.block.precision import wide


@keras.saving.register_keras_serializable(package="blocks")
class CoverageMetric(keras.metrics.Mean):
    """The share of targets from the first to the last of their predicted quantiles, the mean over several targets.

    Example:
        >>> metric = CoverageMetric()
        >>> metric.update_state([1.0, 5.0], [[0.0, 2.0], [0.0, 2.0]])
        >>> float(metric.result())
        0.5
    """

    def __init__(self, name: str = "coverage", **kwargs: Any) -> None:
        super().__init__(name=name, **{"dtype": wide(), **kwargs})

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Add a batch of targets (batch, ...) and quantiles (batch, ..., levels)."""
        true, predicted = (ops.convert_to_tensor(values, wide()) for values in (y_true, y_pred))
        inside = (predicted[..., 0] <= true) & (true <= predicted[..., -1])
        super().update_state(ops.cast(inside, wide()), sample_weight)
