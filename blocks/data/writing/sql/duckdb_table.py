"""DuckDB, written by DuckDB, which has most of Arrow's types."""

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.types as pt

from blocks.data.encodings import natural_type
from blocks.data.formats.sql.database import quoted
from blocks.data.writing.sql.table_session import Session, Stored, literal, read_from_text
from blocks.errors import InvalidArgument

MEMORY = "300MB"
"""What DuckDB may hold: the rest of a table that is not finished is in the file already."""

_INSERTED = "blocks_inserted"


class DuckdbDatabase:
    """A database file.

    Args:
        path: Of the file.
        new: Whether there is none yet.

    Raises:
        InvalidArgument: DuckDB is not installed.
    """

    kind = "DuckDB"

    def __init__(self, path: str, *, new: bool) -> None:
        try:
            import duckdb
        except ImportError as error:
            raise InvalidArgument("DuckDB is not installed. pip install 'ml-blocks[sql]'.") from error
        self._path, self._duckdb = path, duckdb

    def stored(self, field: pa.Field) -> Stored | None:
        """See `TableDatabase`: what DuckDB itself makes of the type."""
        kind: Any = {pa.float16(): pa.float32()}.get(field.type, field.type)
        declared, found = (None, None) if pt.is_null(kind) else _made_of(kind)
        if declared is None or not (found == field.type or read_from_text(field.type)):
            return None
        return Stored(declared, kind)

    def exists(self, table: str) -> str:
        """See `TableDatabase`; names are one whatever their case."""
        both = "SELECT table_name AS name FROM duckdb_tables() UNION ALL SELECT view_name FROM duckdb_views()"
        return f"SELECT count(*) FROM ({both}) WHERE lower(name) = lower({literal(table)})"

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """See `TableDatabase`."""
        with self._duckdb.connect(self._path) as connection:
            connection.execute(f"SET memory_limit = '{MEMORY}'")
            connection.execute("SET threads = 1")
            connection.execute("BEGIN TRANSACTION")
            yield _DuckdbSession(connection, self._duckdb.Error)
            connection.execute("COMMIT")


@functools.cache
def _made_of(kind: pa.DataType) -> tuple[str | None, pa.DataType | None]:
    """What DuckDB declares for an Arrow type, and what that comes back as; None where it knows no such type."""
    import duckdb

    with duckdb.connect() as connection:
        try:
            connection.register("probe", pa.table({"x": pa.nulls(0, kind)}))
            connection.execute("CREATE TABLE t AS SELECT * FROM probe")
            declared = connection.execute("SELECT data_type FROM duckdb_columns() WHERE table_name = 't'")
            name = declared.fetchall()[0][0]
            found = connection.sql("SELECT * FROM t").to_arrow_table().schema.field(0).type
        except duckdb.Error:
            return None, None
    return name, natural_type(found)


class _DuckdbSession:
    def __init__(self, connection: Any, error: type[Exception]) -> None:
        self._connection, self._error = connection, error

    def execute(self, statement: str) -> None:
        self._connection.execute(statement)

    def value(self, query: str) -> Any:
        return self._connection.execute(query).fetchall()[0][0]

    def insert(self, table: str, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> None:
        raised: list[BaseException] = []

        def given() -> Iterator[pa.RecordBatch]:
            try:
                yield from batches
            except BaseException as error:
                raised.append(error)
                raise RuntimeError("the rows end here") from error  # which Arrow hands on to DuckDB, as text alone

        # one statement: of many small ones DuckDB would hold all rows until they are committed
        self._connection.register(_INSERTED, pa.RecordBatchReader.from_batches(schema, given()))
        try:
            self._connection.execute(f"INSERT INTO {quoted(table)} SELECT * FROM {_INSERTED}")
        except self._error:
            if raised:
                raise raised[0] from None
            raise
        self._connection.unregister(_INSERTED)
