"""Part metric: a metric over one number of predictions that hold several."""

from collections.abc import Sequence
from typing import Any

import keras


@keras.saving.register_keras_serializable(package="blocks")
class PartMetric(keras.metrics.Metric):
    """Another metric over one number of the predictions and, where there are several targets, over one target.

    Args:
        metric: What to measure; its name is this metric's, unless `name` is given.
        predicted: Where the number stands in a row's predictions.
        target: Which target it is of; None where there is one.

    Example:
        >>> metric = PartMetric(keras.metrics.MeanAbsoluteError(name="error"), predicted=[1])
        >>> metric.update_state([3.0, 4.0], [[0.0, 3.0], [0.0, 5.0]])
        >>> float(metric.result())
        0.5
    """

    def __init__(
        self,
        metric: keras.metrics.Metric,
        *,
        predicted: Sequence[int] = (),
        target: int | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name or metric.name, **{"dtype": metric.dtype, **kwargs})
        self.metric = metric
        self.predicted = tuple(predicted)
        self.target = target

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Add a batch."""
        true, predicted = keras.ops.convert_to_tensor(y_true), keras.ops.convert_to_tensor(y_pred)
        of_target = true if self.target is None else true[..., self.target]
        of_prediction = predicted[(..., *self.predicted)]
        if len(of_prediction.shape) == 1:
            # Keras' errors are means over the last axis, which must not be the batch
            of_target, of_prediction = (keras.ops.reshape(part, (-1, 1)) for part in (of_target, of_prediction))
        return self.metric.update_state(of_target, of_prediction, sample_weight)

    def result(self) -> Any:
        """The metric's."""
        return self.metric.result()

    def reset_state(self) -> None:
        """Start over."""
        self.metric.reset_state()

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {
            **super().get_config(),
            "metric": keras.metrics.serialize(self.metric),
            "predicted": list(self.predicted),
            "target": self.target,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "PartMetric":
        """The metric that `get_config` described."""
        return cls(**{**config, "metric": keras.metrics.deserialize(config["metric"])})
