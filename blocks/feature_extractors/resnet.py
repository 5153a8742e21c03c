"""ResNet: residual blocks of two dense layers over packed features."""

from collections.abc import Mapping
from typing import Any

import keras

from blocks.block import FeatureExtractor
from blocks.errors import InvalidArgument
from blocks.feature_extractors.inputs import inputs_of
from blocks.feature_extractors.numeric import as_config
from blocks.features.spec import FeatureSpec

NORMS = {"batch": keras.layers.BatchNormalization, "layer": keras.layers.LayerNormalization}


@keras.saving.register_keras_serializable(package="blocks")
class ResNet(FeatureExtractor):
    """A main path of constant width, to which every block adds: x + dropout(dense(dropout(relu(dense(norm(x)))))).

    A dense layer leads from the inputs to the main path; normalization and activation end it.

    Args:
        width: Of the main path.
        depth: Number of blocks.
        hidden_factor: Width between a block's two dense layers, as a multiple of `width`.
        activation: As of `keras.layers.Dense`.
        dropout: Share of units that are dropped in training between a block's two layers, in [0, 1).
        residual_dropout: The same of what a block adds.
        normalization: "batch" or "layer".
        embedding_dim: Width of the ids' embeddings; None for a rule by cardinality.
        numeric_embeddings: None, "piecewise_linear", "periodic", or one of `blocks.feature_extractors.numeric`.
        spec: The features' specification; `blocks.Model` binds it.

    Returns:
        Float tensor of shape (batch, width).

    Parameters: those of the inputs; with i the inputs' width, w = `width`, h = round(w * `hidden_factor`):
        (i + 1) * w + depth * ((w + 1) * h + (h + 1) * w + n) + n, with n = 2 * w for "layer", and for "batch" 4 * w, of
        which half are not trained.

    Example:
        >>> import numpy as np
        >>> ResNet(8, depth=2)(np.zeros((2, 5), "float32")).shape
        TensorShape([2, 8])

    Source: Gorishniy, Rubachev, Khrulkov, Babenko, "Revisiting Deep Learning Models for Tabular Data" (2021),
        arXiv 2106.11959, section 3.2.
    """

    def __init__(
        self,
        width: int = 256,
        depth: int = 4,
        *,
        hidden_factor: float = 2.0,
        activation: Any = "relu",
        dropout: float = 0.2,
        residual_dropout: float = 0.0,
        normalization: str = "batch",
        embedding_dim: int | None = None,
        numeric_embeddings: Any = None,
        spec: FeatureSpec | Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(spec=spec, **kwargs)
        if width < 1 or depth < 1 or round(width * hidden_factor) < 1:
            raise InvalidArgument(
                "ResNet's width, depth and hidden width are positive. "
                f"Received: width={width!r}, depth={depth!r}, hidden_factor={hidden_factor!r}."
            )
        if not (0 <= dropout < 1 and 0 <= residual_dropout < 1):
            raise InvalidArgument(f"ResNet's dropouts are in [0, 1). Received: {dropout!r} and {residual_dropout!r}.")
        if normalization not in NORMS:
            raise InvalidArgument(f"ResNet's normalization is 'batch' or 'layer'. Received: {normalization!r}.")
        self.width = width
        self.depth = depth
        self.hidden_factor = hidden_factor
        self.activation = keras.activations.get(activation)
        self.dropout = dropout
        self.residual_dropout = residual_dropout
        self.normalization = normalization
        self.embedding_dim = embedding_dim
        self.numeric_embeddings = as_config(numeric_embeddings)

    def make(self, input_shape: Any) -> None:
        """Make the layers."""
        policy = self.dtype_policy
        self.inputs_layer = inputs_of(self, input_shape)
        hidden = round(self.width * self.hidden_factor)

        def dense(units: int, width: int, name: str) -> keras.layers.Dense:
            layer = keras.layers.Dense(units, dtype=policy, name=name)
            layer.build((None, width))
            return layer

        self.first = dense(self.width, self.inputs_layer.compute_output_shape(input_shape)[-1], "first")
        self.widen = [dense(hidden, self.width, f"widen_{i}") for i in range(self.depth)]
        self.narrow = [dense(self.width, hidden, f"narrow_{i}") for i in range(self.depth)]
        self.norms = [NORMS[self.normalization](dtype=policy, name=f"norm_{i}") for i in range(self.depth + 1)]
        for norm in self.norms:
            norm.build((None, self.width))
        self.drop = keras.layers.Dropout(self.dropout, dtype=policy)
        self.residual_drop = keras.layers.Dropout(self.residual_dropout, dtype=policy)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """The representation."""
        values = self.first(self.inputs_layer(inputs))
        for norm, widen, narrow in zip(self.norms[:-1], self.widen, self.narrow, strict=True):
            inner = self.activation(widen(norm(values, training=training)))
            inner = narrow(self.drop(inner, training=training))
            values = values + self.residual_drop(inner, training=training)
        return self.activation(self.norms[-1](values, training=training))

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, int]:
        """(batch, width)."""
        return (None, self.width)

    @classmethod
    def space(cls) -> dict[str, tuple[Any, ...]]:
        """What `blocks.tune` tries; see `FeatureExtractor.space`."""
        return {
            "width": ("int", 64, 512, True),
            "depth": ("int", 1, 6, False),
            "hidden_factor": ("float", 1.0, 4.0, False),
            "dropout": ("float", 0.0, 0.5, False),
            "residual_dropout": ("float", 0.0, 0.3, False),
            "numeric_embeddings": ("choice", [None, "piecewise_linear", "periodic"]),
        }

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {
            **super().get_config(),
            "width": self.width,
            "depth": self.depth,
            "hidden_factor": self.hidden_factor,
            "activation": keras.activations.serialize(self.activation),
            "dropout": self.dropout,
            "residual_dropout": self.residual_dropout,
            "normalization": self.normalization,
            "embedding_dim": self.embedding_dim,
            "numeric_embeddings": self.numeric_embeddings,
        }
