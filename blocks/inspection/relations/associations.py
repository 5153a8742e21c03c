"""How strongly columns go together, and with the target: one measure for each pair of kinds, over a sample of rows.

Copies of a column and leaks of the target are looked for elsewhere (`copies`, `predictive_power`); what is a finding
is said in `relation_findings`.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa

from blocks.inspection.relations.association_measures import (
    Association,
    correlation_ratios,
    cramers_v,
    missing_together,
    spearman,
)
from blocks.inspection.relations.sampled_columns import (
    CATEGORY,
    LEAST_OF_A_LEVEL,
    NUMBER,
    SampledColumn,
    sampled_columns,
    target_column,
)

MOST_COLUMNS: Final = 400
"""Columns that are compared with each other; with the target all are."""

_WORK = 200_000_000
_FEWEST = 2_000


@dataclasses.dataclass(frozen=True)
class Associations:
    """What `associations` found.

    Args:
        target: The target's name, or None.
        rows: Rows of the sample that were looked at.
        with_target: Of each column with the target, the strongest first.
        among: Of each pair of other columns, the strongest first.
        left_out: Columns that nothing can be said of: constant, lists, of too few values.
        alone: Columns that were compared with the target only, where there are too many.
    """

    target: str | None
    rows: int
    with_target: tuple[Association, ...]
    among: tuple[Association, ...]
    left_out: tuple[str, ...]
    alone: tuple[str, ...]

    def to_table(self) -> pa.Table:
        """An Arrow table of all: column, other, measure, value, rows; those with the target first."""
        found = [*self.with_target, *self.among]
        columns = list(zip(*found, strict=True)) or [()] * len(_SCHEMA)
        return pa.table([pa.array(list(x), f.type) for x, f in zip(columns, _SCHEMA, strict=True)], _SCHEMA)

    def as_dict(self, most: int = 1_000) -> dict[str, Any]:
        """What JSON holds of it: all with the target, and as many of the others, the strongest."""
        found = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        rows = {name: [one._asdict() for one in found[name][:most]] for name in ("with_target", "among")}
        lists = {name: list(found[name]) for name in ("left_out", "alone")}
        return {**found, **rows, **lists}


_SCHEMA = pa.schema(
    [
        ("column", pa.string()),
        ("other", pa.string()),
        ("measure", pa.string()),
        ("value", pa.float64()),
        ("rows", pa.int64()),
    ]
)


def associations(rows: pa.Table, target: str | None = None) -> Associations:
    """How strongly each column goes with the target, and each two columns with each other.

    Numbers (dates are numbers) go with numbers by Spearman's rank correlation; with categories by the correlation ratio
    of ranks, Kruskal and Wallis's epsilon, free of bias; categories with each other by Cramér's V, free of bias. A
    target of at most 20 different whole numbers is a category. Missing values go pairwise, and are compared themselves:
    with the target, and with those of other columns. Levels of fewer than 10 rows are one level, and those beyond the
    50 most frequent, so that names and ids are associated with nothing by chance.

    More than 140 columns are compared over fewer rows (2,000 at least), and of more than 400 the first 400, or the 400
    that are most associated with the target.

    Args:
        rows: A sample of rows; 10,000 are plenty.
        target: The target's column; None for none. One that is not there is none.

    Returns:
        The associations; pairs of fewer than 20 common rows, or with a column that is constant there, are not in it.

    Example:
        >>> rows = pa.table({"size": list(range(60)), "double": [2 * i for i in range(60)], "kind": ["a", "b"] * 30})
        >>> found = associations(rows).among[0]
        >>> found.column, found.other, found.measure, round(found.value, 6), found.rows
        ('size', 'double', 'spearman', 1.0, 60)

    Source: Bergsma, "A bias-correction for Cramér's V and Tschuprow's T" (2013); Tomczak and Tomczak, "The need to
        report effect size estimates revisited" (2014), for epsilon squared.
    """
    everything = sampled_columns(rows)
    goal = target_column(everything, target)
    columns = [_comparable(column) for column in everything if column.name != target]
    columns = [column for column in columns if column.size > 1]
    found = [] if goal is None else list(_with(goal, columns))
    found.sort(key=_strength)
    compared = columns
    alone: tuple[str, ...] = ()
    if len(columns) > MOST_COLUMNS:
        strongest = {one.column: place for place, one in reversed(list(enumerate(found)))}
        by_strength = sorted(columns, key=lambda one: strongest.get(one.name, len(found)))
        chosen = {column.name for column in by_strength[:MOST_COLUMNS]}
        compared = [column for column in columns if column.name in chosen]
        alone = tuple(column.name for column in columns if column.name not in chosen)
    chosen_rows = _rows_for(len(compared), len(rows))
    compared = [column.taken(chosen_rows) for column in compared]
    among = sorted(_among(compared), key=_strength)
    told = {column.name for column in columns} | {target}
    left_out = tuple(name for name in rows.schema.names if name not in told)
    return Associations(target if goal else None, len(chosen_rows), tuple(found), tuple(among), left_out, alone)


def _comparable(column: SampledColumn) -> SampledColumn:
    return column.pooled() if column.kind == CATEGORY else column


def _strength(found: Association) -> tuple[float, str, str, str]:
    return -abs(found.value), found.column, found.other, found.measure


def _rows_for(columns: int, rows: int) -> np.ndarray:
    """The rows that so many columns are compared over: fewer where they are many."""
    most = max(_FEWEST, _WORK // max(1, columns) ** 2)
    return np.arange(rows) if rows <= most else np.sort(np.random.default_rng(0).choice(rows, most, replace=False))


def _with(goal: SampledColumn, columns: Sequence[SampledColumn]) -> Iterator[Association]:
    """Each column, and whether it is missing, with the target."""
    goal = _comparable(goal)
    yield from _each(columns, goal)
    missing = [
        dataclasses.replace(column, kind=CATEGORY, codes=(~column.present).astype(np.int64), size=2, values=None)
        for column in columns
        if _missing_in_part(column)
    ]
    for found in _each(missing, goal):
        yield found._replace(measure=f"missing_{found.measure}")


def _among(columns: Sequence[SampledColumn]) -> Iterator[Association]:
    """Each pair of columns, and of those that are missing in part whether they are so together."""
    numbers, levels = _of_kind(columns, NUMBER), _of_kind(columns, CATEGORY)
    yield from spearman(numbers, numbers)
    yield from correlation_ratios(numbers, levels)
    yield from cramers_v(levels, levels)
    yield from missing_together([column for column in columns if _missing_in_part(column)])


def _each(columns: Sequence[SampledColumn], goal: SampledColumn) -> Iterator[Association]:
    """Each column with one."""
    numbers, levels = _of_kind(columns, NUMBER), _of_kind(columns, CATEGORY)
    if goal.kind == CATEGORY:
        yield from correlation_ratios(numbers, [goal])
        yield from cramers_v(levels, [goal])
        return
    yield from spearman(numbers, [goal])
    for found in correlation_ratios([goal], levels):
        yield found._replace(column=found.other, other=goal.name)


def _of_kind(columns: Sequence[SampledColumn], kind: str) -> list[SampledColumn]:
    return [column for column in columns if column.kind == kind]


def _missing_in_part(column: SampledColumn) -> bool:
    """Whether enough rows are missing, and enough are not."""
    missing = int((~column.present).sum())
    return min(missing, len(column.codes) - missing) >= LEAST_OF_A_LEVEL
