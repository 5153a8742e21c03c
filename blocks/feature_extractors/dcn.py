"""DCN: a deep and cross network, version 2."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops

from blocks.block import FeatureExtractor
from blocks.errors import InvalidArgument
from blocks.feature_extractors.inputs import inputs_of
from blocks.feature_extractors.mlp import MLP
from blocks.feature_extractors.numeric import as_config
from blocks.features.spec import FeatureSpec


@keras.saving.register_keras_serializable(package="blocks")
class DCN(FeatureExtractor):
    """Crosses of bounded degree beside or below a multilayer perceptron.

    A cross layer is x0 * (W x + b) + x, with x0 the inputs; with `rank`, W = U V^T. After l of them every component is
    a polynomial of degree l + 1 in the inputs. "stacked" feeds the crosses to the perceptron; "parallel" sets both side
    by side.

    Args:
        units: Width of each layer of the perceptron; empty for the crosses alone.
        cross_layers: Number of cross layers.
        rank: Of each W, or None for a full matrix.
        structure: "stacked" or "parallel".
        activation: As of `keras.layers.Dense`.
        dropout: Share of the perceptron's units that are dropped in training, in [0, 1).
        embedding_dim: Width of the ids' embeddings; None for a rule by cardinality.
        numeric_embeddings: None, "piecewise_linear", "periodic", or one of `blocks.feature_extractors.numeric`.
        spec: The features' specification; `blocks.Model` binds it.

    Returns:
        Float tensor of shape (batch, units[-1]) when stacked; (batch, i + units[-1]) when parallel, with i the inputs'
        width; (batch, i) without a perceptron.

    Parameters: those of the inputs; cross_layers * (i * i + i), or cross_layers * (2 * i * rank + i); and
        (w + 1) * u for each of the perceptron's layers from width w to u, the first of w = i.

    Example:
        >>> import numpy as np
        >>> DCN([8], structure="parallel")(np.zeros((2, 5), "float32")).shape
        TensorShape([2, 13])

    Source: Wang et al., "DCN V2: Improved Deep & Cross Network and Practical Lessons for Web-scale Learning to Rank
        Systems" (2021), arXiv 2008.13535.
    """

    def __init__(
        self,
        units: Sequence[int] = (256, 128),
        *,
        cross_layers: int = 3,
        rank: int | None = None,
        structure: str = "stacked",
        activation: Any = "relu",
        dropout: float = 0.0,
        embedding_dim: int | None = None,
        numeric_embeddings: Any = None,
        spec: FeatureSpec | Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(spec=spec, **kwargs)
        if cross_layers < 1 or (rank is not None and rank < 1) or min(units, default=1) < 1:
            raise InvalidArgument(
                "DCN's widths, cross_layers and rank are positive. "
                f"Received: units={units!r}, cross_layers={cross_layers!r}, rank={rank!r}."
            )
        if structure not in ("stacked", "parallel"):
            raise InvalidArgument(f"DCN's structure is 'stacked' or 'parallel'. Received: {structure!r}.")
        if not 0 <= dropout < 1:
            raise InvalidArgument(f"DCN's dropout is in [0, 1). Received: {dropout!r}.")
        self.units = list(units)
        self.cross_layers = cross_layers
        self.rank = rank
        self.structure = structure
        self.activation = keras.activations.get(activation)
        self.dropout = dropout
        self.embedding_dim = embedding_dim
        self.numeric_embeddings = as_config(numeric_embeddings)

    def make(self, input_shape: Any) -> None:
        """Make cross layers and the perceptron."""
        policy = self.dtype_policy
        self.inputs_layer = inputs_of(self, input_shape)
        width = self.inputs_layer.compute_output_shape(input_shape)[-1]
        self.reduce, self.cross = [], []
        for index in range(self.cross_layers):
            if self.rank is not None:
                self.reduce.append(keras.layers.Dense(self.rank, use_bias=False, dtype=policy, name=f"reduce_{index}"))
                self.reduce[-1].build((None, width))
            self.cross.append(keras.layers.Dense(width, dtype=policy, name=f"cross_{index}"))
            self.cross[-1].build((None, self.rank or width))
        self.deep = None
        if self.units:
            self.deep = MLP(self.units, activation=self.activation, dropout=self.dropout, dtype=policy, name="deep")
            self.deep.build((None, width))

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """The representation."""
        first = self.inputs_layer(inputs)
        values = first
        for index, cross in enumerate(self.cross):
            inner = self.reduce[index](values) if self.reduce else values
            values = first * cross(inner) + values
        if self.deep is None:
            return values
        if self.structure == "stacked":
            return self.deep(values, training=training)
        return ops.concatenate([values, self.deep(first, training=training)], axis=-1)

    @classmethod
    def space(cls) -> dict[str, tuple[Any, ...]]:
        """What `blocks.tune` tries; see `FeatureExtractor.space`."""
        return {
            "units": ("choice", [[128, 64], [256, 128], [256, 256], [512, 256]]),
            "cross_layers": ("int", 1, 5, False),
            "dropout": ("float", 0.0, 0.5, False),
            "numeric_embeddings": ("choice", [None, "piecewise_linear", "periodic"]),
            "structure": ("choice", ["stacked", "parallel"]),
        }

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {
            **super().get_config(),
            "units": self.units,
            "cross_layers": self.cross_layers,
            "rank": self.rank,
            "structure": self.structure,
            "activation": keras.activations.serialize(self.activation),
            "dropout": self.dropout,
            "embedding_dim": self.embedding_dim,
            "numeric_embeddings": self.numeric_embeddings,
        }
