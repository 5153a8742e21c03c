"""Ranking: areas and curves of one class against the rest, with each row's influence on them.

All from sums by score (`ScoreTable`): weight of the class's rows, weight of the others, and their squared weights.
"""

from dataclasses import dataclass

import numpy as np

from blocks.evaluate.scoring.bootstrap import normal_interval
from blocks.statistics.score_table import ScoreTable


@dataclass(frozen=True)
class Ranked:
    """An area, and what a row of each score contributes to its error.

    Attributes:
        value: The area; NaN where it is undefined.
        positive: (scores,) derivative of the area by the weight of a row of the class.
        negative: (scores,) the same of any other row.
        error: How far the area of the rows themselves can lie from `value`, since scores were held in bins; 0 if exact.
    """

    value: float
    positive: np.ndarray
    negative: np.ndarray
    error: float

    def interval(self, table: ScoreTable, confidence: float) -> tuple[float, float]:
        """The normal interval from the influences' sum of squares (the infinitesimal jackknife), within [0, 1].

        Of the ROC area this is DeLong's.
        """
        if not np.isfinite(self.value):
            return np.nan, np.nan
        squares = table.sums[:, -2:]  # of the weights; the weights themselves where all are 1
        error = 0.0
        for column, influence in ((0, self.positive), (1, self.negative)):
            effective = table.sums[:, column].sum() ** 2 / max(squares[:, column].sum(), 1e-300)
            # the sample's variance rather than the population's, as DeLong has it
            correction = effective / (effective - 1) if effective > 1 else 1.0
            error += correction * float(squares[:, column] @ influence**2)
        low, high = normal_interval(self.value, np.sqrt(error), confidence)
        return max(low, 0.0), min(high, 1.0)


def roc_auc(table: ScoreTable) -> Ranked:
    """The area under the ROC curve, ties counted half.

    Example:
        >>> table = ScoreTable(2)
        >>> table.update(np.array([0.1, 0.4, 0.35, 0.8]), np.array([[0, 1], [0, 1], [1, 0], [1, 0.0]]))
        >>> roc_auc(table).value
        0.75

    Source: DeLong, DeLong, Clarke-Pearson, "Comparing the Areas under Two or More Correlated ROC Curves" (1988).
    """
    positive, negative = table.sums[:, 0], table.sums[:, 1]
    total, others = positive.sum(), negative.sum()
    if not (total > 0 and others > 0):
        return _undefined(len(positive))
    below = (np.cumsum(negative) - negative / 2) / others
    above = (total - np.cumsum(positive) + positive / 2) / total
    value = float(positive @ below / total)
    bound = 0.0 if table.exact else float(positive @ negative / (2 * total * others))
    return Ranked(value, (below - value) / total, (above - value) / others, bound)


def average_precision(table: ScoreTable) -> Ranked:
    """The mean precision over the class's rows, as scikit-learn's `average_precision_score`.

    Example:
        >>> table = ScoreTable(2)
        >>> table.update(np.array([0.1, 0.4, 0.35, 0.8]), np.array([[0, 1], [0, 1], [1, 0], [1, 0.0]]))
        >>> round(average_precision(table).value, 4)
        0.8333
    """
    positive, negative = table.sums[:, 0], table.sums[:, 1]
    total = positive.sum()
    if not total > 0:
        return _undefined(len(positive))
    hits, chosen = _from_above(positive), np.maximum(_from_above(positive + negative), 1e-300)
    precision = hits / chosen
    if table.exact:
        value, bound = float(positive @ precision / total), 0.0
    else:
        value, bound = _of_bins(positive, negative, hits, chosen)
    gained, lost = np.cumsum(positive / chosen), np.cumsum(positive * precision / chosen)
    return Ranked(value, (precision - value + gained - lost) / total, -lost / total, bound)


def _of_bins(positive: np.ndarray, negative: np.ndarray, hits: np.ndarray, chosen: np.ndarray) -> tuple[float, float]:
    """The middle of what the average precision of a bin's rows can be, and how far it can lie from it.

    At best all rows of the class stand first in their bin, tied; at worst last, one after the other, which is the
    integral of `(hits before + t) / (rows before + t)` at least.
    """
    before, start = hits - positive, np.maximum(chosen - positive, 1e-300)
    best = positive * hits / np.maximum(chosen - negative, 1e-300)
    worst = positive + (before - start) * np.log1p(positive / start)
    total = positive.sum()
    return float((best + worst).sum() / (2 * total)), float((best - worst).sum() / (2 * total))


def roc_curve(table: ScoreTable) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """False positive rate, true positive rate and threshold, from the highest threshold (infinite) down."""
    positive, negative = table.sums[::-1, 0], table.sums[::-1, 1]
    hits, alarms = np.append(0.0, np.cumsum(positive)), np.append(0.0, np.cumsum(negative))
    with np.errstate(invalid="ignore"):
        return alarms / alarms[-1], hits / hits[-1], np.append(np.inf, table.scores[::-1])


def precision_recall_curve(table: ScoreTable) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Recall, precision and threshold, from the highest threshold down; ends where every row is chosen."""
    hits, chosen = np.cumsum(table.sums[::-1, 0]), np.cumsum(table.sums[::-1, :2].sum(axis=1))
    with np.errstate(invalid="ignore"):
        recall, precision = hits / hits[-1] if len(hits) else hits, hits / chosen
    return np.append(0.0, recall), np.append(1.0, precision), np.append(np.inf, table.scores[::-1])


def _from_above(values: np.ndarray) -> np.ndarray:
    return np.cumsum(values[::-1])[::-1]


def _undefined(rows: int) -> Ranked:
    return Ranked(np.nan, np.zeros(rows), np.zeros(rows), 0.0)
