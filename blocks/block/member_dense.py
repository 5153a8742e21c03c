"""MemberDense: a head's dense layer over rows that hold several members, each with weights of its own."""

import math
from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="blocks")
class MemberDense(keras.layers.Layer):
    """A dense layer with weights of its own for each member; with one member, `keras.layers.Dense`.

    Args:
        units: Width of the output.
        members: How many members the rows hold, fastest last: row i is of member i % members.
        use_bias: Whether to add a bias.
        kernel_initializer: As of `keras.layers.Dense`; None for Glorot's uniform distribution of each member.
        bias_initializer: As of `keras.layers.Dense`; given once for all members.

    Returns:
        Float tensor of shape (batch * members, units).

    Parameters: members * (width + 1) * units.

    Example:
        >>> import numpy as np
        >>> MemberDense(3, members=2)(np.zeros((8, 5), "float32")).shape
        TensorShape([8, 3])
    """

    def __init__(
        self,
        units: int,
        members: int = 1,
        *,
        use_bias: bool = True,
        kernel_initializer: Any = None,
        bias_initializer: Any = "zeros",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.members = members
        self.use_bias = use_bias
        self.kernel_initializer = None if kernel_initializer is None else keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)

    def build(self, input_shape: Any) -> None:
        """Make the weights: (width, units) for one member, else (members, width, units)."""
        width, several = input_shape[-1], (self.members,) if self.members > 1 else ()
        limit = math.sqrt(6 / (width + self.units))
        # Glorot's, whose fans would count the members
        kernel = self.kernel_initializer or keras.initializers.RandomUniform(-limit, limit)

        def bias(shape: Any, dtype: Any = None) -> Any:
            return ops.broadcast_to(self.bias_initializer((self.units,), dtype), shape)

        self.kernel = self.add_weight((*several, width, self.units), initializer=kernel, name="kernel")
        self.bias = self.add_weight((*several, self.units), initializer=bias, name="bias") if self.use_bias else None
        self.built = True

    def call(self, inputs: Any) -> Any:
        """The outputs, each row by its member's weights."""
        if self.members == 1:
            outputs = ops.matmul(inputs, self.kernel)
            return outputs if self.bias is None else outputs + self.bias
        rows = ops.reshape(inputs, (-1, self.members, inputs.shape[-1]))
        outputs = ops.einsum("bmi,mio->bmo", rows, self.kernel)
        if self.bias is not None:
            outputs = outputs + self.bias
        return ops.reshape(outputs, (-1, self.units))

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """(batch * members, units)."""
        return (*input_shape[:-1], self.units)

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {
            **super().get_config(),
            "units": self.units,
            "members": self.members,
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
        }
