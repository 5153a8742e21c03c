"""Transform: Arrow chunks through a preprocessor's own layers to packed NumPy features, offline and fast.

The layers are the ones that are exported; nothing is computed here. Two things make it fast. Numbers of a chunk go
through one traced function. Strings are looked up for their distinct values only, once for each Arrow dictionary
(a Parquet row group has one), and spread over the rows by their indices: every lane of a single column works value by
value, so the bits are the same.

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
from blocks.data.raw import TENSOR_DTYPES, is_text, to_raw
from blocks.errors import InvalidArgument, SchemaMismatch
from blocks.features import CATEGORICAL, NUMERIC, Entry
from blocks.preprocessors import Columns
from blocks.preprocessors.plan import Lane

BLOCK_ROWS = 4096


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
        self._places = _places(lanes)
        self._coded = [lane for lane in lanes if is_coded(lane, self.inputs)]
        self._users = {lane.name: lane.blocks[-1] for lane in lanes if lane.blocks[-1].uses_target}
        self._of_values = {
            (lane.name, held): traced([lane], self.inputs, held)
            for lane in self._coded
            for held in ([False, True] if lane.name in self._users else [False])
        }
        plain = [lane for lane in lanes if not is_coded(lane, self.inputs)]
        self._others = [lane for lane in plain if self._places[lane.name][0] != NUMERIC or lane.name in self._users]
        self._numbers = [lane for lane in plain if lane not in self._others]
        # in the order in which the traced function takes them
        self._columns = list(dict.fromkeys(name for lane in [*self._numbers, *self._others] for name in lane.columns))
        ways = [False, True] if self._users else [False]
        self._of_rows = {held: _packing(self._numbers, self._others, self.inputs, held) for held in ways if plain}
        self._known: dict[tuple[str, bool], tuple[pa.Array, np.ndarray]] = {}
        self._lock = Lock()

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

    def __call__(self, chunk: pa.RecordBatch, rows: np.ndarray | None = None) -> dict[str, np.ndarray]:
        """The features of one chunk.

        Args:
            chunk: Rows with the preprocessor's columns, others are not looked at; string columns plain or
                dictionary-encoded.
            rows: (rows,) Positions in the source that was adapted on, for its own rows; blocks that use the target then
                encode each out of fold. None for all other rows.

        Returns:
            Entry name to array of shape (rows, ...), float32 or int32, C-contiguous; not to be written to.

        Raises:
            SchemaMismatch: A column is missing or of another type.
        """
        held = self._users if rows is not None else {}
        out: dict[str, np.ndarray] = {}
        puts: list[tuple[np.ndarray, slice | int, np.ndarray, np.ndarray | None]] = []

        def entry_of(name: str) -> np.ndarray:
            if name not in out:
                out[name] = np.empty((len(chunk), *self.spec[name].shape), self.spec[name].dtype)
            return out[name]

        if self._of_rows:
            raw = (to_raw(_column(chunk, name), self.inputs[name], name) for name in self._columns)
            numbers, others = self._of_rows[bool(held)](*(tf.constant(values) for values in raw))
            if self._numbers:
                packed = _view(numbers)
                if packed.shape[1:] == self.spec[NUMERIC].shape:
                    out[NUMERIC] = packed
                else:
                    places = [self._places[lane.name][1] for lane in self._numbers]
                    entry_of(NUMERIC)[:, np.concatenate([np.arange(p.start, p.stop) for p in places if p])] = packed
            for lane, tensor in zip(self._others, others, strict=True):
                entry, place = self._places[lane.name]
                values = _view(tensor)
                if rows is not None and lane.name in held:
                    values = held[lane.name].out_of_fold(values, rows)
                if place is None:
                    out[entry] = values
                else:
                    puts.append((entry_of(entry), _columns(place, values.ndim), values, None))
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

    def _values_of(self, lane: Lane, dictionary: pa.Array, held: bool) -> np.ndarray:
        """A lane's output for every value of a dictionary, and last for a missing one."""
        known = self._known.get((lane.name, held))
        if known is None or not _same(known[0], dictionary):
            raw = to_raw(dictionary, "string", lane.columns[0])
            values = tf.constant(np.append(raw, ""), tf.string)
            known = (dictionary, self._of_values[lane.name, held](values)[0].numpy())
            with self._lock:
                self._known[lane.name, held] = known
        return known[1]


def is_coded(lane: Lane, inputs: dict[str, str]) -> bool:
    """Whether a lane is worked on distinct values: it reads a single column of strings."""
    return len(lane.columns) == 1 and inputs[lane.columns[0]] == "string"


def traced(lanes: Sequence[Lane], inputs: dict[str, str], held: bool = False) -> Callable[..., tuple[Any, ...]]:
    """One traced function from the lanes' raw columns, each given once and in order, to every lane's features.

    With `held`, it gives places in place of features where a lane's block uses the target.
    """
    return _function(lambda raw: tuple(_features(lane, raw, held) for lane in lanes), lanes, inputs)


def _features(lane: Lane, raw: Mapping[str, Any], held: bool) -> Any:
    if held and lane.blocks[-1].uses_target:
        return lane.blocks[-1].places(lane.compute(_given(lane, raw), -1))
    return emit(lane.compute(_given(lane, raw)))


def observing(lane: Lane, depth: int, inputs: dict[str, str]) -> Callable[..., Any]:
    """One traced function from a lane's raw columns to what the statistics of its block at `depth` are of."""
    block = lane.blocks[depth]
    return _function(lambda raw: block.observed(lane.compute(_given(lane, raw), depth)), [lane], inputs)


def _packing(
    numbers: Sequence[Lane], others: Sequence[Lane], inputs: dict[str, str], held: bool
) -> Callable[..., tuple[Any, list[Any]]]:
    """One traced function from raw columns to the features of `numbers`, packed, and those of `others`."""

    def compute(raw: Mapping[str, Any]) -> tuple[Any, list[Any]]:
        parts = [lane.compute(_given(lane, raw)) for lane in numbers]
        # packed column by column and turned at once, which is faster than interleaving
        flat = [tf.transpose(part) if part.shape.rank == 2 else part[tf.newaxis] for part in parts]
        packed = emit(tf.transpose(tf.concat(flat, axis=0))) if flat else tf.zeros((0,))
        return packed, [_features(lane, raw, held) for lane in others]

    return _function(compute, [*numbers, *others], inputs)


def _given(lane: Lane, raw: Mapping[str, Any]) -> Any:
    values = tuple(raw[column] for column in lane.columns)
    return values[0] if len(values) == 1 else values


def _function(compute: Callable[[Mapping[str, Any]], Any], lanes: Sequence[Lane], inputs: dict[str, str]) -> Any:
    names = list(dict.fromkeys(column for lane in lanes for column in lane.columns))
    signature = [
        tf.TensorSpec((None,), TENSOR_DTYPES[inputs[name]], name=f"column_{i}") for i, name in enumerate(names)
    ]

    def function(*tensors: Any) -> Any:
        return compute(dict(zip(names, tensors, strict=True)))

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
        column = pa.array(to_raw(column, "string", name), pa.string())
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


def _columns(place: slice | None, rank: int) -> slice | int:
    assert place is not None
    return place.start if rank == 1 else place


def _same(one: pa.Array, other: pa.Array) -> bool:
    if one is other or len(one) != len(other):
        return one is other
    same_memory = [b.address if b else 0 for b in one.buffers()] == [b.address if b else 0 for b in other.buffers()]
    return (same_memory and one.offset == other.offset) or one.equals(other)


def _column(chunk: pa.RecordBatch, name: str) -> pa.Array:
    if name not in chunk.schema.names:
        raise SchemaMismatch(f"Rows lack the column {name!r}, which the model reads. Received: {chunk.schema.names}.")
    return chunk.column(name)


def _places(lanes: Sequence[Lane]) -> dict[str, tuple[str, slice | None]]:
    """Where each lane's output goes: an entry, and its columns there (None for all of an entry of higher rank)."""
    places: dict[str, tuple[str, slice | None]] = {}
    filled = {NUMERIC: 0, CATEGORICAL: 0}
    for lane in lanes:
        other: Entry | None = lane.entry()
        if other is not None:
            places[lane.name] = (lane.entry_name, None)
            continue
        features = lane.outputs()
        entry = NUMERIC if features[0].cardinality is None else CATEGORICAL
        start = filled[entry]
        filled[entry] += len(features)
        places[lane.name] = (entry, slice(start, filled[entry]))
    return places
