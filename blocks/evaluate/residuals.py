"""Residuals: whether a regressor's numbers err evenly, and how often its quantiles and intervals hold the truth."""

from collections.abc import Iterator
from typing import Any, Unpack

import numpy as np
import pyarrow as pa

from blocks.arguments import checked
from blocks.errors import EmptySource, InvalidArgument
from blocks.evaluate.scoring.bootstrap import normal_interval, wilson
from blocks.evaluate.scoring.forecast import StepRows
from blocks.evaluate.scoring.head_reader import HeadReader
from blocks.evaluate.scoring.regression import NumberRows
from blocks.evaluate.tables.prediction_table import OPTIONS, UNWEIGHTED, PredictionTable, TableOptions
from blocks.statistics import Moments, Quantiles

_LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)


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
    for rows in _number_rows(opened):
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

    Of a forecast each step counts as a row: by step, see `step_errors`.

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
    for rows in _number_rows(opened):
        predictions.update(pa.array(rows.prediction))
    if not predictions.result().count:
        raise EmptySource("There is no row to take residuals of.")
    edges = predictions.result().quantile(np.linspace(0, 1, bins + 1)[1:-1])
    statistics = [(Moments(), Moments(), Quantiles()) for _ in range(bins)]
    for rows in _number_rows(opened):
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
        levels = quantiles.result().quantile(_LEVELS).tolist()
        row |= {f"q{round(level * 100):02d}": value for level, value in zip(_LEVELS, levels, strict=True)}
        for name, value in {**row, "rows": of.count}.items():
            found.setdefault(name, []).append(value)
    return pa.table(found)


def _number_rows(table: PredictionTable) -> Iterator[NumberRows]:
    """By chunk, the rows of the first target that can be judged."""
    reader = HeadReader(table.chosen_head, table.schema)
    for start, chunk in table.placed_chunks(reader.columns):
        rows = next(iter(reader.read(chunk, start).rows.values()))
        if isinstance(rows, StepRows):
            rows = _each_step(rows)
        if not isinstance(rows, NumberRows):
            raise InvalidArgument("Residuals and coverage are of a regressor; of a classifier, calibration.")
        yield rows


def _each_step(rows: StepRows) -> NumberRows:
    """Each step of a forecast as a row."""
    steps = rows.target.shape[1]
    weight = None if rows.weight is None else np.repeat(rows.weight, steps)
    quantiles = None if rows.quantiles is None else rows.quantiles.reshape(-1, rows.quantiles.shape[2])
    low, high = (None if ends is None else ends.reshape(-1) for ends in (rows.low, rows.high))
    whole = rows.target.reshape(-1), rows.prediction.reshape(-1)
    return NumberRows(np.repeat(rows.positions, steps), *whole, weight, quantiles, low, high)
