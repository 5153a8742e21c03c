"""PredictionTable: predictions to judge, in whatever form a user gives them, and what is known of them."""

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypedDict

import pyarrow as pa

from blocks.arguments import check_whole_number
from blocks.data import Source, read
from blocks.data.side_by_side import BesideReader
from blocks.data.split_rows import as_splits
from blocks.errors import InvalidArgument
from blocks.evaluate.answering import as_predictor
from blocks.evaluate.scoring.head_reader import CHUNK_ROWS
from blocks.evaluate.tables.answered_rows import SPLIT, AnsweredRows
from blocks.evaluate.tables.grouping import By, Grouping
from blocks.evaluate.tables.sqlite import SqliteTable, is_sqlite
from blocks.evaluate.tables.table_description import METADATA, Description, describe_table
from blocks.targets.description import HeadDescription


class TableOptions(TypedDict, total=False):
    """What everything that judges a table takes beside it; see `blocks.evaluate.metrics`."""

    data: Any
    head: str | None
    target: str | Sequence[str] | None
    classes: Sequence[Any] | None
    sample_weight: str | None
    chunk_rows: int


OPTIONS = tuple(TableOptions.__annotations__)
"""Their names."""

UNWEIGHTED = tuple(name for name in OPTIONS if name != "sample_weight")
"""Those of what weights do not enter."""


class PredictionTable(Source):
    """Rows with their truth and a model's answers, and what is known of them; a Source of these columns.

    `predict_table` returns one, and `of` makes one of all that a user may give in its place.

    Args:
        table: The columns.
        description: Of the heads that answered.
        rows_of: The sources whose rows the table's are, one to one and in order, of one that was made just now.
        head: The head that is meant, where there are several.
        chunk_rows: Rows to read at once.
    """

    def __init__(
        self,
        table: Source,
        description: Description,
        *,
        rows_of: Sequence[Source] = (),
        head: str | None = None,
        chunk_rows: int = CHUNK_ROWS,
    ) -> None:
        super().__init__(table._reader, table._steps, table._columns)
        self.description, self._rows_of = description, tuple(rows_of)
        self.chunk_rows = check_whole_number("chunk_rows", chunk_rows, 1)
        self._head = head

    @classmethod
    def of(
        cls,
        table: Any,
        by: By = None,
        *,
        data: Any = None,
        head: str | None = None,
        target: str | Sequence[str] | None = None,
        classes: Sequence[Any] | None = None,
        sample_weight: str | None = None,
        chunk_rows: int = CHUNK_ROWS,
    ) -> "PredictionTable":
        """A prediction table, or a model's answers to `data` as one.

        Args:
            table: As of `blocks.evaluate.metrics`; so are the options.
            by: Columns of groups, which are kept beside a model's answers, or read beside a table.

        Raises:
            InvalidArgument: It is neither, or what it is of is not known.
            SchemaMismatch: A column is not there.
        """
        targets = [target] if isinstance(target, str) else list(target or ())
        if data is not None:
            answered = _answered(table, data, by, targets, classes, sample_weight)
            # what is kept for judging tells no rows apart
            source, schema = read(answered), Description(answered.heads).added_to(answered.schema)
        elif hasattr(table, "predictor") or callable(getattr(table, "predict", None)):
            raise InvalidArgument(f"A model is judged on rows: give data=. Received: a {type(table).__name__} alone.")
        else:
            source = _with_columns(_opened(table), by)
            schema = source.schema
            if isinstance(table, pa.Table) and METADATA in (table.schema.metadata or {}):
                schema = schema.with_metadata({METADATA: table.schema.metadata[METADATA]})
        description = describe_table(schema, target=target, classes=classes, sample_weight=sample_weight)
        return cls(source, description, head=head, chunk_rows=chunk_rows)

    @property
    def chosen_head(self) -> HeadDescription:
        """The head that is named, or the only one.

        Raises:
            InvalidArgument: There are several and none is named, or none of the name.
        """
        return self.description.head(self._head)

    @property
    def heads(self) -> tuple[HeadDescription, ...]:
        """All heads, or the one that is named."""
        return self.description.heads if self._head is None else (self.chosen_head,)

    def grouping(self, by: By, most: int) -> Grouping:
        """The groups of the table's rows.

        Args:
            by: As of `blocks.evaluate.metrics`.
            most: More groups are refused.
        """
        return Grouping.of(by, self.schema, most)

    def placed_chunks(self, columns: Sequence[str]) -> Iterator[tuple[int, pa.RecordBatch]]:
        """Chunks of some columns, each with the place of its first row in the table."""
        start = 0
        for chunk in self.chunks(self.chunk_rows, columns=columns, encoded=True, exact=False):
            yield start, chunk
            start += len(chunk)


def by_columns(by: By, names: Sequence[str]) -> list[str]:
    """The columns, among those of some names, that groups are made of."""
    if by is None:
        return []
    if isinstance(by, Mapping):
        return list(by)
    wanted = [by] if isinstance(by, str) else list(by)
    return [name if name in names else name.rpartition(":")[0] or name for name in wanted]


def _answered(
    model: Any,
    data: Any,
    by: By,
    targets: Sequence[str],
    classes: Sequence[Any] | None,
    sample_weight: str | None,
) -> AnsweredRows:
    """A model's answers to rows, with their truth, weights and columns of groups beside."""
    splits = as_splits(data)
    names = next(iter(splits.values())).schema.names
    truth = [*targets, *([] if sample_weight is None else [sample_weight])]
    predictor = as_predictor(model, [name for name in names if name not in truth], targets, classes)
    kept = [name for name in [*truth, *by_columns(by, names)] if name != SPLIT or SPLIT in names]
    heads = predictor.describe()["heads"]
    beside = {name for head in heads for name in (*head["targets"], head.get("sample_weight"))}
    return AnsweredRows(predictor, splits, keys=[name for name in kept if name not in beside], targets=True)


def _opened(table: Any) -> Source:
    """A table as a Source; files of SQLite too."""
    return read(SqliteTable(table) if isinstance(table, str | os.PathLike) and is_sqlite(table) else table)


def _with_columns(table: Source, by: By) -> Source:
    """A table with the columns of groups that it lacks, taken from the rows that it was made of in this process."""
    rows_of = table._rows_of if isinstance(table, PredictionTable) else ()
    names = [*table.schema.names, *(name for source in rows_of for name in source.schema.names)]
    absent = [name for name in dict.fromkeys(by_columns(by, names)) if name not in table.schema.names]
    if absent and rows_of and all(name in source.schema.names for source in rows_of for name in absent):
        return Source(BesideReader(table, rows_of, absent))
    return table
