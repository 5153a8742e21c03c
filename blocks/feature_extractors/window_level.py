"""Window level: where the numbers of a window lie, and how far they spread. Not a block."""

from typing import Any

import keras
from keras import ops


def level_and_spread(values: Any, centre: str, scale: bool, floor: float) -> tuple[Any, Any]:
    """Level and spread of each window, (batch, 1) both; what is missing (NaN) does not count.

    The spread is sqrt(variance + floor^2), the variance about the mean by two passes: of a constant window the floor.

    Args:
        values: (batch, steps), at least float32.
        centre: "mean", or "last" for the last value that is there.
        scale: Whether there is a spread; else it is 1.
        floor: The least spread.

    Example:
        >>> import numpy as np
        >>> level, spread = level_and_spread(np.array([[1.0, np.nan, 3.0]]), "mean", True, 0.0)
        >>> level.numpy().tolist(), spread.numpy().tolist()
        ([[2.0]], [[1.0]])
    """
    values = ops.convert_to_tensor(values)
    there = ops.cast(ops.logical_not(ops.isnan(values)), values.dtype)
    known = ops.where(there > 0, values, ops.zeros_like(values))
    count = ops.maximum(ops.sum(there, axis=1, keepdims=True), 1)
    # about a first mean, so that no digits are lost far from 0
    about = ops.sum(known, axis=1, keepdims=True) / count
    apart = (known - about) * there
    rest = ops.sum(apart, axis=1, keepdims=True) / count
    if centre == "last":
        last = ops.cast(ops.equal(ops.flip(ops.cumsum(ops.flip(there, 1), 1), 1), 1), values.dtype) * there
        level = ops.sum(known * last, axis=1, keepdims=True)
    else:
        level = about + rest
    if not scale:
        return level, ops.ones_like(level)
    variance = ops.sum(ops.square(apart - rest) * there, axis=1, keepdims=True) / count
    return level, ops.sqrt(variance + floor * floor)


@keras.saving.register_keras_serializable(package="blocks")
class WindowLevel(keras.layers.Layer):
    """Level and spread of an entry of windows, as one tensor beside a representation.

    Args:
        centre: As of `level_and_spread`; so are `scale` and `floor`.
        scale: See there.
        floor: See there.

    Returns:
        (batch, 2) of the features' dtype and in their unit: the level, and the spread.
    """

    def __init__(self, centre: str, scale: bool, floor: float, **kwargs: Any) -> None:
        super().__init__(**{"autocast": False, "trainable": False, **kwargs})
        self.centre, self.scale, self.floor = centre, scale, floor

    def call(self, inputs: Any) -> Any:
        """Of windows (batch, steps), or of the first of their features (batch, steps, features)."""
        values = inputs if len(inputs.shape) == 2 else inputs[..., 0]
        return ops.concatenate(level_and_spread(values, self.centre, self.scale, self.floor), axis=1)

    def compute_output_spec(self, inputs: Any) -> Any:
        """(batch, 2)."""
        return keras.KerasTensor((inputs.shape[0], 2), inputs.dtype)

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {**super().get_config(), "centre": self.centre, "scale": self.scale, "floor": self.floor}
