"""ONNX: a model as one file that plain onnxruntime runs, kept if it answers as the model does.

Loaded when it is asked for: it needs the packages of the extra `onnx`.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import onnx

from blocks.errors import InvalidArgument, NotExportable
from blocks.export.onnx_comparison import INSTEAD, Expected, compare, scales, strain
from blocks.export.onnx_conversion import Convertible, convert
from blocks.export.savedmodel import golden_rows, manifest_of
from blocks.files.durable import whole_file
from blocks.files.write_errors import explained
from blocks.inference.graph import InferenceGraph, raw_tensors
from blocks.inspection.adapted_rows import AdaptedRows

METADATA: Final = "blocks.manifest"


def write_onnx(
    graph: InferenceGraph,
    path: str | os.PathLike[str],
    *,
    golden: Any = None,
    fitted: bool = True,
    rows: AdaptedRows | None = None,
) -> None:
    """Write one ONNX file: raw columns (batch,), of windows (batch, n), to answers, both by their own names.

    Before the file gets its name, onnxruntime runs it on the golden rows, at once and in batches of 1 and 7: labels and
    other texts, integers and booleans must be the model's own, probabilities within 1e-6, a regressor's numbers within
    1e-5 of its target's standard deviation. What ONNX has no operations for is refused: hashes (`Hashing`, `Cross`,
    `GeoGrid`, `HashedNGrams`, `Vocabulary` of several `num_oov_indices`) and what is inside of texts (`Tokens`,
    `Subword`, `TfIdf`, `Vectors`, `MultiHot`, `Normalize`, `Extract`, `EmailDomain`, `Length`, `Number`, `Timestamp`,
    `Boolean` of words); images (`Image`, `ImageMissing`, `ConvNet`); and, of numbers, `Distance` and
    `QuantileTransform` to a normal distribution. All else goes: every other extractor, every head and postprocessor,
    several heads, windows. Columns enter as they enter a SavedModel, but text as UTF-8 alone. The manifest of an export
    lies in the file's metadata, as JSON under `blocks.manifest`.

    Args:
        graph: The parts, adapted.
        path: The file to write, which must not exist.
        golden: Rows (a dict of columns or a table) to compare; by default made up from learned statistics.
        fitted: Whether the core was trained.
        rows: What was kept of the rows that the model was adapted on.

    Raises:
        InvalidArgument: The file exists.
        NotExportable: A block computes what ONNX has no operation for, or another answer than the model's comes out.
        WriteError: The operating system keeps it from being written.
    """
    require_new(path)
    examples = raw_tensors(golden, graph.preprocessor) if golden is not None else golden_rows(graph)
    expected = Expected(
        {name: values.numpy() for name, values in examples.items()},
        {name: answer.numpy() for name, answer in graph(examples).items()},
        strain(graph.features(examples), len(next(iter(examples.values())))),
        scales(graph.head.heads, graph.chains),
    )
    chains = {
        column: " > ".join(type(block).__name__ for block in lane.blocks)
        for lane in graph.preprocessor.lanes
        for column in lane.columns
    }
    manifest = manifest_of(graph, {}, fitted, AdaptedRows() if rows is None else rows)
    write_compared(graph, path, expected, manifest, chains)


def require_new(path: str | os.PathLike[str]) -> None:
    """Refuse to write where there is a file.

    Raises:
        InvalidArgument: There is one.
    """
    if Path(path).exists():
        raise InvalidArgument(f"An export never overwrites. Received: {Path(path)}, which exists. Name a new version.")


def write_compared(
    graph: Convertible,
    path: str | os.PathLike[str],
    expected: Expected,
    manifest: Mapping[str, Any],
    chains: Mapping[str, str],
) -> None:
    """Write the file, if onnxruntime answers from it as is expected.

    Args:
        graph: Raw columns to answers.
        path: The file to write.
        expected: Rows and their answers.
        manifest: What the file says of itself.
        chains: The blocks that each column goes through, in words.

    Raises:
        NotExportable, WriteError: As `write_onnx`.
    """
    model = convert(graph, chains)
    onnx.helper.set_model_props(model, {METADATA: json.dumps(manifest, sort_keys=True)})
    with explained(final := Path(path)):
        final.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(final) as file:
            file.write_bytes(_serialized(model))
            compare(file, expected)


def _serialized(model: onnx.ModelProto) -> bytes:
    if model.ByteSize() >= 1 << 31:
        raise NotExportable(f"An ONNX file holds 2 GiB. Received: a model of {model.ByteSize():,} bytes. {INSTEAD}")
    return bytes(model.SerializeToString(deterministic=True))
