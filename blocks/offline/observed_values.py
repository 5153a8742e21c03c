"""Observed values: from a chunk of the source to what the statistics of a block in the middle of a chain are of."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pyarrow as pa
import tensorflow as tf

from blocks.block import Preprocessor, observations
from blocks.data.raw_arrays import to_raw, values_one_by_one
from blocks.data.raw_columns import RawColumn
from blocks.offline.coded_lanes import is_coded
from blocks.offline.dictionary_columns import distinct_values, encode, pieces_of_texts, positions
from blocks.offline.traced_functions import observed_by, values_of_stack
from blocks.preprocessors.columns.lanes import Lane
from blocks.preprocessors.columns.stacking import stacked


def values_of_stacks(
    due: Sequence[tuple[Lane, int]], inputs: Mapping[str, RawColumn]
) -> dict[str, Callable[[pa.RecordBatch], pa.Array]]:
    """By lane's name, from a chunk to what enters its block that is due, worked out for all equal chains at once."""
    before = [
        replace(lane, blocks=lane.blocks[:depth])
        for lane, depth in due
        if depth and _as_it_enters(lane.blocks[depth]) and not is_coded(lane, inputs)
    ]
    found: dict[str, Callable[[pa.RecordBatch], pa.Array]] = {}
    for stack in stacked(before, inputs)[0]:
        entering = _Entering(values_of_stack(stack, inputs))
        found |= {lane.name: partial(entering, place) for place, lane in enumerate(stack.lanes)}
    return found


def enters_as_it_is(lane: Lane, depth: int) -> bool:
    """Whether the statistics of the block at `depth` of a lane are of its column's values as they are."""
    return depth == 0 and len(lane.columns) == 1 and _as_it_enters(lane.blocks[0])


def _as_it_enters(block: Preprocessor) -> bool:
    """Whether a block's statistics are of the values that enter it."""
    return type(block).observed is Preprocessor.observed


class _Entering:
    """What enters the blocks of several lanes, worked out once for each chunk."""

    def __init__(self, function: Callable[[pa.RecordBatch], np.ndarray]) -> None:
        self._function = function
        self._chunk: pa.RecordBatch | None = None
        self._values = np.empty(0)

    def __call__(self, place: int, chunk: pa.RecordBatch) -> pa.Array:
        if chunk is not self._chunk:
            self._values, self._chunk = self._function(chunk), chunk
        return pa.array(self._values[place])


def values_of_lane(lane: Lane, depth: int, inputs: Mapping[str, RawColumn]) -> Callable[[pa.RecordBatch], pa.Array]:
    """From a chunk to the values that the statistics of the block at `depth` of a lane are of."""
    if enters_as_it_is(lane, depth):
        (name,) = lane.columns
        return lambda chunk: values_one_by_one(chunk.column(name), inputs[name], name)
    observe = observed_by(lane, depth, inputs)
    if is_coded(lane, inputs):

        def of_distinct(chunk: pa.RecordBatch) -> pa.Array:
            coded = encode(chunk.column(lane.columns[0]), lane.columns[0])
            values = distinct_values(coded.dictionary, lane.columns[0])
            pieces = [observe(tf.constant(piece, tf.string)) for piece in pieces_of_texts(values)]
            at = positions(coded)
            if isinstance(pieces[0], tf.RaggedTensor):
                lengths = [piece.row_lengths().numpy() for piece in pieces]
                at = _runs(np.cumsum(np.concatenate([[0], *lengths])), at)
            return pa.DictionaryArray.from_arrays(pa.array(at), pa.concat_arrays([*map(observations, pieces)]))

        return of_distinct

    def of_rows(chunk: pa.RecordBatch) -> pa.Array:
        columns = (to_raw(chunk.column(name), inputs[name], name) for name in lane.columns)
        return observations(observe(*(tf.constant(values) for values in columns)))

    return of_rows


def _runs(splits: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Positions of all values of the rows `at` of a ragged tensor, row after row: int32."""
    begin, lengths = splits[:-1][at], np.diff(splits)[at]
    before = np.cumsum(lengths) - lengths
    return np.arange(lengths.sum(), dtype=np.int32) + np.repeat((begin - before).astype(np.int32), lengths)
