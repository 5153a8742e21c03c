"""Curves: confusion matrices, ROC and precision-recall curves, by group."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Unpack

import numpy as np
import pyarrow as pa

from blocks.arguments import checked
from blocks.errors import InvalidArgument
from blocks.evaluate.scoring.classification import Classification
from blocks.evaluate.scoring.ranking import precision_recall_curve, roc_curve
from blocks.evaluate.scoring.summed_table import sum_up
from blocks.evaluate.tables.grouping import By
from blocks.evaluate.tables.prediction_table import OPTIONS, PredictionTable, TableOptions


@checked(also=OPTIONS)
def confusion(table: Any, by: By = None, *, max_groups: int = 100, **options: Unpack[TableOptions]) -> pa.Table:
    """How often each class is taken for which.

    Args:
        table: As of `metrics`.
        by: As of `metrics`.
        max_groups: More groups are refused.
        options: As of `metrics`.

    Returns:
        An Arrow table: group, target, label, rows (their weights, where there are any).

    Example:
        >>> rows = {"sold": ["no", "yes"], "probabilities": [[0.9, 0.1], [0.4, 0.6]]}
        >>> confusion(pa.table(rows), target="sold", classes=["no", "yes"]).to_pylist()[0]
        {'group': 'all', 'target': 'no', 'label': 'no', 'rows': 1.0}
    """
    parts = []
    for group, judged in _classifications(PredictionTable.of(table, by, **options), by, max_groups):
        if not len(judged.confusion):
            raise InvalidArgument(f"A confusion matrix is of 1,000 classes at most. Received: {len(judged.classes):,}.")
        k = len(judged.classes)
        parts.append(
            pa.table(
                {
                    "group": [group] * k * k,
                    "target": np.repeat(judged.classes, k),
                    "label": np.tile(judged.classes, k),
                    "rows": judged.confusion.reshape(-1),
                }
            )
        )
    return pa.concat_tables(parts)


@checked(also=OPTIONS)
def curves(
    table: Any,
    by: By = None,
    *,
    points: int = 200,
    max_groups: int = 100,
    **options: Unpack[TableOptions],
) -> pa.Table:
    """ROC and precision-recall curves, one class against the rest.

    Args:
        table: As of `metrics`.
        by: As of `metrics`.
        points: Points of a curve at most, evenly spread along its length; 0 for every one.
        max_groups: More groups are refused.
        options: As of `metrics`.

    Returns:
        An Arrow table: group, class, curve ("roc": x is the false, y the true positive rate; "precision_recall": x is
        the recall, y the precision), threshold, x, y. Empty of a class that does not occur, or alone occurs.

    Example:
        >>> rows = {"sold": ["no", "yes"], "probabilities": [[0.9, 0.1], [0.4, 0.6]]}
        >>> found = curves(pa.table(rows), target="sold", classes=["no", "yes"])
        >>> found.filter(pa.compute.field("curve") == "roc").select(["x", "y"]).to_pylist()
        [{'x': 0.0, 'y': 0.0}, {'x': 0.0, 'y': 1.0}, {'x': 1.0, 'y': 1.0}]
    """
    makers: Mapping[str, Callable[[Any], Any]] = {"roc": roc_curve, "precision_recall": precision_recall_curve}
    schema = pa.schema(
        [("group", pa.string()), ("class", pa.string()), ("curve", pa.string())]
        + [(name, pa.float64()) for name in ("threshold", "x", "y")]
    )
    parts = [schema.empty_table()]
    for group, judged in _classifications(PredictionTable.of(table, by, **options), by, max_groups):
        names = judged.classes[1:] if len(judged.classes) == 2 else judged.classes
        for name, score_table in zip(names, judged.score_tables, strict=False):
            for curve, make in makers.items():
                x, y, threshold = make(score_table)
                if not np.isfinite(x).all() or not np.isfinite(y).all():
                    continue
                kept = _thinned(x, y, points)
                labels = [[value] * len(kept) for value in (group, name, curve)]
                parts.append(pa.table([*labels, threshold[kept], x[kept], y[kept]], schema=schema))
    return pa.concat_tables(parts)


def _classifications(table: PredictionTable, by: By, max_groups: int) -> Iterator[tuple[str, Classification]]:
    summed = sum_up(table, [table.chosen_head], table.grouping(by, max_groups))
    summed.warn()
    for group, sums in summed.with_all():
        for (_, suffix), found in sums.by_head.items():
            if not isinstance(found, Classification):
                raise InvalidArgument("Confusions and curves are of a classifier. Received: a regressor's table.")
            yield f"{group}{suffix}", found


def _thinned(x: np.ndarray, y: np.ndarray, points: int) -> np.ndarray:
    """Places of points spread evenly along a curve, both ends among them."""
    if not points or len(x) <= points:
        return np.arange(len(x))
    along = np.append(0.0, np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y))))
    wanted = np.searchsorted(along, np.linspace(0, along[-1], points))
    return np.unique(np.append(wanted, [0, len(x) - 1]))
