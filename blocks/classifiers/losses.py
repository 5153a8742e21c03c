"""Losses of classifiers over probabilities, with label smoothing and focus. Heads live in the other files."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from blocks.errors import InvalidArgument

EPSILON = 1e-7
"""The least probability that a loss takes the logarithm of, as in Keras."""


def check_loss(owner: str, label_smoothing: float, focal_gamma: float) -> None:
    """Refuse options that are none.

    Raises:
        InvalidArgument: They are out of range.
    """
    if not 0 <= label_smoothing < 1 or not 0 <= focal_gamma < float("inf"):
        raise InvalidArgument(
            f"{owner} takes a label_smoothing from 0 to below 1 and a finite focal_gamma >= 0. "
            f"Received: label_smoothing={label_smoothing}, focal_gamma={focal_gamma}."
        )


@keras.saving.register_keras_serializable(package="blocks")
class ClassLoss(keras.losses.Loss):
    """The cross-entropy of probabilities with one true class: `-sum q (1 - p)^gamma log p`.

    q is `1 - smoothing + smoothing / classes` for the true class and `smoothing / classes` for the others.

    Args:
        label_smoothing: How much of the truth is spread over all classes.
        focal_gamma: How much less rows count that are well predicted; 0 counts all alike.

    Example:
        >>> import numpy as np
        >>> loss = ClassLoss(focal_gamma=2.0)
        >>> round(float(loss(np.array([0]), np.array([[0.5, 0.5]]))), 4)  # 0.5 ** 2 * log(2)
        0.1733

    Source: Szegedy et al., "Rethinking the Inception Architecture for Computer Vision" (2016), smoothing; Lin et al.,
        "Focal Loss for Dense Object Detection" (2017).
    """

    def __init__(self, label_smoothing: float = 0.0, focal_gamma: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**{"name": "cross_entropy", **kwargs})
        self.label_smoothing = label_smoothing
        self.focal_gamma = focal_gamma

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The loss of each row, (batch,)."""
        classes = y_pred.shape[-1]
        truth = ops.one_hot(ops.cast(y_true, "int32"), classes, dtype=y_pred.dtype)
        truth = truth * (1 - self.label_smoothing) + self.label_smoothing / classes
        return ops.sum(truth * surprise(y_pred, self.focal_gamma), axis=-1)

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        config = super().get_config()
        return {**config, "label_smoothing": self.label_smoothing, "focal_gamma": self.focal_gamma}


@keras.saving.register_keras_serializable(package="blocks")
class LabelLoss(keras.losses.Loss):
    """The cross-entropy of the probabilities of labels that do not exclude each other, its mean over the labels.

    Args:
        label_smoothing: How much of the truth is spread over true and false alike.
        focal_gamma: How much less labels count that are well predicted; 0 counts all alike.
        positive_weight: What a label weighs where it is true, one number a label; None for 1.

    Example:
        >>> import numpy as np
        >>> loss = LabelLoss(positive_weight=[3.0, 1.0])
        >>> round(float(loss(np.array([[1, 0]]), np.array([[0.5, 0.5]]))), 4)  # (3 log(2) + log(2)) / 2
        1.3863
    """

    def __init__(
        self,
        label_smoothing: float = 0.0,
        focal_gamma: float = 0.0,
        positive_weight: Sequence[float] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"name": "cross_entropy", **kwargs})
        self.label_smoothing = label_smoothing
        self.focal_gamma = focal_gamma
        self.positive_weight = None if positive_weight is None else list(positive_weight)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The loss of each row, (batch,)."""
        truth = y_true * (1 - self.label_smoothing) + self.label_smoothing / 2
        weight = 1.0 if self.positive_weight is None else ops.convert_to_tensor(self.positive_weight, y_pred.dtype)
        positive = weight * truth * surprise(y_pred, self.focal_gamma)
        return ops.mean(positive + (1 - truth) * surprise(1 - y_pred, self.focal_gamma), axis=-1)

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {
            **super().get_config(),
            "label_smoothing": self.label_smoothing,
            "focal_gamma": self.focal_gamma,
            "positive_weight": self.positive_weight,
        }


def surprise(probability: Any, gamma: float) -> Any:
    """`-(1 - p)^gamma log p` of each probability."""
    clipped = ops.clip(probability, EPSILON, 1 - EPSILON)
    focus = 1.0 if gamma == 0 else ops.power(1 - clipped, gamma)
    return -focus * ops.log(clipped)
