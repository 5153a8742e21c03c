"""Servable: one version of a model, loaded from its export, proven on its golden rows, and run on matrices."""

import os
from collections.abc import Mapping, Sequence
from functools import partial
from math import prod
from pathlib import Path
from typing import Any, Final

import numpy as np
import tensorflow as tf

from blocks.data.raw_columns import RawColumn
from blocks.errors import BlocksError, MalformedData
from blocks.export.adapted_rows_files import read_reference
from blocks.export.export_manifest import TOLERANCE, TOLERANCES, damaged, read_manifest, sound
from blocks.export.packed_columns import PackedColumns
from blocks.export.replay import ASSETS, differing, distance, keywords, read_arrays
from blocks.inspection.drift.drift_reference import KeptColumn
from blocks.inspection.schema.request_check import EXPORTED, RequestCheck
from blocks.serving.input_matrices import InputMatrices
from blocks.targets.description import HeadDescription

PACKED: Final = "serve_packed"
WORDS: Final = {
    "ENUM_TYPE_UNEXPECTED_STRING_VALUES": "a text that training rows did not have",
    "INT_TYPE_SMALL_INT": "a number below those of training rows",
    "INT_TYPE_BIG_INT": "a number above those of training rows",
    "FLOAT_TYPE_SMALL_FLOAT": "a number below those of training rows",
    "FLOAT_TYPE_BIG_FLOAT": "a number above those of training rows",
    "FLOAT_TYPE_HAS_INF": "an infinite number",
    "UNEXPECTED_DATA_TYPE": "a value of another type than training rows had",
    "MISSING_VALUE": "a missing value, which training rows did not have",
}
"""What TensorFlow Data Validation's names of anomalies say."""
WARM_UP_ROWS: Final = (1, 2, 8, 24)


class Servable:
    """What answers requests for one version.

    Args:
        path: The export's folder.
        version: Its number.
        model: What requests call the model.

    Raises:
        InvalidArgument: The folder is no export of blocks.
        MalformedData: It is damaged, or its golden rows give other features or answers than they must.

    Attributes:
        version: Its number.
        model: What requests call the model.
        manifest: What the export says of itself.
        inputs: Makes requests into matrices.
        heads: What the answers are of.
        trained_on: What the values of columns were in training, as far as the export keeps it.
        spread: How they were spread, as far as that.
    """

    def __init__(self, path: str | os.PathLike[str], version: int = 1, model: str = "") -> None:
        self.version, self.model = version, model
        self.path = Path(path)
        self.manifest = read_manifest(path)
        schema = self.manifest["schema"]
        with sound(path, "its kinds"):
            kinds = self.manifest.get("kinds") or schema
            raw = {name: RawColumn.from_config(kinds[name]) for name in schema}
            packed = PackedColumns.of({name: (schema[name], one.shape) for name, one in raw.items()})
            if "packed" in self.manifest and self.manifest["packed"] != packed.to_json():
                raise damaged(path, "its packed columns are of another order than its schema")
        self.packed = packed
        self.inputs = InputMatrices(raw, packed)
        self.heads = [HeadDescription.from_json(head) for head in self.manifest["heads"]]
        with sound(path, "its SavedModel"):
            self._model = tf.saved_model.load(str(path))  # holds what the signatures need
            self.signatures: Mapping[str, Any] = dict(self._model.signatures)
            self._run = self.signatures.get(PACKED) or self._packing(self.signatures["serve"])
        self._runners: dict[str, Any] = {}
        with sound(path, "its schema"):
            self.request_check = RequestCheck.of_export(path) if (self.path / EXPORTED).exists() else None
        self.spread = _spread(self.path)
        self.trained_on = {name: column.holds for name, column in self.spread.items()}
        self.golden_rows = self._prove()

    def _packing(self, serve: Any) -> Any:
        """The packed signature, of an export that was made before there was one."""
        packed, manifest = self.packed, self.manifest

        def run(**matrices: Any) -> Any:
            return serve(**keywords(manifest, packed.unpack(matrices)))

        function = tf.function(run, autograph=False)
        return function.get_concrete_function(**packed.specs())

    def run(self, matrices: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The answers of packed rows, (rows, ...) each; texts are bytes."""
        found = self._run(**{name: tf.constant(values) for name, values in matrices.items()})
        return {name: value.numpy() for name, value in found.items()}

    def transform(self, matrices: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The features of packed rows."""
        return self.run_signature("transform_features", keywords(self.manifest, self.unpack(matrices)))

    def run_signature(self, name: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The outputs of any other signature, by its inputs as Python calls them."""
        found = self.signatures[name](**{key: tf.constant(values) for key, values in inputs.items()})
        return {key: value.numpy() for key, value in found.items()}

    def unpack(self, matrices: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Matrices as columns, (rows, *shape) each."""
        columns = {}
        for matrix, of in self.packed.columns.items():
            start = 0
            for name, shape in of.items():
                part = matrices[matrix][:, start : start + prod(shape)]
                columns[name] = part.reshape(-1, *shape).astype(_numpy_dtype(self.packed.dtypes[name]), copy=False)
                start += prod(shape)
        return columns

    def pack(self, columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Columns as the graph takes them, (rows, *shape) each, as matrices."""
        found = {}
        for matrix, of in self.packed.columns.items():
            parts = [np.asarray(columns[name]).reshape(len(columns[name]), -1) for name in of]
            joined = np.concatenate(parts, axis=1)
            found[matrix] = joined.astype(np.float64) if matrix == "numbers" else joined
        return found

    def _prove(self) -> dict[str, np.ndarray]:
        """Run the golden rows, which warms the graph up too; they are what requests may look like.

        Raises:
            MalformedData: They give other bits than when the model was exported.
        """
        folder = self.path / ASSETS
        with sound(self.path, "its golden rows"):
            rows, features, answers = (
                read_arrays(folder / f"golden_{name}.arrow") for name in ("rows", "features", "answers")
            )
            matrices = self.pack(rows)
        for count in WARM_UP_ROWS:
            found = self.run({name: values[:count] for name, values in matrices.items()})
        found = self.run(matrices)
        called = keywords(self.manifest, rows)
        made = self.run_signature("transform_features", called)
        for name, expected in features.items():
            if name not in made or any(differing(expected, made[name])):
                raise MalformedData(
                    f"The export '{self.path}' gives other features of its golden rows than when it was made "
                    f"(entry {name!r}). Export it on this TensorFlow, or serve it on the one it was made with "
                    f"({self.manifest.get('versions', {}).get('tensorflow', 'not said')})."
                )
        # another processor may sum in another order
        tolerance = TOLERANCES.get(self.manifest.get("compute_dtype", "float32"), TOLERANCE)
        for name, expected in answers.items():
            if name not in found or distance(expected, found[name]) > tolerance:
                raise MalformedData(
                    f"The export '{self.path}' gives other answers to its golden rows than when it was made "
                    f"({name!r}). Export the model again."
                )
        return rows

    def look(self, matrices: Mapping[str, np.ndarray], counted: bool) -> list[str]:
        """What of packed rows is not as it was in training, in words without values; nothing without a schema.

        Args:
            matrices: The rows.
            counted: Whether they are counted by column.
        """
        if self.request_check is None:
            return []
        found = self.request_check(self.unpack(matrices), count=counted)
        return [
            f"Column {one.column!r}: {WORDS.get(one.kind, one.kind)} in {one.rows} row{'s' if one.rows > 1 else ''}"
            for one in found
        ]

    def runner(self, signature: str) -> Any:
        """What runs a signature on arrays, "" being the model's answers; the same object each time."""
        if signature == "":
            return self.run
        if signature == "transform_features":
            return self.transform
        return self._runners.setdefault(signature, partial(self.run_signature, signature))

    @property
    def answer_specs(self) -> Mapping[str, tuple[str, Sequence[int | None]]]:
        """Of each answer, its dtype and shape, None for the rows."""
        outputs = self.signatures["serve"].structured_outputs
        return {name: (outputs[name].dtype.name, outputs[name].shape.as_list()) for name in sorted(outputs)}


def _spread(path: Path) -> dict[str, KeptColumn]:
    try:
        reference = read_reference(path)
    except BlocksError:  # no answer depends on it
        return {}
    return {} if reference is None else reference.columns


def _numpy_dtype(dtype: str) -> Any:
    return object if dtype == "string" else dtype
