"""TCN: dilated causal convolutions over a window's steps."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops

from blocks.block import FeatureExtractor
from blocks.errors import InvalidArgument
from blocks.feature_extractors.window_inputs import beside, enter, entering, window_inputs_of
from blocks.features.spec import FeatureSpec

POOLINGS = ("last", "mean")


@keras.saving.register_keras_serializable(package="blocks")
class TCN(FeatureExtractor):
    """Residual blocks of two causal convolutions, each block looking further back; the last step is the representation.

    It sees 1 + 2 * (kernel_size - 1) * sum(dilations) steps: 253 by default. What is no window (the entity's embedding,
    what is known ahead of time) enters every step by a linear map, and stands beside the last step.

    Args:
        filters: Width of every step within.
        kernel_size: Steps that a convolution looks at.
        dilations: The distance of these, block by block.
        activation: As of `keras.layers.Dense`.
        dropout: Share of channels that are dropped in training, in [0, 1).
        pooling: "last" for the last step, "mean" for the mean of all.
        embedding_dim: Width of the ids' embeddings; None for a rule by cardinality.
        spec: The features' specification; `blocks.Model` binds it.

    Returns:
        Float tensor of shape (batch, filters + rest).

    Parameters: with f = `filters`: (channels + 1) * f to enter, rest * f for the rest, and
        2 * (kernel_size * f + 1) * f + 2 * f a block; and those of the inputs' embeddings.

    Example:
        >>> import numpy as np
        >>> TCN(8, dilations=[1, 2])(np.zeros((2, 24), "float32")).shape
        TensorShape([2, 8])

    Source: Bai, Kolter, Koltun, "An Empirical Evaluation of Generic Convolutional and Recurrent Networks for Sequence
        Modeling" (2018), arXiv 1803.01271, with a norm of layers in place of one of weights.
    """

    def __init__(
        self,
        filters: int = 32,
        *,
        kernel_size: int = 3,
        dilations: Sequence[int] = (1, 2, 4, 8, 16, 32),
        activation: Any = "relu",
        dropout: float = 0.0,
        pooling: str = "last",
        embedding_dim: int | None = None,
        spec: FeatureSpec | Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(spec=spec, **kwargs)
        if not dilations or min(filters, kernel_size, *dilations) < 1 or not 0 <= dropout < 1:
            raise InvalidArgument(
                "TCN's sizes are positive, its dropout in [0, 1). Received: "
                f"filters={filters!r}, kernel_size={kernel_size!r}, dilations={dilations!r}, dropout={dropout!r}."
            )
        if pooling not in POOLINGS:
            raise InvalidArgument(f"TCN's pooling is one of {', '.join(POOLINGS)}. Received: {pooling!r}.")
        self.filters, self.kernel_size, self.dilations = filters, kernel_size, list(dilations)
        self.activation = keras.activations.get(activation)
        self.dropout, self.pooling, self.embedding_dim = dropout, pooling, embedding_dim

    def make(self, input_shape: Any) -> None:
        """Make the layers."""
        policy = self.dtype_policy
        self.inputs_layer, shape, self.rest_width = window_inputs_of(self, input_shape)
        self.entering = entering(self.filters, shape, self.rest_width, policy)
        self.norms, self.convolutions = [], []
        inner = (None, shape[1], self.filters)
        for index in range(len(self.dilations)):
            norm = keras.layers.LayerNormalization(dtype=policy, name=f"norm_{index}")
            norm.build(inner)
            self.norms.append(norm)
            for half in ("a", "b"):
                name = f"convolution_{index}{half}"
                convolution = keras.layers.Dense(self.filters, dtype=policy, name=name)
                convolution.build((None, shape[1], self.kernel_size * self.filters))
                self.convolutions.append(convolution)
        self.drop = keras.layers.SpatialDropout1D(self.dropout, dtype=policy) if self.dropout else None

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """The last step, or the mean of all, (batch, width)."""
        steps, rest = self.inputs_layer(inputs)
        values = enter(self.entering, steps, rest)
        for index, (norm, dilation) in enumerate(zip(self.norms, self.dilations, strict=True)):
            inner = self.activation(self.convolutions[2 * index](self._seen(norm(values), dilation)))
            if self.drop is not None:
                inner = self.drop(inner, training=training)
            values = values + self.convolutions[2 * index + 1](self._seen(inner, dilation))
        values = self.activation(values)
        return beside(values[:, -1] if self.pooling == "last" else ops.mean(values, axis=1), rest)

    def _seen(self, values: Any, dilation: int) -> Any:
        """What a convolution sees of each step, (batch, steps, kernel_size * filters): 0 before the first.

        A product with this is the dilated convolution. TensorFlow's own gives no rows a wrong length on CPUs.
        """
        steps, back = values.shape[1], (self.kernel_size - 1) * dilation
        longer = ops.pad(values, [[0, 0], [back, 0], [0, 0]])
        return ops.concatenate([longer[:, at : at + steps] for at in range(0, back + 1, dilation)], axis=2)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, int]:
        """(batch, filters + rest)."""
        return (None, self.filters + self.rest_width)

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "dilations": self.dilations,
            "activation": keras.activations.serialize(self.activation),
            "dropout": self.dropout,
            "pooling": self.pooling,
            "embedding_dim": self.embedding_dim,
        }
