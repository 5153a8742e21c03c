"""The rules of all roles: configuration, state, files, and one answer on every path."""

import copy
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from blocks.block import Block
from blocks.testing.rules import require, rule, same, same_state
from blocks.testing.sample_rows import (
    BATCH_SIZES,
    EAGER_SIZES,
    Case,
    Options,
    batched,
    call,
    dtype_name,
    length,
    plain,
    signature,
    symbolic,
    to_arrays,
    to_tensors,
    unlearned,
)

TrackableResource = tf.saved_model.experimental.TrackableResource


def check_config(block: Block) -> Any:
    """Configurations make the block again; returns the block's, as JSON has it."""
    with rule(block, "get_config survives JSON, and from_config makes the same block of it"):
        config = plain(block.get_config())
        twin = type(block).from_config(copy.deepcopy(config))
        require(plain(twin.get_config()) == config, f"{plain(twin.get_config())} from {config}")
    with rule(block, "the class is registered (keras.saving.register_keras_serializable), so that files can name it"):
        found = keras.saving.deserialize_keras_object(plain(keras.saving.serialize_keras_object(block)))
        require(type(found) is type(block), type(found).__name__)
    return config


def check_state(case: Case) -> None:
    """Learned state is all that a block needs to be itself again, and nobody else's."""
    block = case.block
    expected = call(block, case.rows)
    with rule(block, "state is a dict of NumPy arrays without Python objects"):
        for name, value in block.state.items():
            require(isinstance(value, np.ndarray) and value.dtype != object, f"{name}: {value!r}")
    weightless = not block.weights
    with rule(block, "restore(state) makes a fresh block equal to the one that learned"):
        fresh = unlearned(block)
        fresh.restore(block.state)
        same_state(block.state, fresh.state)
        if weightless:
            same(expected, call(fresh, case.rows))
    with rule(block, "copy() shares nothing"):
        twin = block.copy()
        same_state(block.state, twin.state)
        shared = [name for name, value in block.state.items() if np.shares_memory(value, twin.state[name])]
        require(not shared, f"one memory for {', '.join(shared)}")
        held = [value for value in vars(twin).values() if isinstance(value, tf.Variable | TrackableResource)]
        both = [name for name, value in vars(block).items() if any(value is other for other in held)]
        require(not both, f"one {', '.join(both)}")
        if all(value.dtype.kind == "f" for value in block.state.values()):
            twin.restore({name: np.ones_like(value) for name, value in block.state.items()})
        same(expected, call(block, case.rows))
        if weightless:
            same(expected, call(block.copy(), case.rows))


def check_inputs(case: Case) -> None:
    """A call changes neither tensors nor the container that they come in."""
    with rule(case.block, "inputs are left unchanged"):
        rows = keras.tree.map_structure(np.copy, case.rows)
        tensors = to_tensors(rows)
        container = dict(tensors) if isinstance(tensors, Mapping) else tensors
        case.block(container)
        require(not isinstance(tensors, Mapping) or list(container) == list(tensors), "keys were added or removed")
        same(case.rows, to_arrays(tensors))


def _as_announced(shape: tuple[int, ...], announced: Sequence[int | None]) -> tuple[int | None, ...]:
    """A shape, with None where any size was announced."""
    if len(shape) != len(announced):
        return shape
    return tuple(None if told is None else size for size, told in zip(shape, announced, strict=True))


def check_paths(case: Case, options: Options) -> None:
    """Symbolic, eager, traced, batched, reloaded and exported calls agree."""
    block, rows, tolerance = case.block, case.rows, options.tolerance
    expected = call(block, rows)
    count = length(rows)
    with rule(block, "rows in, rows out: every output has shape (batch, ...)"):
        require(all(value.shape[:1] == (count,) for value in keras.tree.flatten(expected)), "another number of rows")
    with rule(block, "a symbolic call announces what an eager one gives: names, shapes and dtypes"):
        inputs = symbolic(rows)
        outputs = block(inputs)
        announced = keras.tree.map_structure(lambda value: (tuple(value.shape[1:]), str(value.dtype)), outputs)
        given = keras.tree.map_structure(
            lambda value, symbol: (_as_announced(value.shape[1:], symbol.shape[1:]), dtype_name(value)),
            expected,
            outputs,
        )
        require(announced == given, f"announced {announced}, gave {given}")
    with rule(block, "a Functional model of the block gives what the block gives"):
        model = keras.Model(inputs, outputs)
        same(expected, to_arrays(model(to_tensors(rows))), tolerance)
    with rule(block, "tf.function gives what an eager call gives"):
        function = tf.function(lambda values: block(values), input_signature=[signature(rows)])
        same(expected, to_arrays(function(to_tensors(rows))), tolerance)
    with rule(block, "a tf.data map gives what an eager call gives"):
        # a dataset takes tuples for one argument each
        data = tf.data.Dataset.from_tensors({"rows": to_tensors(rows)}).map(lambda element: block(element["rows"]))
        same(expected, to_arrays(next(iter(data))), tolerance)
    with rule(block, "the batch size does not matter"):
        for size in BATCH_SIZES:
            same(expected, batched(function, rows, size), tolerance, f"in a tf.function at batch size {size}")
        few = keras.tree.map_structure(lambda value: value[:18], rows)
        first = keras.tree.map_structure(lambda value: value[:18], expected)
        for size in EAGER_SIZES:
            same(first, batched(block, few, size), tolerance, f"eager at batch size {size}")
        nothing = keras.tree.map_structure(lambda value: value[:0], rows)
        none = keras.tree.map_structure(lambda value: value[:0], expected)
        same(none, to_arrays(function(to_tensors(nothing))), tolerance, "of no row")
    with tempfile.TemporaryDirectory() as folder:
        with rule(block, "a .keras file brings back the block, learned state included"):
            path = Path(folder) / "model.keras"
            model.save(path)
            loaded = keras.saving.load_model(path)
            same_state(block.state, loaded.get_layer(block.name).state)
            same(to_arrays(model(to_tensors(rows))), to_arrays(loaded(to_tensors(rows))))
        with rule(block, "the exported SavedModel gives what the block gives"):
            model.export(str(Path(folder) / "export"), format="tf_saved_model", verbose=False)
            served = tf.saved_model.load(str(Path(folder) / "export"))
            for size in (1, 7, count):
                same(expected, batched(served.serve, rows, size), tolerance, f"served at batch size {size}")
