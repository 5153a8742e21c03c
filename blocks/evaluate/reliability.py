"""Calibration: whether shares come true as predicted, and numbers err evenly; by bins, in bounded memory."""

from collections.abc import Iterator
from typing import Any, Unpack

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from blocks.arguments import checked
from blocks.errors import EmptySource, InvalidArgument
from blocks.evaluate.answering import as_predictor
from blocks.evaluate.scoring.bootstrap import normal_interval, wilson
from blocks.evaluate.scoring.classification import ClassRows
from blocks.evaluate.scoring.head_reader import HeadReader, Rows
from blocks.evaluate.scoring.regression import NumberRows
from blocks.evaluate.tables.prediction_table import OPTIONS, UNWEIGHTED, PredictionTable, TableOptions
from blocks.statistics import Moments, Quantiles
from blocks.statistics.score_table import LIMIT, ScoreTable
from blocks.targets.description import HeadDescription

_RESIDUAL_LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)

Floats = NDArray[np.float64]


@checked(also=OPTIONS)
def calibration(
    table: Any,
    bins: int = 10,
    strategy: str = "quantile",
    *,
    confidence: float = 0.95,
    **options: Unpack[TableOptions],
) -> pa.Table:
    """A classifier's reliability curves: predicted probability against the share that came true, by bins.

    Bins and values are those of scikit-learn's `calibration_curve`, exactly up to 65,536 distinct probabilities.

    Args:
        table: A prediction table, or with `data` a model, as of `metrics`.
        bins: Number of bins; those without rows are left out.
        strategy: "quantile", bins of equally many rows, or "uniform", of equal width.
        confidence: Of the intervals, which are Wilson's.
        options: As of `metrics`.

    Returns:
        An Arrow table: class (with two classes, the second alone), bin, predicted (mean), observed (share), low, high,
        rows.

    Raises:
        InvalidArgument, SchemaMismatch, EmptySource: As they say.

    Example:
        >>> rows = {"sold": ["no", "yes"] * 2, "probabilities": [[0.9, 0.1], [0.2, 0.8], [0.8, 0.2], [0.4, 0.6]]}
        >>> found = calibration(pa.table(rows), bins=2, target="sold", classes=["no", "yes"])
        >>> found.select(["predicted", "observed"]).to_pylist()
        [{'predicted': 0.15000000000000002, 'observed': 0.0}, {'predicted': 0.7, 'observed': 1.0}]
    """
    if bins < 1 or strategy not in ("quantile", "uniform"):
        raise InvalidArgument(
            f"Bins are 1 at least, by strategy 'quantile' or 'uniform'. Received: bins={bins!r}, {strategy!r}."
        )
    opened = PredictionTable.of(table, **options)
    tables: dict[str, ScoreTable] = {}
    for suffix, names, rows in _class_rows(opened):
        weight = np.ones(len(rows.target)) if rows.weight is None else rows.weight
        for c, name in enumerate(names):
            if len(names) == 2 and c == 0:
                continue
            p = rows.probabilities[:, c]
            columns = [weight, weight * (rows.target == c), weight * p, weight * weight]
            scores = tables.setdefault(name + suffix if not suffix else suffix[1:-1], ScoreTable(4, LIMIT))
            scores.update(p, np.stack(columns, axis=1))
    tables = {name: scores for name, scores in tables.items() if len(scores)}
    if not tables:
        raise EmptySource(f"There is no row to judge: none has a usable target. Received: {opened!r}.")
    counted = options.get("sample_weight") is None
    parts = [_binned(name, scores, bins, strategy, confidence, counted) for name, scores in tables.items()]
    return pa.concat_tables(parts)


@checked()
def calibration_stages(
    model: Any, data: Any, bins: int = 10, strategy: str = "quantile", *, head: str | None = None, **options: Any
) -> pa.Table:
    """Reliability curves after the head and after each of its postprocessors: what each of them bought.

    Args:
        model: A `blocks.Model`.
        data: Rows that it answers, with their target; one pass for each stage.
        bins: As of `calibration`.
        strategy: As of `calibration`.
        head: Which one, where there are several.
        options: As of `calibration`.

    Returns:
        As `calibration`, with a column `stage` first: the head's class, then the postprocessors'.

    Raises:
        InvalidArgument: The model does not show its stages; an exported one does not.
    """
    predictor: Any = as_predictor(model)
    if not hasattr(predictor, "stages"):
        raise InvalidArgument(f"Stages are those of a blocks.Model. Received: {type(model).__name__}.")
    name = HeadDescription.from_json(predictor.describe()["heads"][0]).name if head is None else head
    parts = []
    for stage, one in predictor.stages(name):
        found = calibration(one, bins, strategy, head=name, data=data, **options)
        parts.append(found.add_column(0, "stage", pa.array([stage] * len(found))))
    return pa.concat_tables(parts)


@checked(also=OPTIONS)
def quantile_coverage(
    table: Any,
    *,
    confidence: float = 0.95,
    **options: Unpack[TableOptions],
) -> pa.Table:
    """How often the truth lies at or below each predicted quantile, and inside the predicted interval.

    Args:
        table: A prediction table, or with `data` a model, as of `metrics`.
        confidence: Of the intervals, which are Wilson's.
        options: As of `metrics`.

    Returns:
        An Arrow table: level (null of the interval `low` to `high`), observed, low, high, rows.

    Raises:
        InvalidArgument: There are neither quantiles nor intervals.

    Example:
        >>> rows = {"price": [1.0, 2.0, 3.0, 9.0], "prediction": [2.0] * 4, "low": [0.0] * 4, "high": [4.0] * 4}
        >>> quantile_coverage(pa.table(rows), target="price").to_pylist()[0]["observed"]
        0.75
    """
    opened = PredictionTable.of(table, **options)
    levels = opened.chosen_head.levels or ()
    hits: dict[float | None, np.ndarray] = {}
    for _, rows in _number_rows(opened):
        weight = np.ones(len(rows.target)) if rows.weight is None else rows.weight
        judged: dict[float | None, np.ndarray] = {}
        if rows.quantiles is not None:
            judged |= {level: rows.target <= rows.quantiles[:, i] for i, level in enumerate(levels)}
        if rows.low is not None and rows.high is not None:
            judged[None] = (rows.target >= rows.low) & (rows.target <= rows.high)
        for level, hit in judged.items():
            sums = np.array([(weight * hit).sum(), weight.sum(), (weight * weight).sum(), len(hit)])
            hits[level] = hits.get(level, np.zeros(4)) + sums
    if not hits:
        raise InvalidArgument("Coverage is of quantiles, or of intervals from low to high. The table has neither.")
    hit, total, squares, rows_seen = np.array(list(hits.values())).T
    low, high = wilson(hit / total, total**2 / squares, confidence)
    columns = [pa.array(list(hits), pa.float64()), hit / total, low, high, rows_seen.astype(np.int64)]
    return pa.table(dict(zip(("level", "observed", "low", "high", "rows"), columns, strict=True)))


@checked(also=UNWEIGHTED)
def residuals(
    table: Any,
    bins: int = 10,
    *,
    confidence: float = 0.95,
    **options: Unpack[TableOptions],
) -> pa.Table:
    """A regressor's errors against its predictions: truth less prediction, by bins of equally many rows.

    Two passes. Edges and quantiles are exact up to 262,144 rows, and within 0.7% of rank beyond
    (`blocks.statistics.Quantiles`). Weights do not enter.

    Args:
        table: A prediction table, or with `data` a model, as of `metrics`.
        bins: Number of bins; those without rows are left out.
        confidence: Of the intervals of the means.
        options: As of `metrics`.

    Returns:
        An Arrow table: bin, predicted (mean), residual (mean), low, high, q05, q25, q50, q75, q95, rows.

    Raises:
        InvalidArgument, SchemaMismatch, EmptySource: As they say.

    Example:
        >>> rows = {"price": [1.0, 2.0, 3.0, 4.0], "prediction": [1.5, 1.5, 3.0, 3.0]}
        >>> residuals(pa.table(rows), bins=2, target="price")["residual"].to_pylist()
        [0.0, 0.5]
    """
    if bins < 1:
        raise InvalidArgument(f"Bins are 1 at least. Received: {bins!r}.")
    opened = PredictionTable.of(table, **options)
    predictions = Quantiles()
    for _, rows in _number_rows(opened):
        predictions.update(pa.array(rows.prediction))
    if not predictions.result().count:
        raise EmptySource("There is no row to take residuals of.")
    edges = predictions.result().quantile(np.linspace(0, 1, bins + 1)[1:-1])
    statistics = [(Moments(), Moments(), Quantiles()) for _ in range(bins)]
    for _, rows in _number_rows(opened):
        place, residual = np.searchsorted(edges, rows.prediction), rows.target - rows.prediction
        for i, (predicted, moments, quantiles) in enumerate(statistics):
            inside = place == i
            predicted.update(pa.array(rows.prediction[inside]))
            moments.update(pa.array(residual[inside]))
            quantiles.update(pa.array(residual[inside]))
    found: dict[str, list[Any]] = {}
    for i, (predicted, moments, quantiles) in enumerate(statistics):
        of = moments.result()
        if not of.count:
            continue
        error = of.std / np.sqrt(max(of.count - 1, 1))
        low, high = normal_interval(of.mean, error, confidence)
        row = {"bin": i, "predicted": predicted.result().mean, "residual": of.mean, "low": low, "high": high}
        levels = quantiles.result().quantile(_RESIDUAL_LEVELS).tolist()
        row |= {f"q{round(level * 100):02d}": value for level, value in zip(_RESIDUAL_LEVELS, levels, strict=True)}
        for name, value in {**row, "rows": of.count}.items():
            found.setdefault(name, []).append(value)
    return pa.table(found)


def _rows(table: PredictionTable) -> Iterator[tuple[HeadReader, str, Rows]]:
    reader = HeadReader(table.chosen_head, table.schema)
    for start, chunk in table.placed_chunks(reader.columns):
        for suffix, rows in reader.read(chunk, start).rows.items():
            yield reader, suffix, rows


def _class_rows(table: PredictionTable) -> Iterator[tuple[str, list[str], ClassRows]]:
    for reader, suffix, rows in _rows(table):
        if not isinstance(rows, ClassRows):
            raise InvalidArgument("Reliability is of a classifier; of a regressor, quantile_coverage and residuals.")
        yield suffix, ["0", "1"] if reader.is_multilabel else [str(name) for name in reader.head.classes or ()], rows


def _number_rows(table: PredictionTable) -> Iterator[tuple[str, NumberRows]]:
    first = None
    for _, suffix, rows in _rows(table):
        if not isinstance(rows, NumberRows):
            raise InvalidArgument("Residuals and coverage are of a regressor; of a classifier, calibration.")
        first = suffix if first is None else first
        if suffix == first:
            yield suffix, rows


def _binned(name: str, scores: ScoreTable, bins: int, strategy: str, confidence: float, counted: bool) -> pa.Table:
    weight, hit, predicted, squares = scores.sums.T
    score = scores.scores if scores.exact else predicted / np.maximum(weight, 1e-300)
    edges = np.linspace(0, 1, bins + 1)
    if strategy == "quantile":
        edges = _quantiles(score, weight, edges, counted)
    place = np.searchsorted(edges[1:-1], score)
    total, hits, sums, square = (np.bincount(place, values, bins) for values in (weight, hit, predicted, squares))
    filled = np.flatnonzero(total > 0)
    total, hits, sums, square = (values[filled] for values in (total, hits, sums, square))
    low, high = wilson(hits / total, total**2 / square, confidence)
    columns = {"class": [name] * len(filled), "bin": filled, "predicted": sums / total, "observed": hits / total}
    return pa.table({**columns, "low": low, "high": high, "rows": total})


def _quantiles(score: Floats, weight: Floats, levels: Floats, counted: bool) -> Floats:
    """NumPy's percentiles of rows known by their counts; of weighted ones, the inverse of the distribution."""
    total = weight.cumsum()
    if not counted:
        return score[np.minimum(np.searchsorted(total, levels * total[-1]), len(score) - 1)]
    at = levels * (total[-1] - 1)
    lower = score[np.searchsorted(total, np.floor(at), side="right")]
    upper = score[np.minimum(np.searchsorted(total, np.ceil(at), side="right"), len(score) - 1)]
    return lower + (upper - lower) * (at - np.floor(at))
