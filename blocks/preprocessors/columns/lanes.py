"""Lanes: one for each chain of a `Columns`, from raw columns to its place among the packed features."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import tensorflow as tf

from blocks.block import Preprocessor
from blocks.features.spec import CATEGORICAL, NUMERIC, Entry, Feature

Places: TypeAlias = Mapping[str, tuple[str, slice | None]]


@dataclass(frozen=True)
class Lane:
    """One chain of blocks, the raw columns that enter it, and the name of what comes out.

    Args:
        name: Of the features: the column's own, or one made of several's.
        columns: The raw columns.
        blocks: In order.
        entry_name: Of the entry, where what comes out is of higher rank: the same, wherever that can be one.
        shape: Of a row's value in each of the raw columns; blocks work on each value of a window as on a number.
    """

    name: str
    columns: tuple[str, ...]
    blocks: tuple[Preprocessor, ...]
    entry_name: str
    shape: tuple[int, ...] = ()

    def compute(self, values: Any, until: int | None = None) -> Any:
        """Values of the raw columns (a tuple for several) through the blocks, at full precision.

        Args:
            values: Of shape (batch, *shape).
            until: Through so many blocks alone: then windows' values come one after the other, as blocks see them.
        """
        if self.shape:
            values = tf.nest.map_structure(lambda column: tf.reshape(column, [-1]), values)
        for block in self.blocks[:until]:
            # what stands before a block of several columns works on each of them
            each = isinstance(values, tuple) and not block.several
            values = tuple(map(block.compute, values)) if each else block.compute(values)
        if self.shape and until is None:
            features = len(self.outputs())
            return tf.reshape(values, [-1, *self.shape, *([features] if features > 1 else [])])
        return values

    def inputs_from(self, raw: Mapping[str, Any]) -> Any:
        """What enters the chain, of raw values by column: those of its column, or a tuple for several."""
        values = tuple(raw[column] for column in self.columns)
        return values[0] if len(values) == 1 else values

    def outputs(self) -> list[Feature]:
        """The features that the last block emits."""
        return self.blocks[-1].outputs(self.name, self.columns)

    def entry(self) -> Entry | None:
        """The entry of higher rank that the last block emits, if it is not scalar features: of windows always."""
        if self.shape:
            return Entry.of_windows(self.shape[0], self.outputs())
        return self.blocks[-1].entry(self.name, self.columns)


def places_of(lanes: Sequence[Lane]) -> Places:
    """Where each lane's output goes: an entry, and its columns there (None for all of an entry of higher rank)."""
    places: dict[str, tuple[str, slice | None]] = {}
    filled = {NUMERIC: 0, CATEGORICAL: 0}
    for lane in lanes:
        if lane.entry() is not None:
            places[lane.name] = (lane.entry_name, None)
            continue
        features = lane.outputs()
        entry = NUMERIC if features[0].cardinality is None else CATEGORICAL
        start = filled[entry]
        filled[entry] += len(features)
        places[lane.name] = (entry, slice(start, filled[entry]))
    return places
