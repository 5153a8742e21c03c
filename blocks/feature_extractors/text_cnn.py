"""TextCNN: convolutions over the vectors of tokens, and the strongest answer of each filter."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops

from blocks.block import FeatureExtractor
from blocks.errors import InvalidArgument
from blocks.feature_extractors.token_inputs import TokenVectors, check_text_options, token_entry
from blocks.features.spec import FeatureSpec


@keras.saving.register_keras_serializable(package="blocks")
class TextCNN(FeatureExtractor):
    """Filters over runs of neighbouring tokens, each giving its largest answer in the text.

    It finds short phrases wherever they stand, and is quick. Padding (id 0) changes nothing: its vectors are 0, as what
    lies beyond a text's ends, and no filter answers there. A text without a token is 0.

    Args:
        filters: Number of filters of each size.
        sizes: How many neighbouring tokens the filters see.
        dim: Width of the tokens' vectors.
        activation: Of the filters, as of `keras.layers.Dense`.
        dropout: Share of the filters' answers that are dropped in training, in [0, 1).
        cardinality: Number of ids of a plain tensor; None where a specification says it.
        spec: The features' specification, of one entry of tokens; `blocks.Model` binds it.

    Returns:
        Float tensor of shape (batch, filters * len(sizes)).

    Parameters: cardinality * dim, and (size * dim + 1) * filters for each size.

    Example:
        >>> import numpy as np
        >>> TextCNN(8, sizes=[2, 3], cardinality=9)(np.array([[3, 8, 5, 0, 0]])).shape
        TensorShape([1, 16])

    Source: Kim, "Convolutional Neural Networks for Sentence Classification" (2014).
    """

    def __init__(
        self,
        filters: int = 64,
        *,
        sizes: Sequence[int] = (3, 4, 5),
        dim: int = 64,
        activation: Any = "relu",
        dropout: float = 0.3,
        cardinality: int | None = None,
        spec: FeatureSpec | Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(spec=spec, **kwargs)
        check_text_options("TextCNN", filters=filters, dim=dim, cardinality=cardinality, dropout=dropout)
        if not sizes or min(sizes) < 1:
            raise InvalidArgument(f"TextCNN's sizes are of runs of one token at least. Received: {sizes!r}.")
        self.filters = filters
        self.sizes = list(sizes)
        self.dim = dim
        self.activation = keras.activations.get(activation)
        self.dropout = dropout
        self.cardinality = cardinality

    def make(self, input_shape: Any) -> None:
        """Make the table and the filters."""
        self.entry = token_entry("TextCNN", self.spec, self.cardinality, input_shape)
        policy = self.dtype_policy
        self.vectors = TokenVectors(self.entry.cardinality, self.dim, dtype=policy, name="tokens")
        self.vectors.build((None, None))
        self.seen = []
        for place, size in enumerate(self.sizes):
            layer = keras.layers.Dense(self.filters, dtype=policy, name=f"filters_{place}")
            layer.build((None, None, size * self.dim))
            self.seen.append(layer)
        self.drop = keras.layers.Dropout(self.dropout, dtype=policy) if self.dropout else None

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """The largest answers."""
        vectors, there = self.vectors(self.entry.of(inputs))
        # below any answer, and finite in half precision
        nowhere = (1 - there) * -6e4
        found = [
            ops.max(layer(_runs(vectors, size)) * there + nowhere, axis=1)
            for layer, size in zip(self.seen, self.sizes, strict=True)
        ]
        some = ops.max(there, axis=1)
        answers = self.activation(ops.concatenate(found, axis=-1) * some) * some
        return answers if self.drop is None else self.drop(answers, training=training)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, int]:
        """(batch, filters * len(sizes))."""
        return (None, self.filters * len(self.sizes))

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {
            **super().get_config(),
            "filters": self.filters,
            "sizes": self.sizes,
            "dim": self.dim,
            "activation": keras.activations.serialize(self.activation),
            "dropout": self.dropout,
            "cardinality": self.cardinality,
        }


def _runs(vectors: Any, size: int) -> Any:
    """Vectors (batch, length, dim) to those of the run around each, side by side, with 0 beyond the ends.

    A convolution, but for batches of no row, of which `keras.layers.Conv1D` loses the width.
    """
    length = vectors.shape[1]
    padded = ops.pad(vectors, ((0, 0), ((size - 1) // 2, size // 2), (0, 0)))
    return ops.concatenate([padded[:, place : place + length] for place in range(size)], axis=-1)
