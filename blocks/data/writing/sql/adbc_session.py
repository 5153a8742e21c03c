"""A transaction through a driver of ADBC."""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa


class AdbcSession:
    """Statements and rows through a cursor; see `Session`.

    Args:
        cursor: Of a connection that does not commit by itself.
    """

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor

    def execute(self, statement: str) -> None:
        """See `Session`."""
        self._cursor.execute(statement)

    def value(self, query: str) -> Any:
        """See `Session`."""
        self._cursor.execute(query)
        return self._cursor.fetchone()[0]

    def insert(self, table: str, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> None:
        """See `Session`."""
        for batch in batches:
            self._cursor.adbc_ingest(table, batch, mode="append")
