"""Answers of a model as columns, and what is kept of those to rows that it was not trained on."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from blocks.inspection.drift.column_reference import reduced, reduced_distributions
from blocks.inspection.drift.drift_reference import KeptColumn
from blocks.inspection.observed_columns import ObservedColumns
from blocks.statistics import memory_bytes

MOST_COMPONENTS = 32
"""Numbers of one answer that are looked at, its first ones."""


def answer_columns(answers: Mapping[str, Any]) -> pa.RecordBatch:
    """Answers to some rows as columns: a number or a text each; of vectors one a component, `probabilities[0]`.

    Args:
        answers: (rows, ...) each.

    Example:
        >>> answer_columns({"probabilities": np.ones((1, 2)), "label": np.array([b"yes"], object)}).schema.names
        ['probabilities[0]', 'probabilities[1]', 'label']
    """
    columns: dict[str, pa.Array] = {}
    for name, given in answers.items():
        values = np.asarray(given)
        if values.dtype.kind in "OSU":
            if values.ndim == 1:
                columns[name] = pa.array([_text(value) for value in values.tolist()], pa.string())
        elif values.ndim == 1:
            columns[name] = pa.array(values.astype(np.float64))
        elif values.ndim == 2:
            for at, column in enumerate(values.T[:MOST_COMPONENTS]):
                columns[f"{name}[{at}]"] = pa.array(np.ascontiguousarray(column, np.float64))
    return pa.record_batch(columns)


def kept_answers(batches: Iterable[Mapping[str, Any]]) -> dict[str, KeptColumn]:
    """What is kept of a model's answers.

    Args:
        batches: Answers to some rows each.
    """
    observed, first = None, 0
    for answers in batches:
        batch = answer_columns(answers)
        if observed is None:
            observed = ObservedColumns(batch.schema, batch.schema.names, {}, memory_bytes(None))
        for update in observed.updates(batch, first):
            update()
        first += len(batch)
    if observed is None:
        return {}
    results, distributions = observed.results(), observed.distributions()
    return {
        name: KeptColumn(holds, {**reduced(holds, results[name]), **reduced_distributions(distributions.of(name))})
        for name, holds in observed.holds.items()
    }


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
