"""Calibration: whether probabilities come true as shares, by bins, in bounded memory. Of regressors: `residuals`."""

from collections.abc import Iterator
from typing import Any, Unpack

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from blocks.arguments import checked
from blocks.errors import EmptySource, InvalidArgument
from blocks.evaluate.answering import as_predictor
from blocks.evaluate.scoring.bootstrap import wilson
from blocks.evaluate.scoring.classification import ClassRows
from blocks.evaluate.scoring.head_reader import HeadReader
from blocks.evaluate.tables.prediction_table import OPTIONS, PredictionTable, TableOptions
from blocks.statistics.score_table import LIMIT, ScoreTable
from blocks.targets.description import HeadDescription

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


def _class_rows(table: PredictionTable) -> Iterator[tuple[str, list[str], ClassRows]]:
    """By chunk and label: the suffix of its metrics, the classes, and the rows that can be judged."""
    reader = HeadReader(table.chosen_head, table.schema)
    names = ["0", "1"] if reader.is_multilabel else [str(name) for name in reader.head.classes or ()]
    for start, chunk in table.placed_chunks(reader.columns):
        for suffix, rows in reader.read(chunk, start).rows.items():
            if not isinstance(rows, ClassRows):
                raise InvalidArgument(
                    "Reliability is of a classifier; of a regressor, quantile_coverage and residuals."
                )
            yield suffix, names, rows


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
