"""Exported: answers from a SavedModel alone, through its `serve` signature."""

import hashlib
import os
from collections.abc import Mapping, Sequence
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


class ExportedPredictor:
    """The SavedModel that `Model.export` wrote; its own graph answers, and no block of it is made anew.

    Args:
        path: Its folder.
        batch_size: Rows that go through the graph at once.

    Raises:
        InvalidArgument: The folder is no export of blocks.
        MalformedData: It is damaged.
    """

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
        require_columns(self._schema, rows.schema.names, str(self._path))
        return {name: self._tensor(rows, name) for name in self._schema}

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
        parts = []
        for start in range(0, len(chunk), self._batch_size):
            rows = chunk.slice(start, self._batch_size)
            tensors = self.tensors(rows)
            with sound(self._path, "its signature 'serve'"):
                parts.append(to_numpy(self.serve(tensors)))
        return {name: np.concatenate([part[name] for part in parts]) for name in sorted(parts[0])}

    def _tensor(self, rows: pa.RecordBatch, name: str) -> Any:
        values, dtype = rows.column(name), self._schema[name]
        raw = self._raw.get(name)
        if raw is None:  # exports of before said no more than the dtype
            of_type = is_list(values.type) or (dtype == "int64" and is_time(values.type))
            raw = raw_column(values.type) if of_type else RawColumn(dtype)
        return tf.constant(to_raw(values, raw, name), dtype)

    def describe(self) -> dict[str, Any]:
        """A digest of the files, and the heads."""
        digest = hashlib.blake2b(digest_size=16)
        for file in sorted(self._path.rglob("*")):
            if file.is_file() and file.parent.name in ("variables", "assets", self._path.name):
                digest.update(f"{file.name}:{file.stat().st_size}".encode())
                with file.open("rb") as handle:
                    digest.update(hashlib.file_digest(handle, hashlib.blake2b).digest())
        return {"model": digest.hexdigest(), "heads": self._heads}
