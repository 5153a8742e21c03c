"""Abstain: rows that are better left to somebody else."""

from typing import Any

import keras
import tensorflow as tf

from blocks.arguments import check_whole_number
from blocks.block import Postprocessor
from blocks.errors import InvalidArgument


@keras.saving.register_keras_serializable(package="blocks")
class Abstain(Postprocessor):
    """Add `abstain`: true where the confidence is too low, or the prediction set is not one class.

    Args:
        confidence: Abstain below it. It is compared with the answer `confidence` (of `Labels` or `Threshold`), or with
            the highest of the `probabilities` where there is none; NaN abstains. None leaves confidence out.
        max_set_size: Abstain where the `prediction_set` (of `ConformalSet`) has more classes, or none: 1, say. None
            leaves sets out.

    Returns:
        The answers and `abstain`, bool of shape (batch,). With both arguments, either is reason enough.

    Example:
        >>> Abstain(0.8)({"probabilities": tf.constant([[0.9, 0.1], [0.6, 0.4]])})["abstain"].numpy()
        array([False,  True])
    """

    adds = ("abstain",)

    def __init__(self, confidence: float | None = None, *, max_set_size: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if confidence is None and max_set_size is None:
            raise InvalidArgument("Abstain takes a confidence, a max_set_size, or both. Received: neither.")
        if confidence is not None and not (isinstance(confidence, int | float) and 0 <= confidence <= 1):
            raise InvalidArgument(f"Abstain's confidence is from 0 to 1. Received: {confidence!r}.")
        if max_set_size is not None:
            max_set_size = check_whole_number("Abstain's max_set_size", max_set_size, 1, otherwise="or None")
        self.confidence = None if confidence is None else float(confidence)
        self.max_set_size = max_set_size

    @property
    def needs(self) -> tuple[str | tuple[str, ...], ...]:  # type: ignore[override]  # known from the arguments
        """`confidence` or `probabilities`, and `set_size`, as the arguments say."""
        by_confidence = (("confidence", "probabilities"),) if self.confidence is not None else ()
        return (*by_confidence, *(("set_size",) if self.max_set_size is not None else ()))

    def call(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """The answers and `abstain`."""
        reasons = []
        if self.confidence is not None:
            confidence = inputs.get("confidence")
            confidence = tf.reduce_max(inputs["probabilities"], axis=-1) if confidence is None else confidence
            reasons.append(tf.logical_not(confidence >= tf.cast(self.confidence, confidence.dtype)))
        if self.max_set_size is not None:
            size = inputs["set_size"]
            reasons.append(tf.logical_or(size > self.max_set_size, size < 1))
        return {**inputs, "abstain": reasons[0] if len(reasons) == 1 else tf.logical_or(*reasons)}

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {**super().get_config(), "confidence": self.confidence, "max_set_size": self.max_set_size}
