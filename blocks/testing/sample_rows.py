"""Rows for a block: NumPy arrays in a tuple or dict, given to it as to_tensors, in batches, as symbols."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import pyarrow as pa
import tensorflow as tf

from blocks.block import Head
from blocks.testing.rules import as_long

ROWS = 48
"""Data are repeated up to this many rows, so that every batch size is met by several batches."""

BATCH_SIZES = (1, 2, 3, 7, 8, 16, 17)
"""Sizes about the widths of vector instructions, where float32 kernels change their code path."""

EAGER_SIZES = (1, 7, 8, 17)
"""Those of them for eager calls, which take much longer; of 18 rows batches of 1, 2, 4, 7, 8 and 17 come."""

CHUNKS = (1, 7, 64)
"""Rows of a chunk in which learning is tried."""


@dataclass(frozen=True)
class Options:
    """What `check_block` was told."""

    finite: bool
    tolerance: float
    chunk_tolerance: float


@dataclass(frozen=True)
class Case:
    """An adapted copy of the block, and rows for it."""

    block: Any
    rows: Any
    """A NumPy array, or a tuple or dict of them: one call's inputs."""

    columns: Mapping[str, Any] | None = None
    """For a preprocessor: the raw columns in Arrow."""


def plain(config: Any) -> Any:
    """A configuration after a trip through JSON."""
    return json.loads(json.dumps(config))


def unlearned(block: Any) -> Any:
    """The block of the same configuration that has learned nothing."""
    config = block.get_config()
    return type(block).from_config({**config, "state": None} if isinstance(block, Head) else config)


def cut(values: pa.Array, size: int) -> list[pa.Array]:
    """A column in chunks."""
    return [values.slice(start, size) for start in range(0, len(values), size)]


def repeat(values: pa.Array) -> pa.Array:
    """A column over and over, up to `ROWS`."""
    return values.take(pa.array(np.arange(max(len(values), ROWS)) % len(values)))


def tile(values: np.ndarray) -> np.ndarray:
    """Rows over and over, up to `ROWS`."""
    return values[np.arange(max(len(values), ROWS)) % len(values)]


def length(rows: Any) -> int:
    """The number of rows."""
    return len(keras.tree.flatten(rows)[0])


def to_tensors(rows: Any) -> Any:
    """Rows as tensors, in the same tuple or dict."""
    return keras.tree.map_structure(
        lambda value: tf.constant(value, tf.string if value.dtype == object else value.dtype), rows
    )


def to_arrays(tensors: Any) -> Any:
    """Tensors as NumPy arrays, in the same structure."""
    return keras.tree.map_structure(lambda value: np.asarray(value), tensors)


def call(block: Any, rows: Any) -> Any:
    """What an eager call gives, as NumPy arrays."""
    return to_arrays(block(to_tensors(rows)))


def batched(function: Any, rows: Any, size: int) -> Any:
    """What calls on batches of `size` rows give, joined."""
    parts = []
    for start in range(0, length(rows), size):
        part = keras.tree.map_structure(lambda value, start=start: value[start : start + size], rows)
        parts.append(to_arrays(function(to_tensors(part))))
    return keras.tree.map_structure(lambda *values: np.concatenate(as_long(values)), *parts)


def dtype_name(value: np.ndarray) -> str:
    """The tensor's dtype that an array becomes."""
    return "string" if value.dtype == object else value.dtype.name


def symbolic(rows: Any) -> Any:
    """A `keras.Input` for every array of the rows."""
    if isinstance(rows, Mapping):  # Keras wants the inputs of a dict to be called as their keys
        return {name: keras.Input(value.shape[1:], dtype=dtype_name(value), name=name) for name, value in rows.items()}
    return keras.tree.map_structure(lambda value: keras.Input(value.shape[1:], dtype=dtype_name(value)), rows)


def signature(rows: Any) -> Any:
    """A `tf.TensorSpec` of any batch size for every array of the rows."""
    return keras.tree.map_structure(lambda value: tf.TensorSpec((None, *value.shape[1:]), dtype_name(value)), rows)
