"""The loss on test rows with intervals, of one model and of two on the same rows."""

from typing import Any, NamedTuple

import numpy as np
from scipy.stats import t

from blocks.model import Model
from blocks.store import StoreSplit

GROUPS = 200
"""Random groups of rows whose losses make an interval."""

CONFIDENCE = 0.95


class Interval(NamedTuple):
    """A mean and the ends of its confidence interval."""

    value: float
    low: float
    high: float


def losses_of_groups(model: Model, rows: StoreSplit, groups: int = GROUPS) -> tuple[np.ndarray, np.ndarray]:
    """The loss on each of some random groups of rows, and what the groups weigh; the same groups for each model.

    Args:
        model: Fitted; its compiled loss counts.
        rows: To judge by.
        groups: About how many.

    Returns:
        Losses and weights, float64 (groups,).
    """
    core, size = model.core, -(-rows.rows // groups)
    losses, weights = [], []
    for batch in rows.stream(size, shuffle=True, seed=0).dataset():
        weight = float(np.sum(np.asarray(batch[2], np.float64))) if len(batch) > 2 else float(_rows(batch[1]))
        core.reset_metrics()
        losses.append(float(core.test_on_batch(*batch, return_dict=True)["loss"]) if weight else 0.0)
        weights.append(weight)
    core.reset_metrics()
    return np.array(losses), np.array(weights)


def _rows(target: Any) -> int:
    return len(next(iter(target.values())) if isinstance(target, dict) else target)


def interval(values: np.ndarray, weights: np.ndarray) -> Interval:
    """The weighted mean of groups and its interval by Student's distribution; of one group there is none: NaN.

    Args:
        values: Of each group.
        weights: Of the groups.

    Example:
        >>> [round(value, 3) for value in interval(np.array([1.0, 2.0, 3.0]), np.ones(3))]
        [2.0, -0.484, 4.484]

    Source: the linearised variance of a ratio of means, Cochran, "Sampling Techniques" (1977), 6.
    """
    values, weights = values[weights > 0], weights[weights > 0]
    count, total = len(values), weights.sum()
    mean = float(np.sum(weights * values) / total) if count else float("nan")
    if count < 2:
        return Interval(mean, float("nan"), float("nan"))
    error = np.sqrt(count / (count - 1) * np.sum((weights * (values - mean)) ** 2)) / total
    half = float(t.ppf(0.5 + CONFIDENCE / 2, count - 1) * error)
    return Interval(mean, mean - half, mean + half)
