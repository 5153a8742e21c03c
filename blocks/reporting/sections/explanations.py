"""Explanations: five rows of each head, right, wrong and ordinary, explained by LIME."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from blocks.data import read
from blocks.evaluate.explanations.explain import explain
from blocks.evaluate.explanations.explanation import FAITHFUL, UNFAITHFUL
from blocks.evaluate.scoring.classification import ClassRows
from blocks.evaluate.scoring.forecast import StepRows
from blocks.evaluate.scoring.head_reader import HeadReader
from blocks.evaluate.scoring.regression import NumberRows
from blocks.evaluate.tables.answered_rows import AnsweredRows
from blocks.pages import figures
from blocks.pages.content import Figure, Section, Table, format_value
from blocks.reporting.report_input import ReportInput
from blocks.reporting.sections.raw_values import long_texts, shown_values
from blocks.targets.description import HeadDescription

MOST_LISTED, MOST_DRAWN = 20, 10
"""Contributions in the table, and those of them that are drawn."""


@dataclass(frozen=True)
class ChosenRow:
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


def explanations_section(report_input: ReportInput) -> Section:
    """The section on explained rows."""
    section = Section("explanations", "Explanations")
    if report_input.store is not None:
        section.text = ["Left out: explanations. A store holds features, not the raw rows they are of."]
        return section
    if not report_input.shows_rows:
        section.text = ["Left out: single rows are not to be told (rows=False)."]
        return section
    drawn, background = report_input.judged_sample(report_input.rows), report_input.background()
    section.text = [
        f"Chosen among {len(drawn):,} rows of {report_input.judged!r}, by LIME with rows of {report_input.training!r} "
        "beside. A contribution says how much higher the answer is for the row's value than for others; the fidelity, "
        "how well all of them together tell the model's answers around the row (at most 1)."
    ]
    for head in report_input.heads:
        for chosen in _chosen_rows(report_input, head, drawn):
            place = len(section.parts)
            found = explain(
                report_input.model,
                chosen.row,
                background=background,
                output=chosen.output,
                target=chosen.target,
                seed=report_input.seed,
            )
            of = "" if found.target is None else f" of {found.target}"
            part = Section(f"explanation-{place}", f"{head.name}: {chosen.why}" if head.name else chosen.why)
            part.text = [
                f"Truth {format_value(chosen.truth)}; {found.output}{of} {format_value(found.prediction)}, "
                f"of the local model {format_value(found.local_prediction)}; fidelity {format_value(found.fidelity)}."
            ]
            if found.fidelity < FAITHFUL:
                part.text.append(f"Caution: {UNFAITHFUL}")
            part.numbers = {**found.to_json(), "truth": chosen.truth}
            top = found.contributions[:MOST_LISTED]
            rows = [(column, "(missing)" if value is None else value, weight) for column, value, weight in top]
            part.tables = [Table("Contributions", ("column", "value", "contribution"), rows)]
            labels = [
                f"{figures.shortened(name, 14)} = {figures.shortened(format_value(v), 10)}"
                for name, v, _ in rows[:MOST_DRAWN]
            ]
            svg = figures.bars(
                f"explanation{place}", labels, [weight for *_, weight in rows[:MOST_DRAWN]], x="contribution"
            )
            strongest = f"The strongest: {', '.join(column for column, *_ in rows[:3])}."
            part.figures = [Figure("The strongest contributions", svg, strongest)]
            part.figures += shown_values(f"value{place}", chosen.row, found)
            part.text += long_texts(chosen.row, report_input.predictor.inputs)
            section.parts.append(part)
    if not section.parts:
        section.text = ["Left out: no row of the sample has a usable target, or the heads have several."]
    return section


def _chosen_rows(report_input: ReportInput, head: HeadDescription, drawn: pa.Table) -> list[ChosenRow]:
    """Five different rows: right, wrong, unsure, ordinary."""
    answered = AnsweredRows(report_input.predictor, {None: read(drawn)}, keys=[], targets=True)
    chunk = pa.Table.from_batches(list(answered.chunks(max(len(drawn), 1)))).combine_chunks().to_batches()[0]
    reader = HeadReader(answered.description.head(head.name), chunk.schema)
    if reader.is_multilabel or len(head.targets) > 1:
        return []
    found = reader.read(chunk, 0)
    rows, kept = found.rows[""], found.kept[""]
    if not len(kept):
        return []
    if isinstance(rows, StepRows):
        return []
    order = _of_classes(rows) if isinstance(rows, ClassRows) else _of_numbers(rows)
    output = head.prefixed("probabilities" if isinstance(rows, ClassRows) else "prediction")
    chosen: dict[int, ChosenRow] = {}
    for why, places in order:
        place = next((int(kept[one]) for one in places if int(kept[one]) not in chosen), None)
        if place is not None:
            row = drawn.slice(place, 1).to_pylist()[0]
            chosen[place] = ChosenRow(why, row, row[head.targets[0]], output, None)
    return list(chosen.values())


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
