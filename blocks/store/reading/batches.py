"""Batches: what they depend on, how they are cut from windows of rows, and the form in which Keras takes them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from blocks.features.sparse import as_batch_form
from blocks.store.reading.shuffle_windows import Block

Batch = tuple[Any, ...]


class Settings(NamedTuple):
    """What the batches of a stream depend on, and so what a position must agree with."""

    store: str
    split: str
    batch_size: int
    shuffle: bool
    seed: int
    window: int
    drop_remainder: bool
    repeat: bool
    shard: tuple[int, int]


def as_batch(block: Mapping[str, Any]) -> Batch:
    """Put arrays by entry name into what Keras takes: `(features, target[, weight])`, sparse rows as pairs.

    Example:
        >>> as_batch({"features/numeric": 1, "target": 2})
        ({'numeric': 1}, 2)
    """
    features = {name[9:]: as_batch_form(array) for name, array in block.items() if name.startswith("features/")}
    if "target" in block:
        target: Any = block["target"]
    else:
        target = {name[7:]: array for name, array in block.items() if name.startswith("target/")} or None
    if "weight" in block:
        return features, target, block["weight"]
    return (features,) if target is None else (features, target)


def place_of(rows: Sequence[int], skip: int) -> tuple[int, int]:
    """Find the window of so many rows each in which a row is, and how many of it come before.

    Example:
        >>> place_of([3, 2], 4), place_of([3, 2], 5)
        ((1, 1), (2, 0))
    """
    for number, count in enumerate(rows):
        if skip < count:
            return number, skip
        skip -= count
    return len(rows), 0


def rebatch(blocks: Iterator[Block], size: int, drop_remainder: bool) -> Iterator[Block]:
    """Cut blocks of any number of rows into batches; a batch within one block is a view of it.

    Example:
        >>> blocks = ({"x": np.arange(start, start + 3)} for start in (0, 3))
        >>> [batch["x"].tolist() for batch in rebatch(blocks, 2, drop_remainder=False)]
        [[0, 1], [2, 3], [4, 5]]
    """
    parts: list[Block] = []
    missing = size
    for block in blocks:
        start, rows = 0, len(next(iter(block.values())))
        if parts:
            start = min(missing, rows)
            parts.append({name: array[:start] for name, array in block.items()})
            missing -= start
            if missing:
                continue
            yield _join(parts)
            parts, missing = [], size
        stop = rows - (rows - start) % size
        for first in range(start, stop, size):
            yield {name: array[first : first + size] for name, array in block.items()}
        if stop < rows:
            parts, missing = [{name: array[stop:] for name, array in block.items()}], size - (rows - stop)
    if parts and not drop_remainder:
        yield _join(parts)


def _join(parts: list[Block]) -> Block:
    if len(parts) == 1:
        return parts[0]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
