"""Labels: the likeliest class, by its name."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from blocks.block import Classifier, Head, Postprocessor
from blocks.postprocessors.class_tensors import classes_of, names_of


@keras.saving.register_keras_serializable(package="blocks")
class Labels(Postprocessor):
    """Add `label`, the class of the highest probability (the first of equal ones), and `confidence`, its probability.

    Args:
        classes: The classes in the order of the probabilities; `blocks.Model` binds them.

    Returns:
        The answers, `label` of shape (batch,) as the target has it (string, int64, bool or float64), and `confidence`,
        float32 of shape (batch,).

    Example:
        >>> answers = Labels(classes=["no", "yes"])({"probabilities": tf.constant([[0.9, 0.1]])})
        >>> answers["label"].numpy(), answers["confidence"].numpy()
        (array([b'no'], dtype=object), array([0.9], dtype=float32))
    """

    works_on = Classifier
    exclusive_classes = True
    needs = ("probabilities",)
    adds = ("label", "confidence")

    def __init__(self, *, classes: Sequence[Any] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._classes = None if classes is None else tuple(classes)

    def bind(self, head: Head) -> None:
        """Take the head's classes.

        Raises:
            InvalidArgument: The head is no classifier, or its classes do not exclude each other.
        """
        super().bind(head)
        self._classes = classes_of(head) or self._classes

    def call(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """The answers, `label` and `confidence`."""
        probabilities = inputs["probabilities"]
        label = tf.gather(names_of(self, self._classes), tf.argmax(probabilities, axis=-1))
        return {**inputs, "label": label, "confidence": tf.cast(tf.reduce_max(probabilities, axis=-1), tf.float32)}

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {**super().get_config(), "classes": None if self._classes is None else list(self._classes)}
