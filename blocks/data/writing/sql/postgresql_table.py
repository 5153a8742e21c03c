"""PostgreSQL, written through ADBC's driver, which streams by COPY."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.types as pt

from blocks.data.formats.sql.database import Asked
from blocks.data.formats.sql.postgresql import Postgresql
from blocks.data.writing.sql.adbc_session import AdbcSession
from blocks.data.writing.sql.table_session import Session, Stored, literal

_DECLARED = {
    pa.bool_(): Stored("BOOLEAN", pa.bool_()),
    pa.int8(): Stored("SMALLINT", pa.int16()),
    pa.uint8(): Stored("SMALLINT", pa.int16()),
    pa.int16(): Stored("SMALLINT", pa.int16()),
    pa.uint16(): Stored("INTEGER", pa.int32()),
    pa.int32(): Stored("INTEGER", pa.int32()),
    pa.uint32(): Stored("BIGINT", pa.int64()),
    pa.int64(): Stored("BIGINT", pa.int64()),
    pa.uint64(): Stored("BIGINT", pa.int64()),
    pa.float16(): Stored("REAL", pa.float32()),
    pa.float32(): Stored("REAL", pa.float32()),
    pa.float64(): Stored("DOUBLE PRECISION", pa.float64()),
    pa.string(): Stored("TEXT", pa.string()),
    pa.large_string(): Stored("TEXT", pa.string()),
    pa.binary(): Stored("BYTEA", pa.binary()),
    pa.date32(): Stored("DATE", pa.date32()),
    pa.date64(): Stored("DATE", pa.date32()),
    pa.time64("us"): Stored("TIME", pa.time64("us")),
}
MOST_WAITS = 30
"""Tenths of a second: the server counts at most a second late."""

_IN_ARRAYS = (pa.bool_(), pa.int16(), pa.int32(), pa.int64(), pa.float32(), pa.float64(), pa.string())


class PostgresqlDatabase(Postgresql):
    """A database of a server; the table is made in the first schema of the search path.

    Args:
        uri: As libpq takes it.
    """

    kind = "PostgreSQL"

    def stored(self, field: pa.Field) -> Stored | None:
        """See `TableDatabase`."""
        kind = field.type
        if kind in _DECLARED:
            return _DECLARED[kind]
        if pt.is_timestamp(kind) and kind.unit != "ns":
            return Stored("TIMESTAMP" if kind.tz is None else "TIMESTAMPTZ", pa.timestamp("us", kind.tz))
        if pt.is_decimal(kind) and kind.bit_width <= 128 and kind.scale >= 0:
            return Stored(f"NUMERIC({kind.precision}, {kind.scale})", pa.decimal128(kind.precision, kind.scale))
        if pt.is_list(kind) and kind.value_type in _IN_ARRAYS:
            return Stored(f"{_DECLARED[kind.value_type].declared}[]", kind)
        return None

    def exists(self, table: str) -> str:
        """See `TableDatabase`."""
        return (
            "SELECT count(*) FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace "
            f"WHERE relname = {literal(table)} AND nspname = current_schema()"
        )

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """See `TableDatabase`."""
        with self._cursor() as cursor:
            yield AdbcSession(cursor)
            cursor.connection.commit()

    def settle(self, table: str, rows: int) -> None:
        """Waits until the server has counted the rows, or what a reader takes for the table's state still changes."""
        for _ in range(MOST_WAITS):
            if sum(counted[1] for counted in self.state(Asked(table, None))) >= rows:
                return
            time.sleep(0.1)
