"""Members: several predictions of one row inside one core, trained as if alone and averaged when used.

An extractor with members returns (batch, members, width). The core folds them into the batch, so that a head sees rows
as ever; its `MemberDense` layers hold weights of their own for each member. In training each member answers for itself
(the loss is the mean of the members' losses); at inference the core gives the mean of their predictions, or of their
mixture where they predict distributions.
"""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="blocks")
class MeanOfMembers(keras.layers.Layer):
    """Predictions of folded rows to those of each row: the members' mean, or in training (batch, members, ...).

    Args:
        members: How many members the rows hold.
        spreads: Whether predictions end in a mean and a standard deviation: then that of the members' mixture is given,
            whose variance is the mean of theirs and the variance of their means.

    Example:
        >>> import numpy as np
        >>> MeanOfMembers(2, spreads=True)(np.array([[1.0, 3.0], [9.0, 3.0]], "float32")).numpy()
        array([[5., 5.]], dtype=float32)
    """

    def __init__(self, members: int, spreads: bool = False, **kwargs: Any) -> None:
        super().__init__(**{"autocast": False, **kwargs})
        self.members = members
        self.spreads = spreads

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """The mean over members; every member's own prediction in training."""
        each = ops.reshape(inputs, (-1, self.members, *inputs.shape[1:]))
        if training:
            return each
        mean = ops.mean(each, axis=1)
        if not self.spreads:
            return mean
        apart = each[..., 0] - ops.expand_dims(mean[..., 0], 1)
        variance = ops.mean(ops.square(each[..., 1]) + ops.square(apart), axis=1)
        return ops.stack([mean[..., 0], ops.sqrt(variance)], axis=-1)

    def compute_output_spec(self, inputs: Any, training: bool | None = None) -> Any:
        """The shape of the mean: what users of the core see."""
        return keras.KerasTensor(inputs.shape, inputs.dtype)

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {**super().get_config(), "members": self.members, "spreads": self.spreads}


def fold(representation: Any) -> Any:
    """(batch, members, width) as (batch * members, width)."""
    return ops.reshape(representation, (-1, representation.shape[-1]))
