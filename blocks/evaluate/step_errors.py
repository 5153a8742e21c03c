"""Errors by step: how a forecast of many steps gets worse, and whether its intervals keep what they promise."""

from typing import Any, Unpack

import pyarrow as pa

from blocks.arguments import checked
from blocks.errors import InvalidArgument
from blocks.evaluate.scoring.forecast import Forecast
from blocks.evaluate.scoring.summed_table import checked_settings, sum_up
from blocks.evaluate.tables.grouping import By
from blocks.evaluate.tables.prediction_table import OPTIONS, PredictionTable, TableOptions


@checked(also=OPTIONS)
def step_errors(
    table: Any,
    by: By = None,
    *,
    confidence: float = 0.95,
    bootstrap: int = 0,
    seed: int = 0,
    max_groups: int = 100,
    **options: Unpack[TableOptions],
) -> pa.Table:
    """The metrics of each step of a forecast, one pass in bounded memory.

    Args:
        table: As of `metrics`, of a head of many steps.
        by: As of `metrics`.
        confidence: Share of intervals that hold the truth.
        bootstrap: Replicates; 0 for no intervals.
        seed: Of the replicates.
        max_groups: More groups are refused.
        options: As of `metrics`.

    Returns:
        An Arrow table: group ("all" first), step (from 1), metric, value, low, high, rows.

    Raises:
        InvalidArgument: The table is of another head.

    Example:
        >>> import numpy as np
        >>> rows = {"y": np.array([[1.0, 2.0], [3.0, 4.0]]), "prediction": np.array([[1.0, 3.0], [2.0, 2.0]])}
        >>> found = step_errors(rows, target="y").to_pylist()
        >>> [(row["step"], row["value"]) for row in found if row["metric"] == "mean_absolute_error"]
        [(1, 0.5), (2, 1.5)]
    """
    settings = checked_settings(confidence, bootstrap, seed)
    opened = PredictionTable.of(table, by, **options)
    summed = sum_up(opened, [opened.chosen_head], opened.grouping(by, max_groups), by_step=True)
    summed.warn()
    lines = []
    for group, sums in summed.with_all():
        for found in sums.by_head.values():
            if not isinstance(found, Forecast):
                raise InvalidArgument("Errors by step are of a head of many steps. Received: another's table.")
            for name, estimate in found.result(settings).items():
                metric, _, step = name.rpartition("/") if found.steps > 1 else (name, "", 0)
                ends = (estimate.value, estimate.low, estimate.high)
                values = [None if value != value else value for value in ends]
                lines.append((group, int(step) + 1, metric, *values, found.rows))
    names = ("group", "step", "metric", "value", "low", "high", "rows")
    kinds = (pa.string(), pa.int64(), pa.string(), pa.float64(), pa.float64(), pa.float64(), pa.int64())
    return pa.table(
        [pa.array(column, kind) for column, kind in zip(zip(*lines, strict=True), kinds, strict=True)],
        names=list(names),
    )
