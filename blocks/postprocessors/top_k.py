"""TopK: the likeliest classes, by their names."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from blocks.arguments import check_whole_number
from blocks.block import Classifier, Head, Postprocessor
from blocks.errors import InvalidArgument
from blocks.postprocessors.class_tensors import classes_of, names_of


@keras.saving.register_keras_serializable(package="blocks")
class TopK(Postprocessor):
    """Add `top_labels` and `top_probabilities`: the k likeliest classes, likeliest first (the first of equal ones).

    Args:
        k: How many; at most as many as there are classes.
        classes: The classes in the order of the probabilities; `blocks.Model` binds them.

    Returns:
        The answers, `top_labels` of shape (batch, k) as the target has it, and `top_probabilities`, float32 (batch, k).

    Example:
        >>> block = TopK(2, classes=["a", "b", "c"])
        >>> block({"probabilities": tf.constant([[0.2, 0.1, 0.7]])})["top_labels"].numpy()
        array([[b'c', b'a']], dtype=object)
    """

    works_on = Classifier
    needs = ("probabilities",)
    adds = ("top_labels", "top_probabilities")

    def __init__(self, k: int = 5, *, classes: Sequence[Any] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.k = check_whole_number("TopK's k", k, 1)
        self._classes = None if classes is None else tuple(classes)
        self._require_so_many()

    def bind(self, head: Head) -> None:
        """Take the head's classes.

        Raises:
            InvalidArgument: The head is no classifier, or has fewer than `k` classes.
        """
        super().bind(head)
        self._classes = classes_of(head) or self._classes
        self._require_so_many()

    def _require_so_many(self) -> None:
        if self._classes is not None and self.k > len(self._classes):
            raise InvalidArgument(
                f"TopK's k is at most the number of classes. Received: k={self.k} of {len(self._classes)} classes."
            )

    def call(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """The answers, `top_labels` and `top_probabilities`."""
        best, places = tf.math.top_k(inputs["probabilities"], self.k)
        labels = tf.gather(names_of(self, self._classes), places)
        return {**inputs, "top_labels": labels, "top_probabilities": tf.cast(best, tf.float32)}

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {
            **super().get_config(),
            "k": self.k,
            "classes": None if self._classes is None else list(self._classes),
        }
