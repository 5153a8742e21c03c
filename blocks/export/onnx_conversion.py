"""Conversion: a graph of TensorFlow's as an ONNX model, not yet compared with it. No file is written here.

Loaded when it is asked for: it needs the packages of the extra `onnx`.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any, Final, Protocol

import onnx
import tensorflow as tf
from tf2onnx import optimizer, tf_loader, tfonnx

from blocks.errors import NotExportable
from blocks.export.onnx_comparison import INSTEAD
from blocks.export.onnx_operations import handlers

OPSET: Final = 19
"""The first that compares strings. tf2onnx makes 18, of which every operation means the same in 19."""
_MADE_OPSET: Final = 18
_IR_VERSION: Final = 9


class Convertible(Protocol):
    """What is converted: an `InferenceGraph`, or the signature of an export."""

    @property
    def raw_signature(self) -> Mapping[str, Any]:
        """The raw columns' `tf.TensorSpec`s, in their order."""

    def __call__(self, raw: Mapping[str, Any]) -> Mapping[str, Any]:
        """Raw columns to answers."""


def convert(graph: Convertible, chains: Mapping[str, str] | None = None) -> onnx.ModelProto:
    """A graph as an ONNX model, not yet compared with it.

    Args:
        graph: Raw columns to answers.
        chains: The blocks that each column goes through, in words, for what is refused.

    Raises:
        NotExportable: There is an operation that ONNX has not.
    """
    names = list(graph.raw_signature)
    frozen, tables, inputs, outputs, shapes = _frozen(graph)
    # which the converter does not refuse by name
    if pipelines := {name: node.op for name, node in _nodes(frozen).items() if "Dataset" in node.op}:
        raise NotExportable(_told(pipelines, frozen, inputs, chains or {}))
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
        raise NotExportable(_told(refused, frozen, inputs, chains or {}))
    _finish(model, names, shapes)
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        raise NotExportable(f"The model cannot become ONNX: {error} {INSTEAD}") from error
    return model


def _frozen(graph: Convertible) -> tuple[Any, dict[bytes, Any], dict[str, str], dict[str, str], dict[str, Any]]:
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


def _nodes(frozen: Any) -> dict[str, Any]:
    """The nodes of a graph and of its functions, by name."""
    nodes = {node.name: node for node in frozen.node}
    for function in frozen.library.function:
        nodes.update({node.name: node for node in function.node_def})
    return nodes


def _told(refused: Mapping[str, str], frozen: Any, inputs: Mapping[str, str], chains: Mapping[str, str]) -> str:
    """What is said of operations that have no ONNX: their names, and the columns that lead to them."""
    nodes = _nodes(frozen)
    operations = sorted(
        {refused[name] or nodes[name].op if name in nodes else refused[name] or name for name in refused}
    )
    columns = _columns_before(refused, nodes, {tensor.partition(":")[0]: name for tensor, name in inputs.items()})
    where = ""
    if columns and (len(columns) < len(inputs) or len(inputs) == 1):
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
