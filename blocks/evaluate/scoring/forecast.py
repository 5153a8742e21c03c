"""Forecast: what rows with many predicted steps are summed up to, and the metrics that follow, of all steps or of each.

Names and conventions are those of scikit-learn where it has them, else of the M competitions and GluonTS.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from blocks.evaluate.scoring.bootstrap import BUCKETS, buckets
from blocks.evaluate.scoring.estimate import Arrays, Estimate, Settings, bucket_sums, estimates
from blocks.evaluate.scoring.metric_sums import MetricSums


@dataclass
class StepRows:
    """A chunk of rows to judge, each with its steps.

    Attributes:
        positions: (rows,) int64, place in the table.
        target: (rows, steps) finite float64.
        prediction: (rows, steps) finite float64.
        weight: (rows,) float64, or None.
        naive_error: (rows,) mean absolute error of the naive forecast in the row's history, NaN where there is none; or
            None.
        quantiles: (rows, steps, levels) float64, or None.
        low: (rows, steps) lower ends of the predicted intervals, or None.
        high: (rows, steps) upper ends, or None.
    """

    positions: np.ndarray
    target: np.ndarray
    prediction: np.ndarray
    weight: np.ndarray | None = None
    naive_error: np.ndarray | None = None
    quantiles: np.ndarray | None = None
    low: np.ndarray | None = None
    high: np.ndarray | None = None


class Forecast(MetricSums):
    """Sums of which errors, scaled and relative errors, quantile losses and coverage are functions.

    Args:
        steps: How many are summed up apart: those of a row, or 1 for all of them together.
        levels: Of the predicted quantiles, ascending; empty for none.
        interval: Whether rows have `low` and `high`.
        scaled: Whether rows have the error of a naive forecast.

    Example:
        >>> judged = Forecast()
        >>> judged.update(StepRows(np.arange(1), np.array([[1.0, 2.0]]), np.array([[1.0, 4.0]])))
        >>> judged.result(Settings())["mean_absolute_error"].value
        1.0

    Source: Hyndman, Koehler, "Another Look at Measures of Forecast Accuracy" (2006), for `mase`; Makridakis et al.,
        "The M4 Competition" (2020), for `smape`; Salinas et al., "DeepAR" (2020), for `weighted_quantile_loss`.
    """

    def __init__(
        self, steps: int = 1, levels: Sequence[float] = (), interval: bool = False, scaled: bool = False
    ) -> None:
        self.steps, self.levels, self.interval, self.scaled = steps, list(levels), interval, scaled
        names = ["values", "absolute", "squared", "error", "relative", "size"]
        names += [f"{name}[{level:g}]" for level in self.levels for name in ("pinball", "below")]
        names += ["covered", "width"] if interval else []
        names += ["scaled", "scalable"] if scaled else []
        super().__init__(dict.fromkeys(names, steps), BUCKETS, {"flat": np.zeros(1, np.int64)}, [])

    def parameters(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"steps": self.steps, "levels": self.levels, "interval": self.interval, "scaled": self.scaled}

    def update(self, rows: StepRows) -> None:
        """Adds a chunk."""
        count = len(rows.target)
        if not count:
            return
        self.rows += count
        bucket = buckets(rows.positions, BUCKETS)
        weight = np.ones(count) if rows.weight is None else rows.weight

        def add(name: str, values: np.ndarray) -> None:
            values = values * weight[:, None]
            parts = values.sum(axis=1, keepdims=True) if self.steps == 1 else values
            for step in range(self.steps):
                self.sums[name][:, step : step + 1] += bucket_sums(bucket, BUCKETS, parts[:, step])

        target, error = rows.target, rows.target - rows.prediction
        absolute, size = np.abs(error), np.abs(target)
        both = size + np.abs(rows.prediction)
        add("values", np.ones_like(target))
        add("absolute", absolute)
        add("squared", error * error)
        add("error", -error)
        add("relative", 2 * np.divide(absolute, both, out=np.zeros_like(both), where=both > 0))
        add("size", size)
        for i, level in enumerate(self.levels):
            assert rows.quantiles is not None
            gap = target - rows.quantiles[..., i]
            add(f"pinball[{level:g}]", np.maximum(level * gap, (level - 1) * gap))
            add(f"below[{level:g}]", (gap <= 0).astype(np.float64))
        if self.interval:
            assert rows.low is not None
            assert rows.high is not None
            add("covered", ((target >= rows.low) & (target <= rows.high)).astype(np.float64))
            add("width", rows.high - rows.low)
        if self.scaled:
            assert rows.naive_error is not None
            unit = rows.naive_error[:, None]
            moves = unit > 0  # nor is NaN
            self.arrays["flat"] += int(np.count_nonzero(~moves))
            add("scaled", np.divide(absolute, unit, out=np.zeros_like(absolute), where=moves))
            add("scalable", np.broadcast_to(moves, target.shape).astype(np.float64))

    def result(self, settings: Settings) -> dict[str, Estimate]:
        """Every metric by name."""
        found = estimates(self.sums, self.metrics, settings)
        flat = int(self.arrays["flat"][0])
        for name in found if flat else ():
            if name.startswith("mase"):
                of = found[name]
                note = f"{flat:,} rows are left out, whose history does not move"
                found[name] = Estimate(of.value, of.low, of.high, note)
        return found

    def metrics(self, sums: Arrays) -> dict[str, np.ndarray]:
        """The metrics that are functions of sums, each (n,) of sums (n, width)."""
        if self.steps == 1:
            return {name: values[:, 0] for name, values in self._of_each(sums).items()}
        return {
            f"{name}/{step}": values[:, step]
            for name, values in self._of_each(sums).items()
            for step in range(self.steps)
        }

    def _of_each(self, sums: Arrays) -> dict[str, np.ndarray]:
        """By name, each (n, steps)."""
        values, size = sums["values"], sums["size"]
        squared = sums["squared"] / values
        found = {
            "mean_absolute_error": sums["absolute"] / values,
            "mean_squared_error": squared,
            "root_mean_squared_error": np.sqrt(squared),
            "mean_error": sums["error"] / values,
            "smape": sums["relative"] / values,
        }
        if self.scaled:
            found["mase"] = sums["scaled"] / sums["scalable"]
        if self.levels:
            lost = {level: sums[f"pinball[{level:g}]"] for level in self.levels}
            total = np.sum(list(lost.values()), axis=0)
            found["weighted_quantile_loss"] = 2 * total / len(lost) / size
            for level, of_level in lost.items():
                found[f"weighted_quantile_loss[{level:g}]"] = 2 * of_level / size
                found[f"mean_pinball_loss[{level:g}]"] = of_level / values
                found[f"share_below[{level:g}]"] = sums[f"below[{level:g}]"] / values
        if self.interval:
            found |= {"coverage": sums["covered"] / values, "mean_width": sums["width"] / values}
        return found


def naive_errors(history: np.ndarray, season: int) -> np.ndarray:
    """The mean absolute error of the seasonal naive forecast in each row's history: |y[t] - y[t - season]|, (rows,).

    Args:
        history: (rows, steps), oldest first; NaN where a value is missing.
        season: Steps of a season; 1 for the naive forecast.

    Returns:
        NaN where no two values lie a season apart.

    Example:
        >>> naive_errors(np.array([[1.0, 2.0, 4.0], [5.0, np.nan, 5.0]]), 1)
        array([1.5, nan])
    """
    moved = np.abs(history[:, season:] - history[:, :-season])
    there = ~np.isnan(moved)
    count = there.sum(axis=1)
    total = np.where(there, moved, 0.0).sum(axis=1)
    return np.divide(total, count, out=np.full(len(history), np.nan), where=count > 0)
