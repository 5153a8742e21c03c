"""ONNX of an export: the SavedModel's own graph as one file, without the code that trained the model."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import keras
import pyarrow as pa
import tensorflow as tf

from blocks import classifiers, heads, postprocessors, regressors  # noqa: F401  (they are found by name)
from blocks.arguments import checked
from blocks.data import read
from blocks.errors import InvalidArgument
from blocks.export.export_manifest import read_manifest, sound
from blocks.export.exported_predictor import ExportedPredictor
from blocks.export.onnx_packages import onnx_module
from blocks.export.replay import ASSETS, KEYWORDS, read_arrays

UNITS: Final = "blocks>Units"


@checked()
def to_onnx(export: str | os.PathLike[str], path: str | os.PathLike[str], *, golden: Any = None) -> None:
    """Write an exported SavedModel as one ONNX file, which plain onnxruntime runs.

    The SavedModel's own graph is converted: neither the model nor blocks of one's own need be there. The file is what
    `model.export(path, format="onnx")` writes, kept on the same terms: onnxruntime must answer the export's golden rows
    as the model did that was exported, at once and in batches of 1 and 7. What ONNX has no operations for is refused by
    name: see `blocks.export.onnx_file.write_onnx`. Inputs stand by the byte order of their names.

    Args:
        export: The folder of an exported SavedModel. It is a program that TensorFlow runs: one whom you trust.
        path: The file to write, which must not exist.
        golden: Rows (a dict of columns or a table) to compare instead of those of the export.

    Raises:
        ImportError: The packages that ONNX needs are not installed: pip install 'ml-blocks[onnx]'.
        InvalidArgument: The folder is no export, or the file exists.
        MalformedData: The export is damaged.
        NotExportable: A block computes what ONNX has no operation for, or another answer than the model's comes out.
        WriteError: The operating system keeps it from being written.

    Example:
        >>> to_onnx("no/such/export", "model.onnx")
        Traceback (most recent call last):
        blocks.errors.InvalidArgument: no/such/export is no SavedModel that blocks exported: ...
    """
    manifest = read_manifest(export)
    file, comparison = onnx_module("onnx_file"), onnx_module("onnx_comparison")
    file.require_new(path)
    exported = ExportedPredictor(export)
    if golden is None:
        with sound(export, "its golden rows"):
            rows, answers = (
                read_arrays(Path(export) / ASSETS / f"golden_{name}.arrow") for name in ("rows", "answers")
            )
    else:
        rows = {name: tensor.numpy() for name, tensor in exported.tensors(_one_batch(golden)).items()}
        answers = {name: answer.numpy() for name, answer in exported.serve(rows).items()}
    with sound(export, "its heads"):
        of_heads = _scales(manifest, comparison.scales)
    strained = comparison.strain(exported.features(rows), len(next(iter(rows.values()))))
    expected = comparison.Expected(rows, answers, strained, of_heads)
    file.write_compared(_Signature(exported), path, expected, {**manifest, KEYWORDS: {}}, _chains(manifest))


class _Signature:
    """The signature `serve`, as what is converted."""

    def __init__(self, exported: ExportedPredictor) -> None:
        self.raw_signature = {name: tf.TensorSpec(raw.batch_shape, raw.dtype) for name, raw in exported.raw.items()}
        self._exported = exported

    def __call__(self, raw: Mapping[str, Any]) -> Mapping[str, Any]:
        return self._exported.serve(raw)


def _one_batch(golden: Any) -> pa.RecordBatch:
    """Rows as one batch.

    Raises:
        InvalidArgument: There are none.
    """
    table = read(golden).to_table()
    if not len(table):
        raise InvalidArgument("Golden rows are one at least. Received: none.")
    return table.combine_chunks().to_batches()[0]


def _scales(manifest: Mapping[str, Any], scales: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    """Of each head, of which numbers its answers are; answers of heads whose code is not here are held to 1e-6."""
    deserialize = keras.saving.deserialize_keras_object
    given = manifest.get("postprocessors", [])
    chains = given if isinstance(given, dict) else {"": given}
    units = {
        name: [deserialize(block) for block in chain if block["registered_name"] == UNITS]
        for name, chain in chains.items()
    }
    try:
        head = deserialize(manifest["head"])
    except TypeError:  # what Keras raises where it does not find a class
        return {one.get("name", ""): None for one in manifest["heads"]}
    return scales(head.heads, units)


def _chains(manifest: Mapping[str, Any]) -> dict[str, str]:
    """The blocks that each column goes through, in words."""
    found: dict[str, str] = {}
    for key, chains in manifest["preprocessor"].get("config", {}).get("columns", []):
        for column in [key] if isinstance(key, str) else key:
            found[str(column)] = " > ".join(str(block["class_name"]) for block in chains[-1])
    return found
