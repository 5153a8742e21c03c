"""Importance: how much worse a metric gets when a raw column is shuffled."""

import numpy as np
import pyarrow.parquet as pq

from blocks.errors import InvalidArgument
from blocks.evaluate.explanations.importance import permutation_importance
from blocks.evaluate.metric_direction import direction
from blocks.evaluate.metric_table import metrics
from blocks.pages import figures
from blocks.pages.content import Figure, Section, Table, format_value
from blocks.reporting.report_input import ReportInput

MOST_PREDICTED = 500_000
"""Rows that are predicted anew for importance, shuffles of all columns together."""

DRAWN = 20
"""Columns that are drawn."""

REPEATS = 5


def importance_section(report_input: ReportInput) -> Section:
    """The section on importance."""
    section = Section("importance", "Importance")
    if report_input.store is not None:
        section.text = ["Left out: importance of raw columns. A store holds features, not the raw rows they are of."]
        return section
    rows = int(np.clip(MOST_PREDICTED // (REPEATS * len(report_input.predictor.inputs)), 200, report_input.rows))
    for place, head in enumerate(report_input.heads):
        metric = head.prefixed("root_mean_squared_error" if head.classes is None else "log_loss")
        if head.takes_labels:
            section.text.append(f"Left out: {head.name or head.kind}, which has several targets and no one metric.")
            continue
        try:
            found = permutation_importance(
                report_input.model,
                report_input.sources[report_input.judged],
                metric=metric,
                repeats=REPEATS,
                rows=rows,
                seed=report_input.seed,
            )
        except InvalidArgument as error:
            section.text.append(f"Left out: {error}")
            continue
        columns = ("column", "importance", "low", "high", "standard_deviation")
        drawn = found.slice(0, DRAWN).to_pylist()
        baseline = found["baseline"][0].as_py()
        whole = metrics(report_input.table, bootstrap=0, metrics=[metric])["value"][0].as_py()
        caption = f"How much worse {metric} gets when a column is shuffled, {REPEATS} times"
        many = min(rows, pq.read_metadata(report_input.table).num_rows)
        section.tables.append(Table(caption, columns, [[row[c] for c in columns] for row in found.to_pylist()]))
        errors = [
            [row["importance"] - row["low"] for row in drawn],
            [row["high"] - row["importance"] for row in drawn],
        ]
        svg = figures.bars(
            f"importance{place}",
            [row["column"] for row in drawn],
            [row["importance"] for row in drawn],
            x=f"rise of {metric}" if direction(metric) == "lower" else f"fall of {metric}",
            errors=errors,
        )
        most_important = f"The most important: {', '.join(row['column'] for row in drawn[:3])}."
        section.figures.append(Figure("Importance, from the least to the most of the shuffles", svg, most_important))
        section.text.append(
            f"Of {many:,} rows of {report_input.judged!r}, on which {metric} is {format_value(baseline)} "
            f"({format_value(whole)} on all). A column that others can stand in for looks unimportant."
        )
    return section
