"""PerFeature: linear maps of embedded numbers, one for each feature. Not a layer: what layers hold."""

import math
from typing import Any

import keras
from keras import ops


class PerFeature:
    """A linear layer of its own for each feature, (batch, n, width) to (batch, n, dim), or one that all share."""

    def __init__(self, layer: keras.layers.Layer, n: int, width: int, dim: int, *, shared: bool = False) -> None:
        of_each = () if shared else (n,)
        initializer = keras.initializers.RandomUniform(-1 / math.sqrt(width), 1 / math.sqrt(width))
        self.kernel = layer.add_weight((*of_each, width, dim), initializer=initializer, name="kernel")
        self.bias = layer.add_weight((*of_each, dim), initializer=initializer, name="bias")
        self.equation = "bnw,wd->bnd" if shared else "bnw,nwd->bnd"

    def __call__(self, values: Any, dtype: str) -> Any:
        """The maps' outputs, (batch, n, dim)."""
        kernel, bias = ops.cast(self.kernel, dtype), ops.cast(self.bias, dtype)
        return ops.einsum(self.equation, ops.cast(values, dtype), kernel) + bias
