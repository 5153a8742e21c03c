"""Nested parts of a split's rows: prefixes of one seeded order of all of them, as stores of their own."""

import os
from collections.abc import Iterator

import numpy as np

from blocks.store import Rows, SplitPlan, Store, StoreSplit, write


def prefix(split: StoreSplit, share: float, seed: int, path: str | os.PathLike[str]) -> StoreSplit:
    """About a share of a split's rows: each row draws a number in [0, 1) by the seed, and those below `share` are in.

    So a smaller share is part of a larger one, whatever order the rows are in, and one chunk of them is in memory.

    Args:
        split: Only read.
        share: In (0, 1]; of 1 it is the split itself.
        seed: Decides the order.
        path: The new store's folder; one that is there already is used, one that was interrupted is finished.

    Returns:
        A split of the same name, of a store that fits the same models.
    """
    if share >= 1:
        return split
    entries = [entry for entry in split.entries if not entry.is_key]

    def chunks(skip: int) -> Iterator[Rows]:
        for number, rows in enumerate(split.chunks([entry.name for entry in entries])):
            chosen = np.flatnonzero(np.random.default_rng([seed, number]).random(len(rows)) < share)
            begun, skip = min(skip, len(chosen)), max(skip - len(chosen), 0)
            if len(chosen) > begun:
                flat = rows.flat()
                yield Rows.from_flat({name: values[chosen[begun:]] for name, values in flat.items()})

    source = {split.name: {"store": split.identity, "split": split.name, "share": share, "seed": seed}}
    part: Store = write(
        path,
        {split.name: SplitPlan(chunks, round(split.rows * share))},
        fingerprint={**split.fingerprint, "source": source},
        columns={entry.name: entry.columns for entry in entries if entry.columns},
        spec=split.spec,
        metadata=split.metadata,
        verbose=0,
    )
    return part[split.name]
