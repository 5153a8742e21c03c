"""ONNX: an inference graph as one file that plain onnxruntime runs, kept if it answers as the model does.

Loaded when it is asked for: it needs the packages of the extra `onnx`.
"""

import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import onnx
import tensorflow as tf
from tf2onnx import optimizer, tf_loader, tfonnx

from blocks.errors import InvalidArgument, NotExportable
from blocks.export.onnx_comparison import INSTEAD, compare, strain
from blocks.export.onnx_operations import handlers
from blocks.export.savedmodel import golden_rows, manifest_of
from blocks.files.durable import whole_file
from blocks.files.write_errors import explained
from blocks.inference.graph import InferenceGraph, raw_tensors
from blocks.inspection.adapted_rows import AdaptedRows

OPSET: Final = 19
"""The first that compares strings. tf2onnx makes 18, of which every operation means the same in 19."""
_MADE_OPSET: Final = 18
_IR_VERSION: Final = 9
METADATA: Final = "blocks.manifest"


def write_onnx(
    graph: InferenceGraph,
    path: str | os.PathLike[str],
    *,
    golden: Any = None,
    fitted: bool = True,
    rows: AdaptedRows | None = None,
) -> None:
    """Write one ONNX file: raw columns (batch,) to answers, both by their own names.

    Before the file gets its name, onnxruntime runs it on the golden rows, at once and in batches of 1 and 7: labels and
    other texts, integers and booleans must be the model's own, probabilities within 1e-6, a regressor's numbers within
    1e-5 of its target's standard deviation. What ONNX has no operations for is refused: hashes (`Hashing`, `Cross`,
    `GeoGrid`, `Vocabulary` of several `num_oov_indices`) and what is inside of texts (`Tokens`, `TfIdf`, `MultiHot`,
    `Normalize`, `Extract`, `Length`, `Number`, `Timestamp`, `Boolean` of words); and, of numbers, `Distance` and
    `QuantileTransform` to a normal distribution. Columns enter as they enter a SavedModel, but text as UTF-8 alone. The
    manifest of an export lies in the file's metadata, as JSON under `blocks.manifest`.

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
    final = Path(path)
    if final.exists():
        raise InvalidArgument(f"An export never overwrites. Received: {final}, which exists. Name a new version.")
    examples = raw_tensors(golden, graph.preprocessor) if golden is not None else golden_rows(graph)
    answers = {name: answer.numpy() for name, answer in graph(examples).items()}
    model = convert(graph)
    manifest = manifest_of(graph, {}, fitted, AdaptedRows() if rows is None else rows)
    onnx.helper.set_model_props(model, {METADATA: json.dumps(manifest, sort_keys=True)})
    with explained(final):
        final.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(final) as file:
            file.write_bytes(_serialized(model))
            compare(
                graph,
                file,
                {name: values.numpy() for name, values in examples.items()},
                answers,
                strain(graph, examples),
            )


def convert(graph: InferenceGraph) -> onnx.ModelProto:
    """An inference graph as an ONNX model, not yet compared with it.

    Raises:
        NotExportable: As `write_onnx`.
    """
    names = list(graph.raw_signature)
    frozen, tables, inputs, outputs, shapes = _frozen(graph)
    with _refusals() as refused, tf.Graph().as_default() as imported:
        tf.import_graph_def(frozen, name="")
        try:
            made = tfonnx.process_tf_graph(
                imported,
                opset=_MADE_OPSET,
                custom_op_handlers=handlers(tables),
                input_names=list(inputs),
                output_names=list(outputs),
                tensors_to_rename={**inputs, **outputs},
                initialized_tables=tables,
            )
            model = optimizer.optimize_graph(made, catch_errors=False).make_model("blocks")
        except Exception as error:
            if not refused:
                raise NotExportable(f"The model cannot become ONNX: {error}. {INSTEAD}") from error
    if refused:
        raise NotExportable(_told(refused, frozen, inputs, graph))
    _finish(model, names, shapes)
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        raise NotExportable(f"The model cannot become ONNX: {error} {INSTEAD}") from error
    return model


def _frozen(graph: InferenceGraph) -> tuple[Any, dict[bytes, Any], dict[str, str], dict[str, str], dict[str, Any]]:
    """The graph with its weights as constants, its tables, names of inputs and outputs, answers' shapes."""
    names = list(graph.raw_signature)
    answers: list[str] = []

    def serve(*columns: Any) -> list[Any]:
        made = graph(dict(zip(names, columns, strict=True)))
        answers[:] = made
        return list(made.values())

    signature = [
        tf.TensorSpec(spec.shape, spec.dtype, name=f"input_{place}")
        for place, spec in enumerate(graph.raw_signature.values())
    ]
    function = tf.function(serve, input_signature=signature, autograph=False).get_concrete_function()
    inputs = [tensor.name for tensor in function.inputs[: len(names)]]
    outputs = [tensor.name for tensor in function.outputs]
    if both := set(names) & set(answers):
        raise NotExportable(
            f"In an ONNX file every name stands once. Received: {sorted(both)[0]!r}, a column and an answer. "
            "Rename the column."
        )
    with _refusals():
        try:
            frozen, tables = tf_loader.from_trackable(tf.Module(), function, inputs, outputs, False)
        except ValueError as error:
            raise NotExportable(f"The model cannot become ONNX: {error}. {INSTEAD}") from error
    shapes = {name: tensor.shape for name, tensor in zip(answers, function.outputs, strict=True)}
    return frozen, tables, dict(zip(inputs, names, strict=True)), dict(zip(outputs, answers, strict=True)), shapes


class _Refusals(logging.Handler):
    """Keeps what tf2onnx says of operations that it cannot convert, and goes on from."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.nodes: dict[str, str] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Take the node's name, and its operation where it is said."""
        if not isinstance(record.msg, str) or not record.args or not isinstance(record.args, tuple):
            return
        if record.msg.startswith("Tensorflow op [%s: %s] is not supported"):
            self.nodes[str(record.args[0])] = str(record.args[1])
        elif record.msg.startswith("Failed to convert node"):
            self.nodes[str(record.args[0])] = ""


@contextmanager
def _refusals() -> Iterator[dict[str, str]]:
    """The operations, by node, that tf2onnx cannot convert meanwhile; what it logs goes nowhere else."""
    kept = _Refusals()
    logger, of_tensorflow = logging.getLogger("tf2onnx"), tf.get_logger()
    before = logger.handlers[:], logger.propagate, logger.level, of_tensorflow.level
    logger.handlers[:], logger.propagate = [kept], False
    logger.setLevel(logging.ERROR)
    of_tensorflow.setLevel(logging.ERROR)  # it warns of collections that a graph of no session lacks
    try:
        yield kept.nodes
    finally:
        logger.handlers[:], logger.propagate = before[0], before[1]
        logger.setLevel(before[2])
        of_tensorflow.setLevel(before[3])


def _told(refused: Mapping[str, str], frozen: Any, inputs: Mapping[str, str], graph: InferenceGraph) -> str:
    """What is said of operations that have no ONNX: their names, and the columns that lead to them."""
    nodes = {node.name: node for node in frozen.node}
    for function in frozen.library.function:
        nodes.update({node.name: node for node in function.node_def})
    operations = sorted(
        {refused[name] or nodes[name].op if name in nodes else refused[name] or name for name in refused}
    )
    columns = _columns_before(refused, nodes, {tensor.partition(":")[0]: name for tensor, name in inputs.items()})
    where = ""
    if 0 < len(columns) < len(inputs) or len(inputs) == 1:
        chains = {
            column: " > ".join(type(block).__name__ for block in lane.blocks)
            for lane in graph.preprocessor.lanes
            for column in lane.columns
        }
        told = [f"{column!r} ({chains[column]})" if column in chains else repr(column) for column in columns]
        more = f" and {len(told) - 5} more" if len(told) > 5 else ""
        where = f" of column {', '.join(told[:5])}{more}"
    return (
        f"ONNX files hold ONNX's own operations alone. Received: {', '.join(operations)}{where}, which TensorFlow has "
        f"and ONNX has not. {INSTEAD}"
    )


def _columns_before(
    found: Sequence[str] | Mapping[str, str], nodes: Mapping[str, Any], columns: Mapping[str, str]
) -> list[str]:
    """The columns that nodes are computed from."""
    waiting, seen = list(found), set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        if name in nodes:
            waiting += [one.lstrip("^").partition(":")[0] for one in nodes[name].input]
    return [column for tensor, column in columns.items() if tensor in seen]


def _finish(model: onnx.ModelProto, names: Sequence[str], shapes: Mapping[str, Any]) -> None:
    """The opset that compares strings, inputs in the columns' order, answers' shapes, rows as the batch."""
    for imported in model.opset_import:
        if imported.domain == "":
            imported.version = OPSET
    model.ir_version = _IR_VERSION
    model.producer_name, model.producer_version = "ml-blocks", version("ml-blocks")
    inputs = {one.name: one for one in model.graph.input}
    ordered = [inputs[name] for name in names if name in inputs]
    for answer in model.graph.output:
        made, shape = answer.type.tensor_type, shapes[answer.name]
        if shape.rank is not None:
            del made.shape.dim[:]
            made.shape.dim.extend(onnx.TensorShapeProto.Dimension(dim_value=size) for size in shape)
    for one in (*ordered, *model.graph.output):
        if one.type.tensor_type.shape.dim:
            one.type.tensor_type.shape.dim[0].dim_param = "batch"
    kept = [onnx.ValueInfoProto.FromString(one.SerializeToString()) for one in ordered]
    del model.graph.input[:]
    model.graph.input.extend(kept)


def _serialized(model: onnx.ModelProto) -> bytes:
    if model.ByteSize() >= 1 << 31:
        raise NotExportable(f"An ONNX file holds 2 GiB. Received: a model of {model.ByteSize():,} bytes. {INSTEAD}")
    return bytes(model.SerializeToString(deterministic=True))
