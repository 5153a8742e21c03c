"""Rank error: how far the likeliest class of an ordered target is from the true one."""

from typing import Any

import keras
from keras import ops

from blocks.block.precision import wide


@keras.saving.register_keras_serializable(package="blocks")
class RankError(keras.metrics.Mean):
    """The mean distance, in ranks, of the likeliest class from the true one.

    Example:
        >>> metric = RankError()
        >>> metric.update_state([0, 2], [[0.1, 0.2, 0.7], [0.1, 0.2, 0.7]])
        >>> float(metric.result())
        1.0
    """

    def __init__(self, name: str = "rank_error", **kwargs: Any) -> None:
        super().__init__(name=name, **{"dtype": wide(), **kwargs})

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Add a batch of ranks (batch,) and probabilities (batch, classes)."""
        likeliest = ops.cast(ops.argmax(y_pred, axis=-1), self.dtype)
        super().update_state(ops.abs(ops.cast(y_true, self.dtype) - likeliest), sample_weight)
