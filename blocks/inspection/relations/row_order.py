"""Whether columns move with the number of the row: sorted by, or other at the end than at the beginning."""

from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa

from blocks.data import as_source
from blocks.inspection.drift.drift import Levels, columns_of, drift_table, drift_tests
from blocks.inspection.relations.sampled_columns import CATEGORY, NUMBER, SampledColumn, sampled_columns
from blocks.statistics import memory_bytes

LEAST_ROWS: Final = 60
"""Rows of a sample that it takes to compare its ends."""

LEAST_SHIFT: Final = 0.1
LEAST_SHARE: Final = 0.05

_STATISTICS: Final = ("kolmogorov_smirnov", "mean", "chi_square", "missing", "new_tokens", "infinite")


class Moving(NamedTuple):
    """A column whose first third of rows is of another distribution than its last.

    Args:
        column: Its name.
        statistic: What it is told by, the strongest of those of `drift`: "kolmogorov_smirnov", "chi_square", ...
        effect: Its size there.
        p_value: Of a test on the sample's ends.
        rows: Rows of each of both ends.
    """

    column: str
    statistic: str
    effect: float
    p_value: float
    rows: int


def moving_columns(rows: pa.Table, false_alarms: float = 0.01) -> tuple[Moving, ...]:
    """The columns that are other in the last third of rows than in the first, the strongest first.

    Args:
        rows: A sample in the order of its rows.
        false_alarms: Without any order a table has such a column with at most this probability, and of many at most
            this share is expected to be wrong.

    Returns:
        Those whose difference is significant and not small (0.1 standard deviations, or 5% of the rows). Dates, times
        and lists are not compared, nor are numbers that count rows, nor texts that nearly all differ.

    Example:
        >>> random = np.random.default_rng(0)
        >>> rows = pa.table({"x": random.normal(size=900), "rising": random.normal(size=900) + np.arange(900) / 300})
        >>> [found.column for found in moving_columns(rows)]
        ['rising']
    """
    third = len(rows) // 3
    names = [column.name for column in sampled_columns(rows) if _comparable(column)]
    if len(rows) < LEAST_ROWS or not names:
        return ()
    ends = rows.slice(0, third), rows.slice(len(rows) - third)
    levels, memory = Levels(false_alarms, LEAST_SHIFT, LEAST_SHARE), memory_bytes("64MiB")
    one, other = (columns_of(as_source(end), names, memory, 65_536, "sample") for end in ends)
    table = drift_table(list(drift_tests(names, one, other, levels)), levels)
    found: dict[str, Moving] = {}
    alarms = [row for row in table.to_pylist() if row["alarm"] and row["statistic"] in _STATISTICS]
    for row in sorted(alarms, key=lambda row: _STATISTICS.index(row["statistic"])):
        found.setdefault(row["column"], Moving(row["column"], row["statistic"], row["effect"], row["p_value"], third))
    return tuple(sorted(found.values(), key=lambda one: (-one.effect, one.column)))


def sorted_by(rows: pa.Table) -> tuple[str, ...]:
    """The columns that rows of a sample are sorted by: numbers that never fall, or never rise, and levels in blocks.

    Numbers that differ in each row, as dates and row numbers do, tell nothing and are left out: so are columns of fewer
    than two values, and those of which too few rows are there.

    Example:
        >>> sorted_by(pa.table({"species": ["a"] * 40 + ["b"] * 40, "x": [1, 2] * 40}))
        ('species',)
    """
    return tuple(column.name for column in sampled_columns(rows) if len(rows) >= LEAST_ROWS and _in_blocks(column))


def _comparable(column: SampledColumn) -> bool:
    present = int(column.present.sum())
    if column.kind == CATEGORY:
        return 2 * column.size <= present
    return not _counts_rows(column)


def _counts_rows(column: SampledColumn) -> bool:
    """Whether numbers rise, or fall, from each row to the next but for a few."""
    steps = np.sign(np.diff(column.codes[column.present]))
    return len(steps) > 0 and abs(int(steps.sum())) >= 0.98 * len(steps)


def _in_blocks(column: SampledColumn) -> bool:
    codes = column.codes[column.present]
    # that few rows of many levels stand in blocks is no wonder
    if column.size < 2 or len(codes) < LEAST_ROWS or column.size > len(codes) // 5:
        return False
    changes = np.diff(codes)
    if column.kind == NUMBER and column.size > 2:
        return bool((changes >= 0).all() or (changes <= 0).all())
    return int((changes != 0).sum()) == column.size - 1
