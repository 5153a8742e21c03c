"""A classifier that is to tell two tables' rows apart: how well it does on rows it has not seen, and by which columns.

What no column shows alone, it sees: columns that go together otherwise than they did.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy import stats

from blocks.inspection.column_kinds import Holds, fits, kind_of
from blocks.statistics.tokens import encoded

ROWS = 10_000
"""Rows of each table that it learns from and is judged by."""

FEWEST_ROWS = 100
"""Rows of each table from which on it is tried."""

MOST_TOKENS = 200
"""Tokens of a column that are told apart; all others are one."""


@dataclasses.dataclass(frozen=True)
class Separation:
    """How well two tables' rows are told apart.

    Attributes:
        area: Under the receiver operating characteristic, on rows that were not learned from; 0.5 tells nothing.
        low: The least that it is, with 95% confidence.
        high: The most.
        p_value: Of an area of 0.5 or less.
        columns: By name, how much of the area goes when the column is shuffled, and the p-value of none.
    """

    area: float
    low: float
    high: float
    p_value: float
    columns: Mapping[str, tuple[float, float]]


def separation(reference: pa.Table, current: pa.Table, seed: int = 0) -> Separation | None:
    """How well gradient boosted trees tell the rows of two tables apart; None where they hold too few, or no column.

    Each half of the rows is judged by what was learned from the other. Each half's p-value holds by itself; theirs
    together is twice the smaller one.

    Args:
        reference: The one's rows.
        current: The other's. Columns of both, but for dates, times and bytes, are used.
        seed: Another seed, other halves.

    Source: Lopez-Paz, Oquab, "Revisiting Classifier Two-Sample Tests" (2017); intervals by DeLong et al. (1988).
    """
    from threadpoolctl import threadpool_limits  # scikit-learn's own

    features = _features(reference, current)
    if not features or min(len(reference), len(current)) < FEWEST_ROWS:
        return None
    with threadpool_limits(1, user_api="openmp"):  # whose threads wait for each other on a busy machine
        return _told_apart(features, len(reference), len(current), seed)


def _told_apart(features: list[tuple[str, np.ndarray, bool]], n: int, m: int, seed: int) -> Separation:
    from sklearn.ensemble import HistGradientBoostingClassifier

    names = [name for name, _, _ in features]
    x = np.column_stack([values for _, values, _ in features])
    categorical = np.array([tokens for _, _, tokens in features])
    y = np.repeat([0, 1], [n, m])
    random = np.random.default_rng(seed)
    half = np.zeros(len(y), bool)
    for rows in (np.flatnonzero(y == side) for side in (0, 1)):
        half[random.permutation(rows)[: len(rows) // 2]] = True
    areas, variances, p_values = [], [], []
    lost: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    for judged in (half, ~half):
        trees = HistGradientBoostingClassifier(
            max_iter=60, categorical_features=categorical, early_stopping=False, random_state=seed
        )
        trees.fit(x[~judged], y[~judged])
        held, truth = x[judged], y[judged]
        scores = trees.decision_function(held)
        placed = _placements(scores, truth)
        areas.append(float(placed[1].mean()))
        variances.append(_variance(placed))
        ranks = stats.mannwhitneyu(scores[truth == 1], scores[truth == 0], alternative="greater", method="asymptotic")
        p_values.append(float(ranks.pvalue))
        for name in dict.fromkeys(names):
            shuffled = held.copy()
            of_column = [at for at, other in enumerate(names) if other == name]
            shuffled[:, of_column] = held[random.permutation(len(held))][:, of_column]
            without = _placements(trees.decision_function(shuffled), truth)
            less = [one - other for one, other in zip(placed, without, strict=True)]
            lost[name].append((float(less[1].mean()), _variance(less)))
    area, deviation = float(np.mean(areas)), float(np.sqrt(np.sum(variances))) / 2
    columns = {name: _lost(each) for name, each in lost.items()}
    low, high = max(0.0, area - 1.96 * deviation), min(1.0, area + 1.96 * deviation)
    return Separation(area, low, high, min(1.0, 2 * min(p_values)), columns)


def _lost(each: list[tuple[float, float]]) -> tuple[float, float]:
    """What is lost of the area on average, and the p-value of nothing."""
    less = float(np.mean([drop for drop, _ in each]))
    deviation = float(np.sqrt(np.sum([variance for _, variance in each]))) / len(each)
    return less, float(stats.norm.sf(less / deviation)) if deviation > 0 else 1.0


def _placements(scores: np.ndarray, truth: np.ndarray) -> list[np.ndarray]:
    """For each row of either side, the share of the other side's rows that it is rightly above or below of."""
    sides = [np.sort(scores[truth == side]) for side in (0, 1)]
    found = []
    for side in (0, 1):
        other, mine = sides[1 - side], scores[truth == side]
        below = (np.searchsorted(other, mine, "left") + np.searchsorted(other, mine, "right")) / (2 * len(other))
        found.append(below if side else 1 - below)
    return found


def _variance(placed: list[np.ndarray]) -> float:
    """Of the mean of placements, by DeLong."""
    return float(sum(one.var(ddof=1) / len(one) for one in placed))


def _features(reference: pa.Table, current: pa.Table) -> list[tuple[str, np.ndarray, bool]]:
    """Name, numbers (rows,) and whether they stand for tokens, of what the columns hold; both tables' rows in turn."""
    found = []
    for name in reference.schema.names:
        if name not in current.schema.names:
            continue
        columns = [
            pa.concat_arrays(table.column(name).chunks or [_none(table, name)]) for table in (reference, current)
        ]
        kinds = [kind_of(column.type) for column in columns]
        if fits(*kinds) and "unknown" not in (kinds[0].kind, kinds[1].kind):
            made = [_numbers(column, kind) for column, kind in zip(columns, kinds, strict=True)]
            found += [(name, np.concatenate(pair), False) for pair in zip(*made, strict=True)]
            if all(kind == Holds("text") for kind in kinds):
                found.append((name, _tokens(columns), True))
    return found


def _none(table: pa.Table, name: str) -> pa.Array:
    return pa.array([], table.schema.field(name).type)


def _numbers(column: pa.Array, holds: Holds) -> list[np.ndarray]:
    """Numbers of each row: itself, or how many values its list has, and their mean."""
    if holds.is_list:
        lengths = _finite(pc.list_value_length(column))
        if holds.kind not in ("integer", "number", "boolean"):
            return [lengths]
        values, parents = _finite(column.flatten()), pc.list_parent_indices(column).to_numpy(zero_copy_only=False)
        there = np.isfinite(values)
        sums = np.bincount(parents[there], values[there], len(column))
        counts = np.bincount(parents[there], minlength=len(column))
        means = np.divide(sums, counts, out=np.full(len(column), np.nan), where=counts > 0)
        return [lengths, means]
    return [_finite(column)] if holds.kind in ("integer", "number", "boolean", "duration", "time of day") else []


def _finite(column: pa.Array) -> np.ndarray:
    """Float64, missing ones as nan, infinite ones as the largest float32."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_duration(column.type) or pa.types.is_time64(column.type):
        column = column.cast(pa.int64())
    elif pa.types.is_time32(column.type):
        column = column.cast(pa.int32())
    elif pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    numbers: Any = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    largest = float(np.finfo(np.float32).max)
    return np.clip(numbers, -largest, largest)


def _tokens(columns: list[pa.Array]) -> np.ndarray:
    """Numbers for the frequent tokens of two columns; one for all others, and one for missing ones."""
    text = [column.cast(pa.large_string()) for column in (_plain(one) for one in columns)]
    coded = encoded(pa.concat_arrays(text))
    at = pc.fill_null(coded.indices, len(coded.dictionary)).to_numpy(zero_copy_only=False)
    counts = np.bincount(at, minlength=len(coded.dictionary) + 1)[:-1]
    often = np.argsort(-counts, kind="stable")[:MOST_TOKENS]
    number = np.full(len(counts) + 1, MOST_TOKENS)
    number[often[counts[often] > 1]] = np.arange(np.count_nonzero(counts[often] > 1))
    number[-1] = MOST_TOKENS + 1
    return number[at].astype(np.float64)


def _plain(column: pa.Array) -> pa.Array:
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
