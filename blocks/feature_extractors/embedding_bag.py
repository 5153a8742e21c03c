"""EmbeddingBag: the vectors of a text's tokens or n-grams, averaged or summed."""

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from blocks.block import FeatureExtractor
from blocks.errors import InvalidArgument
from blocks.feature_extractors.inputs import weighted_sum
from blocks.feature_extractors.token_inputs import check_text_options, token_entry
from blocks.features.spec import FeatureSpec


@keras.saving.register_keras_serializable(package="blocks")
class EmbeddingBag(FeatureExtractor):
    """A vector for each token or n-gram, and of a text their mean or sum: the baseline that everybody must beat.

    Order does not matter, but for what n-grams hold of it. Of sparse n-grams (`HashedNGrams`, a sparse `TfIdf`) each
    vector counts as much as its weight. With a head behind it and no activation this is a linear model over n-grams
    whose matrix has rank `dim` at most, as fastText has it. With few thousand texts it is worth to begin it at naive
    Bayes, `set_weights([log_odds])`, which `benchmarks/texts.py` does in ten lines.

    Of more than 8,192 sparse columns a batch takes rows * n-grams of its longest row * `dim` floats: of long texts,
    `evaluate` and `predict` in batches of hundreds, `batch_size=256`, not of thousands.

    Args:
        dim: Width of the vectors.
        combiner: "mean" or "sum" over tokens that are not padding (id 0), or over n-grams by weight, where "mean"
            divides by the sum of weights; None for the mean of tokens and the sum of n-grams, whose rows have a norm.
        dropout: Share of the tokens or n-grams of each text that are left out in training, in [0, 1).
        activation: As of `keras.layers.Dense`; None for none.
        cardinality: Number of ids of a plain tensor; None where a specification says it.
        spec: The features' specification, of one entry; `blocks.Model` binds it.

    Returns:
        Float tensor of shape (batch, dim); 0 of a text without a token.

    Parameters: cardinality * dim.

    Example:
        >>> import numpy as np
        >>> EmbeddingBag(4, cardinality=9)(np.array([[3, 8, 0], [0, 0, 0]])).shape
        TensorShape([2, 4])

    Source: Joulin, Grave, Bojanowski, Mikolov, "Bag of Tricks for Efficient Text Classification" (2017).
    """

    def __init__(
        self,
        dim: int = 64,
        *,
        combiner: str | None = None,
        dropout: float = 0.0,
        activation: Any = None,
        cardinality: int | None = None,
        spec: FeatureSpec | Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(spec=spec, **kwargs)
        check_text_options("EmbeddingBag", dim=dim, cardinality=cardinality, dropout=dropout)
        if combiner not in ("mean", "sum", None):
            raise InvalidArgument(f"EmbeddingBag's combiner is 'mean', 'sum' or None. Received: {combiner!r}.")
        self.dim = dim
        self.combiner = combiner
        self.dropout = dropout
        self.activation = keras.activations.get(activation)
        self.cardinality = cardinality

    def make(self, input_shape: Any) -> None:
        """Make the table."""
        self.entry = token_entry("EmbeddingBag", self.spec, self.cardinality, input_shape, sparse=True)
        # small ones: what was never seen in training adds little
        initializer = keras.initializers.RandomNormal(stddev=0.05)
        self.table = self.add_weight((self.entry.cardinality, self.dim), initializer=initializer, name="vectors")
        self.drop = keras.layers.Dropout(self.dropout, dtype=self.dtype_policy) if self.dropout else None

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """The mean or sum."""
        rows, dtype = self.entry.of(inputs), self.compute_dtype
        weights = ops.cast(rows[..., 1] if self.entry.sparse else ops.not_equal(rows, 0), dtype)
        if self.drop is not None:
            weights = self.drop(weights, training=training)
        if self.entry.sparse:
            total = weighted_sum(ops.stack([rows[..., 0], ops.cast(weights, "float32")], axis=-1), self.table, dtype)
        else:
            vectors = ops.cast(ops.take(self.table, rows, axis=0), dtype)
            total = ops.squeeze(ops.matmul(ops.expand_dims(weights, 1), vectors), 1)
        if (self.combiner or ("sum" if self.entry.sparse else "mean")) == "mean":
            mass = ops.sum(weights, axis=1, keepdims=True)
            total = total / ops.where(mass > 0, mass, 1)
        return self.activation(total)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, int]:
        """(batch, dim)."""
        return (None, self.dim)

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {
            **super().get_config(),
            "dim": self.dim,
            "combiner": self.combiner,
            "dropout": self.dropout,
            "activation": keras.activations.serialize(self.activation),
            "cardinality": self.cardinality,
        }
