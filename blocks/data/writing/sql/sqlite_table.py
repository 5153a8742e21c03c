"""SQLite, written through ADBC's driver; its four kinds of values, and declarations that our reader knows.

Of floats two are lost: NaN becomes NULL, which is said, and zero has no sign.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

import pyarrow as pa
import pyarrow.types as pt

from blocks.data.writing.sql.adbc_session import AdbcSession
from blocks.data.writing.sql.table_session import Session, Stored, literal


class SqliteDatabase:
    """A database file.

    Args:
        path: Of the file.
        new: Whether nothing is in it yet, so that it is thrown away when writing fails.
    """

    kind = "SQLite"

    def __init__(self, path: str, *, new: bool) -> None:
        self._path, self._new = path, new

    def stored(self, field: pa.Field) -> Stored | None:
        """See `TableDatabase`."""
        kind = field.type
        if pt.is_boolean(kind):
            return Stored("BOOLEAN", pa.int64())
        if pt.is_integer(kind):
            return Stored("INTEGER", pa.int64())
        if pt.is_floating(kind):
            return Stored("DOUBLE", pa.float64())
        if pt.is_binary(kind):
            return Stored("BLOB", pa.binary())
        if pt.is_date32(kind):
            return Stored("DATE", pa.string())
        if pt.is_timestamp(kind):
            return Stored("TIMESTAMP" if kind == pa.timestamp("us") else "TEXT", pa.string())
        if pt.is_string(kind) or pt.is_large_string(kind) or pt.is_decimal(kind) or pt.is_date(kind):
            return Stored("TEXT", pa.string())
        return None

    def exists(self, table: str) -> str:
        """See `TableDatabase`; names are one whatever their case."""
        return f"SELECT count(*) FROM sqlite_master WHERE lower(name) = lower({literal(table)})"

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """See `TableDatabase`."""
        import adbc_driver_sqlite.dbapi as adbc

        with self._put_back(), adbc.connect(self._path, autocommit=True) as connection, connection.cursor() as cursor:
            if self._new:  # no journal beside a file that is thrown away
                cursor.execute("PRAGMA journal_mode = MEMORY")
                cursor.fetchall()
            connection.adbc_connection.set_autocommit(False)
            yield AdbcSession(cursor)
            connection.adbc_connection.commit()  # the other commit knows of no transaction begun so

    @contextmanager
    def _put_back(self) -> Iterator[None]:
        """Where writing failed, and undoing it too, as on a full disk: whoever opens the file next undoes it."""
        try:
            yield
        except BaseException:
            if not self._new:
                with suppress(sqlite3.Error), closing(sqlite3.connect(self._path)) as connection:
                    connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchall()
            raise
