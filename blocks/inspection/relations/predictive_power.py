"""How well one column alone tells the target, on rows that it was not learned from; and exact sums of several.

A column that tells nearly all is mostly one that was not there yet when the prediction would have been made.
"""

from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa

from blocks.inspection.relations.sampled_columns import CATEGORY, NUMBER, SampledColumn, sampled_columns, target_column

SUSPICIOUS: Final = 0.8
"""Power from which a column is suspected to tell what cannot be known yet."""

LEAST_ROWS: Final = 100
"""Rows with a target that it takes to say anything."""

_BINS = 128
_ROWS_OF_A_BIN = 40
_PRIOR_ROWS = 2
_MOST_OF_A_SUM = 100
_EXACT = 1e-3


class Power(NamedTuple):
    """What one column tells of the target.

    Args:
        column: Its name.
        value: The share of the target's variance (of classes, of the Brier score) that it explains of rows it was not
            learned from, from 0 to 1.
        rows: Rows that have a target.
    """

    column: str
    value: float
    rows: int


class LinearSum(NamedTuple):
    """Columns whose weighted sum is the target.

    Args:
        columns: Their names.
        weights: The weight of each.
        constant: What is added.
        rows: Rows in which all of them are present; the sum is the target's in each, to a thousandth of its
            standard deviation.
    """

    columns: tuple[str, ...]
    weights: tuple[float, ...]
    constant: float
    rows: int


def predictive_power(rows: pa.Table, target: str, seed: int = 0) -> tuple[Power, ...]:
    """How well each column alone tells the target, the best first.

    Rows are halved at random; each half is predicted by what the other has of a value: the mean of the target there
    (a number's ranks, of classes their shares), drawn towards the mean of all by 2 rows. Numbers are cut into up to 128
    bins of equally many rows; missing is a value of its own.

    Args:
        rows: A sample of rows.
        target: The target's column; up to 20 different whole numbers are classes.
        seed: Decides the halves.

    Returns:
        Of each column that varies; none for fewer than 100 rows with a target, or one that does not vary.

    Example:
        >>> rows = pa.table({"y": ["no", "yes"] * 100, "paid": [0, 1] * 100, "day": list(range(100)) * 2})
        >>> [(found.column, round(found.value, 2)) for found in predictive_power(rows, "y")]
        [('paid', 1.0), ('day', 0.0)]

    Source: the predictive power score of Wetschoreck, Krabel, Krishnamurthy (2020), with the Brier score (1950) for
        both kinds of targets.
    """
    everything = sampled_columns(rows)
    goal = target_column(everything, target)
    if goal is None:
        return ()
    there = np.flatnonzero(goal.present)
    goal = goal.taken(there)
    wanted = _wanted(goal)
    if len(there) < LEAST_ROWS or not wanted.var():
        return ()
    first = np.random.default_rng(seed).permutation(len(there)) < len(there) // 2
    found = []
    for column in everything:
        if column.name == target:
            continue
        levels, size = _levels(column.taken(there))
        if size < 2:
            continue
        error = sum(_error(wanted, levels, size, half) for half in (first, ~first))
        # a half's own mean is not known either
        naive = sum(_error(wanted, np.zeros_like(levels), 1, half) for half in (first, ~first))
        found.append(Power(column.name, float(max(0.0, 1 - error / naive)), len(there)))
    return tuple(sorted(found, key=lambda one: (-one.value, one.column)))


def linear_sum(rows: pa.Table, target: str) -> LinearSum | None:
    """Two columns of numbers or more whose weighted sum is the target in every row; None where there are none.

    Args:
        rows: A sample of rows.
        target: A column of numbers.

    Example:
        >>> random = np.random.default_rng(0)
        >>> casual, registered = random.poisson(20, 200), random.poisson(90, 200)
        >>> rows = pa.table({"casual": casual, "registered": registered, "count": casual + registered})
        >>> linear_sum(rows, "count").columns
        ('casual', 'registered')
    """
    columns = {one.name: one for one in sampled_columns(rows) if one.kind == NUMBER}
    goal = columns.pop(target, None)
    if goal is None or goal.values is None:
        return None
    usable = [one for one in columns.values() if one.size > 1 and (one.present & goal.present).mean() > 0.5]
    usable = usable[:_MOST_OF_A_SUM]
    table = np.stack([goal.values, *(one.values for one in usable if one.values is not None)])
    table = table[:, np.isfinite(table).all(axis=0)]
    if table.shape[1] < max(LEAST_ROWS, 5 * len(usable)) or len(usable) < 2:
        return None
    wanted, given = table[0], table[1:]
    with np.errstate(all="ignore"):
        shift, spread = table.mean(axis=1), table.std(axis=1)
    # constant there, or so large that float64 holds no squares of them
    fit = (spread > 0) & np.isfinite(spread) & np.isfinite(shift)
    if not fit[0] or fit.sum() < 3:
        return None
    scaled = (table[fit] - shift[fit, None]) / spread[fit, None]
    given, usable = given[fit[1:]], [one for one, fits in zip(usable, fit[1:].tolist(), strict=True) if fits]
    kept = _needed(scaled[1:], scaled[0])
    if len(kept) < 2:
        return None
    solved = np.linalg.lstsq(np.vstack([scaled[1:][kept], np.ones(table.shape[1])]).T, scaled[0], rcond=None)[0]
    slopes = solved[:-1] * spread[0] / spread[fit][1:][kept]
    weights = tuple(float(f"{slope:.4g}") for slope in slopes.tolist())
    rest = float(np.mean(wanted - np.array(weights) @ given[kept]))
    constant = float(f"{rest:.4g}") if abs(rest) > _EXACT * spread[0] else 0.0
    return LinearSum(tuple(usable[i].name for i in kept), weights, constant, table.shape[1])


def _wanted(goal: SampledColumn) -> np.ndarray:
    """(rows, outputs) What is predicted: a number's ranks, of classes whether it is each of them."""
    if goal.kind == CATEGORY:
        goal = goal.pooled()
        return np.eye(goal.size)[goal.codes]
    sizes = np.bincount(goal.codes, minlength=goal.size)
    return (np.cumsum(sizes) - sizes / 2)[goal.codes][:, None] / max(1, len(goal.codes))


def _levels(column: SampledColumn) -> tuple[np.ndarray, int]:
    """(rows,) Bins of numbers, levels of categories, 0 where missing; and one more than the largest."""
    codes, size = column.codes + 1, column.size + 1
    if column.kind == NUMBER and column.size > _BINS // 2:
        sizes = np.bincount(codes[codes > 0], minlength=size)
        bins = max(2, min(_BINS, int(sizes.sum()) // _ROWS_OF_A_BIN))
        middles = (np.cumsum(sizes) - sizes / 2) / max(1, sizes.sum())
        codes = np.where(codes > 0, 1 + np.minimum((middles * bins).astype(int), bins - 1)[codes], 0)
        size = bins + 1
    return codes, size if len(np.unique(codes)) > 1 else 1


def _error(wanted: np.ndarray, levels: np.ndarray, size: int, learned: np.ndarray) -> float:
    """Squared error of the rows that it is not learned from."""
    base = wanted[learned].mean(axis=0)
    sums = np.stack([np.bincount(levels[learned], column[learned], minlength=size) for column in wanted.T], axis=1)
    counts = np.bincount(levels[learned], minlength=size)[:, None]
    means = (sums + _PRIOR_ROWS * base) / (counts + _PRIOR_ROWS)
    return float(((wanted[~learned] - means[levels[~learned]]) ** 2).sum())


def _needed(given: np.ndarray, wanted: np.ndarray) -> list[int]:
    """Which of some columns it takes for their weighted sum to be what is wanted; none where it is not."""
    kept = list(range(len(given)))
    while kept:
        weights, missed = _solved(given[kept], wanted)
        if missed > _EXACT:
            return []
        # the one that the sum can do without, if there is any, the least first
        for place in np.argsort(np.abs(weights), kind="stable").tolist():
            without = kept[:place] + kept[place + 1 :]
            if without and _solved(given[without], wanted)[1] <= _EXACT:
                kept = without
                break
        else:
            return kept
    return []


def _solved(given: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, float]:
    weights = np.linalg.lstsq(given.T, wanted, rcond=None)[0]
    return weights, float(np.abs(weights @ given - wanted).max())
