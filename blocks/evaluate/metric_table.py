"""Metrics: one pass over a prediction table, by group, with intervals."""

import json
from collections.abc import Sequence
from typing import Any, Unpack

import numpy as np
import pyarrow as pa

from blocks.arguments import checked
from blocks.errors import InvalidArgument
from blocks.evaluate.scoring.estimate import Estimate
from blocks.evaluate.scoring.summed_table import FEW, checked_settings, sum_up
from blocks.evaluate.tables.grouping import By
from blocks.evaluate.tables.prediction_table import OPTIONS, PredictionTable, TableOptions
from blocks.pages.notebook import shown_by_notebooks

SCHEMA = pa.schema(
    [
        ("group", pa.string()),
        ("metric", pa.string()),
        ("value", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("rows", pa.int64()),
        ("few", pa.bool_()),
        ("note", pa.string()),
    ]
)


@checked(also=OPTIONS)
def metrics(
    table: Any,
    by: By = None,
    *,
    metrics: Sequence[str] | None = None,
    confidence: float = 0.95,
    bootstrap: int = 1000,
    seed: int = 0,
    few: int = FEW,
    max_groups: int = 100,
    **options: Unpack[TableOptions],
) -> pa.Table:
    """How good predictions are, overall and for groups of rows, with intervals; one pass, in bounded memory.

    Metrics have scikit-learn's names and values. Of a classifier: `accuracy`, `balanced_accuracy`, `precision`,
    `recall` and `f1` (of the second of two classes, `_macro`, `_weighted`, and `[class]`), `log_loss`, `brier_score`,
    `roc_auc` and `average_precision` (of the second of two classes; with more `roc_auc_ovr`, `_weighted`, `[class]`),
    `top_k_accuracy`, `expected_calibration_error` (15 bins of equal width, top label). Of a regressor:
    `mean_absolute_error`, `mean_squared_error`, `root_mean_squared_error`, `median_absolute_error`, `r2`, `mean_error`,
    `mean_poisson_deviance`, `mean_pinball_loss[level]`, `share_below[level]`, `coverage`, `mean_width`,
    `negative_log_likelihood`. Of a forecast of many steps, over all of them: the errors, `coverage` and pinball losses,
    `smape` (0 to 2), `weighted_quantile_loss` (the mean over levels, and `[level]`), and `mase`, absolute errors in
    units of the mean absolute error of the (seasonal) naive forecast within the row's own history; by step, see
    `step_errors`. Windows that overlap are no independent rows: their intervals are too narrow. Labels that
    postprocessors decided for are those summed.

    Areas are exact up to a million rows times classes; beyond, `note` says how far they may be off. Intervals are
    percentiles of a Poisson bootstrap over 512 random groups of rows; those of areas are DeLong's and its like for
    average precision (the infinitesimal jackknife). An average of several classes' areas has an interval that is
    never too narrow.

    Args:
        table: A prediction table: what `predict_table` returned, or anything that `blocks.read` takes. With `data`, a
            model.
        by: Columns that make groups; times by "when:month" or {"when": "month"} (year, quarter, month, week, day,
            hour). Several columns make a group of each combination. A column that the table lacks is read from the
            rows that it was made of, where `predict_table` returned it in this process; else keep it as a key.
        metrics: The names wanted, a name standing for its `[...]` too; None for all.
        confidence: Share of intervals that hold the truth.
        bootstrap: Replicates; 0 for no intervals.
        seed: Of the replicates.
        few: Groups with fewer rows are flagged.
        max_groups: More groups are refused.
        options: What is not known of the table, each by its name, and how to read it. All that judge tables take these.
            `data`: rows, or a dict of splits, for a model to answer; `table` is then a `blocks.Model`, the folder of an
            exported SavedModel, or an object whose `predict` takes an Arrow table of raw rows (all columns but the
            target and weights) and gives a dict of answers.
            `head`: the one that is meant, where there are several; here all of them unless given.
            `target`: the column of truth, in a table that does not say; several for several targets.
            `classes`: the classes in the order of the probabilities, in a table that does not say.
            `sample_weight`: a column of weights.
            `chunk_rows`: rows read at once, 65,536 unless given; changes nothing but memory.

    Returns:
        An Arrow table: group ("all" first), metric, value, low, high, rows, few, note. `rows` of a class's metric are
        the rows of that class; of a label's precision, recall, f1 and areas, those of which it is true. What is
        undefined (an area where every row is of one class) is null, and `note` says why.

    Raises:
        InvalidArgument, SchemaMismatch, EmptySource: As they say.

    Example:
        >>> rows = {"sold": ["no", "yes", "yes"], "probabilities": [[0.9, 0.1], [0.4, 0.6], [0.7, 0.3]]}
        >>> found = metrics(pa.table(rows), target="sold", classes=["no", "yes"], metrics=["accuracy", "roc_auc"])
        >>> found.select(["metric", "value"]).to_pylist()[1]
        {'metric': 'roc_auc', 'value': 1.0}
    """
    settings = checked_settings(confidence, bootstrap, seed)
    opened = PredictionTable.of(table, by, **options)
    summed = sum_up(opened, opened.heads, opened.grouping(by, max_groups))
    summed.warn()
    columns: dict[str, list[Any]] = {name: [] for name in SCHEMA.names}
    known: set[str] = set()
    for group, sums in summed.with_all():
        for name, (estimate, rows) in sums.results(settings).items():
            known.add(name)
            if metrics is None or name in metrics or name.partition("[")[0] in metrics:
                values = (group, name, *_nulls(estimate), rows, rows < few, estimate.note)
                for column, value in zip(SCHEMA.names, values, strict=True):
                    columns[column].append(value)
    _check_names(metrics, known)
    made = {"confidence": confidence, "bootstrap": bootstrap, "left_out": dict(summed.left_out), "rows": summed.rows}
    found = pa.table(columns, SCHEMA).replace_schema_metadata({"blocks": json.dumps(made)})
    caption = f"Metrics of {summed.rows:,} rows" + (f", with {confidence:.0%} intervals" if bootstrap else "")
    return shown_by_notebooks(found, caption)


def _nulls(estimate: Estimate) -> tuple[float | None, ...]:
    ends = (estimate.value, estimate.low, estimate.high)
    return tuple(None if not np.isfinite(value) else value for value in ends)


def _check_names(wanted: Sequence[str] | None, known: set[str]) -> None:
    stems = {name.partition("[")[0] for name in known}
    unknown = [name for name in wanted or () if name not in known and name not in stems]
    if unknown:
        raise InvalidArgument(f"There is no metric {unknown[0]!r} here. There are: {', '.join(sorted(stems))}.")
