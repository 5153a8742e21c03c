"""TabularInputs: packed features to vectors; the beginning that extractors share. Not a block."""

import math
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from blocks.block import number_names
from blocks.errors import InvalidArgument
from blocks.feature_extractors.numeric import LinearEmbeddings, as_config, from_config
from blocks.features.spec import CATEGORICAL, NUMERIC, Entry, FeatureSpec

DENSE_COLUMNS = 8192
"""Columns up to which sparse rows are multiplied as dense ones."""


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
    """Every feature as a vector: numbers as they are or embedded, ids embedded, tokens embedded and averaged.

    Trained, and free of any backend. Tokens are averaged over those that are not padding (id 0). A sparse entry is one
    vector: the sum of its columns' vectors, each times its value, which is a linear layer over the dense columns. So is
    a window: its values one beside the other, numbers as they are whatever `numeric_embeddings` says (which would give
    each of them an embedding of its own), ids by one table for all places; with `token_dim`, a linear map of these.
    Extractors that read steps of time take the entries themselves, (batch, values) or (batch, values, k).

    Args:
        spec: The packed features' specification; None for a plain float tensor, whose columns are numbers.
        embedding_dim: Width of every embedding of ids; None for `embedding_width` of each cardinality.
        numeric_embeddings: None (a number is a vector of width 1), "piecewise_linear", "periodic", or one of the layers
            of `blocks.feature_extractors.numeric`.
        token_dim: Width that every feature's vector gets, for extractors that want features apart; None for all
            vectors side by side.

    Returns:
        Float tensor of shape (batch, width); with `token_dim`, (batch, features, token_dim). Numbers first, then ids,
        those of one width together, then tokens, then sparse entries, then windows.

    Raises:
        InvalidArgument: At build, when ids have no specification, or an entry is none of these.
    """

    def __init__(
        self,
        spec: FeatureSpec | Mapping[str, Any] | None = None,
        embedding_dim: int | None = None,
        numeric_embeddings: Any = None,
        token_dim: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"autocast": False, **kwargs})
        self.spec = spec if spec is None or isinstance(spec, FeatureSpec) else FeatureSpec.from_json(spec)
        self.embedding_dim = embedding_dim if token_dim is None else token_dim
        self.numeric_embeddings = as_config(numeric_embeddings)
        self.token_dim = token_dim

    def _width(self, cardinality: int) -> int:
        return self.embedding_dim or embedding_width(cardinality)

    def _groups(self) -> dict[int, list[tuple[int, int]]]:
        """Embedding width to the columns that have it: (position, cardinality)."""
        groups: dict[int, list[tuple[int, int]]] = {}
        if self.spec is not None and CATEGORICAL in self.spec:
            for position, feature in enumerate(self.spec[CATEGORICAL].features):
                assert feature.cardinality is not None
                groups.setdefault(self._width(feature.cardinality), []).append((position, feature.cardinality))
        return dict(sorted(groups.items()))

    def _sequences(self) -> dict[str, int]:
        """The entries of tokens, with their cardinalities."""
        found = {}
        for name, entry in (self.spec or {}).items():
            tokens = entry.dtype == "int32" and len(entry.shape) == 1 and not entry.window
            if name not in (NUMERIC, CATEGORICAL) and tokens:
                cardinality = entry.features[0].cardinality
                assert cardinality is not None
                found[name] = cardinality
        return found

    def sparse_entries(self) -> dict[str, int]:
        """The sparse entries, with their numbers of columns."""
        return {name: entry.columns for name, entry in (self.spec or {}).items() if entry.sparse}

    def window_entries(self) -> dict[str, Entry]:
        """The entries of windows."""
        return {name: entry for name, entry in (self.spec or {}).items() if entry.window}

    def numbers_of_windows(self) -> int:
        """How many numbers the windows of numbers hold."""
        return sum(self._window_width(one) for one in self.window_entries().values() if one.dtype == "float32")

    def with_windows(self, packed: Mapping[str, Any]) -> Any:
        """Numbers, and those of windows, side by side as they are."""
        windows = {name: one for name, one in self.window_entries().items() if one.dtype == "float32"}
        parts = [packed[NUMERIC]] if NUMERIC in packed else []
        parts += [ops.reshape(packed[name], (-1, self._window_width(one))) for name, one in windows.items()]
        return parts[0] if len(parts) == 1 else ops.concatenate(parts, axis=1)

    def _window_width(self, entry: Entry) -> int:
        """The width of a window's values one beside the other."""
        values = math.prod(size or 1 for size in entry.shape)
        cardinality = entry.features[0].cardinality
        return values if cardinality is None else values * self._width(cardinality)

    def _check(self, input_shape: Any) -> None:
        if not isinstance(input_shape, Mapping):
            return
        if self.spec is None and set(input_shape) - {NUMERIC}:
            raise InvalidArgument(
                "Ids are embedded by their cardinality. Received: categorical features and no specification. "
                "Give the extractor spec=columns.spec, or let blocks.Model bind it."
            )
        known = {NUMERIC, CATEGORICAL, *self._sequences(), *self.sparse_entries(), *self.window_entries()}
        unused = sorted(set(input_shape) - known)
        if unused:
            raise InvalidArgument(
                f"A tabular extractor needs numbers or ids. Received: {sorted(input_shape)}. Give {', '.join(unused)} "
                "to an extractor of its own: Joined({{{unused[0]!r}: ...}}), or Keras(..., inputs={unused[0]!r}) alone."
            )

    def build(self, input_shape: Any) -> None:
        """Make the embeddings."""
        self._check(input_shape)
        numbers = input_shape.get(NUMERIC) if isinstance(input_shape, Mapping) else input_shape
        self.numbers = None
        if numbers is not None:
            options = {"dtype": self.dtype_policy, "name": "numbers"}
            if self.numeric_embeddings is not None:
                names = number_names(self.spec, numbers[-1])
                dim = {} if self.token_dim is None else {"dim": self.token_dim}
                self.numbers = from_config(self.numeric_embeddings, names=names, **dim, **options)
            elif self.token_dim is not None:
                self.numbers = LinearEmbeddings(self.token_dim, **options)
            if self.numbers is not None:
                self.numbers.build(numbers)
        random = keras.initializers.RandomNormal
        self.tables = []
        for width, columns in self._groups().items():
            total = sum(cardinality for _, cardinality in columns)
            table = self.add_weight((total, width), initializer=random(stddev=0.05), name=f"embeddings_{width}")
            self.tables.append(table)
        self.words = []
        for name, cardinality in self._sequences().items():
            shape = (cardinality, self._width(cardinality))
            self.words.append(self.add_weight(shape, initializer=random(stddev=0.05), name=f"tokens_{name}"))
        self.summed = []
        for name, size in self.sparse_entries().items():
            shape = (size, self._width(size))
            self.summed.append(self.add_weight(shape, initializer="glorot_uniform", name=f"sparse_{name}"))
        self.places: dict[str, Any] = {}
        self.maps: dict[str, Any] = {}
        for name, entry in self.window_entries().items():
            if (ids := entry.features[0].cardinality) is not None:
                normal, called = random(stddev=0.05), f"embeddings_window_{name}"
                self.places[name] = self.add_weight((ids, self._width(ids)), initializer=normal, name=called)
            if self.token_dim is not None:
                self.maps[name] = keras.layers.Dense(self.token_dim, dtype=self.dtype_policy, name=f"window_{name}")
                self.maps[name].build((None, self._window_width(entry)))
        self.built = True

    def call(self, inputs: Any) -> Any:
        """One vector a row, or one a feature."""
        parts = self._vectors(inputs)
        if self.token_dim is None:
            parts = [ops.reshape(part, (-1, part.shape[1] * part.shape[2])) for part in parts]
        return parts[0] if len(parts) == 1 else ops.concatenate(parts, axis=1)

    def _vectors(self, inputs: Any) -> list[Any]:
        """Vectors of shape (batch, features, width), those of one width together."""
        dtype = self.compute_dtype
        packed = inputs if isinstance(inputs, Mapping) else {NUMERIC: inputs}
        parts = []
        if NUMERIC in packed:
            values = packed[NUMERIC]
            parts.append(ops.cast(values, dtype)[..., None] if self.numbers is None else self.numbers(values))
        for table, columns in zip(self.tables, self._groups().values(), strict=True):
            ids, places = packed[CATEGORICAL], [position for position, _ in columns]
            if places != list(range(ids.shape[1])):
                ids = ops.take(ids, np.array(places, np.int32), axis=1)
            # each column's rows of the table stand behind those of the columns before it
            before = np.cumsum([0, *(cardinality for _, cardinality in columns[:-1])]).astype(np.int32)
            parts.append(ops.cast(ops.take(table, ids + before, axis=0), dtype))
        for table, name in zip(self.words, self._sequences(), strict=True):
            there = ops.cast(ops.not_equal(packed[name], 0), dtype)[..., None]
            total = ops.sum(ops.cast(ops.take(table, packed[name], axis=0), dtype) * there, axis=1, keepdims=True)
            parts.append(total / ops.maximum(ops.sum(there, axis=1, keepdims=True), 1))
        for table, name in zip(self.summed, self.sparse_entries(), strict=True):
            parts.append(ops.expand_dims(weighted_sum(packed[name], table, dtype), 1))
        for name, entry in self.window_entries().items():
            values = packed[name]
            if name in self.places:
                values = ops.take(self.places[name], values, axis=0)
            values = ops.reshape(ops.cast(values, dtype), (-1, self._window_width(entry)))
            parts.append(ops.expand_dims(self.maps[name](values) if name in self.maps else values, 1))
        return parts

    def widths(self, input_shape: Any) -> list[int]:
        """The width of each feature's vector, in order."""
        numbers = input_shape.get(NUMERIC) if isinstance(input_shape, Mapping) else input_shape
        found = []
        if numbers is not None:
            width = 1 if self.numbers is None else self.numbers.compute_output_shape(numbers)[-1]
            found += [width] * numbers[-1]
        for width, columns in self._groups().items():
            found += [width] * len(columns)
        found += [self._width(size) for size in (*self._sequences().values(), *self.sparse_entries().values())]
        return found + [self.token_dim or self._window_width(entry) for entry in self.window_entries().values()]

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        """(batch, width), or (batch, features, token_dim)."""
        widths = self.widths(input_shape)
        return (None, sum(widths)) if self.token_dim is None else (None, len(widths), self.token_dim)

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {
            **super().get_config(),
            "spec": self.spec.to_json() if self.spec is not None else None,
            "embedding_dim": self.embedding_dim,
            "numeric_embeddings": self.numeric_embeddings,
            "token_dim": self.token_dim,
        }


def weighted_sum(pairs: Any, table: Any, dtype: str) -> Any:
    """The rows of a table summed, each times its value, for each row of pairs: sparse rows times a matrix.

    Up to 8,192 columns a batch is made dense, which is as fast and bounds what a row with many values takes; beyond,
    the table's rows are gathered.

    Args:
        pairs: float32 (batch, most, 2), of each value its column and itself; (0, 0) adds nothing.
        table: (columns, width).
        dtype: In which to compute.

    Returns:
        (batch, width).
    """
    columns, values = ops.cast(pairs[..., 0], "int32"), ops.cast(pairs[..., 1], dtype)
    table = ops.cast(table, dtype)
    width = table.shape[0]
    if width > DENSE_COLUMNS:
        rows = ops.take(table, columns, axis=0)
        return ops.squeeze(ops.matmul(ops.expand_dims(values, 1), rows), 1)
    batch = ops.shape(pairs)[0]
    cells = columns + ops.expand_dims(ops.arange(batch, dtype="int32") * width, 1)
    dense = ops.segment_sum(ops.reshape(values, (-1,)), ops.reshape(cells, (-1,)), num_segments=batch * width)
    return ops.matmul(ops.reshape(dense, (batch, width)), table)


def inputs_of(extractor: Any, input_shape: Any, **kwargs: Any) -> TabularInputs:
    """The inputs of an extractor, in its precision and built, as its `embedding_dim` and `numeric_embeddings` say."""
    layer = TabularInputs(
        extractor.spec,
        extractor.embedding_dim,
        extractor.numeric_embeddings,
        dtype=extractor.dtype_policy,
        name="inputs",
        **kwargs,
    )
    layer.build(input_shape)
    return layer
