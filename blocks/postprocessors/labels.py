"""Labels: the likeliest class, by its name."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from blocks.block import Classifier, Head, Postprocessor
from blocks.errors import InvalidArgument, NotAdapted


@keras.saving.register_keras_serializable(package="blocks")
class Labels(Postprocessor):
    """Add `label`, the class of the highest probability (the first of equal ones), as the target has it.

    Args:
        classes: The classes in the order of the probabilities; `blocks.Model` binds them.

    Returns:
        The answers and `label` of shape (batch,): string, int64, bool or float64.

    Example:
        >>> Labels(classes=["no", "yes"])({"probabilities": tf.constant([[0.9, 0.1]])})["label"].numpy()
        array([b'no'], dtype=object)
    """

    def __init__(self, *, classes: Sequence[Any] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._classes = None if classes is None else tuple(classes)

    def bind(self, head: Head) -> None:
        """Take the head's classes.

        Raises:
            InvalidArgument: The head is no classifier.
        """
        if not isinstance(head, Classifier):
            raise InvalidArgument(f"Labels names a classifier's classes. Received: a {type(head).__name__} head.")
        self._classes = tuple(head.classes)

    def call(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """The answers and `label`."""
        if self._classes is None:
            raise NotAdapted("Labels does not know the classes yet. Call model.adapt(source), or give classes=[...].")
        names = tf.constant(self._classes, _dtype(self._classes))
        best = tf.argmax(inputs["probabilities"], axis=-1)
        return {**inputs, "label": tf.gather(names, best)}

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {**super().get_config(), "classes": None if self._classes is None else list(self._classes)}


def _dtype(classes: Sequence[Any]) -> tf.DType:
    for kind, dtype in ((str, tf.string), (bool, tf.bool), (int, tf.int64)):
        if all(isinstance(name, kind) for name in classes):
            return dtype
    return tf.float64
