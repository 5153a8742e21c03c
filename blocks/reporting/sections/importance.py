"""Why it answers as it does: importance of the raw columns, and five rows explained."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from blocks.data import read
from blocks.errors import InvalidArgument
from blocks.evaluate.explanations.explain import explain
from blocks.evaluate.explanations.explanation import FAITHFUL, UNFAITHFUL
from blocks.evaluate.explanations.importance import permutation_importance
from blocks.evaluate.metric_table import metrics
from blocks.evaluate.scoring.classification import ClassRows
from blocks.evaluate.scoring.head_reader import HeadReader
from blocks.evaluate.scoring.regression import NumberRows
from blocks.evaluate.tables.answered_rows import AnsweredRows
from blocks.pages import figures
from blocks.pages.content import Figure, Section, Table, shown
from blocks.reporting.subject import ReportInput
from blocks.targets.description import HeadDescription

MOST_PREDICTED = 500_000
"""Rows that are predicted anew for importance, shuffles of all columns together."""

DRAWN = 20
"""Columns of importance, and contributions, that are drawn."""

REPEATS = 5


def importance(subject: ReportInput) -> Section:
    """The section on importance."""
    section = Section("importance", "What it relies on")
    if subject.store is not None:
        section.text = ["Left out: importance of raw columns. A store holds features, not the raw rows they are of."]
        return section
    rows = int(np.clip(MOST_PREDICTED // (REPEATS * len(subject.predictor.inputs)), 200, subject.rows))
    for place, head in enumerate(subject.heads):
        metric = head.prefixed("root_mean_squared_error" if head.classes is None else "log_loss")
        if head.takes_labels:
            section.text.append(f"Left out: {head.name or head.kind}, which has several targets and no one metric.")
            continue
        try:
            found = permutation_importance(
                subject.model,
                subject.sources[subject.judged],
                metric=metric,
                repeats=REPEATS,
                rows=rows,
                seed=subject.seed,
            )
        except InvalidArgument as error:
            section.text.append(f"Left out: {error}")
            continue
        columns = ("column", "importance", "low", "high", "standard_deviation")
        drawn = found.slice(0, DRAWN).to_pylist()
        baseline = found["baseline"][0].as_py()
        whole = metrics(subject.table, bootstrap=0, metrics=[metric])["value"][0].as_py()
        caption = f"How much worse {metric} gets when a column is shuffled, {REPEATS} times"
        many = min(rows, pq.read_metadata(subject.table).num_rows)
        section.tables.append(Table(caption, columns, [[row[c] for c in columns] for row in found.to_pylist()]))
        errors = [
            [row["importance"] - row["low"] for row in drawn],
            [row["high"] - row["importance"] for row in drawn],
        ]
        svg = figures.bars(
            f"importance{place}",
            [row["column"] for row in drawn],
            [row["importance"] for row in drawn],
            x=f"rise of {metric}" if metric.endswith(("loss", "error")) else f"fall of {metric}",
            errors=errors,
        )
        told = f"The most important: {', '.join(row['column'] for row in drawn[:3])}."
        section.figures.append(Figure("Importance, from the least to the most of the shuffles", svg, told))
        section.text.append(
            f"Of {many:,} rows of {subject.judged!r}, on which {metric} is {shown(baseline)} ({shown(whole)} on all). "
            "A column that others can stand in for looks unimportant."
        )
    return section


@dataclass(frozen=True)
class Picked:
    """A row worth explaining.

    Args:
        why: What it is an example of.
        row: The raw values.
        truth: The target.
        output: The answer to explain.
        target: Its class; None where it is a number.
    """

    why: str
    row: dict[str, Any]
    truth: Any
    output: str
    target: Any


def reasons(subject: ReportInput) -> Section:
    """The section on explained rows."""
    section = Section("reasons", "Rows explained")
    if subject.store is not None:
        section.text = ["Left out: explanations. A store holds features, not the raw rows they are of."]
        return section
    if not subject.shows_rows:
        section.text = ["Left out: single rows are not to be told (rows=False)."]
        return section
    drawn, background = subject.drawn(), subject.background()
    section.text = [
        f"Chosen among {len(drawn):,} rows of {subject.judged!r}, by LIME with rows of {subject.training!r} beside. A "
        "contribution says how much higher the answer is for the row's value than for others; the fidelity, how well "
        "all of them together tell the model's answers around the row (at most 1)."
    ]
    for head in subject.heads:
        for picked in _picked(subject, head, drawn):
            place = len(section.parts)
            found = explain(
                subject.model,
                picked.row,
                background=background,
                output=picked.output,
                target=picked.target,
                seed=subject.seed,
            )
            of = "" if found.target is None else f" of {found.target}"
            part = Section(f"reason-{place}", f"{head.name}: {picked.why}" if head.name else picked.why)
            part.text = [
                f"Truth {shown(picked.truth)}; {found.output}{of} {shown(found.prediction)}, "
                f"of the local model {shown(found.local_prediction)}; fidelity {shown(found.fidelity)}."
            ]
            if found.fidelity < FAITHFUL:
                part.text.append(f"Caution: {UNFAITHFUL}")
            part.numbers = {**found.to_json(), "truth": picked.truth}
            top = found.contributions[:DRAWN]
            rows = [(column, "(missing)" if value is None else value, weight) for column, value, weight in top]
            part.tables = [Table("Contributions", ("column", "value", "contribution"), rows)]
            labels = [f"{figures.shortened(name, 14)} = {figures.shortened(shown(v), 10)}" for name, v, _ in rows[:10]]
            svg = figures.bars(f"reason{place}", labels, [weight for *_, weight in rows[:10]], x="contribution")
            told = f"The strongest: {', '.join(column for column, *_ in rows[:3])}."
            part.figures = [Figure("The strongest contributions", svg, told)]
            section.parts.append(part)
    if not section.parts:
        section.text = ["Left out: no row of the sample has a usable target, or the heads have several."]
    return section


def _picked(subject: ReportInput, head: HeadDescription, drawn: pa.Table) -> list[Picked]:
    """Five different rows: right, wrong, unsure, ordinary."""
    answered = AnsweredRows(subject.predictor, {None: read(drawn)}, keys=[], targets=True)
    chunk = pa.Table.from_batches(list(answered.chunks(max(len(drawn), 1)))).combine_chunks().to_batches()[0]
    reader = HeadReader(answered.description.head(head.name), chunk.schema)
    if reader.is_multilabel or len(head.targets) > 1:
        return []
    found = reader.read(chunk, 0)
    rows, kept = found.rows[""], found.kept[""]
    if not len(kept):
        return []
    order = _of_classes(rows) if isinstance(rows, ClassRows) else _of_numbers(rows)
    output = head.prefixed("probabilities" if isinstance(rows, ClassRows) else "prediction")
    picked: dict[int, Picked] = {}
    for why, places in order:
        place = next((int(kept[one]) for one in places if int(kept[one]) not in picked), None)
        if place is not None:
            row = drawn.slice(place, 1).to_pylist()[0]
            picked[place] = Picked(why, row, row[head.targets[0]], output, None)
    return list(picked.values())


def _of_classes(rows: ClassRows) -> list[tuple[str, np.ndarray]]:
    probabilities = rows.probabilities
    right = probabilities[np.arange(len(rows.target)), rows.target]
    two = np.sort(probabilities, axis=1)[:, -2:]
    wrong = np.argsort(right, kind="stable")
    return [
        ("Most right", wrong[::-1]),
        ("Most wrong", wrong),
        ("Next most wrong", wrong),
        ("Least sure", np.argsort(two[:, 1] - two[:, 0], kind="stable")),
        ("Ordinary", np.argsort(np.abs(right - np.median(right)), kind="stable")),
    ]


def _of_numbers(rows: NumberRows) -> list[tuple[str, np.ndarray]]:
    error = rows.target - rows.prediction
    size = np.abs(error)
    return [
        ("Most right", np.argsort(size, kind="stable")),
        ("Most too low", np.argsort(-error, kind="stable")),
        ("Most too high", np.argsort(error, kind="stable")),
        ("Highest prediction", np.argsort(-rows.prediction, kind="stable")),
        ("Ordinary error", np.argsort(np.abs(size - np.median(size)), kind="stable")),
    ]
