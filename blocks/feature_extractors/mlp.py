"""MLP: the multilayer perceptron over packed features."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from blocks.block import FeatureExtractor
from blocks.errors import InvalidArgument
from blocks.feature_extractors.inputs import inputs_of
from blocks.feature_extractors.numeric import as_config
from blocks.features.spec import FeatureSpec


@keras.saving.register_keras_serializable(package="blocks")
class MLP(FeatureExtractor):
    """Dense layers over numbers and embedded ids.

    Each layer is dense > normalization > activation > dropout, and with `residual` its input is added where widths
    agree.

    Args:
        units: Width of each layer.
        activation: As of `keras.layers.Dense`.
        dropout: Share of units that are dropped in training, in [0, 1).
        normalization: None, "batch" or "layer".
        residual: Whether to add a layer's input to its output where their widths agree.
        embedding_dim: Width of the ids' embeddings; None for a rule by cardinality.
        numeric_embeddings: None, "piecewise_linear", "periodic", or one of `blocks.feature_extractors.numeric`.
        spec: The features' specification; `blocks.Model` binds it.

    Returns:
        Float tensor of shape (batch, units[-1]).

    Parameters: those of the inputs (`TabularInputs`), and (w + 1) * u for each layer from width w to u, with
        normalization 2 * u more (batch: 2 * u that are not trained as well).

    Example:
        >>> import numpy as np
        >>> MLP([8, 4])(np.zeros((2, 3), "float32")).shape
        TensorShape([2, 4])
    """

    def __init__(
        self,
        units: Sequence[int] = (128, 64),
        *,
        activation: str = "relu",
        dropout: float = 0.0,
        normalization: str | None = None,
        residual: bool = False,
        embedding_dim: int | None = None,
        numeric_embeddings: Any = None,
        spec: FeatureSpec | Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(spec=spec, **kwargs)
        if not units or min(units) < 1:
            raise InvalidArgument(f"MLP takes one positive width a layer. Received: units={units!r}.")
        if not 0 <= dropout < 1:
            raise InvalidArgument(f"MLP's dropout is in [0, 1). Received: {dropout!r}.")
        if normalization not in (None, "batch", "layer"):
            raise InvalidArgument(f"MLP's normalization is None, 'batch' or 'layer'. Received: {normalization!r}.")
        self.units = list(units)
        self.activation = keras.activations.get(activation)
        self.dropout = dropout
        self.normalization = normalization
        self.residual = residual
        self.embedding_dim = embedding_dim
        self.numeric_embeddings = as_config(numeric_embeddings)

    def make(self, input_shape: Any) -> None:
        """Make the layers, the features' shapes being known."""
        self.inputs_layer = inputs_of(self, input_shape)
        shape = self.inputs_layer.compute_output_shape(input_shape)
        self.dense, self.norms = [], []
        for index, width in enumerate(self.units):
            dense = keras.layers.Dense(width, dtype=self.dtype_policy, name=f"dense_{index}")
            dense.build(shape)
            shape = (*shape[:-1], width)
            self.dense.append(dense)
            if self.normalization is not None:
                kind = {"batch": keras.layers.BatchNormalization, "layer": keras.layers.LayerNormalization}
                norm = kind[self.normalization](dtype=self.dtype_policy, name=f"norm_{index}")
                norm.build(shape)
                self.norms.append(norm)
        self.drop = keras.layers.Dropout(self.dropout, dtype=self.dtype_policy) if self.dropout else None

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """The representation."""
        values = self.inputs_layer(inputs)
        for index, dense in enumerate(self.dense):
            before = values
            values = dense(values)
            if self.norms:
                values = self.norms[index](values, training=training)
            values = self.activation(values)
            if self.drop is not None:
                values = self.drop(values, training=training)
            if self.residual and before.shape[-1] == values.shape[-1]:
                values = values + before
        return values

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, int]:
        """(batch, units[-1])."""
        return (None, self.units[-1])

    @classmethod
    def space(cls) -> dict[str, tuple[Any, ...]]:
        """What `blocks.tune` tries; see `FeatureExtractor.space`."""
        return {
            "units": ("choice", [[64, 32], [128, 64], [256, 128], [256, 256], [512, 256], [256, 256, 256]]),
            "dropout": ("float", 0.0, 0.5, False),
            "normalization": ("choice", [None, "batch", "layer"]),
            "numeric_embeddings": ("choice", [None, "piecewise_linear", "periodic"]),
        }

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {
            **super().get_config(),
            "units": self.units,
            "activation": keras.activations.serialize(self.activation),
            "dropout": self.dropout,
            "normalization": self.normalization,
            "residual": self.residual,
            "embedding_dim": self.embedding_dim,
            "numeric_embeddings": self.numeric_embeddings,
        }
