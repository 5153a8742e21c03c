"""Prediction tables that a report judges: of raw rows, or of a store's split."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from blocks.data import Source
from blocks.data.schema import require_columns
from blocks.evaluate.tables.answered_rows import AnsweredRows
from blocks.evaluate.tables.grouping import By
from blocks.evaluate.tables.prediction_table import by_columns
from blocks.evaluate.tables.table_description import Description
from blocks.inference.graph import InferenceGraph
from blocks.inference.predictor import answer_column, to_numpy
from blocks.store import StoreSplit
from blocks.targets.description import HeadDescription

BATCH_ROWS = 8192


def write_table_of_rows(predictor: Any, source: Source, by: By, path: Path) -> None:
    """Answer raw rows; columns of groups are kept beside targets and answers.

    Raises:
        SchemaMismatch: A column of groups is not there.
    """
    keys = by_columns(by, source.schema.names)
    require_columns(keys, source.schema.names, "by")
    answered = AnsweredRows(predictor, {None: source}, keys=keys, targets=True)
    # columns of groups are kept as keys are, and are none
    schema = Description(answered.heads).added_to(answered.schema)
    with pq.ParquetWriter(path, schema) as writer:
        for chunk in answered.chunks():
            writer.write_batch(chunk)


def write_table_of_store(
    graph: InferenceGraph, heads: Sequence[HeadDescription], split: StoreSplit, path: Path
) -> None:
    """Answer a store's split, with its targets decoded."""
    schema = writer = None
    try:
        for features, target, *_ in split.stream(batch_size=BATCH_ROWS, shuffle=False):
            columns: dict[str, Any] = {}
            for name, head in graph.head.heads.items():
                columns |= _targets(head, target[name] if name else target)
            answers = to_numpy(graph.answers(dict(features)))
            columns |= {name: answer_column(values) for name, values in answers.items()}
            if writer is None:
                table = pa.table(columns)
                schema = Description(tuple(heads)).added_to(table.schema)
                writer = pq.ParquetWriter(path, schema)
            writer.write_table(pa.table(columns).cast(schema))
    finally:
        if writer is not None:
            writer.close()


def _targets(head: Any, encoded: Any) -> dict[str, Any]:
    decoded = head.decode(np.asarray(encoded))
    if len(head.targets) == 1:
        return {head.targets[0]: pa.array(decoded if np.ndim(decoded) == 1 else list(decoded))}
    return {name: pa.array(np.asarray(decoded)[:, place]) for place, name in enumerate(head.targets)}
