"""Estimate: one metric's value with its interval, and sums by bucket from which values and intervals are made."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from blocks.evaluate.scoring.bootstrap import percentiles, poisson_weights

Arrays = Mapping[str, np.ndarray]
Metrics = Callable[[Arrays], dict[str, np.ndarray]]

_BLOCK = 1 << 21
"""Numbers that replicates hold at once."""


@dataclass(frozen=True)
class Settings:
    """How intervals are made.

    Attributes:
        confidence: Share of intervals that should hold the truth.
        replicates: Of the bootstrap; 0 for no intervals.
        seed: Of the replicates' weights.
    """

    confidence: float = 0.95
    replicates: int = 1000
    seed: int = 0


@dataclass(frozen=True)
class Estimate:
    """One metric of one group.

    Attributes:
        value: NaN where it is undefined.
        low: Lower end of the interval, NaN where there is none.
        high: Upper end.
        note: Why a value is undefined, or how far a sketched one may be off; "" otherwise.
    """

    value: float
    low: float = np.nan
    high: float = np.nan
    note: str = ""


def totals(sums: Arrays) -> dict[str, np.ndarray]:
    """Sums over all buckets: (buckets, width) to (1, width)."""
    return {name: values.sum(axis=0, keepdims=True) for name, values in sums.items()}


def replicated(sums: Arrays, metrics: Metrics, settings: Settings) -> dict[str, np.ndarray]:
    """Every metric of every replicate, (replicates,) by name."""
    count = len(next(iter(sums.values())))
    drawn = poisson_weights(settings.replicates, count, settings.seed)
    step = max(1, _BLOCK // max(sum(values[0].size for values in sums.values()), 1))
    parts = []
    for start in range(0, len(drawn), step):
        weigh = drawn[start : start + step]
        with np.errstate(divide="ignore", invalid="ignore"):
            parts.append(metrics({name: weigh @ values for name, values in sums.items()}))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def estimates(sums: Arrays, metrics: Metrics, settings: Settings) -> dict[str, Estimate]:
    """Values and intervals of metrics that are functions of sums.

    Args:
        sums: (buckets, width) float64 by name.
        metrics: From (n, width) sums by name to (n,) values by name.
        settings: Of the intervals.

    Example:
        >>> sums = {"weight": np.ones((512, 1)), "error": np.full((512, 1), 2.0)}
        >>> estimates(sums, lambda s: {"mean": s["error"][:, 0] / s["weight"][:, 0]}, Settings())["mean"]
        Estimate(value=2.0, low=2.0, high=2.0, note='')
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        values = metrics(totals(sums))
    spread = replicated(sums, metrics, settings) if settings.replicates else {}
    found = {}
    for name, value in values.items():
        low, high = percentiles(spread[name], settings.confidence) if name in spread else (np.nan, np.nan)
        found[name] = Estimate(float(value[0]), low, high)
    return found


def ratio(top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    """The quotient, 0 where both are 0 as scikit-learn's default has it."""
    return np.divide(top, bottom, out=np.zeros(np.broadcast(top, bottom).shape), where=bottom > 0)


def bucket_sums(bucket: np.ndarray, count: int, values: np.ndarray | None) -> np.ndarray:
    """Values summed by bucket: (count, 1); rows where `values` is None."""
    return np.bincount(bucket, values, count).astype(np.float64)[:, None]
