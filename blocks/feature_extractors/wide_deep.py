"""WideDeep: a linear model over ids, crossed ids and numbers, beside a perceptron."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops

from blocks.block import FeatureExtractor
from blocks.errors import InvalidArgument
from blocks.feature_extractors.inputs import inputs_of, weighted_sum
from blocks.feature_extractors.mlp import MLP
from blocks.feature_extractors.numeric import as_config
from blocks.features.spec import CATEGORICAL, NUMERIC, FeatureSpec

MAX_CROSSED = 10_000_000


@keras.saving.register_keras_serializable(package="blocks")
class WideDeep(FeatureExtractor):
    """Memorise and generalise: a linear map of one-hot ids, crossed ids and numbers, side by side with a perceptron.

    The head's dense layer over both is the paper's sum of a wide and a deep part. Linear maps to fewer than the head's
    outputs are of reduced rank: choose `wide_units` of that number at least.

    Args:
        units: Width of each layer of the perceptron, over numbers and embedded ids.
        wide_units: Width of the linear part.
        crosses: Groups of names of categorical features, each crossed to one: a weight for every combination of ids.
        activation: As of `keras.layers.Dense`.
        dropout: Share of the perceptron's units that are dropped in training, in [0, 1).
        embedding_dim: Width of the ids' embeddings; None for a rule by cardinality.
        numeric_embeddings: None, "piecewise_linear", "periodic", or one of `blocks.feature_extractors.numeric`; for the
            perceptron.
        spec: The features' specification; `blocks.Model` binds it.

    Returns:
        Float tensor of shape (batch, units[-1] + wide_units), the deep part first.

    Parameters: those of the inputs and the perceptron; (n + c + x) * wide_units, with n numbers, c the sum of all
        cardinalities, x that of the crosses (each a product of cardinalities).

    Raises:
        InvalidArgument: At build, when a cross names no categorical feature, or has more than 10 million combinations
            (`preprocessors.Cross` hashes those).

    Example:
        >>> import numpy as np
        >>> WideDeep([8], wide_units=2)(np.zeros((2, 5), "float32")).shape
        TensorShape([2, 10])

    Source: Cheng et al., "Wide & Deep Learning for Recommender Systems" (2016), arXiv 1606.07792.
    """

    def __init__(
        self,
        units: Sequence[int] = (256, 128),
        *,
        wide_units: int = 8,
        crosses: Sequence[Sequence[str]] = (),
        activation: Any = "relu",
        dropout: float = 0.0,
        embedding_dim: int | None = None,
        numeric_embeddings: Any = None,
        spec: FeatureSpec | Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(spec=spec, **kwargs)
        if not units or min(units) < 1 or wide_units < 1:
            raise InvalidArgument(
                f"WideDeep's widths are positive. Received: units={units!r}, wide_units={wide_units!r}."
            )
        if not 0 <= dropout < 1:
            raise InvalidArgument(f"WideDeep's dropout is in [0, 1). Received: {dropout!r}.")
        if any(isinstance(cross, str) or len(cross) < 2 for cross in crosses):
            raise InvalidArgument(f"A cross is of two names or more. Received: crosses={crosses!r}.")
        self.units = list(units)
        self.wide_units = wide_units
        self.crosses = [list(cross) for cross in crosses]
        self.activation = keras.activations.get(activation)
        self.dropout = dropout
        self.embedding_dim = embedding_dim
        self.numeric_embeddings = as_config(numeric_embeddings)

    def _wide_groups(self) -> list[list[tuple[int, int]]]:
        """For each id or cross, the columns (position, cardinality) that it is of."""
        features = self.spec[CATEGORICAL].features if self.spec is not None and CATEGORICAL in self.spec else ()
        columns = {f.name: (position, f.cardinality or 0) for position, f in enumerate(features)}
        unknown = sorted({name for cross in self.crosses for name in cross} - set(columns))
        if unknown:
            raise InvalidArgument(
                f"Crosses are of categorical features: {', '.join(columns) or 'none here'}. "
                f"Received: {', '.join(unknown)}."
            )
        groups = [[column] for column in columns.values()] + [[columns[name] for name in c] for c in self.crosses]
        for group, cross in zip(groups[len(columns) :], self.crosses, strict=True):
            if (size := math.prod(cardinality for _, cardinality in group)) > MAX_CROSSED:
                raise InvalidArgument(
                    f"A cross has {MAX_CROSSED:,} combinations at most. Received: {' x '.join(cross)} with {size:,}. "
                    "Hash it: preprocessors.Cross(num_bins) in Columns."
                )
        return groups

    def make(self, input_shape: Any) -> None:
        """Make both parts."""
        policy = self.dtype_policy
        self.inputs_layer = inputs_of(self, input_shape)
        self.deep = MLP(self.units, activation=self.activation, dropout=self.dropout, dtype=policy, name="deep")
        self.deep.build(self.inputs_layer.compute_output_shape(input_shape))
        numbers = input_shape.get(NUMERIC) if isinstance(input_shape, Mapping) else input_shape
        self.wide_numbers = self.wide_ids = None
        if width := self.inputs_layer.numbers_of_windows():
            numbers = (None, width + (0 if numbers is None else numbers[-1]))
        if numbers is not None:
            self.wide_numbers = keras.layers.Dense(
                self.wide_units, use_bias=False, kernel_initializer="zeros", dtype=policy, name="wide_numbers"
            )
            self.wide_numbers.build(numbers)
        groups = self._wide_groups()
        if groups:
            total = sum(math.prod(cardinality for _, cardinality in group) for group in groups)
            self.wide_ids = keras.layers.Embedding(
                total, self.wide_units, embeddings_initializer="zeros", dtype=policy, name="wide_ids"
            )
            self.wide_ids.build((None, len(groups)))
        self.wide_sparse = [
            self.add_weight((columns, self.wide_units), initializer="zeros", name=f"wide_{name}")
            for name, columns in self.inputs_layer.sparse_entries().items()
        ]
        if self.wide_numbers is None and self.wide_ids is None and not self.wide_sparse:
            raise InvalidArgument(
                "WideDeep's wide part is of numbers, ids, windows of numbers or sparse columns. Received: "
                f"{', '.join(self.spec or {})}. Use MLP."
            )

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Deep and wide, side by side."""
        deep = self.deep(self.inputs_layer(inputs), training=training)
        packed = inputs if isinstance(inputs, Mapping) else {NUMERIC: inputs}
        wide = [] if self.wide_numbers is None else [self.wide_numbers(self.inputs_layer.with_windows(packed))]
        if self.wide_ids is not None:
            offset, rows = 0, []
            for group in self._wide_groups():
                row, size = 0, 1
                for position, cardinality in group:
                    row = row * cardinality + packed[CATEGORICAL][:, position]
                    size *= cardinality
                rows.append(row + offset)
                offset += size
            wide.append(ops.sum(self.wide_ids(ops.stack(rows, axis=1)), axis=1))
        for table, name in zip(self.wide_sparse, self.inputs_layer.sparse_entries(), strict=True):
            wide.append(weighted_sum(packed[name], table, self.compute_dtype))
        return ops.concatenate([deep, sum(wide[1:], wide[0])], axis=-1)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, int]:
        """(batch, units[-1] + wide_units)."""
        return (None, self.units[-1] + self.wide_units)

    @classmethod
    def space(cls) -> dict[str, tuple[Any, ...]]:
        """What `blocks.tune` tries; see `FeatureExtractor.space`."""
        return {
            "units": ("choice", [[128, 64], [256, 128], [256, 256], [512, 256]]),
            "dropout": ("float", 0.0, 0.5, False),
            "numeric_embeddings": ("choice", [None, "piecewise_linear", "periodic"]),
            "wide_units": ("int", 1, 32, True),
        }

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {
            **super().get_config(),
            "units": self.units,
            "wide_units": self.wide_units,
            "crosses": self.crosses,
            "activation": keras.activations.serialize(self.activation),
            "dropout": self.dropout,
            "embedding_dim": self.embedding_dim,
            "numeric_embeddings": self.numeric_embeddings,
        }
