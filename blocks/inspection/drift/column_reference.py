"""What is kept of a column for drift: results of its statistics, so reduced that they tell of no single row.

A number is told by the mean and variance of five at least, and by how many lie below some edges, five between any two;
a text is named where five rows hold it. So what is kept is bounded, and goes into files.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from blocks.inspection.column_kinds import Holds
from blocks.inspection.column_statistics import LENGTHS, ROWS
from blocks.inspection.observed_columns import LENGTHS_QUANTILES
from blocks.statistics import CountsResult, MomentsResult, QuantilesResult

FEWEST_ROWS = 5
"""Rows of whatever is told."""

MOST_EDGES = 384
"""Numbers below which it is known how many others lie: about; a number that stands in many rows takes two."""

MOST_TOKENS = 1000
LONGEST_TOKEN = 256
"""Bytes of a text that is named."""


@dataclasses.dataclass(frozen=True)
class RanksAt:
    """A distribution that is known at some edges: exactly there, and nowhere else.

    Attributes:
        count: Numbers that it is of.
        edges: (edges,) float64, rising.
        at_most: (edges,) int64, how many numbers are at most each.
        error: As of `QuantilesResult`: 0.0.
    """

    count: int
    edges: np.ndarray
    at_most: np.ndarray
    error: float = 0.0

    def numbers(self, most: int) -> np.ndarray:
        """The edges."""
        return self.edges

    def rank(self, x: np.ndarray) -> np.ndarray:
        """The share of the numbers that are at most x, one of the edges."""
        return self.at_most[np.searchsorted(self.edges, x)] / self.count


@dataclasses.dataclass(frozen=True)
class FrequentTokens(CountsResult):
    """Tokens of a column that many rows hold, and what is known of the others.

    Attributes:
        least: Rows of those that are listed, at least.
        unlisted: Rows of which another one's token is expected not to be listed; None where all tokens are.
    """

    least: int
    unlisted: int | None


def reduced(holds: Holds, results: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept of a column, but for distributions.

    Args:
        holds: What its values are.
        results: Of its statistics, by name.
    """
    kept: dict[str, Any] = {ROWS: results[ROWS]}
    for key, least in ((LENGTHS, FEWEST_ROWS), ("moments", FEWEST_ROWS * _longest(results.get(LENGTHS)))):
        if key in results and results[key].count >= least:
            kept[key] = dataclasses.replace(results[key], min=np.nan, max=np.nan)
    if "tokens" in results and not holds.is_list:
        kept["tokens"] = _frequent(results["tokens"])
    return kept


def reduced_distributions(distributions: Mapping[str, QuantilesResult]) -> dict[str, RanksAt]:
    """What is kept of a column's distributions: of its numbers, and of how many values its lists have."""
    kept = {}
    for key, found in distributions.items():
        least = FEWEST_ROWS * (_longest(distributions.get(LENGTHS_QUANTILES)) if key == "quantiles" else 1)
        if len(edges := _edges(found, least)):
            kept[key] = RanksAt(found.count, edges, np.rint(found.rank(edges) * found.count).astype(np.int64))
    return kept


def _longest(lengths: Any) -> int:
    """How many values of a column are of one row, at most."""
    return 1 if lengths is None or not lengths.count else max(1, int(lengths.max))


def _edges(found: QuantilesResult, least: int) -> np.ndarray:
    """Numbers between which so many lie at least, or that so many are equal to; of an exact distribution."""
    if not found.count:
        return np.zeros(0)
    ordered = found.ordered
    step = max(least, -(-len(ordered) // MOST_EDGES))
    first = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    often = np.diff(np.append(first, len(ordered))) >= step
    if not often.all() and len(first) <= MOST_EDGES // 2:  # few numbers are told one by one
        often = np.diff(np.append(first, len(ordered))) >= least
    atoms = ordered[first[often]]
    cuts = np.arange(step, len(ordered) - step + 1, step)
    cuts = cuts[ordered[cuts - 1] < ordered[cuts]] if len(cuts) else cuts
    below, above = ordered[cuts - 1], ordered[cuts]
    between = below + (above / 2 - below / 2)
    edges = np.unique(np.concatenate([atoms, np.nextafter(atoms, -np.inf), between]))
    return _apart(edges[np.isfinite(edges)], ordered, least)


def _apart(edges: np.ndarray, ordered: np.ndarray, least: int) -> np.ndarray:
    """Those edges between which, before and behind which, so many numbers lie, or none."""
    below = np.searchsorted(ordered, edges, side="right").tolist()
    kept: list[int] = []
    last = 0
    for at, number in enumerate(below):
        if number == last or number - last >= least:
            kept.append(at)
            last = number
    while kept and 0 < len(ordered) - below[kept[-1]] < least:
        kept.pop()
    return edges[kept]


def _frequent(found: CountsResult) -> FrequentTokens:
    often = np.flatnonzero(found.counts >= FEWEST_ROWS)
    values, counts = found.values.take(pa.array(often)), found.counts[often]
    if pa.types.is_large_string(values.type) or pa.types.is_large_binary(values.type):
        short = np.asarray(pc.less_equal(pc.binary_length(values), LONGEST_TOKEN))
        values, counts = values.filter(pa.array(short)), counts[short]
    least = FEWEST_ROWS
    if len(counts) > MOST_TOKENS:  # as many as stand in more rows than the first that finds no room
        least = int(np.partition(counts, -MOST_TOKENS - 1)[-MOST_TOKENS - 1]) + 1
    order = np.argsort(-counts, kind="stable")[: int((counts >= least).sum())]
    unlisted = None
    if len(order) < len(found.counts) or not found.exact:
        # a row's own does not count: with as many as it takes, its token would not be listed for it
        unlisted = found.total - int(counts[counts > least].sum())
    return FrequentTokens(
        values.take(pa.array(order)), counts[order], None,
        found.rows, found.missing, 0, 0, found.total, len(order), found.exact, found.error, 0.0,
        least, unlisted,
    )  # fmt: skip


def moments_of(rows: int, count: int, mean: float, m2: float, infinite: tuple[int, int]) -> MomentsResult:
    """Moments as they are read again; what was not kept is nan."""
    variance = m2 / count if count else np.nan
    return MomentsResult(
        rows, count, rows - count - sum(infinite), *infinite, float(count), mean, variance, float(np.sqrt(variance)),
        np.nan, np.nan, m2, mean * count,
    )  # fmt: skip
