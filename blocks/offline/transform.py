"""Transform: Arrow chunks through a preprocessor's own layers to packed NumPy features, offline and fast.

The layers are the ones that are exported; nothing is computed here. Three things make it fast. Numbers of a chunk go
through one traced function. Columns of equal chains go through it as one. Strings are looked up for their distinct
values only, once for each Arrow dictionary (a Parquet row group has one), and spread over the rows by their indices:
every lane of a single column works value by value, so the bits are the same.
"""

from collections.abc import Callable, Mapping, Sequence
from math import prod
from threading import Lock
from typing import Any

import numpy as np
import pyarrow as pa
import tensorflow as tf

from blocks.data.raw_arrays import to_raw
from blocks.errors import MalformedData
from blocks.features.sparse import Sparse
from blocks.offline.coded_lanes import LatestResults, is_coded
from blocks.offline.dictionary_columns import TEXT, distinct_values, encode, pieces_of_texts, positions
from blocks.offline.traced_functions import (
    CELLS,
    LEAST_ROWS,
    column_of,
    features_of_lane,
    features_of_texts,
    packed_features,
)
from blocks.offline.unreadable_rows import UnreadableRows, told
from blocks.preprocessors import Columns
from blocks.preprocessors.columns.lanes import Lane, places_of
from blocks.preprocessors.columns.stacking import Packing, Stack, stacked

BLOCK_ROWS = 4096

IMAGE_BYTES = 8 << 20
"""Pixels that are worked out at once."""

CHUNK_IMAGE_BYTES = 64 << 20
"""Pixels of a chunk, at most."""

SHORT = 4096
"""Dictionaries of at most so many values are worked on side by side; a longer one by itself."""

SPARSE_ROWS = 2048
"""Values whose sparse features are worked out at once: they are as wide as the longest of them."""


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
        self.lanes = columns.lanes
        self.places = places_of(self.lanes)
        coded = [lane for lane in self.lanes if is_coded(lane, self.inputs)]
        self._coded_stacks, self._coded = stacked(coded, self.inputs)
        self._of_stacks = [features_of_texts(stack) for stack in self._coded_stacks]
        self._of_values: dict[str, Any] = {}
        plain = [lane for lane in self.lanes if not is_coded(lane, self.inputs)]
        self._others = [lane for lane in plain if self.places[lane.name][1] is None]
        scalars = [lane for lane in plain if self.places[lane.name][1] is not None]
        self._packing = Packing(scalars, stacked(scalars, self.inputs)[0], self.places)
        # in the order in which the traced function takes them
        singles = [*self._packing.singles, *self._others]
        self._columns = list(dict.fromkeys(name for lane in singles for name in lane.columns))
        width = sum(prod(self.inputs[name].shape) for name in self._columns)
        width += sum(len(stack.lanes) for stack in self._packing.stacks)
        self._rows = max(CELLS // width, LEAST_ROWS) if width else 0
        if any(self.spec[self.places[lane.name][0]].sparse for lane in self._others):
            self._rows = min(self._rows, SPARSE_ROWS)
        self._rows = min(self._rows, self.spec.rows_of_images(IMAGE_BYTES) or self._rows)
        self.most_rows = self.spec.rows_of_images(CHUNK_IMAGE_BYTES)
        """Rows that a chunk has at best, at most; None for any number: images take much more than what they come as."""
        self._of_rows = packed_features(self._packing, self._others, self._columns, self.inputs) if plain else None
        self._known = LatestResults()
        self._lock = Lock()

    def __call__(
        self, chunk: pa.RecordBatch, rows: np.ndarray | None = None, unreadable: UnreadableRows | None = None
    ) -> dict[str, Any]:
        """The features of one chunk.

        Args:
            chunk: Rows with the preprocessor's columns, others are not looked at; string columns plain or
                dictionary-encoded.
            rows: The rows' positions in the source, where these are to be told.
            unreadable: Where values that could not be read are counted.

        Returns:
            Entry name to array of shape (rows, ...), float32 or int32 (uint8 of images), C-contiguous, or `Sparse`; not
            to be written to.

        Raises:
            SchemaMismatch: A column is missing or of another type.
            MalformedData: A value cannot be read, and its block makes no missing one of it.
        """
        out: dict[str, Any] = {}
        puts: list[tuple[np.ndarray, slice | int, np.ndarray, np.ndarray]] = []

        def entry_of(name: str) -> np.ndarray:
            if name not in out:
                out[name] = np.empty((len(chunk), *self.spec[name].shape), self.spec[name].dtype)
            return out[name]

        if self._of_rows is not None:
            numbers = np.arange(len(chunk)) if rows is None else rows
            packed, others = self._work_out(self._of_rows, chunk, numbers, unreadable)
            for name, values in packed.items():
                if values.shape[1:] == self.spec[name].shape:
                    out[name] = values
                else:
                    entry_of(name)[:, self._packing.columns[name]] = values
            out |= {self.places[lane.name][0]: values for lane, values in zip(self._others, others, strict=True)}
        for stack, function in zip(self._coded_stacks, self._of_stacks, strict=True):
            coded_columns = [encode(column_of(chunk, name), name) for name in stack.columns]
            self._know(stack, function, [coded.dictionary for coded in coded_columns])
            for lane, coded in zip(stack.lanes, coded_columns, strict=True):
                entry, place = self.places[lane.name]
                values = self._values_of(lane, coded.dictionary)
                puts.append((entry_of(entry), columns_of(place, values.ndim), values, positions(coded)))
        for lane in self._coded:
            coded = encode(column_of(chunk, lane.columns[0]), lane.columns[0])
            entry, place = self.places[lane.name]
            values = self._values_of(lane, coded.dictionary)
            if place is None:
                out[entry] = values.take(positions(coded), axis=0)
            else:
                puts.append((entry_of(entry), columns_of(place, values.ndim), values, positions(coded)))
        for start in range(0, len(chunk), BLOCK_ROWS):
            # by blocks of rows that stay in the cache while every column is put in its place
            block = slice(start, start + BLOCK_ROWS)
            for array, columns, values, take in puts:
                array[block, columns] = values.take(take[block], axis=0)
        return {name: out[name] for name in self.spec}

    def _work_out(
        self,
        function: Callable[..., Any],
        chunk: pa.RecordBatch,
        numbers: np.ndarray,
        unreadable: UnreadableRows | None,
    ) -> tuple[dict[str, np.ndarray], list[np.ndarray]]:
        """Packed features of all columns that are worked on row by row, and the features of others.

        By as many rows at once as `CELLS` allows.
        """
        stacks = self._packing.stacks
        raw = {name: to_raw(column_of(chunk, name), self.inputs[name], name) for name in self._columns}
        of_stacks = [[to_raw(column_of(chunk, name), self.inputs[name], name) for name in s.columns] for s in stacks]
        packed: dict[str, list[np.ndarray]] = {}
        others: list[list[np.ndarray]] = [[] for _ in self._others]
        for start in range(0, max(len(chunk), 1), self._rows):
            part = slice(start, start + self._rows)
            stacked = [np.stack([column[part] for column in columns]) for columns in of_stacks]
            values = [tf.constant(raw[name][part]) for name in self._columns]
            try:
                results, rest = function(*map(tf.constant, stacked), *values)
            except tf.errors.InvalidArgumentError as error:
                self._refuse(raw, part, numbers[part], error)
                raise
            for name, tensor in results.items():
                packed.setdefault(name, []).append(_view(tensor))
            for lane, found, tensor in zip(self._others, others, rest, strict=True):
                found.append(self._as_stored(lane, tensor))
                if unreadable is not None:
                    why = _unreadable(lane, raw, part, found[-1])
                    unreadable.add(lane.name, {int(numbers[part][row]): reason for row, reason in why.items()})
        return {name: _joined(parts) for name, parts in packed.items()}, [_joined(parts) for parts in others]

    def _refuse(self, raw: Mapping[str, np.ndarray], part: slice, numbers: np.ndarray, error: Exception) -> None:
        """Say which values could not be read, if that is what ended a function."""
        for lane in self._others:
            shape = self.spec[self.places[lane.name][0]].shape
            if lane.blocks[0].row_by_row:
                nothing = np.zeros((len(numbers), *(side or 1 for side in shape)), np.uint8)
                why = {int(numbers[row]): reason for row, reason in _unreadable(lane, raw, part, nothing).items()}
                if why:
                    raise MalformedData(
                        f"Every value of the column {lane.columns[0]!r} can be read, or is missing. Received: "
                        f"{told(why, len(why))}. Take the row out, or let its block make it a missing value: "
                        f"{type(lane.blocks[0]).__name__}(..., on_bad='missing')."
                    ) from error

    def _know(self, stack: Stack, function: Callable[..., Any], dictionaries: Sequence[pa.Array]) -> None:
        """Work out the features of dictionaries that are new, for all lanes at once where they are short."""
        new = [
            (lane, dictionary)
            for lane, dictionary in zip(stack.lanes, dictionaries, strict=True)
            if len(dictionary) <= SHORT and self._known.get(lane, dictionary) is None
        ]
        if len(new) < 2:
            return
        rows = {lane.name: row for row, lane in enumerate(stack.lanes)}
        # what is beyond a dictionary's end is missing, as is the place behind its last value
        raw = np.full((len(stack.lanes), 1 + max(len(dictionary) for _, dictionary in new)), "", object)
        for lane, dictionary in new:
            raw[rows[lane.name], : len(dictionary)] = to_raw(dictionary, TEXT, lane.columns[0])
        features = function(tf.constant(raw, tf.string)).numpy()
        for lane, dictionary in new:
            values = np.ascontiguousarray(features[rows[lane.name], : len(dictionary) + 1])
            self._known.put(lane, dictionary, values)

    def _as_stored(self, lane: Lane, tensor: Any) -> Any:
        """A lane's features as NumPy has them: what is sparse without the zeros of its pairs."""
        entry = self.spec[self.places[lane.name][0]]
        return Sparse.from_pairs(_view(tensor), entry.columns) if entry.sparse else _view(tensor)

    def _values_of(self, lane: Lane, dictionary: pa.Array) -> np.ndarray:
        """A lane's output for every value of a dictionary, and last for a missing one."""
        known = self._known.get(lane, dictionary)
        if known is None:
            with self._lock:
                function = self._of_values.get(lane.name)
                if function is None:
                    function = self._of_values[lane.name] = features_of_lane(lane, self.inputs)
            known = self._worked_out(lane, function, distinct_values(dictionary, lane.columns[0]))
            self._known.put(lane, dictionary, known)
        return known

    def _worked_out(self, lane: Lane, function: Callable[..., Any], values: np.ndarray) -> Any:
        """A lane's features of texts, piece by piece."""
        rows = SPARSE_ROWS if self.spec[self.places[lane.name][0]].sparse else max(len(values), 1)
        pieces = [
            self._as_stored(lane, function(tf.constant(piece[start : start + rows], tf.string)))
            for piece in pieces_of_texts(values)
            for start in range(0, len(piece), rows)
        ]
        return _joined(pieces)


def _unreadable(lane: Lane, raw: Mapping[str, np.ndarray], part: slice, features: np.ndarray) -> Mapping[int, str]:
    """By row of a part, why its value could not be read."""
    if len(lane.blocks) > 1 or not lane.blocks[0].row_by_row:
        return {}
    return lane.blocks[0].unreadable(raw[lane.columns[0]][part], features)


def columns_of(place: slice | None, rank: int) -> slice | int:
    """Where a lane's features of this rank stand in their entry."""
    assert place is not None
    return place.start if rank == 1 else place


def _view(tensor: Any) -> np.ndarray:
    """A tensor's values without a copy, read only."""
    return np.asarray(memoryview(tensor))


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
