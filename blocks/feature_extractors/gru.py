"""GRU: gated recurrent units over a window's steps."""

from collections.abc import Mapping
from typing import Any

import keras

from blocks.block import FeatureExtractor
from blocks.errors import InvalidArgument
from blocks.feature_extractors.window_inputs import beside, enter, entering, window_inputs_of
from blocks.features.spec import FeatureSpec


@keras.saving.register_keras_serializable(package="blocks")
class GRU(FeatureExtractor):
    """Layers of gated recurrent units over the steps, oldest first; the last state is the representation.

    What is no window (the entity's embedding, what is known ahead of time) enters every step by a linear map, and
    stands beside the last state.

    Args:
        units: Width of the state.
        depth: Number of layers.
        dropout: Share of inputs of each layer that are dropped in training, in [0, 1).
        embedding_dim: Width of the ids' embeddings; None for a rule by cardinality.
        spec: The features' specification; `blocks.Model` binds it.

    Returns:
        Float tensor of shape (batch, units + rest).

    Parameters: with u = `units`: (channels + 1) * u to enter, rest * u for the rest, and 6 * (u + 1) * u a layer; and
        those of the inputs' embeddings.

    Example:
        >>> import numpy as np
        >>> GRU(8)(np.zeros((2, 24), "float32")).shape
        TensorShape([2, 8])

    Source: Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder" (2014), arXiv 1406.1078.
    """

    def __init__(
        self,
        units: int = 64,
        depth: int = 1,
        *,
        dropout: float = 0.0,
        embedding_dim: int | None = None,
        spec: FeatureSpec | Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(spec=spec, **kwargs)
        if min(units, depth) < 1 or not 0 <= dropout < 1:
            raise InvalidArgument(
                f"GRU's units and depth are positive, its dropout in [0, 1). Received: {units!r}, {depth!r}, "
                f"{dropout!r}."
            )
        self.units, self.depth, self.dropout = units, depth, dropout
        self.embedding_dim = embedding_dim

    def make(self, input_shape: Any) -> None:
        """Make the layers."""
        policy = self.dtype_policy
        self.inputs_layer, shape, self.rest_width = window_inputs_of(self, input_shape)
        self.entering = entering(self.units, shape, self.rest_width, policy)
        self.recurrent, self.drops = [], []
        for index in range(self.depth):
            layer = keras.layers.GRU(
                self.units, return_sequences=index < self.depth - 1, dtype=policy, name=f"recurrent_{index}"
            )
            layer.build((None, shape[1], self.units))
            self.recurrent.append(layer)
            self.drops.append(keras.layers.Dropout(self.dropout, dtype=policy, name=f"drop_{index}"))

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """The last state, (batch, width)."""
        steps, rest = self.inputs_layer(inputs)
        values = enter(self.entering, steps, rest)
        for drop, layer in zip(self.drops, self.recurrent, strict=True):
            values = layer(drop(values, training=training), training=training)
        return beside(values, rest)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, int]:
        """(batch, units + rest)."""
        return (None, self.units + self.rest_width)

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {
            **super().get_config(),
            "units": self.units,
            "depth": self.depth,
            "dropout": self.dropout,
            "embedding_dim": self.embedding_dim,
        }
