"""TabularInputs: packed features to one vector a row; the beginning that extractors share. Not a block."""

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from blocks.errors import InvalidArgument
from blocks.features import CATEGORICAL, NUMERIC, FeatureSpec


def embedding_width(cardinality: int) -> int:
    """The width of an id's embedding: `min(50, 1.6 * cardinality ** 0.56)`, rounded up to a power of two, 64 at most.

    The rule is fastai's; powers of two let columns of one width share a table, and so a single gather.

    Example:
        >>> embedding_width(3), embedding_width(100), embedding_width(1_000_000)
        (4, 32, 64)
    """
    wanted = min(50.0, 1.6 * cardinality**0.56)
    return next(width for width in (2, 4, 8, 16, 32, 64) if width >= wanted)


@keras.saving.register_keras_serializable(package="blocks")
class TabularInputs(keras.layers.Layer):
    """Numbers as they are and ids embedded, side by side in one vector a row. Trained, and free of any backend.

    Args:
        spec: The packed features' specification; None for a plain float tensor, which passes.
        embedding_dim: Width of every embedding; None for `embedding_width` of each cardinality.

    Returns:
        Float tensor of shape (batch, width).

    Raises:
        InvalidArgument: At build, when ids come without a specification, or there is nothing tabular in it.
    """

    def __init__(self, spec: FeatureSpec | Mapping[str, Any] | None, embedding_dim: int | None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.spec = spec if spec is None or isinstance(spec, FeatureSpec) else FeatureSpec.from_json(spec)
        self.embedding_dim = embedding_dim

    def _groups(self) -> dict[int, list[tuple[int, int]]]:
        """Embedding width to the columns that have it: (position, cardinality)."""
        groups: dict[int, list[tuple[int, int]]] = {}
        if self.spec is not None and CATEGORICAL in self.spec:
            for position, feature in enumerate(self.spec[CATEGORICAL].features):
                assert feature.cardinality is not None
                width = self.embedding_dim or embedding_width(feature.cardinality)
                groups.setdefault(width, []).append((position, feature.cardinality))
        return dict(sorted(groups.items()))

    def build(self, input_shape: Any) -> None:
        """Make a table for each width."""
        if isinstance(input_shape, Mapping):
            if self.spec is None and CATEGORICAL in input_shape:
                raise InvalidArgument(
                    "Ids are embedded by their cardinality. Received: categorical features and no specification. "
                    "Give the extractor spec=columns.spec, or let blocks.Model bind it."
                )
            if not {NUMERIC, CATEGORICAL} & set(input_shape):
                raise InvalidArgument(f"A tabular extractor needs numbers or ids. Received: {sorted(input_shape)}.")
        self.tables = []
        for width, columns in self._groups().items():
            total = sum(cardinality for _, cardinality in columns)
            table = self.add_weight(
                (total, width), initializer=keras.initializers.RandomNormal(stddev=0.05), name=f"embeddings_{width}"
            )
            self.tables.append(table)
        self.built = True

    def call(self, inputs: Any) -> Any:
        """One vector a row."""
        if not isinstance(inputs, Mapping):
            return ops.cast(inputs, self.compute_dtype)
        parts = [ops.cast(inputs[NUMERIC], self.compute_dtype)] if NUMERIC in inputs else []
        for table, columns in zip(self.tables, self._groups().values(), strict=True):
            offset, shifted = 0, []
            for position, cardinality in columns:
                shifted.append(inputs[CATEGORICAL][:, position] + offset)
                offset += cardinality
            vectors = ops.take(table, ops.stack(shifted, axis=1), axis=0)
            parts.append(ops.reshape(vectors, (-1, vectors.shape[1] * vectors.shape[2])))
        return parts[0] if len(parts) == 1 else ops.concatenate(parts, axis=-1)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """(batch, width)."""
        if not isinstance(input_shape, Mapping):
            return tuple(input_shape)
        numbers = input_shape[NUMERIC][1] if NUMERIC in input_shape else 0
        return (None, numbers + sum(width * len(columns) for width, columns in self._groups().items()))

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        spec = self.spec.to_json() if self.spec is not None else None
        return {**super().get_config(), "spec": spec, "embedding_dim": self.embedding_dim}
