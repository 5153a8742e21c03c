"""What decisions are worth, and the decision rule that is worth most on given rows. NumPy alone; no block lives here.

A metric is a function of three arrays of weights, (..., classes) each: rows that are rightly called so (`hits`), rows
that are called so (`called`), and rows that are so (`actual`); it gives (...). More is better.
"""

from collections.abc import Callable

import numpy as np

Metric = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]

SWEEPS = 10


def _accuracy(hits: np.ndarray, called: np.ndarray, actual: np.ndarray) -> np.ndarray:
    return hits.sum(axis=-1) / actual.sum(axis=-1)


def _balanced_accuracy(hits: np.ndarray, called: np.ndarray, actual: np.ndarray) -> np.ndarray:
    return (hits / actual).mean(axis=-1)


def _f1(hits: np.ndarray, called: np.ndarray, actual: np.ndarray) -> np.ndarray:
    each = 2 * hits / (called + actual)
    return each[..., 1] if each.shape[-1] == 2 else each.mean(axis=-1)


def _youden(hits: np.ndarray, called: np.ndarray, actual: np.ndarray) -> np.ndarray:
    classes = hits.shape[-1]
    return ((hits / actual).mean(axis=-1) - 1 / classes) / (1 - 1 / classes)


METRICS: dict[str, Metric] = {
    "accuracy": _accuracy,
    "balanced_accuracy": _balanced_accuracy,
    "f1": _f1,
    "youden": _youden,
}
"""Of two classes f1 is the second one's, of more the mean over classes; youden is balanced accuracy from 0 to 1 where
chance has 0: of two classes, sensitivity plus specificity minus 1."""


def gain_of(cost: np.ndarray) -> Metric:
    """The metric of two classes that is the negated mean cost, `cost[actual, called]`."""

    def gain(hits: np.ndarray, called: np.ndarray, actual: np.ndarray) -> np.ndarray:
        missed = actual - hits
        total = (hits * np.diag(cost)).sum(axis=-1) + missed[..., 0] * cost[0, 1] + missed[..., 1] * cost[1, 0]
        return -total / actual.sum(axis=-1)

    return gain


def best_threshold(values: np.ndarray, first: np.ndarray, second: np.ndarray, metric: Metric) -> float:
    """The probability of the second class from which on to call a row so.

    Args:
        values: (n,) Distinct probabilities, rising.
        first: (n,) Weight of the rows of the first class at each.
        second: (n,) Weight of the rows of the second.
        metric: Of two classes.

    Returns:
        Midway between two of the probabilities, so that last bits decide nothing; the best one next to 0.5 of equal
        ones.
    """
    # called second: everything from the i-th value on, i = 0..n
    below_first, below_second = (np.concatenate([[0.0], np.cumsum(part)]) for part in (first, second))
    actual = np.array([below_first[-1], below_second[-1]])
    hits = np.stack([below_first, actual[1] - below_second], axis=-1)
    called_first = below_first + below_second
    called = np.stack([called_first, actual.sum() - called_first], axis=-1)
    worth = metric(hits, called, actual)
    ends = np.concatenate([[0.0], values, [np.nextafter(max(values[-1], 1.0), 2.0)]])
    cuts = (ends[:-1] + ends[1:]) / 2
    cuts[0], cuts[-1] = 0.0, max(cuts[-1], np.nextafter(values[-1], 2.0))
    equal = np.flatnonzero(worth >= worth.max() - 1e-12 * max(abs(worth.max()), 1e-300))
    return float(cuts[equal[np.argmin(np.abs(cuts[equal] - 0.5))]])


def best_weights(probabilities: np.ndarray, target: np.ndarray, weight: np.ndarray, metric: Metric) -> np.ndarray:
    """Factors of the classes' probabilities under which the largest product decides best.

    Coordinate ascent: one class's factor at a time, over every cut that changes a decision, from two starts: all 1,
    and the inverse of the classes' frequencies. A local optimum.

    Args:
        probabilities: (rows, classes).
        target: (rows,) Positions of classes, every class among them.
        weight: (rows,).
        metric: Of so many classes.

    Returns:
        (classes,), with a mean of 1.
    """
    classes = probabilities.shape[1]
    actual = np.bincount(target, weight, classes)
    found = []
    for start in (np.ones(classes), actual.sum() / actual):
        factors, best = start.copy(), -np.inf
        for _ in range(SWEEPS):
            before = best
            for index in range(classes):
                factors[index], best = _best_factor(probabilities, target, weight, metric, factors, index, actual)
            if best <= before + 1e-12:
                break
        found.append((best, factors / factors.mean()))
    return max(found, key=lambda pair: pair[0])[1]


def _best_factor(
    probabilities: np.ndarray,
    target: np.ndarray,
    weight: np.ndarray,
    metric: Metric,
    factors: np.ndarray,
    index: int,
    actual: np.ndarray,
) -> tuple[float, float]:
    """The best factor of one class, the others' being as they are, and what it is worth."""
    rows, classes = probabilities.shape
    scores = probabilities * factors
    scores[:, index] = -1.0
    rival = scores.argmax(axis=1)
    with np.errstate(divide="ignore"):
        # the factor from which on a row is called so
        needed = scores[np.arange(rows), rival] / probabilities[:, index]
    order = np.argsort(needed, kind="stable")
    needed, rival, truth, weight = needed[order], rival[order], target[order], weight[order]
    # what each class loses, and this one gains, with the first i rows called so
    moved = np.zeros((rows + 1, classes))
    moved[np.arange(1, rows + 1), rival] = weight
    lost = np.zeros((rows + 1, classes))
    lost[np.arange(1, rows + 1), rival] = weight * (rival == truth)
    called, hits = np.cumsum(moved, axis=0), np.cumsum(lost, axis=0)
    called, hits = called[-1] - called, hits[-1] - hits
    called[1:, index] = np.cumsum(weight)
    hits[1:, index] = np.cumsum(weight * (truth == index))
    called[0, index] = hits[0, index] = 0.0
    # cuts between equal factors are none
    cut = np.concatenate([[True], needed[1:] > needed[:-1], [True]]) & np.concatenate([[True], np.isfinite(needed)])
    worth = np.where(cut, metric(hits, called, actual), -np.inf)
    place = int(np.argmax(worth))
    low = needed[place - 1] if place else 0.0
    high = needed[place] if place < rows and np.isfinite(needed[place]) else 2 * low + 1.0
    return max(float(low + high) / 2, 1e-12), float(worth[place])
