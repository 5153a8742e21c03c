"""Classes as tensors of the type that the target has; no block lives here."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from blocks.block import Block, Classifier, Head
from blocks.errors import NotAdapted


def classes_of(head: Head) -> tuple[Any, ...] | None:
    """The classes of a classifier, or None while it has not been adapted."""
    return tuple(head.classes) if isinstance(head, Classifier) and head.adapted else None


def names_of(block: Block, classes: Sequence[Any] | None) -> Any:
    """The classes as one tensor: string, bool, int64 or float64.

    Raises:
        NotAdapted: They are not known yet.
    """
    if classes is None:
        raise NotAdapted(
            f"{type(block).__name__} does not know the classes yet. Call model.adapt(source), or give classes=[...]."
        )
    for kind, dtype in ((str, tf.string), (bool, tf.bool), (int, tf.int64)):
        if all(isinstance(name, kind) for name in classes):
            return tf.constant(list(classes), dtype)
    return tf.constant(list(classes), tf.float64)
