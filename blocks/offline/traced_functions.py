"""Traced functions of lanes and stacks: from raw columns to what they compute. What feeds them is in transform."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import tensorflow as tf

from blocks.block import emit
from blocks.data.raw_arrays import to_raw
from blocks.data.raw_columns import RawColumn
from blocks.data.schema import require_columns
from blocks.preprocessors.columns.lanes import Lane
from blocks.preprocessors.columns.stacking import Packing, Stack

CELLS = 1 << 20
"""Rows times columns that are worked on at once: a few arrays of 8 MiB, whatever a chunk holds."""

LEAST_ROWS = 64


def features_of_lane(lane: Lane, inputs: Mapping[str, RawColumn]) -> Callable[..., Any]:
    """From a lane's raw columns to its features."""
    return _of_columns(lambda raw: emit(lane.compute(lane.inputs_from(raw))), lane, inputs)


def observed_by(lane: Lane, depth: int, inputs: Mapping[str, RawColumn]) -> Callable[..., Any]:
    """From a lane's raw columns to what the statistics of its block at `depth` are of."""
    block = lane.blocks[depth]
    return _of_columns(lambda raw: block.observed(lane.compute(lane.inputs_from(raw), depth)), lane, inputs)


def features_of_texts(stack: Stack) -> Callable[..., Any]:
    """From strings (lanes, values) to features (lanes, values) or (lanes, values, k)."""
    return _concrete(lambda values: emit(stack.compute(values)), [tf.TensorSpec((len(stack.lanes), None), tf.string)])


def packed_features(
    packing: Packing, others: list[Lane], columns: list[str], inputs: Mapping[str, RawColumn]
) -> Callable[..., tuple[dict[str, Any], list[Any]]]:
    """From the values of a packing's stacks and of single columns to packed features, and those of other lanes."""
    signature = [_spec_of_stack(stack, inputs) for stack in packing.stacks]
    signature += [tf.TensorSpec(inputs[name].batch_shape, inputs[name].dtype) for name in columns]

    def function(*tensors: Any) -> tuple[dict[str, Any], list[Any]]:
        of_stacks, rest = tensors[: len(packing.stacks)], tensors[len(packing.stacks) :]
        raw = dict(zip(columns, rest, strict=True))
        packed = packing(of_stacks, [lane.inputs_from(raw) for lane in packing.singles])
        return packed, [emit(lane.compute(lane.inputs_from(raw))) for lane in others]

    return _concrete(function, signature)


def values_of_stack(stack: Stack, inputs: Mapping[str, RawColumn]) -> Callable[[pa.RecordBatch], np.ndarray]:
    """From a chunk to what a stack computes of it at full precision, (lanes, rows)."""
    function, raw = _concrete(stack.compute, [_spec_of_stack(stack, inputs)]), inputs[stack.columns[0]]
    step = max(CELLS // len(stack.lanes), LEAST_ROWS)

    def compute(chunk: pa.RecordBatch) -> np.ndarray:
        columns = [to_raw(column_of(chunk, name), raw, name) for name in stack.columns]
        parts = [
            function(tf.constant(np.stack([values[start : start + step] for values in columns]))).numpy()
            for start in range(0, max(len(chunk), 1), step)
        ]
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)

    return compute


def column_of(chunk: pa.RecordBatch, name: str) -> pa.Array:
    """A chunk's column.

    Raises:
        SchemaMismatch: It has none of that name.
    """
    if chunk.schema.get_field_index(name) < 0:
        require_columns([name], chunk.schema.names, "Rows, of what the model reads")
    return chunk.column(name)


def _of_columns(compute: Callable[[Mapping[str, Any]], Any], lane: Lane, inputs: Mapping[str, RawColumn]) -> Any:
    names = list(dict.fromkeys(lane.columns))
    signature = [
        tf.TensorSpec(inputs[name].batch_shape, inputs[name].dtype, name=f"column_{i}") for i, name in enumerate(names)
    ]
    return _concrete(lambda *tensors: compute(dict(zip(names, tensors, strict=True))), signature)


def _spec_of_stack(stack: Stack, inputs: Mapping[str, RawColumn]) -> tf.TensorSpec:
    raw = inputs[stack.columns[0]]
    return tf.TensorSpec((len(stack.lanes), *raw.batch_shape), raw.dtype)


def _concrete(function: Callable[..., Any], signature: list[tf.TensorSpec]) -> Any:
    # traced here and now: TensorFlow counts the traces of all functions that share this code, and warns
    return tf.function(function, input_signature=signature, autograph=False).get_concrete_function()
