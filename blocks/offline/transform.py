"""Transform: Arrow chunks through a preprocessor's own layers to packed NumPy features, offline and fast.

The layers are the ones that are exported; nothing is computed here. Three things make it fast. Numbers of a chunk go
through one traced function. Columns of equal chains go through it as one. Strings are looked up for their distinct
values only, once for each Arrow dictionary (a Parquet row group has one), and spread over the rows by their indices:
every lane of a single column works value by value, so the bits are the same.

Blocks that use the target emit other features for the rows that they were adapted on, which are told by their
positions in the source.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import tensorflow as tf

from blocks.block import emit
from blocks.data import Source
from blocks.data.arrow_types import is_text
from blocks.data.raw_arrays import to_raw
from blocks.data.raw_columns import RawColumn
from blocks.data.schema import require_columns
from blocks.errors import InvalidArgument
from blocks.features.sparse import Sparse
from blocks.preprocessors import Columns
from blocks.preprocessors.columns.lanes import Lane, places_of
from blocks.preprocessors.columns.stacking import Packing, Stack, stacked

BLOCK_ROWS = 4096

CELLS = 1 << 20
"""Rows times columns that are worked on at once: a few arrays of 8 MiB, whatever a chunk holds."""

LEAST_ROWS = 64

SHORT = 4096
"""Dictionaries of at most so many values are worked on side by side; a longer one by itself."""

SPARSE_ROWS = 2048
"""Values whose sparse features are worked out at once: they are as wide as the longest of them."""


TEXT = RawColumn("string")


class Transform:
    """Packed features of Arrow chunks, by an adapted `Columns`.

    Make a new one after the preprocessor was adapted again: traced functions hold the tables of their time. One may be
    called from several threads at once.

    Args:
        columns: The adapted preprocessor.

    Raises:
        NotAdapted: It is not.
    """

    def __init__(self, columns: Columns) -> None:
        columns.require_adapted()
        self.spec = columns.spec
        self.inputs = columns.inputs
        lanes = columns.lanes
        self._places = places_of(lanes)
        self._users = {lane.name: lane.blocks[-1] for lane in lanes if lane.blocks[-1].uses_target}
        coded = [lane for lane in lanes if is_coded(lane, self.inputs)]
        self._coded_stacks, self._coded = stacked(coded, self.inputs)
        self._of_stacks = [_stack_function(stack) for stack in self._coded_stacks]
        self._of_values: dict[tuple[str, bool], Any] = {}
        plain = [lane for lane in lanes if not is_coded(lane, self.inputs)]
        self._others = [lane for lane in plain if self._places[lane.name][1] is None or lane.name in self._users]
        apart = {lane.name for lane in self._others}
        scalars = [lane for lane in plain if lane.name not in apart]
        self._packing = Packing(scalars, stacked(scalars, self.inputs)[0], self._places)
        # in the order in which the traced function takes them
        singles = [*self._packing.singles, *self._others]
        self._columns = list(dict.fromkeys(name for lane in singles for name in lane.columns))
        width = len(self._columns) + sum(len(stack.lanes) for stack in self._packing.stacks)
        self._rows = max(CELLS // width, LEAST_ROWS) if width else 0
        if any(self.spec[self._places[lane.name][0]].sparse for lane in self._others):
            self._rows = min(self._rows, SPARSE_ROWS)
        ways = [False, True] if self._users else [False]
        self._of_rows = {held: self._row_function(held) for held in ways if plain}
        self._known: dict[tuple[str, bool], tuple[pa.Array, np.ndarray]] = {}
        self._lock = Lock()

    def _row_function(self, held: bool) -> Callable[..., tuple[dict[str, Any], list[Any]]]:
        """One traced function from the stacks' values and the single columns to packed features and those of others."""
        packing, others = self._packing, self._others
        signature = [_spec_of_stack(stack, self.inputs) for stack in packing.stacks]
        signature += [tf.TensorSpec(raw.batch_shape, raw.dtype) for raw in map(self.inputs.__getitem__, self._columns)]

        def function(*tensors: Any) -> tuple[dict[str, Any], list[Any]]:
            of_stacks, rest = tensors[: len(packing.stacks)], tensors[len(packing.stacks) :]
            raw = dict(zip(self._columns, rest, strict=True))
            packed = packing(of_stacks, [lane.given(raw) for lane in packing.singles])
            return packed, [_features(lane, raw, held) for lane in others]

        return _concrete(function, signature)

    @property
    def uses_target(self) -> bool:
        """Whether the features of rows that were adapted on differ from others."""
        return bool(self._users)

    def adapted_on(self, source: Source) -> bool:
        """Whether a block that uses the target was adapted on just these rows, so that their positions matter."""
        if not self._users:
            return False
        try:
            origin = identity(source)
        except InvalidArgument:  # what can be read only once was not adapted on
            return False
        return any(np.array_equal(block.state.get("source", ()), origin) for block in self._users.values())

    def __call__(self, chunk: pa.RecordBatch, rows: np.ndarray | None = None) -> dict[str, Any]:
        """The features of one chunk.

        Args:
            chunk: Rows with the preprocessor's columns, others are not looked at; string columns plain or
                dictionary-encoded.
            rows: (rows,) Positions in the source that was adapted on, for its own rows; blocks that use the target then
                encode each out of fold. None for all other rows.

        Returns:
            Entry name to array of shape (rows, ...), float32 or int32, C-contiguous, or `Sparse`; not to be written to.

        Raises:
            SchemaMismatch: A column is missing or of another type.
        """
        held = self._users if rows is not None else {}
        out: dict[str, Any] = {}
        puts: list[tuple[np.ndarray, slice | int, np.ndarray, np.ndarray | None]] = []

        def entry_of(name: str) -> np.ndarray:
            if name not in out:
                out[name] = np.empty((len(chunk), *self.spec[name].shape), self.spec[name].dtype)
            return out[name]

        if self._of_rows:
            packed, others = self._work_out(chunk, bool(held))
            for name, values in packed.items():
                if values.shape[1:] == self.spec[name].shape:
                    out[name] = values
                else:
                    entry_of(name)[:, self._packing.columns[name]] = values
            for lane, values in zip(self._others, others, strict=True):
                entry, place = self._places[lane.name]
                if rows is not None and lane.name in held:
                    values = held[lane.name].out_of_fold(values, rows)
                if place is None:
                    out[entry] = values
                else:
                    puts.append((entry_of(entry), _columns(place, values.ndim), values, None))
        for stack, function in zip(self._coded_stacks, self._of_stacks, strict=True):
            coded_columns = [encode(_column(chunk, name), name) for name in stack.columns]
            self._know(stack, function, [coded.dictionary for coded in coded_columns])
            for lane, coded in zip(stack.lanes, coded_columns, strict=True):
                entry, place = self._places[lane.name]
                values = self._values_of(lane, coded.dictionary, False)
                puts.append((entry_of(entry), _columns(place, values.ndim), values, positions(coded)))
        for lane in self._coded:
            coded = encode(_column(chunk, lane.columns[0]), lane.columns[0])
            entry, place = self._places[lane.name]
            values = self._values_of(lane, coded.dictionary, lane.name in held)
            if rows is not None and lane.name in held:
                values = held[lane.name].out_of_fold(values.take(positions(coded)), rows)
                puts.append((entry_of(entry), _columns(place, values.ndim), values, None))
            elif place is None:
                out[entry] = values.take(positions(coded), axis=0)
            else:
                puts.append((entry_of(entry), _columns(place, values.ndim), values, positions(coded)))
        for start in range(0, len(chunk), BLOCK_ROWS):
            # by blocks of rows that stay in the cache while every column is put in its place
            block = slice(start, start + BLOCK_ROWS)
            for array, columns, values, take in puts:
                array[block, columns] = values[block] if take is None else values.take(take[block], axis=0)
        return {name: out[name] for name in self.spec}

    def _work_out(self, chunk: pa.RecordBatch, held: bool) -> tuple[dict[str, np.ndarray], list[np.ndarray]]:
        """Packed features of all columns that are worked on row by row, and the features of others.

        By as many rows at once as `CELLS` allows.
        """
        stacks = self._packing.stacks
        raw = {name: to_raw(_column(chunk, name), self.inputs[name], name) for name in self._columns}
        of_stacks = [[to_raw(_column(chunk, name), self.inputs[name], name) for name in s.columns] for s in stacks]
        function, step = self._of_rows[held], self._rows
        packed: dict[str, list[np.ndarray]] = {}
        others: list[list[np.ndarray]] = [[] for _ in self._others]
        for start in range(0, max(len(chunk), 1), step):
            part = slice(start, start + step)
            stacked = [np.stack([column[part] for column in columns]) for columns in of_stacks]
            results, rest = function(
                *map(tf.constant, stacked), *(tf.constant(raw[name][part]) for name in self._columns)
            )
            for name, tensor in results.items():
                packed.setdefault(name, []).append(_view(tensor))
            for lane, found, tensor in zip(self._others, others, rest, strict=True):
                found.append(self._held(lane, tensor))
        return {name: _joined(parts) for name, parts in packed.items()}, [_joined(parts) for parts in others]

    def _know(self, stack: Stack, function: Callable[..., Any], dictionaries: Sequence[pa.Array]) -> None:
        """Work out the features of dictionaries that are new, for all lanes at once where they are short."""
        new = []
        for lane, dictionary in zip(stack.lanes, dictionaries, strict=True):
            known = self._known.get((lane.name, False))
            if len(dictionary) <= SHORT and (known is None or not _same(known[0], dictionary)):
                new.append((lane, dictionary))
        if len(new) < 2:
            return
        places = {lane.name: place for place, lane in enumerate(stack.lanes)}
        # what is beyond a dictionary's end is missing, as is the place behind its last value
        raw = np.full((len(stack.lanes), 1 + max(len(dictionary) for _, dictionary in new)), "", object)
        for lane, dictionary in new:
            raw[places[lane.name], : len(dictionary)] = to_raw(dictionary, TEXT, lane.columns[0])
        features = function(tf.constant(raw, tf.string)).numpy()
        with self._lock:
            for lane, dictionary in new:
                values = np.ascontiguousarray(features[places[lane.name], : len(dictionary) + 1])
                self._known[lane.name, False] = (dictionary, values)

    def _held(self, lane: Lane, tensor: Any) -> Any:
        """A lane's features as they are held: what is sparse without the zeros of its pairs."""
        entry = self.spec[self._places[lane.name][0]]
        return Sparse.from_pairs(_view(tensor), len(entry.features)) if entry.sparse else _view(tensor)

    def _values_of(self, lane: Lane, dictionary: pa.Array, held: bool) -> np.ndarray:
        """A lane's output for every value of a dictionary, and last for a missing one."""
        known = self._known.get((lane.name, held))
        if known is None or not _same(known[0], dictionary):
            raw = to_raw(dictionary, TEXT, lane.columns[0])
            with self._lock:
                function = self._of_values.get((lane.name, held))
                if function is None:
                    function = self._of_values[lane.name, held] = traced(lane, self.inputs, held)
            known = (dictionary, self._worked_out(lane, function, tf.constant(np.append(raw, ""), tf.string)))
            with self._lock:
                self._known[lane.name, held] = known
        return known[1]

    def _worked_out(self, lane: Lane, function: Callable[..., Any], values: Any) -> Any:
        """A lane's features of values; sparse ones piece by piece."""
        if not self.spec[self._places[lane.name][0]].sparse:
            return function(values).numpy()
        pieces = (function(values[start : start + SPARSE_ROWS]) for start in range(0, len(values), SPARSE_ROWS))
        return np.concatenate([self._held(lane, piece) for piece in pieces])


def is_coded(lane: Lane, inputs: dict[str, RawColumn]) -> bool:
    """Whether a lane is worked on distinct values: it reads a single column of strings."""
    return len(lane.columns) == 1 and inputs[lane.columns[0]] == TEXT


def traced(lane: Lane, inputs: Mapping[str, RawColumn], held: bool = False) -> Callable[..., Any]:
    """One traced function from a lane's raw columns to its features.

    With `held`, it gives places in place of features where the lane's block uses the target.
    """
    return _of_columns(lambda raw: _features(lane, raw, held), lane, inputs)


def _features(lane: Lane, raw: Mapping[str, Any], held: bool) -> Any:
    if held and lane.blocks[-1].uses_target:
        return lane.blocks[-1].places(lane.compute(lane.given(raw), -1))
    return emit(lane.compute(lane.given(raw)))


def observing(lane: Lane, depth: int, inputs: Mapping[str, RawColumn]) -> Callable[..., Any]:
    """One traced function from a lane's raw columns to what the statistics of its block at `depth` are of."""
    block = lane.blocks[depth]
    return _of_columns(lambda raw: block.observed(lane.compute(lane.given(raw), depth)), lane, inputs)


def _of_columns(compute: Callable[[Mapping[str, Any]], Any], lane: Lane, inputs: Mapping[str, RawColumn]) -> Any:
    names = list(dict.fromkeys(lane.columns))
    signature = [
        tf.TensorSpec(inputs[name].batch_shape, inputs[name].dtype, name=f"column_{i}") for i, name in enumerate(names)
    ]
    return _concrete(lambda *tensors: compute(dict(zip(names, tensors, strict=True))), signature)


def _stack_function(stack: Stack) -> Callable[..., Any]:
    """One traced function from strings (lanes, values) to features (lanes, values) or (lanes, values, k)."""
    return _concrete(lambda values: emit(stack.compute(values)), [tf.TensorSpec((len(stack.lanes), None), tf.string)])


def _spec_of_stack(stack: Stack, inputs: Mapping[str, RawColumn]) -> tf.TensorSpec:
    raw = inputs[stack.columns[0]]
    return tf.TensorSpec((len(stack.lanes), *raw.batch_shape), raw.dtype)


def of_stack(stack: Stack, inputs: Mapping[str, RawColumn]) -> Callable[[pa.RecordBatch], np.ndarray]:
    """From a chunk to what a stack computes of it at full precision, (lanes, rows)."""
    function, column = _concrete(stack.compute, [_spec_of_stack(stack, inputs)]), inputs[stack.columns[0]]
    step = max(CELLS // len(stack.lanes), LEAST_ROWS)

    def compute(chunk: pa.RecordBatch) -> np.ndarray:
        raw = [to_raw(_column(chunk, name), column, name) for name in stack.columns]
        parts = [
            function(tf.constant(np.stack([values[start : start + step] for values in raw]))).numpy()
            for start in range(0, max(len(chunk), 1), step)
        ]
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)

    return compute


def _concrete(function: Callable[..., Any], signature: list[tf.TensorSpec]) -> Any:
    # traced here and now: TensorFlow counts the traces of all functions that share this code, and warns
    return tf.function(function, input_signature=signature, autograph=False).get_concrete_function()


def identity(source: Source) -> np.ndarray:
    """What tells a source's rows and their order from any others, whatever columns are selected: uint8 (32,).

    Raises:
        InvalidArgument: The source can be read only once.
    """
    rows = {name: value for name, value in source.fingerprint().items() if name != "schema"}
    digest = hashlib.blake2b(json.dumps(rows, sort_keys=True, default=str).encode(), digest_size=32).digest()
    return np.frombuffer(digest, np.uint8)


def encode(column: pa.Array, name: str) -> pa.DictionaryArray:
    """A column of strings, dictionary-encoded."""
    if pa.types.is_dictionary(column.type):
        return column
    if not is_text(column.type):  # refused, unless nothing is there
        column = pa.array(to_raw(column, TEXT, name), pa.string())
    return column.dictionary_encode()


def positions(coded: pa.DictionaryArray) -> np.ndarray:
    """Each row's position in the dictionary; one past its end for a missing value."""
    indices = coded.indices
    if indices.null_count:
        indices = pc.fill_null(indices.cast(pa.int32()), len(coded.dictionary))
    return indices.to_numpy(zero_copy_only=False)


def _view(tensor: Any) -> np.ndarray:
    """A tensor's values without a copy, read only."""
    return np.asarray(memoryview(tensor))


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _columns(place: slice | None, rank: int) -> slice | int:
    assert place is not None
    return place.start if rank == 1 else place


def _same(one: pa.Array, other: pa.Array) -> bool:
    if one is other or len(one) != len(other):
        return one is other
    same_memory = [b.address if b else 0 for b in one.buffers()] == [b.address if b else 0 for b in other.buffers()]
    return (same_memory and one.offset == other.offset) or one.equals(other)


def _column(chunk: pa.RecordBatch, name: str) -> pa.Array:
    if chunk.schema.get_field_index(name) < 0:
        require_columns([name], chunk.schema.names, "Rows, of what the model reads")
    return chunk.column(name)
