"""Error metrics: how far predictions are from the target, in its unit; the metrics that all regressors share."""

from collections.abc import Sequence

import keras

from blocks.block import Regressor
from blocks.block.precision import wide
from blocks.regressors.component_metric import PartMetric


def error_metrics(head: Regressor, place: Sequence[int] = ()) -> list[keras.metrics.Metric]:
    """Fresh metrics: root mean squared and mean absolute error; with several targets, of each, named by its column.

    Args:
        head: Says the targets.
        place: Where in a target's predictions the one to measure stands, if there are several.
    """
    metrics: list[keras.metrics.Metric] = []
    for i, column in enumerate(head.targets):
        for kind, name in (
            (keras.metrics.RootMeanSquaredError, "root_mean_squared_error"),
            (keras.metrics.MeanAbsoluteError, "mean_absolute_error"),
        ):
            metric = kind(name=name, dtype=wide())
            if not isinstance(head.target, str):
                metric = PartMetric(metric, predicted=[i, *place], target=i, name=f"{column}_{name}")
            elif place:
                metric = PartMetric(metric, predicted=place)
            metrics.append(metric)
    return metrics
