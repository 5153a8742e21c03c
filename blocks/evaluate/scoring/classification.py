"""Classification: what rows with class probabilities are summed up to, and the metrics that follow.

Names and conventions are scikit-learn's. With two classes, those of one class are of the second.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from blocks.evaluate.scoring.bootstrap import bucket_count, buckets
from blocks.evaluate.scoring.estimate import Arrays, Estimate, Settings, bucket_sums, estimates, ratio
from blocks.evaluate.scoring.metric_sums import MetricSums
from blocks.evaluate.scoring.ranking import Ranked, average_precision, roc_auc
from blocks.statistics.score_table import ScoreTable

CALIBRATION_BINS = 15
MAX_LISTED = 100
"""Classes up to which each has its own metrics and curves; with more there are the averages and the losses alone."""
MAX_CONFUSION = 1000

MAX_SCORES = 1 << 20
"""Distinct scores that the curves of all classes and groups hold together, exactly; with more, bins share them."""
MIN_BINS = 1 << 12
"""Bins of a curve, at least."""

TOP = (2, 3, 5, 10)


@dataclass
class ClassRows:
    """A chunk of rows to judge.

    Attributes:
        positions: (rows,) int64, place in the table.
        target: (rows,) class index.
        probabilities: (rows, classes) finite float64.
        label: (rows,) index of the class that was decided for.
        weight: (rows,) float64, or None.
        epsilon: Probabilities enter the log loss no nearer to 0 than this.
    """

    positions: np.ndarray
    target: np.ndarray
    probabilities: np.ndarray
    label: np.ndarray
    weight: np.ndarray | None = None
    epsilon: float = float(np.finfo(np.float64).eps)


class Classification(MetricSums):
    """Sums of which accuracy, losses, areas, calibration error and the confusion matrix are functions.

    Args:
        classes: Names of the classes, in the order of the probabilities.
        weighted: Whether rows have weights.

    Example:
        >>> judged = Classification(["no", "yes"])
        >>> probabilities = np.array([[0.9, 0.1], [0.4, 0.6], [0.3, 0.7]])
        >>> judged.update(ClassRows(np.arange(3), np.array([0, 0, 1]), probabilities, np.array([0, 1, 1])))
        >>> round(judged.result(Settings())["accuracy"].value, 4)
        0.6667
    """

    def __init__(self, classes: Sequence[str], weighted: bool = False) -> None:
        self.classes = list(classes)
        self.weighted = weighted
        k = len(self.classes)
        self._buckets = bucket_count(k)
        self._tops = tuple(top for top in TOP if top < k)
        widths = {"true": k, "predicted": k, "hit": k, "log_loss": 1, "squares": 1, "top": len(self._tops)}
        widths["bins"] = CALIBRATION_BINS * 2
        arrays = {
            "support": np.zeros(k, np.int64),
            "confusion": np.zeros((k, k)) if k <= MAX_CONFUSION else np.zeros((0, 0)),
        }
        curves = 1 if k == 2 else k if k <= MAX_LISTED else 0
        super().__init__(widths, self._buckets, arrays, [ScoreTable(4 if weighted else 2, _ALL) for _ in range(curves)])

    @property
    def confusion(self) -> np.ndarray:
        """(classes, classes) weight of the rows by their class and the one that was decided for; (0, 0) of too many."""
        return self.arrays["confusion"]

    def parameters(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"classes": self.classes, "weighted": self.weighted}

    def update(self, rows: ClassRows) -> None:
        """Adds a chunk."""
        count, k = len(rows.target), len(self.classes)
        if not count:
            return
        self.rows += count
        bucket, weight = buckets(rows.positions, self._buckets), rows.weight
        hit = rows.label == rows.target

        def weighed(values: np.ndarray) -> np.ndarray:
            return values if weight is None else values * weight

        def by_class(index: np.ndarray, values: np.ndarray | None) -> np.ndarray:
            return np.bincount(bucket * k + index, values, self._buckets * k).reshape(-1, k)

        self.arrays["support"] += np.bincount(rows.target, minlength=k)
        sums, p = self.sums, rows.probabilities
        sums["true"] += by_class(rows.target, weight)
        sums["predicted"] += by_class(rows.label, weight)
        sums["hit"] += by_class(rows.target, weighed(hit.astype(np.float64)))
        if len(self.confusion):
            self.arrays["confusion"] += np.bincount(rows.target * k + rows.label, weight, k * k).reshape(k, k)
        chosen = p[np.arange(count), rows.target]
        losses = -np.log(np.clip(chosen, rows.epsilon, 1 - rows.epsilon))
        sums["log_loss"] += bucket_sums(bucket, self._buckets, weighed(losses))
        squares = np.einsum("ij,ij->i", p, p) - chosen**2 + (1 - chosen) ** 2
        sums["squares"] += bucket_sums(bucket, self._buckets, weighed(squares))
        best = p.argmax(axis=1) if k > 2 else (p[:, 1] > p[:, 0]).astype(np.int64)
        if self._tops:
            # scikit-learn puts the later of two equal classes first
            later = np.arange(k) > rows.target[:, None]
            rank = (p > chosen[:, None]).sum(axis=1) + ((p == chosen[:, None]) & later).sum(axis=1)
            for i, top in enumerate(self._tops):
                sums["top"][:, i : i + 1] += bucket_sums(bucket, self._buckets, weighed((rank < top).astype(float)))
        confidence = np.maximum(p[:, 0], p[:, 1]) if k == 2 else p[np.arange(count), best]
        place = np.clip(np.ceil(confidence * CALIBRATION_BINS).astype(np.int64) - 1, 0, CALIBRATION_BINS - 1)
        place += bucket * CALIBRATION_BINS
        size = self._buckets * CALIBRATION_BINS
        gap = weighed((best == rows.target) - confidence)
        sums["bins"][:, :CALIBRATION_BINS] += np.bincount(place, gap, size).reshape(-1, CALIBRATION_BINS)
        sums["bins"][:, CALIBRATION_BINS:] += np.bincount(place, weight, size).reshape(-1, CALIBRATION_BINS)
        for c, curve in enumerate(self.score_tables, start=2 - len(self.score_tables) if k == 2 else 0):
            is_class = (rows.target == c).astype(np.float64)
            columns = [is_class, 1 - is_class] if weight is None else _weighted_columns(is_class, weight)
            curve.update(p[:, c], np.stack(columns, axis=1))
        share_scores([self])

    def _merge(self, other: "Classification") -> None:
        super()._merge(other)
        share_scores([self])

    def result(self, settings: Settings) -> dict[str, Estimate]:
        """Every metric by name."""
        found = estimates(self.sums, self.metrics, settings)
        support = self.sums["true"].sum(axis=0)
        absent = [name for name, count in zip(self.classes, support, strict=True) if not count]
        if len(self.classes) <= MAX_LISTED:
            for name in absent:
                found[f"recall[{name}]"] = Estimate(np.nan, note=f"no row is of class {name}")
        return found | self._areas(settings, absent)

    def metrics(self, sums: Arrays) -> dict[str, np.ndarray]:
        """The metrics that are functions of sums, each (n,) of sums (n, width)."""
        k = len(self.classes)
        true, predicted, hit = sums["true"], sums["predicted"], sums["hit"]
        weight = true.sum(axis=1)
        recall, precision = ratio(hit, true), ratio(hit, predicted)
        f1 = ratio(2 * hit, true + predicted)
        found = {"accuracy": hit.sum(axis=1) / weight}
        found["balanced_accuracy"] = recall.sum(axis=1) / (true > 0).sum(axis=1)
        if k == 2:
            found |= {"precision": precision[:, 1], "recall": recall[:, 1], "f1": f1[:, 1]}
        # scikit-learn averages over the classes that occur, in targets or labels
        occur = ((true + predicted) > 0).sum(axis=1)
        for name, values in (("precision", precision), ("recall", recall), ("f1", f1)):
            found[f"{name}_macro"] = values.sum(axis=1) / occur
            found[f"{name}_weighted"] = (values * true).sum(axis=1) / weight
            if k <= MAX_LISTED:
                found |= {f"{name}[{label}]": values[:, c] for c, label in enumerate(self.classes)}
        found["log_loss"] = sums["log_loss"][:, 0] / weight
        found["brier_score"] = sums["squares"][:, 0] / weight / (2 if k == 2 else 1)
        for i, top in enumerate(self._tops):
            found[f"top_{top}_accuracy"] = sums["top"][:, i] / weight
        gaps = np.abs(sums["bins"][:, :CALIBRATION_BINS])
        found["expected_calibration_error"] = gaps.sum(axis=1) / weight
        return found

    def rows_of(self, metric: str, suffix: str = "") -> int:
        """How many rows a metric is of: those of its class, where it is of one; of a label, those of which it is true.

        A suffix says that the two classes are whether a label is true of a row.
        """
        stem, _, name = metric.partition("[")
        if suffix:
            return int(self.arrays["support"][1]) if stem in _OF_TRUE else self.rows
        name = name.removesuffix("]")
        return int(self.arrays["support"][self.classes.index(name)]) if name in self.classes else self.rows

    def ranked(self) -> dict[str, tuple[int, Ranked]]:
        """Areas that are of one class, with the number of the curve that each is of."""
        found = {}
        for i, curve in enumerate(self.score_tables):
            suffix = "" if len(self.classes) == 2 else f"[{self.classes[i]}]"
            found[f"roc_auc{suffix}"] = (i, roc_auc(curve))
            found[f"average_precision{suffix}"] = (i, average_precision(curve))
        return found

    def _areas(self, settings: Settings, absent: Sequence[str]) -> dict[str, Estimate]:
        found: dict[str, Estimate] = {}
        by_metric: dict[str, list[tuple[Ranked, Estimate]]] = {}
        for name, (i, area) in self.ranked().items():
            curve = self.score_tables[i]
            interval = area.interval(curve, settings.confidence) if settings.replicates else (np.nan, np.nan)
            note = f"within {area.error:.1e} of the exact value" if area.error else ""
            if not np.isfinite(area.value):
                note = _one_class(self.classes, self.sums["true"].sum(axis=0), i)
            found[name] = Estimate(area.value, *interval, note)
            by_metric.setdefault(name.partition("[")[0], []).append((area, found[name]))
        if len(self.classes) > 2:
            support = self.sums["true"].sum(axis=0)
            for metric, areas in by_metric.items():
                values = np.array([area.value for area, _ in areas])
                # an upper bound of the mean's error, reached when the areas' errors move together
                reach = np.array([(one.high - one.low) / 2 for _, one in areas])
                even = np.full(len(values), 1 / len(values))
                for name, share in zip(_AVERAGES[metric], (even, _share(support)), strict=True):
                    note = f"no row is of class {', '.join(absent)}" if absent else ""
                    value, wide = float(share @ values), float(share @ reach)
                    low, high = max(value - wide, 0.0), min(value + wide, 1.0)
                    ends = (low, high) if np.isfinite(wide) else (np.nan, np.nan)
                    found[name] = Estimate(value, *ends, note)
        return found


def share_scores(classifications: Sequence["Classification"]) -> None:
    """Let curves hold scores in bins where there are more than MAX_SCORES distinct ones in all.

    That there are, and how many curves share them, follows from the rows alone, not from their order.
    """
    curves = [curve for one in classifications for curve in one.score_tables]
    if sum(curve.most for curve in curves) > MAX_SCORES and sum(map(len, curves)) > MAX_SCORES:
        for curve in curves:
            curve.tighten(max(MAX_SCORES // len(curves), MIN_BINS))


_ALL = 1 << 62
_OF_TRUE = ("precision", "recall", "f1", "roc_auc", "average_precision")

_AVERAGES = {
    "roc_auc": ("roc_auc_ovr", "roc_auc_ovr_weighted"),
    "average_precision": ("average_precision_macro", "average_precision_weighted"),
}


def _share(support: np.ndarray) -> np.ndarray:
    return support / max(support.sum(), 1e-300)


def _weighted_columns(is_class: np.ndarray, weight: np.ndarray) -> list[np.ndarray]:
    mine, theirs = is_class * weight, (1 - is_class) * weight
    return [mine, theirs, mine * weight, theirs * weight]


def _one_class(classes: Sequence[str], support: np.ndarray, curve: int) -> str:
    c = 1 if len(classes) == 2 else curve
    if not support.sum():
        return "there is no row"
    if not support[c]:
        return f"no row is of class {classes[c]}"
    return f"every row is of class {classes[c]}"
