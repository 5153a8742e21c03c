"""`blocks.evaluate.drift`: today's rows and answers against those of training, by the rows or by what a model keeps."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from blocks.arguments import checked
from blocks.data import Source, as_source
from blocks.data.sample import sample
from blocks.data.schema import require_columns
from blocks.errors import InvalidArgument
from blocks.evaluate.answering import as_predictor
from blocks.evaluate.explanations.outputs import component_names
from blocks.evaluate.tables.table_description import Description
from blocks.export.adapted_rows_files import read_reference
from blocks.export.export_manifest import NAME
from blocks.export.replay import ASSETS
from blocks.inference.predictor import CHUNK_ROWS, Predictor
from blocks.inspection.column_kinds import fits
from blocks.inspection.drift.difference_tests import UNTOLD
from blocks.inspection.drift.drift import (
    DriftTest,
    Levels,
    answers_of,
    classifier_tests,
    columns_of,
    drift_table,
    drift_tests,
)
from blocks.inspection.drift.drift_reference import DriftReference, KeptColumn
from blocks.inspection.drift.kept_answers import answer_columns
from blocks.inspection.drift.two_sample_classifier import ROWS as CLASSIFIER_ROWS
from blocks.inspection.drift.two_sample_classifier import separation
from blocks.statistics import memory_bytes


@checked()
def drift(
    reference: Any,
    current: Any,
    *,
    columns: Sequence[str] | None = None,
    classifier: bool = False,
    false_alarms: float = 0.05,
    least_shift: float = 0.05,
    least_share: float = 0.02,
    memory: int | str | None = None,
    chunk_rows: int = 65_536,
    seed: int = 0,
) -> pa.Table:
    """How the rows of today differ from those that a model was trained on; one pass over each, in bounded memory.

    Numbers are compared by `mean` (the larger p-value of Welch's and Student's test; the effect is in standard
    deviations) and `kolmogorov_smirnov` (the effect is the distance, less what sketches may be off by), texts and
    booleans by `chi_square` (the effect is the share of rows that would have to have another token) and `new_tokens`
    (rows whose token the reference does not have, more than names and ids have by chance), and all columns by
    `missing` and `infinite` (shares of rows). The lengths of lists are numbers: `length_mean`,
    `length_kolmogorov_smirnov`; what is inside counts as if the values of a row were all equal.
    Dates and timestamps go on, so that only what is missing of them is compared.

    An alarm is where both the p-value and the effect speak. Without any drift a table has one with a probability of at
    most `false_alarms`, and of many columns with alarms at most that share is expected to be wrong, at every number of
    rows (Bonferroni within a column, Benjamini and Yekutieli over them). A column that is gone (`column`), or holds
    values of another kind (`type`), is one too; leave out with `columns` what today's rows cannot have, such as the
    target.

    Without the training rows, a model or its export tells what it kept of them (`model.drift_reference`): means, counts
    and missing ones of all rows, distributions of numbers at some 400 edges, of 65,536 rows at random where there are
    more (0.7% of the distance with 99% confidence), and the texts that five rows hold. `new_tokens` is then of rows
    whose text is not among these, and its effect is how much their share grew. Where `calibrate` or `keep_answers` had
    the model answer rows that it was not trained on, its answers of today are compared with those too, as columns
    `prediction: probabilities[yes]`.

    With `classifier`, boosted trees are to tell 10,000 rows of either table apart, each half by what was learned from
    the other: `classifier_area` (the effect is 2 area - 1; the interval's ends stand below it) sees columns that go
    together otherwise than they did, and is an alarm like any other. Then `classifier_importance` is one of the columns
    by which they are told apart: its value is what is lost of the area when the column is shuffled.

    Args:
        reference: What a model was trained on: a `Source`, or whatever `blocks.read` takes; or what kept it: a
            `blocks.Model`, the folder of its export, a `DriftReference`.
        current: What it meets today.
        columns: Those to compare; all of the reference's unless given. A model's target may be absent.
        classifier: Whether to try and tell rows apart; needs the rows of both.
        false_alarms: The false discovery rate, from 0 to 1.
        least_shift: Standard deviations by which means must differ for an alarm.
        least_share: Share of rows by which all else must differ.
        memory: What the tokens of a table may take: bytes or text ("1GiB"); None for 512 MiB.
        chunk_rows: Rows read at once; changes nothing but memory.
        seed: Of the rows that the classifier sees.

    Returns:
        An Arrow table: column, statistic, value, p_value, effect, alarm; the column is null where the table as a whole
        is meant. A mean's value is the difference (current less reference), a share's too, that of `kolmogorov_smirnov`
        the distance, of `chi_square` the sum, of `new_tokens` the rows. What cannot be told is null: means of fewer
        than 20 numbers, new tokens where tokens did not fit in memory, groups of fewer than 5 expected rows.

    Raises:
        EmptySource: One of both has no row.
        SchemaMismatch: The reference has no such column.
        InvalidArgument: A threshold is out of range, or a model keeps nothing to compare with.

    Example:
        >>> import numpy as np
        >>> random = np.random.default_rng(0)
        >>> before, now = random.normal(size=10_000), random.normal(0.1, size=10_000)
        >>> drift({"x": before}, {"x": now}).select(["statistic", "alarm"]).to_pylist()[0]
        {'statistic': 'mean', 'alarm': True}
    """
    levels = Levels(false_alarms, least_shift, least_share)
    levels.require_sense()
    if isinstance(columns, str):
        raise InvalidArgument(f"columns is a list of names. Use columns=[{columns!r}].")
    now, available = as_source(current), memory_bytes(memory)
    kept = _kept_by(reference)
    if classifier and kept is not None:
        raise InvalidArgument(
            "A classifier learns from the rows of both tables. Give the training rows, not the model."
        )
    before: Any = None if kept is not None else as_source(reference)
    known = kept.columns if kept is not None else before.schema.names
    names = list(known) if columns is None else list(columns)
    require_columns(names, list(known), "drift")
    if kept is not None and columns is None:  # today's target may not be known yet
        known_today = _truth_in(now.schema)
        names = [name for name in names if name not in kept.optional or name in known_today]
    there = [name for name in names if name in now.schema.names]
    one = kept.columns if kept is not None else columns_of(before, there, available, chunk_rows, "reference")
    other = columns_of(now, there, available, chunk_rows, "current")
    tests = list(drift_tests(names, one, other, levels))
    if kept is not None and kept.answers and reference is not kept:
        tests += _of_answers(as_predictor(reference), kept, now, other, available, levels)
    if classifier:
        found = None
        if there:
            one_side, other_side = (
                sample(rows, CLASSIFIER_ROWS, columns=there, seed=seed, looked_at=None) for rows in (before, now)
            )
            found = separation(one_side, other_side, seed)
        tests += classifier_tests(found, len(there), levels)
    return drift_table(tests, levels)


def _kept_by(reference: Any) -> DriftReference | None:
    """What a model or an export keeps to compare with; None of a table.

    Raises:
        InvalidArgument: It keeps nothing.
    """
    if isinstance(reference, DriftReference):
        return reference
    exported = isinstance(reference, str | os.PathLike) and (Path(reference) / ASSETS / NAME).exists()
    if not exported and not hasattr(reference, "drift_reference"):
        return None
    kept = read_reference(reference) if exported else reference.drift_reference
    if kept is None:
        raise InvalidArgument(
            f"Drift is told from what a model kept as it was adapted. Received: {reference!r}, which keeps nothing (it "
            "is of before, continued other statistics, or was told so). Give the training rows in its place."
        )
    return kept


def _truth_in(schema: pa.Schema) -> set[str]:
    """The columns that can hold a target: of a table of answers not those that are answers, `label` for instance."""
    described = Description.of_schema(schema)
    if described is None:
        return set(schema.names)
    keys = set(described.keys)
    return {name for head in described.heads for name in head.targets if name not in head.columns} | keys


def _of_answers(
    predictor: Predictor,
    kept: DriftReference,
    now: Source,
    current: Mapping[str, KeptColumn],
    memory: int,
    levels: Levels,
) -> Iterator[DriftTest]:
    """The tests of a model's answers; none can tell where a column that it reads is gone, or of another kind."""
    named = _named(predictor, list(kept.answers))
    unread = [n for n in predictor.inputs if n not in now.schema.names or not _fits(kept, n, current)]
    if unread:
        yield from (DriftTest(name, "mean", UNTOLD, levels.least_shift) for name in named.values())
        return
    chunks = now.chunks(CHUNK_ROWS, columns=list(predictor.inputs), encoded=True, exact=False)
    answers = answers_of((answer_columns(predictor.answers(chunk)) for chunk in chunks), memory)
    before = {named[name]: column for name, column in kept.answers.items()}
    yield from drift_tests(list(before), before, {named[n]: c for n, c in answers.items() if n in named}, levels)


def _fits(kept: DriftReference, name: str, current: Mapping[str, KeptColumn]) -> bool:
    return name not in current or name not in kept.columns or fits(kept.columns[name].holds, current[name].holds)


def _named(predictor: Predictor, answers: Sequence[str]) -> dict[str, str]:
    """What answers are called in the table: components of probabilities by their classes."""
    widths: dict[str, int] = {}
    for name in answers:
        whole, bracket, _ = name.partition("[")
        widths[whole] = widths.get(whole, 0) + bool(bracket)
    described = predictor.describe()
    found: dict[str, str] = {}
    for whole, width in widths.items():
        names = component_names(described, whole, width) if width else []
        found |= {f"{whole}[{at}]": f"prediction: {whole}[{name}]" for at, name in enumerate(names)}
        found |= {} if width else {whole: f"prediction: {whole}"}
    return found
