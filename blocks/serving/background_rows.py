"""Rows beside the one that is explained: drawn column by column from how training rows were spread, as far as is known.

An export keeps no row, but of each column of numbers how many lay below some edges, and of texts those that five rows
hold at least. LIME changes columns one by one, so rows whose columns are drawn apart are what it needs.
"""

from typing import Any, Final, NamedTuple

import numpy as np

from blocks.data.raw_columns import RawColumn
from blocks.inspection.column_statistics import ROWS
from blocks.inspection.drift.drift_reference import KeptColumn
from blocks.serving.servable import Servable

COUNT: Final = 512


class Background(NamedTuple):
    """Rows, and what they are."""

    rows: dict[str, np.ndarray]
    """Columns as they enter the graph, (COUNT, *shape)."""

    said: str
    """Where they come from, in words for people."""


def background_rows(servable: Servable) -> Background:
    """Rows to draw other values from; the same each time.

    Args:
        servable: The model, of which the reference for drift is used where it was kept, and golden rows elsewhere.
    """
    random = np.random.default_rng(0)
    kept = servable.spread
    rows: dict[str, np.ndarray] = {}
    made_up = []
    for name, raw in servable.inputs.raw.items():
        drawn = _drawn(kept[name], raw, random) if name in kept else None
        if drawn is None:
            made_up.append(name)
            golden = servable.golden_rows[name]
            drawn = golden[random.permutation(np.arange(COUNT) % len(golden))]
        rows[name] = drawn
    return Background(rows, _said(made_up, len(rows)))


def usual_value(servable: Servable, name: str) -> Any:
    """A usual value of a column as it enters the graph: the most frequent text, the median; None where it is not known.

    Args:
        servable: The model.
        name: The column.
    """
    raw, column = servable.inputs.raw[name], servable.spread.get(name)
    if column is None or raw.shape or raw.kind == "list" or raw.dtype == "int64":
        return None
    if _by_token(column, raw):
        tokens = column.results.get("tokens")
        return None if tokens is None or not len(tokens.counts) else _values(tokens, raw)[np.argmax(tokens.counts)]
    ranks = column.results.get("quantiles")
    if ranks is None or not len(ranks.edges):
        return None
    # not a row's own: what two edges' middle says, to four digits
    value = float(f"{np.interp(ranks.count / 2, ranks.at_most, ranks.edges):.4g}")
    return np.dtype(raw.dtype).type(round(value) if column.holds.kind == "integer" else value)


def _by_token(column: KeptColumn, raw: RawColumn) -> bool:
    """Whether values are counted one by one, rather than by edges."""
    return raw.dtype == "string" or column.holds.kind == "boolean"


def _values(tokens: Any, raw: RawColumn) -> np.ndarray:
    """Frequent tokens as they enter the graph."""
    listed = tokens.values.to_pylist()
    if raw.dtype != "string":
        return np.array([float(one) for one in listed], raw.dtype)
    found = np.empty(len(listed), object)
    found[:] = [one if isinstance(one, bytes) else str(one).encode() for one in listed]
    return found


def _said(made_up: list[str], columns: int) -> str:
    golden = "golden rows, which are made up of what the model has learned"
    if len(made_up) == columns:
        return f"The other rows are the export's {golden}."
    spread = "how those of training rows were spread (of texts, frequent ones)"
    drawn = f"The other rows' values are drawn from {spread}, each column by itself"
    if not made_up:
        return f"{drawn}."
    named = ", ".join(made_up[:5]) + (f" and {len(made_up) - 5} more" if len(made_up) > 5 else "")
    return f"{drawn}; of {named} they are those of the export's {golden}."


def _drawn(column: KeptColumn, raw: RawColumn, random: np.random.Generator) -> np.ndarray | None:
    """Values of one column, missing ones as often as in training; None where not enough is known of it."""
    if raw.shape or raw.kind == "list" or raw.dtype == "int64":
        return None
    results = column.results
    values: Any
    by_token = _by_token(column, raw)
    if by_token and "tokens" in results and len(results["tokens"].counts):
        tokens = results["tokens"]
        picked = random.choice(len(tokens.counts), COUNT, p=tokens.counts / tokens.counts.sum())
        values = _values(tokens, raw)[picked]
    elif not by_token and "quantiles" in results and len(results["quantiles"].edges) > 1:
        ranks = results["quantiles"]
        # between two edges nothing is known: even; whole numbers stay whole
        values = np.interp(random.uniform(0, ranks.count, COUNT), ranks.at_most, ranks.edges)
        values = (np.round(values) if column.holds.kind == "integer" else values).astype(raw.dtype)
    else:
        return None
    missing = random.random(COUNT) < results[ROWS].fraction
    values[missing] = b"" if raw.dtype == "string" else np.nan
    return values
