"""Tables: what users call a table to be judged, as a Source and what it says of itself."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from blocks.data import Source, read
from blocks.data.side_by_side import with_columns_of_rows
from blocks.errors import InvalidArgument
from blocks.evaluate.tables.answered_rows import SPLIT, Predictions, as_predictor, as_splits, with_metadata
from blocks.evaluate.tables.description import METADATA, Description, describe_table
from blocks.evaluate.tables.grouping import By
from blocks.evaluate.tables.sqlite import SqliteTable, is_sqlite


@dataclass(frozen=True)
class Opened:
    """A table to judge."""

    source: Source
    description: Description


def open_table(
    table: Any,
    data: Any = None,
    by: By = None,
    *,
    target: str | Sequence[str] | None = None,
    classes: Sequence[Any] | None = None,
    sample_weight: str | None = None,
    keep: Sequence[str] = (),
) -> Opened:
    """A prediction table, or a model's answers to `data` as one.

    Args:
        table: As of `metrics`.
        data: Rows for a model.
        by: Columns of groups, kept beside a model's answers.
        target: What a table does not say itself; also the rest.
        classes: In the order of the probabilities.
        sample_weight: A column.
        keep: More columns to keep beside a model's answers.

    Raises:
        InvalidArgument: It is neither.
    """
    if data is not None:
        splits = as_splits(data)
        names = next(iter(splits.values())).schema.names
        predictor = as_predictor(table)
        # targets and weights are kept in any case
        beside = {
            name for head in predictor.describe()["heads"] for name in (*head["targets"], head.get("sample_weight"))
        }
        kept = [name for name in [*keep, *by_columns(by, names)] if name not in beside - {None}]
        kept = [name for name in kept if name != SPLIT or SPLIT in names]
        predictions = Predictions(predictor, splits, keys=kept, targets=True)
        source, description = read(predictions), predictions.description
        schema = with_metadata(source.schema, description)
    else:
        if hasattr(table, "predictor"):
            raise InvalidArgument(f"A model is judged on rows: give data=. Received: a {type(table).__name__} alone.")
        source = open_source(table)
        source = with_columns_of_rows(source, by_columns(by, _names(source)))
        schema = source.schema
        if isinstance(table, pa.Table) and table.schema.metadata and METADATA in table.schema.metadata:
            schema = schema.with_metadata({METADATA: table.schema.metadata[METADATA]})
    return Opened(source, describe_table(schema, target=target, classes=classes, sample_weight=sample_weight))


def open_source(table: Any) -> Source:
    """A table as a Source; files of SQLite too."""
    if isinstance(table, str | os.PathLike) and is_sqlite(table):
        return read(SqliteTable(table))
    return read(table)


def _names(table: Source) -> list[str]:
    """The columns of a table, and of the rows that it was made of."""
    return [*table.schema.names, *(name for source in table.rows_of for name in source.schema.names)]


def by_columns(by: By, names: Sequence[str]) -> list[str]:
    """The columns that groups are made of."""
    if by is None:
        return []
    if isinstance(by, Mapping):
        return list(by)
    wanted = [by] if isinstance(by, str) else list(by)
    return [name if name in names else name.rpartition(":")[0] or name for name in wanted]
