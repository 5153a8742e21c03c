"""Judging: predictions by a head's loss and metrics, as `Model.evaluate` gives them."""

from typing import Any

import keras
import numpy as np

from blocks.block import Head
from blocks.training.core import Core

JUDGED_ROWS = 8192


def judged(head: Head, predictions: np.ndarray, target: Any, weight: Any) -> dict[str, float]:
    """Loss and metrics by name, of predictions as the head gives them and targets as it encodes them."""
    inputs = keras.Input(predictions.shape[1:], dtype=predictions.dtype.name)
    judge = Core(inputs, keras.layers.Identity(dtype=predictions.dtype.name)(inputs))
    judge.compile(loss=head.default_loss(), weighted_metrics=head.default_metrics())
    options: dict[str, Any] = {"batch_size": JUDGED_ROWS, "verbose": 0, "return_dict": True}
    return dict(judge.evaluate(predictions, target, sample_weight=weight, **options))
