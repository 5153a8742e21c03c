"""DuckDB's database files, read by DuckDB."""

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import pyarrow as pa

from blocks.data.formats.sql.database import Asked, Column, quoted
from blocks.errors import InvalidArgument, MalformedData, SchemaMismatch


class DuckdbFile:
    """A database file, opened to be read alone.

    Args:
        path: Of the file.

    Raises:
        InvalidArgument: There is no such file, or DuckDB is not installed.
    """

    def __init__(self, path: str) -> None:
        if not os.path.isfile(path):
            raise InvalidArgument(
                f"duckdb:///PATH names a database file (four slashes for a path from the root). Received: {path!r}, "
                "where there is none. Check the path."
            )
        self._path, self.place = path, f"duckdb:///{path}"

    def session(self) -> "AbstractContextManager[DuckdbFile]":
        """Itself: a file is opened at no cost that matters."""
        return nullcontext(self)

    def columns(self, asked: Asked, given: dict[str, pa.DataType]) -> list[Column]:
        """See `Database`."""
        with self._connected() as connection:
            import duckdb

            try:
                # as a subquery, so that it is one SELECT
                schema = connection.sql(f"SELECT * FROM {asked.text} LIMIT 0").to_arrow_table().schema
            except duckdb.Error as error:
                known = [
                    row[0] for row in connection.execute("SELECT table_name FROM duckdb_tables() ORDER BY 1").fetchall()
                ]
                raise InvalidArgument(
                    f"{self.place} does not answer {asked}: {str(error).splitlines()[0]}. Its tables: "
                    f"{', '.join(known[:20]) or 'none'}. A query is one SELECT."
                ) from error
        if twice := sorted({name for name in schema.names if schema.names.count(name) > 1}):
            raise SchemaMismatch(f"Each column has a name of its own. Received: {twice} more than once. Use AS.")
        made = []
        for field in schema:
            value = quoted(field.name)
            if field.name in given:
                text = f"CAST({value} AS VARCHAR)"
                made.append(Column(field.name, pa.string(), given[field.name], "column_types", text))
            else:
                made.append(Column(field.name, field.type, field.type, f"of type {field.type}", value))
        return made

    @contextmanager
    def batches(self, asked: Asked, columns: Sequence[Column], rows: int) -> Iterator[Iterator[pa.RecordBatch]]:
        """See `Database`."""
        wanted = ", ".join(f"{column.expression} AS {quoted(column.name)}" for column in columns)
        with self._connected() as connection:
            connection.execute("BEGIN TRANSACTION")
            reader = connection.sql(f"SELECT {wanted} FROM {asked.text}").to_arrow_reader(rows)
            yield (batch for batch in reader if batch.num_rows)

    def misfit(self, asked: Asked, columns: Sequence[Column]) -> str | None:
        """Nothing: a column's values are of its type."""
        return None

    def tolerant(self, asked: Asked, columns: Sequence[Column]) -> tuple[list[Column], Column | None]:
        """The columns themselves: their values are of their types."""
        return list(columns), None

    def state(self, asked: Asked) -> Any:
        """Size and time of change of the file, and of its log."""
        found = [os.stat(path) for path in (self._path, f"{self._path}.wal") if os.path.exists(path)]
        return [[one.st_size, one.st_mtime_ns] for one in found]

    @contextmanager
    def _connected(self) -> Iterator[Any]:
        try:
            import duckdb
        except ImportError as error:
            raise InvalidArgument("DuckDB is not installed. pip install 'ml-blocks[sql]'.") from error
        try:
            connection = duckdb.connect(self._path, read_only=True)
        except duckdb.Error as error:
            raise MalformedData(
                f"{self.place} cannot be read: {str(error).splitlines()[0]}. Is it a DuckDB database that no other "
                "process writes?"
            ) from error
        with connection:
            try:
                yield connection
            except (duckdb.Error, pa.ArrowException, OSError) as error:
                raise MalformedData(
                    f"{self.place} cannot be read: {str(error).splitlines()[0]}. Copy it again."
                ) from error
