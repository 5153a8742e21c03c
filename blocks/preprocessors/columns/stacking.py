"""Stacking: lanes of equal chains as one run of operations over all their columns. What a lane is, is in lanes."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from blocks.block import Preprocessor, emit, without_names
from blocks.data.raw_columns import RawColumn
from blocks.features.spec import CATEGORICAL, NUMERIC
from blocks.preprocessors.columns.lanes import Lane, Places


@dataclass(frozen=True, eq=False)
class Stack:
    """Lanes of one column each whose chains are equal but for what they have learned.

    Args:
        lanes: Two at least.
        blocks: For each block of the chains, what does its work for all lanes; see `Preprocessor.stack`.
    """

    lanes: tuple[Lane, ...]
    blocks: tuple[Any, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The raw column of each lane."""
        return tuple(lane.columns[0] for lane in self.lanes)

    def compute(self, values: Any) -> Any:
        """Raw values of shape (lanes, rows) through the chain: (lanes, rows) or (lanes, rows, k), at full precision."""
        for block in self.blocks:
            values = block.compute(values)
        return values


def stacked(
    lanes: Sequence[Lane], inputs: Mapping[str, RawColumn], *, indicators: bool = False
) -> tuple[list[Stack], list[Lane]]:
    """Lanes of equal chains as stacks, and the lanes that remain, in order.

    Args:
        lanes: Adapted; chains may be cut off before blocks that are not.
        inputs: As what each raw column enters.
        indicators: Whether lanes with an indicator and lanes without stand in one stack, which then emits one for each:
            fewer operations, and more work where rows are many.
    """
    alike: dict[str, list[Lane]] = {}
    for lane in lanes:
        if _may_stack(lane):
            alike.setdefault(str(inputs[lane.columns[0]]) + _chain(lane, indicators), []).append(lane)
    stacks = []
    for found in alike.values():
        # the first is what the others are made like
        group = sorted(found, key=lambda lane: not _indicates(lane))
        if len(group) > 1 and (blocks := _stacked_blocks(group)):
            stacks.append(Stack(tuple(group), blocks))
    in_stacks = {lane.name for stack in stacks for lane in stack.lanes}
    return stacks, [lane for lane in lanes if lane.name not in in_stacks]


def _may_stack(lane: Lane) -> bool:
    stackable = all(type(block).stacks or _stacks_itself(type(block)) for block in lane.blocks)
    return stackable and bool(lane.blocks) and len(lane.columns) == 1 and not lane.shape


def _stacks_itself(block: type[Preprocessor]) -> bool:
    return block.stack.__func__ is not Preprocessor.stack.__func__  # type: ignore[attr-defined]


def _indicates(lane: Lane) -> bool:
    return lane.blocks[-1].add_indicator


def _chain(lane: Lane, indicators: bool) -> str:
    """What two chains that differ only in what they have learned share; with `indicators`, or in the indicator."""
    configs = [without_names(keras.saving.serialize_keras_object(block)) for block in lane.blocks]
    if indicators and isinstance(configs[-1][1], dict):
        configs[-1][1].pop("indicator", None)  # as fingerprints call it
    # a number in a unit of its own (`numbers.unit_of`) keeps no other from its stack
    return json.dumps([configs, [sorted(block.state) for block in lane.blocks]], sort_keys=True, default=str)


def _stacked_blocks(lanes: Sequence[Lane]) -> tuple[Any, ...]:
    """What does each block's work for all lanes; empty where one works column by column."""
    blocks = []
    for same in zip(*(lane.blocks for lane in lanes), strict=True):
        block = type(same[0]).stack(same)
        if block is None:
            return ()
        blocks.append(block)
    return tuple(blocks)


class Packing:
    """The scalar features of lanes, worked out and put side by side in the order of the specification.

    Args:
        lanes: All that emit scalar features into an entry.
        stacks: The stacks among them.
        places: Lane's name to its entry and its columns there.
    """

    def __init__(self, lanes: Sequence[Lane], stacks: Sequence[Stack], places: Places) -> None:
        self.stacks = tuple(stacks)
        in_stacks = {lane.name for stack in stacks for lane in stack.lanes}
        self.singles = tuple(lane for lane in lanes if lane.name not in in_stacks)
        self.columns: dict[str, list[int]] = {NUMERIC: [], CATEGORICAL: []}
        """For each entry, the columns there of what `__call__` gives, in rising order."""
        self._order: dict[str, list[int]] = {}
        found: dict[str, list[int | None]] = {NUMERIC: [], CATEGORICAL: []}
        for group in [*(stack.lanes for stack in self.stacks), *((lane,) for lane in self.singles)]:
            width = len(group[0].outputs())
            for lane in group:
                entry, columns = places[lane.name]
                assert columns is not None
                emitted = list(range(columns.start, columns.stop))
                # an indicator that the stack emits, and the lane does not
                found[entry] += emitted + [None] * (width - len(emitted))
        for entry, places_in in found.items():
            kept = sorted((column, place) for place, column in enumerate(places_in) if column is not None)
            self.columns[entry] = [column for column, _ in kept]
            order = [place for _, place in kept]
            self._order[entry] = [] if order == list(range(len(places_in))) else order

    def __call__(self, of_stacks: Sequence[Any], of_lanes: Sequence[Any]) -> dict[str, Any]:
        """Entry to features (rows, n), rounded, in rising order of their columns; entries without one are absent.

        Args:
            of_stacks: Raw values of each stack, (lanes, rows).
            of_lanes: Raw values of each single lane: (rows,), or a tuple of such.
        """
        parts: dict[str, list[Any]] = {}
        for stack, values in zip(self.stacks, of_stacks, strict=True):
            part = stack.compute(values)
            if part.shape.rank == 3:
                part = tf.reshape(tf.transpose(part, (0, 2, 1)), (len(stack.lanes) * part.shape[2], -1))
            parts.setdefault(_entry(part), []).append(part)
        for lane, values in zip(self.singles, of_lanes, strict=True):
            part = lane.compute(values)
            part = tf.transpose(part) if part.shape.rank == 2 else part[tf.newaxis]
            parts.setdefault(_entry(part), []).append(part)
        # packed column by column and turned at once, which is faster than interleaving
        packed = {}
        for entry, found in parts.items():
            side = found[0] if len(found) == 1 else tf.concat(found, axis=0)
            if self._order[entry]:
                side = tf.gather(side, self._order[entry])
            packed[entry] = emit(tf.transpose(side))
        return packed


def _entry(values: Any) -> str:
    return NUMERIC if values.dtype.is_floating else CATEGORICAL
