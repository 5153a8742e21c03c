"""Rows that are the last step of no window, and why."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from blocks.data.windowing.cutting import Shape, Steps, following, stretches


def rows_without_window(chunks: Iterator[pa.RecordBatch], shape: Shape) -> dict[str, int]:
    """How many rows end no window, by the first reason that holds of each; a pass over whose they are and their times.

    Args:
        chunks: Of the columns of `by` and `order`, as `windows_of` takes them.
        shape: What a window is.

    Returns:
        Reasons in words to counts, those that occur. Rows before `shape.since` count for nothing.
    """
    length, coming = shape.length, shape.span - shape.length
    early = broken = usable = ended = last = 0
    for steps in stretches(chunks, shape):
        enough, whole = _before(steps, shape)
        fresh = _ends(steps, shape) & (steps.completed >= 0)
        early += int((fresh & ~enough).sum())
        broken += int((fresh & enough & ~whole).sum())
        usable += int((fresh & enough & whole).sum())
        end = steps.starts(shape) + length - 1
        ended += int(_ends(steps, shape)[end].sum())
        # of those that came last, of every entity, it is known only at the end that nothing follows
        last = int((_ends(steps, shape) & enough & whole & (following(steps.entity) < coming)).sum())
    found = {
        f"fewer than {length} steps so far": early,
        f"a step is missing among the last {length}": broken,
        f"fewer than {coming} steps to come": last,
        f"a step is missing among the next {coming}": usable - ended - last,
    }
    return {reason: count for reason, count in found.items() if count}


def _ends(steps: Steps, shape: Shape) -> np.ndarray:
    """Which steps are rows, of the part."""
    real = steps.row >= 0
    return real if shape.since is None else real & (steps.time >= shape.since)


def _before(steps: Steps, shape: Shape) -> tuple[np.ndarray, np.ndarray]:
    """Whether an entity has had enough steps up to each, and whether none of these is missing."""
    needed = shape.length - 1
    return following(steps.entity[::-1])[::-1] >= needed, following(steps.run[::-1])[::-1] >= needed
