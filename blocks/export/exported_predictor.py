"""Exported: answers from a SavedModel alone, through its `serve` signature."""

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import tensorflow as tf

from blocks.data.arrow_types import is_list, is_time
from blocks.data.raw_arrays import to_raw
from blocks.data.raw_columns import RawColumn, raw_column
from blocks.data.schema import require_columns
from blocks.export.export_manifest import damaged, read_manifest, sound
from blocks.export.replay import keywords
from blocks.inference.predictor import to_numpy
from blocks.offline.dictionary_columns import TEXT, distinct_values, few_texts, positions, same_dictionary


class ExportedPredictor:
    """The SavedModel that `Model.export` wrote; its own graph answers, and no block of it is made anew.

    Args:
        path: Its folder.
        batch_size: Rows that go through the graph at once.

    Raises:
        InvalidArgument: The folder is no export of blocks.
        MalformedData: It is damaged.
    """

    concurrent = True

    def __init__(self, path: str | os.PathLike[str], batch_size: int = 8192) -> None:
        self._path, self._batch_size = Path(path), batch_size
        self._manifest = manifest = read_manifest(path)
        self._schema: dict[str, str] = manifest["schema"]
        with sound(path, "its kinds"):
            self._raw = {name: RawColumn.from_config(kind) for name, kind in manifest.get("kinds", {}).items()}
        if "kinds" in manifest and self._raw.keys() != self._schema.keys():
            raise damaged(path, "its kinds are of other columns than its schema")
        self._heads: list[dict[str, Any]] = manifest["heads"]
        with sound(path, "its SavedModel"):
            self._model = tf.saved_model.load(str(path))  # holds what the signature needs
            self._serve = self._model.signatures["serve"]
        self._texts: dict[str, tuple[pa.Array, Any]] = {}

    @property
    def inputs(self) -> Sequence[str]:
        """The raw columns of the signature."""
        return list(self._schema)

    @property
    def raw(self) -> dict[str, RawColumn]:
        """As what each raw column enters the graph; of exports of before kinds, by its dtype alone."""
        known = self._raw
        return {name: known[name] if name in known else RawColumn(dtype) for name, dtype in self._schema.items()}

    def tensors(self, rows: pa.RecordBatch) -> dict[str, Any]:
        """Rows as they enter the graph.

        Raises:
            SchemaMismatch: A column is missing or of another type.
        """
        return {name: tensor_of(slice(None)) for name, tensor_of in self._columns(rows).items()}

    def serve(self, tensors: Mapping[str, Any]) -> dict[str, Any]:
        """Columns as they enter the graph (tensors or arrays) to answers, as tensors."""
        return self._called(self._serve, tensors)

    def features(self, tensors: Mapping[str, Any]) -> dict[str, Any]:
        """Columns as they enter the graph (tensors or arrays) to packed features, as tensors."""
        return self._called(self._model.signatures["transform_features"], tensors)

    def _called(self, signature: Any, columns: Mapping[str, Any]) -> dict[str, Any]:
        tensors = {name: tf.convert_to_tensor(values) for name, values in columns.items()}
        return dict(signature(**keywords(self._manifest, tensors)))

    def answers(self, chunk: pa.RecordBatch) -> dict[str, np.ndarray]:
        """Every answer of a chunk.

        Raises:
            SchemaMismatch: A column is missing or of another type.
        """
        columns = self._columns(chunk)
        parts = []
        for start in range(0, len(chunk), self._batch_size):
            rows = slice(start, start + self._batch_size)
            tensors = {name: tensor_of(rows) for name, tensor_of in columns.items()}
            with sound(self._path, "its signature 'serve'"):
                parts.append(to_numpy(self.serve(tensors)))
        return {name: np.concatenate([part[name] for part in parts]) for name in sorted(parts[0])}

    def _columns(self, rows: pa.RecordBatch) -> dict[str, Callable[[slice], Any]]:
        """What gives the tensors of some of the rows, by column."""
        require_columns(self._schema, rows.schema.names, str(self._path))
        return {name: self._column(rows.column(name), name) for name in self._schema}

    def _column(self, values: pa.Array, name: str) -> Callable[[slice], Any]:
        """What gives the tensor of some rows of a column."""
        dtype, raw = self._schema[name], self._raw.get(name)
        if raw is None:  # exports of before said no more than the dtype
            of_type = is_list(values.type) or (dtype == "int64" and is_time(values.type))
            raw = raw_column(values.type) if of_type else RawColumn(dtype)
        if raw == TEXT and (few := few_texts(values)) is not None:
            known = self._texts.get(name)
            if known is None or not same_dictionary(known[0], few.dictionary):
                # Python makes a text of each of these, and TensorFlow copies those of the rows
                known = few.dictionary, tf.constant(distinct_values(few.dictionary, name), tf.string)
                self._texts[name] = known
            texts, places = known[1], positions(few)
            return lambda rows: tf.gather(texts, places[rows])
        array = to_raw(values, raw, name)
        return lambda rows: tf.constant(array[rows], dtype)

    def describe(self) -> dict[str, Any]:
        """A digest of the files, and the heads."""
        digest = hashlib.blake2b(digest_size=16)
        for file in sorted(self._path.rglob("*")):
            if file.is_file() and file.parent.name in ("variables", "assets", self._path.name):
                digest.update(f"{file.name}:{file.stat().st_size}".encode())
                with file.open("rb") as handle:
                    digest.update(hashlib.file_digest(handle, hashlib.blake2b).digest())
        return {"model": digest.hexdigest(), "heads": self._heads}
