"""Schema: what is expected of a table's columns; inferred, edited, saved, and held against other rows."""

import os
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any, Self

import numpy as np
import pyarrow as pa

from blocks.arguments import check_whole_number, checked
from blocks.data import as_source
from blocks.data.schema import require_columns
from blocks.errors import EmptySource, InvalidArgument
from blocks.files.durable import write_text
from blocks.files.regular_files import read_saved
from blocks.files.write_errors import explained
from blocks.inspection.column_kinds import kind_of
from blocks.inspection.column_statistics import ROWS, summarize
from blocks.inspection.schema.anomalies import Anomaly, ColumnValidator, missing_column
from blocks.inspection.schema.column_schema import ColumnSchema
from blocks.inspection.schema.schema_file import from_json, to_json
from blocks.inspection.schema.schema_inference import inferred, statistics_for
from blocks.pages.content import Table
from blocks.pages.html_table import html_table
from blocks.pages.notebook import shown_by_notebooks

ANOMALIES = pa.schema(
    [
        ("column", pa.string()),
        ("kind", pa.string()),
        ("expected", pa.string()),
        ("found", pa.string()),
        ("rows", pa.int64()),
        ("examples", pa.list_(pa.string())),
    ]
)
"""The columns of what `Schema.validate` returns."""

_MOST_BYTES = 1 << 28
_HEADINGS = ("column", "type", "holds", "min_fraction", "values")


class Schema(MutableMapping[str, ColumnSchema]):
    """What is expected of each column: a mapping from names to `ColumnSchema`, whose attributes are set to edit it.

    Args:
        columns: By name.

    Example:
        >>> import blocks
        >>> schema = Schema.infer(blocks.read({"age": [31, 45, 23], "city": ["rome"] * 3}))
        >>> schema["age"].max = 120
        >>> schema.validate({"age": [31, 450], "city": ["rome", "oslo"]}).select(["column", "kind", "rows"]).to_pylist()
        [{'column': 'age', 'kind': 'INT_TYPE_BIG_INT', 'rows': 1}]

    Source: TensorFlow Data Validation (Breck et al., "Data Validation for Machine Learning", MLSys 2019), whose words
        and anomalies these are.
    """

    def __init__(self, columns: Mapping[str, ColumnSchema] | None = None) -> None:
        self._columns: dict[str, ColumnSchema] = {}
        for name, column in (columns or {}).items():
            self[name] = column

    @classmethod
    @checked()
    def infer(cls, source: Any, *, min_count: int = 5, max_tokens: int = 100) -> Self:
        """What rows like these are expected to be; in one pass, in bounded memory.

        Kinds of values are the columns'. A column that always has a value must have one, another in half as many rows
        as here at least. Numbers may lie as far beyond the ends as these are apart, but not cross zero where none does;
        the ends are of two digits. Text is of a domain where it has few tokens. Dates and times have no range: new rows
        are later ones. Set what you know better.

        Args:
            source: A `Source`, or whatever `blocks.read` takes.
            min_count: A text that stands in fewer rows is in no domain, so that a schema tells of no single person; its
                column has a domain where the others make up 90%, which then allows twice as many strange ones.
            max_tokens: A column of more different texts has no domain.

        Raises:
            EmptySource: There is no row.
        """
        least, most = check_whole_number("min_count", min_count, 1), check_whole_number("max_tokens", max_tokens, 1)
        rows = as_source(source)
        found = summarize(rows, statistics_for)
        holds = {field.name: kind_of(field.type) for field in rows.schema}
        if not any(statistics[ROWS].result().rows for statistics in found.values()):
            raise EmptySource(f"There is nothing to infer a schema from. Received: {rows!r} with no row.")
        results = {name: {key: one.result() for key, one in each.items()} for name, each in found.items()}
        return cls({name: inferred(holds[name], each, least, most) for name, each in results.items()})

    @checked()
    def validate(self, source: Any, *, key: str | None = None, examples: int = 3, chunk_rows: int = 65_536) -> pa.Table:
        """How rows are other than expected; in one pass, in bounded memory. Bad rows raise nothing.

        Args:
            source: A `Source`, or whatever `blocks.read` takes.
            key: A column whose values name the examples; their positions, from 0, unless given.
            examples: How many of each anomaly, the first ones.
            chunk_rows: Rows read at once; changes nothing but memory.

        Returns:
            An Arrow table, a row an anomaly, none where all is as expected: column, kind (TensorFlow Data Validation's
            name), expected, found, rows (how many are so) and examples (text). Columns come in the schema's order, then
            those it does not have. The column is null where the table as a whole is meant.

        Raises:
            InvalidArgument: The schema makes no sense (the column and the attribute are named).
            SchemaMismatch: There is no column of the name `key`.
        """
        rows, most = as_source(source), check_whole_number("examples", examples)
        if key is not None:
            require_columns([key], rows.schema.names, "key")
        self._require_sense()
        columns = {f.name: ColumnValidator(self.get(f.name), f.type, most) for f in rows.schema}
        start = 0
        for chunk in rows.chunks(check_whole_number("chunk_rows", chunk_rows, 1), encoded=True, exact=False):
            keys = None if key is None else chunk.column(key)

            def named(at: np.ndarray, start: int = start, keys: pa.Array | None = keys) -> list[str]:
                return [str(start + row if keys is None else keys[row].as_py()) for row in at.tolist()]

            for column, validator in zip(chunk.columns, columns.values(), strict=True):
                validator.update(column, named)
            start += len(chunk)
        found = [(None, Anomaly("DATASET_LOW_NUM_EXAMPLES", "1 row at least", "0 rows"))] if not start else []
        for name in [*self, *(name for name in columns if name not in self)]:
            if name in columns:
                found += [(name, one) for one in columns[name].anomalies()]
            elif self[name].min_fraction:
                found.append((name, missing_column(self[name], start)))
        values = [[name, one.kind, one.expected, one.found, one.rows, one.examples] for name, one in found]
        table = pa.table([[row[place] for row in values] for place in range(len(ANOMALIES))], ANOMALIES)
        return shown_by_notebooks(table, f"Anomalies of {start:,} rows: {len(found) or 'none'}")

    @checked()
    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the schema as JSON to a file that is, at every moment, the old one or the new one, whole.

        Raises:
            InvalidArgument: The schema makes no sense.
            WriteError: The operating system keeps it from being written.
        """
        self._require_sense()
        with explained(path):
            write_text(path, to_json(self))

    @classmethod
    @checked()
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Reads what `save` wrote, edited by hand or not.

        Raises:
            InvalidArgument: There is no such file, or it may not be read.
            MalformedData: The file is damaged, holds something else, or makes no sense.
            NewerFormat: A newer version of blocks wrote it.
        """
        text = read_saved(path, _MOST_BYTES, "Schema")
        return cls(from_json(text, os.fspath(path)))

    def __getitem__(self, name: str) -> ColumnSchema:
        return self._columns[name]

    def __setitem__(self, name: str, column: ColumnSchema) -> None:
        if not isinstance(name, str) or not isinstance(column, ColumnSchema):
            raise InvalidArgument(
                f"A Schema maps names to ColumnSchema. Received: {name!r} and {type(column).__name__}."
            )
        column.require_sense(name)
        self._columns[name] = column

    def __delitem__(self, name: str) -> None:
        del self._columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)

    def __repr__(self) -> str:
        lines = [f"  {name}: {column!r}" for name, column in self.items()]
        return "\n".join([f"<Schema of {len(self)} column{'s' * (len(self) != 1)}>", *lines])

    def _repr_html_(self) -> str:
        rows = [_html_row(name, column) for name, column in self.items()]
        return html_table(Table(f"Schema of {len(self)} columns", _HEADINGS, rows))

    def _require_sense(self) -> None:
        for name, column in self.items():
            column.require_sense(name)


def _html_row(name: str, column: ColumnSchema) -> list[Any]:
    holds: list[Any] = [None, None]
    if column.problem() is None:
        holds = [column.type, f"{'lists of ' if column.is_list else ''}{column.kind}"]
    return [name, *holds, column.min_fraction, column.values()]
