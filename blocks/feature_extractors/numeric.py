"""Embeddings of numbers: each number of a row as a vector. Not blocks: an option of every extractor that takes numbers.

How the option is given, `LinearEmbeddings`, and which others there are.
"""

import math
from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from blocks.errors import InvalidArgument
from blocks.feature_extractors.periodic_embeddings import PeriodicEmbeddings
from blocks.feature_extractors.piecewise_linear_embeddings import PiecewiseLinearEmbeddings


@keras.saving.register_keras_serializable(package="blocks")
class LinearEmbeddings(keras.layers.Layer):
    """x * w + b, with w and b of each feature: the FT-Transformer's tokens of numbers.

    Args:
        dim: Width of a feature's vector.

    Returns:
        Float tensor of shape (batch, n, dim).

    Parameters: 2 * n * dim.
    """

    def __init__(self, dim: int, **kwargs: Any) -> None:
        super().__init__(**{"autocast": False, **kwargs})
        self.dim = dim

    def build(self, input_shape: Any) -> None:
        """Make w and b."""
        limit = 1 / math.sqrt(self.dim)
        initializer = keras.initializers.RandomUniform(-limit, limit)
        self.kernel = self.add_weight((input_shape[-1], self.dim), initializer=initializer, name="kernel")
        self.bias = self.add_weight((input_shape[-1], self.dim), initializer=initializer, name="bias")
        self.built = True

    def call(self, inputs: Any) -> Any:
        """A vector for each number."""
        dtype = self.compute_dtype
        return ops.cast(inputs, dtype)[..., None] * ops.cast(self.kernel, dtype) + ops.cast(self.bias, dtype)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """(batch, n, dim)."""
        return (*input_shape, self.dim)

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {**super().get_config(), "dim": self.dim}


KINDS = {"piecewise_linear": PiecewiseLinearEmbeddings, "periodic": PeriodicEmbeddings}


def as_config(identifier: Any) -> Any:
    """What says which embeddings of numbers to use, as JSON-able data: None, a name, or a layer's configuration.

    Raises:
        InvalidArgument: It is none of these.

    Example:
        >>> as_config("periodic")
        'periodic'
    """
    if isinstance(identifier, tuple(KINDS.values())):
        return keras.saving.serialize_keras_object(identifier)
    if identifier is None or isinstance(identifier, Mapping) or identifier in KINDS:
        return identifier
    raise InvalidArgument(
        f"numeric_embeddings is None, {', '.join(map(repr, KINDS))}, PiecewiseLinearEmbeddings(...) or "
        f"PeriodicEmbeddings(...). Received: {identifier!r}."
    )


def from_config(config: Any, **options: Any) -> keras.layers.Layer:
    """A fresh layer of what `as_config` gave, with some options replaced; those that its class lacks do not matter."""
    if isinstance(config, str):
        kind, arguments = KINDS[config], {}
    else:
        kind = KINDS[{made.__name__: name for name, made in KINDS.items()}[config["class_name"]]]
        arguments = {key: value for key, value in config["config"].items() if key not in ("dtype", "trainable", "name")}
    if kind is not PiecewiseLinearEmbeddings:
        options.pop("names", None)
    return kind(**{**arguments, **options})
