"""Columns that say the same as another one: equal, one to one, or a straight or rising line of it."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa

from blocks.inspection.relations.association_measures import Association
from blocks.inspection.relations.sampled_columns import CATEGORY, NUMBER, SampledColumn, sampled_columns
from blocks.statistics.value_hashes import value_hashes

NEARLY: Final = 0.999
"""Correlation, or share of rows, from which a column says nearly the same as another."""

LEAST_ROWS: Final = 20

LEAST_OTHERS: Final = 5
"""Rows without a column's commonest value from which it is no chance that two columns go together."""

_STRONG: Final = 0.98


class Copy(NamedTuple):
    """A column that says the same as another.

    Args:
        column: The copy; of two the later one.
        other: What it is a copy of; the target, if one of both is.
        how: "equal"; "one to one", where each value of the one stands for one of the other; "nearly one to one", but
            for few rows; "linear" or "monotone", where both are numbers.
        value: The share of rows that fit; of numbers Pearson's or Spearman's correlation.
        rows: Rows that both have.
    """

    column: str
    other: str
    how: str
    value: float
    rows: int


def copies(rows: pa.Table, found: Sequence[Association], target: str | None = None) -> tuple[Copy, ...]:
    """The copies among the columns of a sample, the target's first; of several alike each is one of the first.

    Args:
        rows: The sample.
        found: What `associations` found in it; those of at least 0.98 are looked at.
        target: The target's column, or None.

    Returns:
        The copies. Columns whose values stand in one row alone, as names do, are copies only where they are equal, or
        numbers on a line.

    Example:
        >>> rows = pa.table({"code": ["S", "C", "S", "Q"] * 9, "port": ["south", "cher", "south", "queen"] * 9})
        >>> copies(rows, ())
        (Copy(column='port', other='code', how='one to one', value=1.0, rows=36),)
    """
    columns = {one.name: one for one in sampled_columns(rows) if _varies(one)}
    order = [name for name in (target, *columns) if name in columns]
    order = list(dict.fromkeys(order))
    first: dict[bytes, str] = {}
    copied: dict[str, Copy] = {}
    for name in order:
        column = columns[name]
        for how, sign in (("equal", value_hashes(rows[name])), ("one to one", _pattern(column))):
            if sign is None:
                continue
            other = first.setdefault(how.encode() + blake2b(sign.tobytes(), digest_size=16).digest(), name)
            if other != name and name not in copied:
                copied[name] = Copy(name, other, how, 1.0, int(column.present.sum()))
    place = {name: at for at, name in enumerate(order)}
    strong = {
        tuple(sorted((place[one.column], place[one.other])))
        for one in found
        if abs(one.value) >= _STRONG and not one.measure.startswith("missing")
        if one.column in place and one.other in place
    }
    near: dict[str, Copy] = {}
    # by the first of both, so that each is a copy of the first that it goes with
    for earlier, later in sorted(strong):
        name, other = order[later], order[earlier]
        if name in copied or other in copied or name in near:
            continue
        copy = _compared(columns[name], columns[other])
        if copy is not None:
            near[name] = copy
    return tuple(sorted([*copied.values(), *near.values()], key=lambda one: (one.other != target, place[one.column])))


def _varies(column: SampledColumn) -> bool:
    """Whether there are enough rows, and enough that do not have its commonest value."""
    there = column.codes[column.present]
    return len(there) >= LEAST_ROWS and len(there) - int(np.bincount(there).max()) >= LEAST_OTHERS


def _pattern(column: SampledColumn) -> np.ndarray | None:
    """Its values numbered as they first come: the same for all columns that are one to one with it."""
    if 2 * column.size > column.present.sum():
        return None
    _, begins, codes = np.unique(column.codes, return_index=True, return_inverse=True)
    pattern: np.ndarray = np.argsort(np.argsort(begins))[codes]
    # where it is missing counts too
    return pattern if column.present.all() else np.where(column.present, pattern, -1)


def _compared(column: SampledColumn, other: SampledColumn) -> Copy | None:
    both = column.present & other.present
    rows = int(both.sum())
    if rows < LEAST_ROWS:
        return None
    column, other = column.taken(both), other.taken(both)
    if column.kind == NUMBER and other.kind == NUMBER:
        linear = _pearson(column.values, other.values)
        if abs(linear) > NEARLY:
            return Copy(column.name, other.name, "linear", linear, rows)
        rising = _pearson(_mean_ranks(column), _mean_ranks(other))
        return Copy(column.name, other.name, "monotone", rising, rows) if abs(rising) > NEARLY else None
    if CATEGORY not in (column.kind, other.kind) or 2 * max(column.size, other.size) > rows:
        return None
    pairs, counts = np.unique(column.codes * other.size + other.codes, return_counts=True)
    # rows that fit the best map each way
    fitting = min(_largest(pairs // other.size, counts), _largest(pairs % other.size, counts)) / rows
    return Copy(column.name, other.name, "nearly one to one", fitting, rows) if fitting >= NEARLY else None


def _largest(levels: np.ndarray, counts: np.ndarray) -> float:
    most = np.zeros(int(levels.max()) + 1)
    np.maximum.at(most, levels, counts)
    return float(most.sum())


def _mean_ranks(column: SampledColumn) -> np.ndarray:
    sizes = np.bincount(column.codes, minlength=column.size)
    return (np.cumsum(sizes) - sizes / 2)[column.codes]


def _pearson(one: np.ndarray | None, other: np.ndarray | None) -> float:
    if one is None or other is None or not (np.isfinite(one).all() and np.isfinite(other).all()):
        return 0.0
    with np.errstate(all="ignore"):
        one, other = one - one.mean(), other - other.mean()
        lengths = np.sqrt((one @ one) * (other @ other))
        value = float(one @ other / lengths) if lengths > 0 else 0.0
    return min(1.0, max(-1.0, value)) if np.isfinite(value) else 0.0
