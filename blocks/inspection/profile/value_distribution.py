"""How the values of a column are distributed, as drawn: counts between even edges, or rows of named values."""

import math
from collections.abc import Callable
from operator import itemgetter
from typing import Any

import numpy as np

from blocks.statistics import QuantilesResult

BINS = 24
MOSTLY = 0.6
"""Share of rows that one number has from which the others are drawn without it, to be seen at all."""

ENOUGH = 100
"""Rows of other numbers from which these have a histogram of their own."""


def of_numbers(
    of: QuantilesResult, distinct: int, least: int, *, ends: bool, named: Callable[[float], Any] = "{:g}".format
) -> dict[str, Any] | None:
    """A histogram; of a column that is mostly one number, of the others if they are many, else how often it is.

    Args:
        of: The numbers.
        distinct: How many different ones there are.
        least: Rows that a number must have to be named.
        ends: Whether the least and the largest may be told.
        named: What a number is called.

    Returns:
        `edges` and `rows`, with `beside` a frequent number and its rows, which are not drawn; or `values`, pairs of a
        name and its rows; or None where there is nothing to draw.
    """
    if not of.count:
        return None
    frequent, share = max(((float(v), _share(of, float(v))) for v in of.quantile([0.25, 0.5, 0.75])), key=itemgetter(1))
    if share < MOSTLY:
        return even_bins(of, least, ends=ends)
    rows, below = round(share * of.count), _below(of, frequent)
    above = 1 - below - share
    # one other number is called by itself
    under = named(of.min) if below and below == _share(of, of.min) else f"under {named(frequent)}"
    one_above = above and above <= _share(of, of.max) + 0.5 / of.count
    over = named(of.max) if one_above else f"over {named(frequent)}"
    parts = [(named(frequent), rows), (under, round(below * of.count)), (over, round(above * of.count))]
    if of.count - rows < ENOUGH or distinct < BINS:
        return {"values": [[name, count] for name, count in parts if count >= least]}
    rest = (1 - share) * np.array([0.005, 0.995])
    low, high = (float(end) for end in of.quantile(np.where(rest < below, rest, rest + share)))
    edges = np.linspace(low, high, BINS + 1)
    # of numbers up to each edge, without the frequent one
    rank = of.rank(edges) - share * (edges >= frequent)
    rank[0] = _below(of, low) - share * (low > frequent)
    return {
        "edges": edges.tolist(),
        "rows": np.maximum(np.diff(rank) * of.count, 0).round().tolist(),
        "beside": [frequent, rows],
    }


def even_bins(of: QuantilesResult, least: int, *, ends: bool) -> dict[str, Any] | None:
    """Counts between even edges; without the outer 0.5% of long tails, or without `least` rows of each where hidden.

    Args:
        of: The numbers.
        least: Rows beyond the outer edges, at least, where ends are hidden.
        ends: Whether the least and the largest may be told.
    """
    share = max(0.005, 0.0 if ends else min(least / of.count, 0.5))
    low, high = (float(end) for end in of.quantile([share, 1 - share]))
    if not ends and not high > low:
        return None
    if ends and (of.max / 2 - of.min / 2) < 3 * (high / 2 - low / 2):
        low, high = of.min, of.max
    # halves, whose difference cannot overflow
    edges = 2 * np.linspace(low / 2, high / 2, BINS + 1)
    rank = of.rank(edges)
    rank[0] = 0.0 if low == of.min else rank[0]
    return {"edges": edges.tolist(), "rows": np.maximum(np.diff(rank) * of.count, 0).round().tolist()}


def rows_of(of: QuantilesResult, value: float) -> int:
    """About how many of the numbers equal one; exact where `of` is."""
    return round(_share(of, value) * of.count)


def beyond(of: QuantilesResult, low: float, high: float) -> tuple[int, int]:
    """How many of the numbers lie below one number, and above another."""
    if not of.count:
        return 0, 0
    return round(_below(of, low) * of.count), round((1.0 - float(of.rank(high))) * of.count)


def _below(of: QuantilesResult, value: float) -> float:
    """The share of numbers that are less than one."""
    return float(of.rank(np.nextafter(value, -math.inf)))


def _share(of: QuantilesResult, value: float) -> float:
    """The share of numbers that equal one."""
    return float(of.rank(value)) - _below(of, value)
