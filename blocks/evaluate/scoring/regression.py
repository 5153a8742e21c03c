"""Regression: what rows with predicted numbers are summed up to, and the metrics that follow.

Names and conventions are scikit-learn's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from blocks.evaluate.scoring.bootstrap import BUCKETS, buckets, normal_interval
from blocks.evaluate.scoring.estimate import Arrays, Estimate, Settings, bucket_sums, estimates
from blocks.evaluate.scoring.metric_sums import MetricSums
from blocks.statistics.score_table import ScoreTable


@dataclass
class NumberRows:
    """A chunk of rows to judge.

    Attributes:
        positions: (rows,) int64, place in the table.
        target: (rows,) finite float64.
        prediction: (rows,) finite float64.
        weight: (rows,) float64, or None.
        quantiles: (rows, levels) float64, or None.
        low: (rows,) lower end of the predicted interval, or None.
        high: (rows,) upper end, or None.
        deviation: (rows,) predicted standard deviation, or None.
    """

    positions: np.ndarray
    target: np.ndarray
    prediction: np.ndarray
    weight: np.ndarray | None = None
    quantiles: np.ndarray | None = None
    low: np.ndarray | None = None
    high: np.ndarray | None = None
    deviation: np.ndarray | None = None


class Regression(MetricSums):
    """Sums of which errors, R2, deviance, pinball losses, coverage and width of intervals are functions.

    Args:
        levels: Of the predicted quantiles, ascending; empty for none.
        interval: Whether rows have `low` and `high`.
        deviation: Whether rows have a standard deviation.
        weighted: Whether rows have weights.

    Example:
        >>> judged = Regression()
        >>> judged.update(NumberRows(np.arange(3), np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 4.5])))
        >>> judged.result(Settings())["mean_absolute_error"].value
        0.5
    """

    def __init__(
        self, levels: Sequence[float] = (), interval: bool = False, deviation: bool = False, weighted: bool = False
    ) -> None:
        self.levels, self.interval, self.deviation, self.weighted = list(levels), interval, deviation, weighted
        widths = {"weight": 1, "absolute": 1, "squared": 1, "error": 1, "deviance": 1}
        widths |= {"pinball": len(self.levels), "below": len(self.levels)} if self.levels else {}
        widths |= {"covered": 1, "width": 1} if interval else {}
        widths |= {"likelihood": 1} if deviation else {}
        # the targets' mean and sum of squares about it, by bucket: no digits are lost far from zero
        arrays = {"mean": np.zeros((BUCKETS, 1)), "spread": np.zeros((BUCKETS, 1)), "outside": np.zeros(1, np.int64)}
        super().__init__(widths, BUCKETS, arrays, [ScoreTable(2, unit=False)])

    def parameters(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "levels": self.levels,
            "interval": self.interval,
            "deviation": self.deviation,
            "weighted": self.weighted,
        }

    def update(self, rows: NumberRows) -> None:
        """Adds a chunk."""
        count = len(rows.target)
        if not count:
            return
        self.rows += count
        bucket, target, weight = buckets(rows.positions, BUCKETS), rows.target, rows.weight
        one = np.ones(count) if weight is None else weight

        def add(name: str, values: np.ndarray, column: int = 0) -> None:
            weighed = values if weight is None else values * weight
            self.sums[name][:, column : column + 1] += bucket_sums(bucket, BUCKETS, weighed)

        error = target - rows.prediction
        absolute = np.abs(error)
        self._add_targets(bucket, target, weight)
        self.sums["weight"] += bucket_sums(bucket, BUCKETS, weight)
        add("absolute", absolute)
        add("squared", error * error)
        add("error", -error)
        self.score_tables[0].update(absolute, np.stack([one, one * one], axis=1))
        self.arrays["outside"] += int(np.count_nonzero((target < 0) | (rows.prediction <= 0)))
        if not self.outside:
            # x log x is 0 at 0
            logs = target * np.log(np.where(target > 0, target, 1.0) / np.where(target > 0, rows.prediction, 1.0))
            add("deviance", 2 * (logs - error))
        self._undefine()
        for i, level in enumerate(self.levels):
            assert rows.quantiles is not None
            gap = target - rows.quantiles[:, i]
            add("pinball", np.maximum(level * gap, (level - 1) * gap), i)
            add("below", (gap <= 0).astype(np.float64), i)
        if self.interval:
            assert rows.low is not None
            assert rows.high is not None
            add("covered", ((target >= rows.low) & (target <= rows.high)).astype(np.float64))
            add("width", rows.high - rows.low)
        if self.deviation:
            assert rows.deviation is not None
            add("likelihood", np.log(rows.deviation * np.sqrt(2 * np.pi)) + (error / rows.deviation) ** 2 / 2)

    def _add_targets(self, bucket: np.ndarray, target: np.ndarray, weight: np.ndarray | None) -> None:
        weights = bucket_sums(bucket, BUCKETS, weight)
        center = target[0]
        moved = target - center
        weighed = moved if weight is None else moved * weight
        mean = np.divide(bucket_sums(bucket, BUCKETS, weighed), weights, out=np.zeros_like(weights), where=weights > 0)
        moved = moved - mean[bucket, 0]
        squares = bucket_sums(bucket, BUCKETS, moved * moved if weight is None else moved * moved * weight)
        self.arrays |= self._joined(weights, mean + center, squares)

    def _joined(self, weights: np.ndarray, mean: np.ndarray, spread: np.ndarray) -> dict[str, np.ndarray]:
        """Mean and spread with those of other rows, by Chan's formula, bucket by bucket."""
        mine, before = self.sums["weight"], self.arrays["mean"]
        total = mine + weights
        share = np.divide(weights, total, out=np.zeros_like(total), where=total > 0)
        gap = np.where(weights > 0, mean - before, 0.0)
        gap = np.where(mine > 0, gap, 0.0)
        start = np.where(mine > 0, before, np.where(weights > 0, mean, 0.0))
        return {"mean": start + gap * share, "spread": self.arrays["spread"] + spread + gap * gap * share * mine}

    def _merge(self, other: Self) -> None:
        joined = self._joined(other.sums["weight"], other.arrays["mean"], other.arrays["spread"])
        super()._merge(other)
        self.arrays |= joined
        self._undefine()

    @property
    def outside(self) -> int:
        """Rows of which there is no deviance."""
        return int(self.arrays["outside"][0])

    def _undefine(self) -> None:
        """Forget the deviance where one row has none, lest it depends on the order of rows."""
        if self.outside:
            self.sums["deviance"] = np.zeros((BUCKETS, 1))

    def bucketed(self) -> dict[str, np.ndarray]:
        """All sums by bucket, those of the targets about their common mean."""
        weight, mean = self.sums["weight"], self.arrays["mean"]
        total = max(float(weight.sum()), 1e-300)
        gap = np.where(weight > 0, mean - float((weight * mean).sum()) / total, 0.0)
        return {**self.sums, "gap": weight * gap, "around": self.arrays["spread"] + weight * gap * gap}

    def result(self, settings: Settings) -> dict[str, Estimate]:
        """Every metric by name."""
        found = estimates(self.bucketed(), self.metrics, settings)
        if self.outside:
            note = f"{self.outside:,} rows have a negative target or a prediction that is not positive"
            found["mean_poisson_deviance"] = Estimate(np.nan, note=note)
        if not np.isfinite(found["r2"].value):
            note = "the target is constant" if self.rows else "there is no row"
            found["r2"] = Estimate(np.nan, note=note)
        found["median_absolute_error"] = self._median(settings)
        return found

    def metrics(self, sums: Arrays) -> dict[str, np.ndarray]:
        """The metrics that are functions of sums, each (n,) of sums (n, width)."""
        weight = sums["weight"][:, 0]
        squared = sums["squared"][:, 0] / weight
        variance = sums["around"][:, 0] / weight - (sums["gap"][:, 0] / weight) ** 2
        found = {
            "mean_absolute_error": sums["absolute"][:, 0] / weight,
            "mean_squared_error": squared,
            "root_mean_squared_error": np.sqrt(squared),
            "r2": np.where(variance > 0, 1 - squared / variance, np.nan),
            "mean_error": sums["error"][:, 0] / weight,
            "mean_poisson_deviance": sums["deviance"][:, 0] / weight,
        }
        for i, level in enumerate(self.levels):
            found[f"mean_pinball_loss[{level:g}]"] = sums["pinball"][:, i] / weight
            found[f"share_below[{level:g}]"] = sums["below"][:, i] / weight
        if self.interval:
            found |= {"coverage": sums["covered"][:, 0] / weight, "mean_width": sums["width"][:, 0] / weight}
        if self.deviation:
            found["negative_log_likelihood"] = sums["likelihood"][:, 0] / weight
        return found

    def _median(self, settings: Settings) -> Estimate:
        errors = self.score_tables[0]
        if not len(errors):
            return Estimate(np.nan, note="there is no row")
        total = errors.sums[:, 0].cumsum()
        share = total / total[-1]
        effective = total[-1] ** 2 / max(float(errors.sums[:, 1].sum()), 1e-300)

        def at(q: float) -> float:
            place = min(int(np.searchsorted(share, q)), len(share) - 1)
            after = min(place + (share[place] == q), len(share) - 1)
            return float((errors.scores[place] + errors.scores[after]) / 2)

        low, high = normal_interval(0.5, 0.5 / np.sqrt(effective), settings.confidence)
        # of the 52 bits of a float64, some are dropped
        width = 2.0 ** (errors.dropped_bits - 52)
        note = "" if errors.exact else f"within {width:.1e} of the exact value, relatively"
        ends = (at(max(low, 0.0)), at(min(high, 1.0))) if settings.replicates else (np.nan, np.nan)
        return Estimate(at(0.5), *ends, note)
