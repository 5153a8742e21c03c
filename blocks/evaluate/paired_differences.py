"""Paired differences: what tables of the same rows differ by, with intervals that know that they are paired."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Unpack

import numpy as np
import pyarrow as pa
from scipy import stats

from blocks.arguments import checked
from blocks.errors import EmptySource, InvalidArgument
from blocks.evaluate.metric_direction import direction
from blocks.evaluate.row_pairing import Pair
from blocks.evaluate.scoring.bootstrap import normal_interval, percentiles
from blocks.evaluate.scoring.classification import Classification, ClassRows
from blocks.evaluate.scoring.estimate import Settings, estimates, replicated
from blocks.evaluate.scoring.metric_sums import MetricSums
from blocks.evaluate.scoring.ranking import Ranked
from blocks.evaluate.scoring.summed_table import FEW, checked_settings
from blocks.evaluate.tables.grouping import ALL, By
from blocks.evaluate.tables.prediction_table import OPTIONS, PredictionTable, TableOptions
from blocks.pages.notebook import shown_by_notebooks

SCHEMA = pa.schema(
    [("group", pa.string()), ("metric", pa.string()), ("baseline", pa.string()), ("other", pa.string())]
    + [(name, pa.float64()) for name in ("baseline_value", "other_value", "difference", "low", "high", "p_value")]
    + [("verdict", pa.string()), ("rows", pa.int64()), ("few", pa.bool_())]
)


@checked(also=OPTIONS)
def compare_tables(
    tables: Mapping[str, Any] | Sequence[Any],
    *,
    by: By = None,
    metrics: Sequence[str] | None = None,
    confidence: float = 0.95,
    bootstrap: int = 1000,
    seed: int = 0,
    few: int = FEW,
    max_groups: int = 100,
    **options: Unpack[TableOptions],
) -> pa.Table:
    """What each table's metrics differ by from the first's, on the same rows; see `blocks.compare`.

    Example:
        >>> a = {"price": [1.0, 2.0, 3.0, 4.0] * 9, "prediction": [2.0, 3.0, 4.0, 5.0] * 9}
        >>> found = compare_tables({"old": a, "same": a}, metrics=["mean_absolute_error"], target="price")
        >>> found.select(["difference", "verdict"]).to_pylist()
        [{'difference': 0.0, 'verdict': 'within noise'}]
    """
    settings = checked_settings(confidence, bootstrap, seed)
    by_name = dict(tables) if isinstance(tables, Mapping) else {str(i): table for i, table in enumerate(tables)}
    if len(by_name) < 2 or bootstrap < 1:
        raise InvalidArgument(
            f"Two tables or more are compared, by 1 replicate or more. Received: {len(by_name)} and {bootstrap}."
        )
    columns: dict[str, list[Any]] = {name: [] for name in SCHEMA.names}
    first, *others = by_name
    known: set[str] = set()
    for other in others:
        one = PredictionTable.of(by_name[first], by, **options)
        pair = Pair(one, PredictionTable.of(by_name[other], **options), by, max_groups)
        for group, found in _sum_up_both(pair).items():
            for metric, line in found.lines(settings).items():
                known.add(metric)
                if metrics is not None and metric not in metrics and metric.partition("[")[0] not in metrics:
                    continue
                values = (group, metric, first, other, *line, found.rows, found.rows < few)
                for column, item in zip(SCHEMA.names, values, strict=True):
                    columns[column].append(item if not isinstance(item, float) or np.isfinite(item) else None)
    absent = [name for name in metrics or () if name not in known and name not in {m.partition("[")[0] for m in known}]
    if absent:
        raise InvalidArgument(f"There is no metric {absent[0]!r} here. There are: {', '.join(sorted(known))}.")
    caption = f"Metrics less those of {first!r}, on the same rows, with {confidence:.0%} intervals"
    return shown_by_notebooks(pa.table(columns, SCHEMA), caption)


@dataclass
class _GroupPair:
    """One group of rows, summed up by both tables."""

    baseline: dict[str, MetricSums]
    other: dict[str, MetricSums]
    areas: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    right: np.ndarray = field(default_factory=lambda: np.zeros(2, np.int64))
    rows: int = 0

    def merge(self, other: "_GroupPair") -> None:
        for mine, theirs in ((self.baseline, other.baseline), (self.other, other.other)):
            for suffix, sums in mine.items():
                sums.merge(theirs[suffix])
        self.right = self.right + other.right
        self.rows += other.rows

    def lines(self, settings: Settings) -> dict[str, tuple[Any, ...]]:
        """By metric: both values, difference, interval, p-value, verdict."""
        found: dict[str, tuple[Any, ...]] = {}
        for suffix, one in self.baseline.items():
            two = self.other[suffix]
            point = Settings(replicates=0)
            values = [estimates(sums.bucketed(), sums.metrics, point) for sums in (one, two)]
            spread = [replicated(sums.bucketed(), sums.metrics, settings) for sums in (one, two)]
            for name in values[0]:
                if name not in values[1]:
                    continue
                low, high = percentiles(spread[1][name] - spread[0][name], settings.confidence)
                p = _mcnemar(self.right) if name == "accuracy" else None
                found[name + suffix] = _line(name, values[0][name].value, values[1][name].value, low, high, p)
        for suffix, pair in self.classifications():
            ours, theirs = (sums.ranked() for sums in pair)
            for name, (_, area) in ours.items():
                other = theirs[name][1].value
                low, high = normal_interval(other - area.value, self.areas[name + suffix] ** 0.5, settings.confidence)
                found[name + suffix] = _line(name, area.value, other, low, high, None)
        return found

    def classifications(self) -> Iterator[tuple[str, tuple[Classification, Classification]]]:
        """The pairs of classifiers, by suffix."""
        for suffix, one in self.baseline.items():
            two = self.other[suffix]
            if isinstance(one, Classification) and isinstance(two, Classification):
                yield suffix, (one, two)


def _line(
    name: str, one: float, two: float, low: float, high: float, p: float | None
) -> tuple[float, float, float, float, float, float | None, str]:
    if not (np.isfinite(low) and np.isfinite(high)):
        verdict = "undefined"
    elif low <= 0 <= high:
        verdict = "within noise"
    else:
        moved = "higher" if low > 0 else "lower"
        better = direction(name)
        verdict = f"other is {moved if better == 'neither' else 'better' if moved == better else 'worse'}"
    return one, two, two - one, low, high, p, verdict


def _influence(
    sums: Classification, areas: Mapping[str, tuple[int, Ranked]], metric: str, rows: ClassRows
) -> np.ndarray:
    """Each row's influence on an area."""
    i, area = areas[metric]
    c = 1 if len(sums.classes) == 2 else i
    place = sums.score_tables[i].find(rows.probabilities[:, c])
    return np.where(rows.target == c, area.positive[place], area.negative[place])


def _mcnemar(right: np.ndarray) -> float:
    """The p-value of two classifiers being right equally often, from the rows that one alone has right."""
    one, two = (int(count) for count in right)
    if one + two == 0:
        return 1.0
    if one + two <= 1000:
        return float(stats.binomtest(one, one + two).pvalue)
    return float(stats.chi2.sf((abs(one - two) - 1) ** 2 / (one + two), 1))


def _sum_up_both(pair: Pair) -> dict[str, _GroupPair]:
    """Both tables, by group; "all" first."""
    groups: dict[str, _GroupPair] = {}

    def empty() -> _GroupPair:
        return _GroupPair(pair.readers[0].metric_sums(), pair.readers[1].metric_sums())

    for name, suffix, one, two in pair.rows():
        if name not in groups:
            pair.grouping.check(len(groups) + 1)
            groups[name] = empty()
        found = groups[name]
        found.baseline[suffix].update(one)
        found.other[suffix].update(two)
        found.rows += len(one.target)
        if isinstance(one, ClassRows) and isinstance(two, ClassRows):
            hits = one.label == one.target, two.label == two.target
            found.right[:] += (np.count_nonzero(hits[0] & ~hits[1]), np.count_nonzero(hits[1] & ~hits[0]))
    if not groups:
        raise EmptySource("There is no row that both tables can judge.")
    whole = empty()
    for group in groups.values():
        whole.merge(group)
    named = {ALL: whole, **{name: groups[name] for name in sorted(groups) if name}}
    if pair.readers[0].is_classifier:
        _compare_areas(pair, named)
    return named


def _compare_areas(pair: Pair, groups: dict[str, _GroupPair]) -> None:
    """A second pass: the sum of squared differences of each row's influence on both areas."""
    ranked = {}
    for name, found in groups.items():
        for suffix, pair_of_sums in found.classifications():
            ranked[name, suffix] = [(sums, sums.ranked()) for sums in pair_of_sums]
    for name, suffix, *both in pair.rows():
        for group in {ALL, name} - {""}:
            judged = ranked[group, suffix]
            for metric in judged[0][1]:
                gap = _influence(*judged[1], metric, both[1]) - _influence(*judged[0], metric, both[0])
                weight = both[0].weight
                squares = (gap if weight is None else gap * weight) ** 2
                groups[group].areas[metric + suffix] += float(squares.sum())
