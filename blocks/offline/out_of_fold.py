"""Out of fold: rows that a block learned from with their target, encoded from other rows than themselves.

A block that uses the target (`Preprocessor.uses_target`) knows the target of the rows that it was adapted on. Where a
model is fitted on these rows, or writes a store of them, each is encoded from the folds that it is not in, by its
position in the source; all other rows are encoded as they are served. All that follows from that stands here: what such
a block observes, how its rows are told from others, their features, and what a store says of them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import tensorflow as tf

from blocks.block import Classifier, ColumnChunk, Head
from blocks.data import Source
from blocks.data.raw_arrays import to_raw
from blocks.errors import InvalidArgument, warn
from blocks.offline.coded_lanes import LatestResults, is_coded
from blocks.offline.dictionary_columns import distinct_values, encode, positions
from blocks.offline.same_rows import digest_of_rows
from blocks.offline.transform import Transform, columns_of
from blocks.offline.unreadable_rows import UnreadableRows
from blocks.preprocessors import Columns
from blocks.preprocessors.columns.lanes import Lane

SPLITS = "held_out"
"""Under what a store's metadata name the splits whose rows are encoded out of fold."""

_POSITION = "\0position"


class OutOfFold:
    """A transform for the rows of one source: of the very rows that were adapted on, out of fold.

    Args:
        transform: Raw columns to features as they are served.
        source: The rows.
    """

    def __init__(self, transform: Transform, source: Source) -> None:
        self._transform = transform
        self._lanes = _learned_from(transform.lanes, source)
        self._places = LatestResults()

    @property
    def applies(self) -> bool:
        """Whether a block that uses the target was adapted on just these rows."""
        return bool(self._lanes)

    def with_positions(self, chunks: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The source's chunks from its first row on, with the rows' positions where these matter."""
        first = 0
        for chunk in chunks:
            rows = pa.array(np.arange(first, first + len(chunk)))
            yield chunk.append_column(_POSITION, rows) if self.applies else chunk
            first += len(chunk)

    def __call__(
        self, chunk: pa.RecordBatch, numbers: np.ndarray | None = None, unreadable: UnreadableRows | None = None
    ) -> dict[str, Any]:
        """The features of rows of a chunk of `with_positions`, as `Transform` gives them."""
        features = self._transform(chunk, numbers, unreadable)
        for lane in self._lanes:
            rows = chunk.column(_POSITION).to_numpy()
            values = lane.blocks[-1].out_of_fold(self._places_of(lane, chunk), rows)
            entry, columns = self._transform.places[lane.name]
            if not features[entry].flags.writeable:
                features[entry] = features[entry].copy()
            features[entry][:, columns_of(columns, values.ndim)] = values
        return features

    def _places_of(self, lane: Lane, chunk: pa.RecordBatch) -> np.ndarray:
        """The place of each row's value among those that the lane's last block has learned."""
        inputs = self._transform.inputs
        if not is_coded(lane, inputs):
            return _places(lane, {name: to_raw(chunk.column(name), inputs[name], name) for name in lane.columns})
        (name,) = lane.columns
        coded = encode(chunk.column(name), name)
        found = self._places.get(lane, coded.dictionary)
        if found is None:
            found = _places(lane, {name: distinct_values(coded.dictionary, name)})
            self._places.put(lane, coded.dictionary, found)
        return found.take(positions(coded))


def _places(lane: Lane, raw: Mapping[str, np.ndarray]) -> np.ndarray:
    tensors = {name: tf.constant(values) for name, values in raw.items()}
    return np.asarray(lane.blocks[-1].places(lane.compute(lane.inputs_from(tensors), -1)))


def _using_target(lanes: Iterable[Lane]) -> list[Lane]:
    return [lane for lane in lanes if lane.blocks[-1].uses_target]


def _learned_from(lanes: Iterable[Lane], source: Source) -> list[Lane]:
    """The lanes whose last block uses the target, if one of them was adapted on just these rows."""
    found = _using_target(lanes)
    if not found:
        return []
    try:
        origin = _origin(source)
    except InvalidArgument:  # what can be read only once was not adapted on
        return []
    return found if any(np.array_equal(lane.blocks[-1].state.get("source", ()), origin) for lane in found) else []


def _origin(source: Source) -> np.ndarray:
    """What tells a source from others in the state of a block that uses the target: uint8 (32,).

    Raises:
        InvalidArgument: The source can be read only once.
    """
    return np.frombuffer(digest_of_rows(source.fingerprint(), 32), np.uint8)


# -- adapting ----------------------------------------------------------------------------------------------------------


def origin_to_learn_from(columns: Columns, head: Head | None, source: Source, continued: bool) -> dict[str, np.ndarray]:
    """What blocks that use the target remember of the source beside what they learn; empty where there is none.

    Args:
        columns: The preprocessor.
        head: Names the target.
        source: What is adapted on.
        continued: Whether statistics of an earlier call are to be continued.

    Raises:
        InvalidArgument: A block uses the target and there is no head, or its source can be read only once, or
            statistics are continued.
    """
    lanes = _using_target(columns.lanes)
    if not lanes:
        return {}
    name = f"{type(lanes[0].blocks[-1]).__name__} of {lanes[0].name!r}"
    if head is None:
        raise InvalidArgument(
            f"A block that uses the target is adapted with a head, which names it. Received: {name}, and no head. "
            "Adapt a blocks.Model, or the block alone: block.adapt((values, target))."
        )
    if continued:
        raise InvalidArgument(
            f"A block that uses the target knows the rows of one source, so its statistics cannot be continued. "
            f"Received: initial statistics, and {name}. Adapt on all data at once."
        )
    return {"source": _origin(source)}


def with_target(
    values: Callable[[pa.RecordBatch], pa.Array], head: Head, lane: Lane
) -> Callable[[pa.RecordBatch, int], ColumnChunk]:
    """From rows of the source, and the position of the first, to what the lane's last block observes.

    Args:
        values: From rows to the values that enter the block.
        head: Of one target.
        lane: Whose last block uses the target.

    Raises:
        InvalidArgument: There are several targets.
    """
    if not isinstance(head.target, str) or (isinstance(head, Classifier) and not head.exclusive):
        raise InvalidArgument(
            f"A block that uses the target learns from one number or class a row. Received: one for {lane.name!r}, and "
            f"{type(head).__name__} of {', '.join(map(repr, head.targets))}. Use Vocabulary or Hashing in its place."
        )

    def chunk(rows: pa.RecordBatch, first: int) -> ColumnChunk:
        target = rows.column(head.target)
        if isinstance(head, Classifier) and not pa.types.is_dictionary(target.type):
            target = target.dictionary_encode()
        return ColumnChunk(values(rows), target, np.arange(first, first + len(rows)))

    return chunk


# -- stores and training -----------------------------------------------------------------------------------------------


def splits_out_of_fold(transform: Transform, sources: Mapping[str, Source]) -> dict[str, list[str]]:
    """What a store's metadata say of splits whose rows are encoded out of fold; {} where no block uses the target."""
    if not _using_target(transform.lanes):
        return {}
    return {SPLITS: [name for name, source in sources.items() if OutOfFold(transform, source).applies]}


def is_out_of_fold(split: Any) -> bool:
    """Whether the rows of a store's split are encoded out of fold."""
    return split.name in (split.metadata or {}).get(SPLITS, ())


def features_out_of_fold(preprocessor: Columns, split: Any) -> list[str]:
    """The features that a store's split holds otherwise than they are served."""
    if split is None or not is_out_of_fold(split):
        return []
    outputs = preprocessor.outputs_of_lanes()
    return [feature.name for lane, _, named in outputs if lane.blocks[-1].uses_target for feature in named]


def warn_of_leaks(preprocessor: Columns, out_of_fold: bool) -> None:
    """Say that rows to train on are encoded by their own targets, if they are among those that were adapted on.

    Args:
        preprocessor: Adapted.
        out_of_fold: Whether the rows are those that were adapted on, and encoded out of fold.
    """
    lanes = _using_target(preprocessor.lanes)
    if lanes and not out_of_fold:
        warn(
            f"{', '.join(repr(lane.name) for lane in lanes)} learned from the target of another source than this: rows "
            "that are in both see their own target. Train on the very source of adapt, or on the store's split of it."
        )
