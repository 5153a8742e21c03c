"""Measures of how two columns go together, of many pairs at once; missing values go pairwise.

Each takes columns of one kind as `sampled_columns` has them; which of them are compared is said in `associations`.
"""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np
from scipy import sparse

from blocks.inspection.relations.sampled_columns import SampledColumn

LEAST_ROWS: Final = 20
"""Rows in which both of two columns must be present for anything to be said of them."""


class Association(NamedTuple):
    """How strongly two columns go together, over the rows in which both are present.

    Args:
        column: The one.
        other: The other; the target, if one of both is.
        measure: "spearman", "correlation_ratio", "cramers_v"; "missing_correlation_ratio" and "missing_cramers_v" of
            whether the column is missing and the target; "missing_together" of whether both are missing.
        value: From 0 to 1; "spearman" and "missing_together" from -1 to 1.
        rows: Rows that it was computed from.
    """

    column: str
    other: str
    measure: str
    value: float
    rows: int


class _Alike(NamedTuple):
    """Columns that are missing in the same rows."""

    present: np.ndarray
    columns: list[SampledColumn]


def spearman(columns: Sequence[SampledColumn], others: Sequence[SampledColumn]) -> Iterator[Association]:
    """Spearman's rank correlation of numbers, from -1 to 1; of one list with itself each pair once."""
    same = columns is others
    left = _by_presence(columns)
    right = left if same else _by_presence(others)
    for place, one in enumerate(left):
        for other in right[place:] if same else right:
            present = one.present & other.present
            count = int(present.sum())
            if count < LEAST_ROWS:
                continue
            ranks = _ranks(one.columns, present)
            own = one is other
            found = ranks.T @ (ranks if own else _ranks(other.columns, present))
            for i, row in enumerate(found.tolist()):
                for j in range(i + 1 if own else 0, len(row)):
                    if row[j] == row[j]:
                        value = min(1.0, max(-1.0, row[j]))
                        yield Association(one.columns[i].name, other.columns[j].name, "spearman", value, count)


def correlation_ratios(columns: Sequence[SampledColumn], levels: Sequence[SampledColumn]) -> Iterator[Association]:
    """The correlation ratio of numbers' ranks by categories, from 0 to 1: the root of Kruskal and Wallis's epsilon.

    Its square is the share of the ranks' variance that lies between levels, less what chance puts there.
    """
    groups = _by_presence(levels)
    for one in _by_presence(columns):
        for other in groups:
            present = one.present & other.present
            count = int(present.sum())
            if count < LEAST_ROWS:
                continue
            ranks = _ranks(one.columns, present)
            for level in other.columns:
                there = _one_hot(level, present)
                sizes = np.asarray(there.sum(axis=0)).ravel()
                filled = sizes > 0
                groups_there = int(filled.sum())
                if groups_there < 2 or groups_there >= count:
                    continue
                between = ((there.T @ ranks)[filled] ** 2 / sizes[filled, None]).sum(axis=0)
                squared = 1 - (1 - between) * (count - 1) / (count - groups_there)
                for column, value in zip(one.columns, squared.tolist(), strict=True):
                    if value == value:
                        root = min(1.0, max(0.0, value)) ** 0.5
                        yield Association(column.name, level.name, "correlation_ratio", root, count)


def cramers_v(columns: Sequence[SampledColumn], others: Sequence[SampledColumn]) -> Iterator[Association]:
    """Cramér's V of categories without its bias, from 0 to 1; of one list with itself each pair once."""
    if not columns or not others:
        return
    same = columns is others
    everything = sparse.hstack([_one_hot(other) for other in others], format="csr")
    starts = np.cumsum([0, *(other.size for other in others)])[:-1]
    for i, column in enumerate(columns):
        first = i + 1 if same else 0
        if first == len(others):
            return
        begin = starts[first]
        # the tables of one column with all that follow, side by side
        tables = np.asarray((_one_hot(column).T @ everything[:, begin:]).todense(), np.float64)
        edges = starts[first:] - begin
        rows = np.add.reduceat(tables, edges, axis=1)
        sizes = tables.sum(axis=0)
        counts = rows.sum(axis=0)
        expected = np.repeat(rows, np.diff([*edges, tables.shape[1]]), axis=1) * sizes
        cells = np.divide(tables**2, expected, out=np.zeros_like(tables), where=expected > 0)
        phi = np.add.reduceat(cells.sum(axis=0), edges) - 1
        heights, widths = (rows > 0).sum(axis=0), np.add.reduceat((sizes > 0).astype(int), edges)
        for j, other in enumerate(others[first:]):
            n, r, k = counts[j], int(heights[j]), int(widths[j])
            if n < LEAST_ROWS or min(r, k) < 2:
                continue
            free = max(0.0, phi[j] - (k - 1) * (r - 1) / (n - 1))
            most = min(k - (k - 1) ** 2 / (n - 1), r - (r - 1) ** 2 / (n - 1)) - 1
            value = min(1.0, (free / most) ** 0.5) if most > 0 else 0.0
            yield Association(column.name, other.name, "cramers_v", float(value), int(n))


def missing_together(columns: Sequence[SampledColumn]) -> Iterator[Association]:
    """The correlation of being missing, from -1 to 1, of all pairs of columns that are so in some rows."""
    if len(columns) < 2:
        return
    found = np.atleast_2d(np.corrcoef(np.array([~column.present for column in columns], np.float64)))
    for i, column in enumerate(columns):
        for j in range(i + 1, len(columns)):
            value = min(1.0, max(-1.0, float(found[i, j])))
            yield Association(column.name, columns[j].name, "missing_together", value, len(column.codes))


def _by_presence(columns: Sequence[SampledColumn]) -> list[_Alike]:
    groups: dict[bytes, _Alike] = {}
    for column in columns:
        present = column.present
        groups.setdefault(np.packbits(present).tobytes(), _Alike(present, [])).columns.append(column)
    return list(groups.values())


def _ranks(columns: Sequence[SampledColumn], present: np.ndarray) -> np.ndarray:
    """(rows, columns) Mean ranks, centred and of length one; NaN where a column is constant."""
    ranks = np.empty((int(present.sum()), len(columns)))
    for i, column in enumerate(columns):
        codes = column.codes[present]
        sizes = np.bincount(codes, minlength=column.size)
        ranks[:, i] = (np.cumsum(sizes) - (sizes + len(codes)) / 2)[codes]
    lengths = np.sqrt((ranks**2).sum(axis=0))
    return ranks / np.where(lengths > 0, lengths, np.nan)


def _one_hot(column: SampledColumn, rows: np.ndarray | None = None) -> sparse.csr_array:
    """(rows, levels) 1 where a row has a level; a missing one has none."""
    codes = column.codes if rows is None else column.codes[rows]
    there = codes >= 0
    ends = np.concatenate([[0], np.cumsum(there)])
    return sparse.csr_array((np.ones(int(there.sum())), codes[there], ends), shape=(len(codes), column.size))
