"""Softmax: one of two or more classes."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops

from blocks.block import Classifier
from blocks.block.precision import wide
from blocks.classifiers.losses import ClassLoss, check_loss


@keras.saving.register_keras_serializable(package="blocks")
class Softmax(Classifier):
    """A probability for each class of the target, by a dense layer and the softmax.

    The classes are the target's distinct values in ascending order, learned with their counts in the pass of `adapt`.
    The loss is the cross-entropy; the metric, `accuracy`.

    Args:
        target: Name of the target column: strings, integers, booleans, or floats.
        classes: The classes in order, when they are given rather than learned.
        class_weight: None, "balanced" (each class weighs alike: rows / (classes * rows of the class), as in
            scikit-learn), or a dict of class to weight. The weights multiply the rows' own in `fit`, not in `evaluate`.
        label_smoothing: How much of the truth is spread over all classes, from 0 to below 1.
        focal_gamma: The focal loss's exponent: how much less rows count that are well predicted; 0 counts all alike.
        sample_weight: Name of a column of non-negative weights, or None.
        on_bad_target: "error" or "skip", for rows whose target is missing or unseen.
        state: What an earlier `adapt` learned.

    Returns:
        `probabilities`, float32 of shape (batch, classes).

    Raises:
        BadTarget: At `adapt`, when fewer than two classes are there, or more than 10,000.

    Parameters: (width + 1) * classes.

    Example:
        >>> import pyarrow as pa
        >>> from blocks import classifiers
        >>> head = classifiers.Softmax("label", classes=["no", "yes"])
        >>> head.encode(pa.array(["yes", "no", None]))
        (array([ 1,  0, -1], dtype=int32), array([ True,  True, False]))

    Source: Lin et al., "Focal Loss for Dense Object Detection" (2017), the focal loss.
    """

    def __init__(
        self,
        target: str,
        *,
        classes: Sequence[Any] | None = None,
        class_weight: str | Mapping[Any, float] | None = None,
        label_smoothing: float = 0.0,
        focal_gamma: float = 0.0,
        sample_weight: str | None = None,
        on_bad_target: str = "error",
        state: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            target,
            classes=classes,
            class_weight=class_weight,
            sample_weight=sample_weight,
            on_bad_target=on_bad_target,
            state=state,
            **kwargs,
        )
        check_loss("Softmax", label_smoothing, focal_gamma)
        self._smoothing = float(label_smoothing)
        self._gamma = float(focal_gamma)

    def build(self, input_shape: Any) -> None:
        """Make the dense layer, the classes being known.

        Raises:
            NotAdapted: They are not.
        """
        self.logits = self.dense(len(self.classes), input_shape)
        self.built = True

    def call(self, inputs: Any) -> Any:
        """Probabilities in float32, whatever the precision before."""
        return ops.softmax(ops.cast(self.logits(inputs), "float32"), axis=-1)

    def compute_output_spec(self, inputs: Any) -> Any:
        """(batch, classes), float32."""
        return keras.KerasTensor((inputs.shape[0], len(self.classes)), "float32")

    def default_loss(self) -> keras.losses.Loss:
        """The cross-entropy."""
        if self._smoothing or self._gamma:
            return ClassLoss(self._smoothing, self._gamma)
        return keras.losses.SparseCategoricalCrossentropy(name="cross_entropy")

    def default_metrics(self) -> list[keras.metrics.Metric]:
        """The accuracy."""
        return [keras.metrics.SparseCategoricalAccuracy(name="accuracy", dtype=wide())]

    def answer(self, predictions: Any) -> dict[str, Any]:
        """The probabilities."""
        return {"probabilities": predictions}

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {**super().get_config(), "label_smoothing": self._smoothing, "focal_gamma": self._gamma}
