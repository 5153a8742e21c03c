"""Rows to a table of a database: a staging table is filled, counted and renamed, all in one transaction."""

import errno
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from blocks.data.formats.sql.database import quoted
from blocks.data.formats.sql.sql_reader import SqlReader
from blocks.data.formats.sql.uri import database_path, read_sql
from blocks.data.writing.rows_writer import Rows, refuse, said_types
from blocks.data.writing.sql.duckdb_table import DuckdbDatabase
from blocks.data.writing.sql.postgresql_table import PostgresqlDatabase
from blocks.data.writing.sql.sqlite_table import SqliteDatabase
from blocks.data.writing.sql.table_session import Stored, TableDatabase
from blocks.errors import BlocksError, InvalidArgument, MalformedData, SchemaMismatch, WriteError, warn
from blocks.files.durable import whole_file
from blocks.files.url_passwords import without_secrets
from blocks.files.write_errors import explained
from blocks.progress import Progress

_MOST_NAME = 63
"""Bytes of a name in PostgreSQL, which cuts longer ones."""


def write_table(rows: Rows, uri: str, *, table: str | None, overwrite: bool, progress: Progress) -> SqlReader:
    """Writes all rows; a database file that is not there yet is made, whole or not at all.

    Raises:
        InvalidArgument: No table is named, or it is there already.
        SchemaMismatch: The database does not hold a column.
        WriteError: The database refuses; it is then as it was.
    """
    shown = without_secrets(uri)
    if not isinstance(table, str) or not table or "\0" in table:
        raise InvalidArgument(
            f"A database is written by the name of a table. Received: {shown!r} with table={table!r}. Say it: "
            'write(..., table="clean").'
        )
    scheme, nans = uri.partition("://")[0], dict.fromkeys(rows.schema.names, 0)
    filling = _Filling(rows, table, overwrite, progress, shown, nans)
    if scheme in ("postgresql", "postgres"):
        database = PostgresqlDatabase(uri)
        filling.fill(database)
        database.settle(table, progress.done)
    else:
        path, kind = Path(database_path(uri)), SqliteDatabase if scheme == "sqlite" else DuckdbDatabase
        with explained(path):
            if path.exists():
                filling.fill(kind(str(path), new=False))
            else:
                with whole_file(path) as aside, _log_of(aside):
                    if kind is DuckdbDatabase:
                        aside.unlink()  # it makes its files itself, and takes no empty one
                    filling.fill(kind(str(aside), new=True))
    if lost := {name: count for name, count in nans.items() if count}:
        told = ", ".join(f"{count:,} of {name!r}" for name, count in lost.items())
        warn(f"{shown}: SQLite has no NaN; they are NULL in table {table!r} now: {told}. blocks takes both as missing.")
    return _reader(uri, table, rows.schema, shown)


@contextmanager
def _log_of(aside: Path) -> Iterator[None]:
    """Removes what a killed process, or this one when it fails, leaves of the log of a database that is new."""
    logs = [Path(f"{aside}{end}") for end in (".wal", "-journal")]
    for log in logs:
        log.unlink(missing_ok=True)
    try:
        yield
    finally:
        for log in logs:
            with suppress(OSError):
                log.unlink(missing_ok=True)


class _Filling:
    """One table's filling.

    Args:
        rows: What is written.
        table: Its name.
        overwrite: Whether to replace one that is there.
        progress: Counts rows.
        shown: The database, without a password.
        nans: For each column the NaN that became NULL.
    """

    def __init__(
        self, rows: Rows, table: str, overwrite: bool, progress: Progress, shown: str, nans: dict[str, int]
    ) -> None:
        self._rows, self._table, self._overwrite, self._progress = rows, table, overwrite, progress
        self._shown, self._nans = shown, nans
        self._last: pa.RecordBatch | None = None

    def fill(self, database: TableDatabase) -> None:
        """Fills a staging table, counts it, and gives it its name."""
        schema, staging = self._rows.schema, f"blocks_staging_{uuid.uuid4().hex[:16]}"
        columns = _columns(schema, database, self._table)
        declared = ", ".join(f"{quoted(n)} {c.declared}" for n, c in zip(schema.names, columns, strict=True))
        with self._explained(), database.transaction() as session:
            there = session.value(database.exists(self._table))
            if there and not self._overwrite:
                raise InvalidArgument(
                    f"Nothing is replaced unasked. Received: table {self._table!r} of {self._shown}, which is there. "
                    "Choose another name, or replace it: overwrite=True."
                )
            session.execute(f"CREATE TABLE {quoted(staging)} ({declared})")
            stored = pa.schema([(name, column.type) for name, column in zip(schema.names, columns, strict=True)])
            session.insert(staging, stored, self._batches(columns, stored))
            found = session.value(f"SELECT count(*) FROM {quoted(staging)}")
            if found != self._progress.done:
                raise MalformedData(
                    f"A table gives back the rows that were written. Received: {self._table!r} of {self._shown}, which "
                    f"got {self._progress.done:,} and has {found:,}. Nothing was written; write a .parquet file."
                )
            if there:
                session.execute(f"DROP TABLE {quoted(self._table)}")
            session.execute(f"ALTER TABLE {quoted(staging)} RENAME TO {quoted(self._table)}")

    def _batches(self, columns: Sequence[Stored], stored: pa.Schema) -> Iterator[pa.RecordBatch]:
        for batch in self._rows.batches():
            self._last = batch
            arrays = [self._stored(*one) for one in zip(batch.schema, batch.columns, columns, strict=True)]
            yield pa.RecordBatch.from_arrays(arrays, schema=stored)
            self._progress.advance(batch.num_rows)

    def _stored(self, field: pa.Field, values: pa.Array, column: Stored) -> pa.Array:
        if pt.is_floating(values.type) and column.declared == "DOUBLE":
            self._nans[field.name] += pc.sum(pc.is_nan(values)).as_py() or 0
        try:
            return _as_stored(values, column.type)
        except pa.ArrowException as error:
            raise SchemaMismatch(
                f"A database holds every value of a column. Received: column {field.name!r}, {field.type}, of which "
                f"{str(error).splitlines()[0][:120]}. Write a .parquet or .arrow file."
            ) from error

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """What the drivers raise, as our error: each has a tree of its own."""
        try:
            yield
        except (BlocksError, OSError):
            raise
        except Exception as error:
            if type(error).__module__.partition(".")[0] not in ("adbc_driver_manager", "duckdb", "_duckdb"):
                raise
            name = _with_nul(self._last) if self._last is not None and "0x00" in str(error) else None
            if name is not None:
                raise SchemaMismatch(
                    f"A text of this database holds no NUL. Received: column {name!r} with one. Write a .parquet or "
                    ".arrow file, or mend it."
                ) from error
            text = without_secrets(str(error).strip().splitlines()[0])[:300]
            full = any(word in str(error) for word in ("disk is full", "No space left", "could not extend file"))
            busy = any(word in str(error) for word in ("locked", "lock on file", "different configuration"))
            number = errno.ENOSPC if full else errno.EBUSY if busy else errno.EIO
            fix = {
                errno.ENOSPC: "the disk is full; free space and repeat the same call",
                errno.EBUSY: "something else has it open, perhaps this source; write to another database",
            }.get(number, "repeat the same call once the cause is gone")
            raise WriteError(
                number,
                f"writing table {self._table!r} of {self._shown} failed ({text}): {fix}. The database is as it was.",
            ) from error


def _columns(schema: pa.Schema, database: TableDatabase, table: str) -> Sequence[Stored]:
    """How all columns are stored.

    Raises:
        SchemaMismatch: One cannot be, or names are one to the database.
    """
    seen: dict[str, str] = {}
    for name in (*schema.names, table):
        long = database.kind == "PostgreSQL" and len(name.encode()) > _MOST_NAME
        if not name or "\0" in name or long:
            raise SchemaMismatch(
                f"{database.kind} has names of {f'1 to {_MOST_NAME} bytes' if long else 'some length'}, without NUL. "
                f"Received: {name!r}. Rename it, or write a .parquet file."
            )
    for name in schema.names if database.kind != "PostgreSQL" else ():
        other = seen.setdefault(name.lower(), name)
        if other != name:
            raise SchemaMismatch(
                f"Names of {database.kind} are one whatever their case. Received: columns {other!r} and {name!r}. "
                "Rename one, or write a .parquet file."
            )
    made = []
    for field in schema:
        column = database.stored(field)
        if column is None:
            refuse(field, database.kind)
        made.append(column)
    return made


def _as_stored(values: pa.Array, kind: pa.DataType) -> pa.Array:
    if pt.is_string(kind):
        if pt.is_timestamp(values.type) and values.type.tz is not None:
            values = values.cast(pa.timestamp(values.type.unit, "UTC"))
        if pt.is_date64(values.type):
            values = values.cast(pa.date32())
    return values.cast(kind)


def _with_nul(batch: pa.RecordBatch) -> str | None:
    """The first column of texts in which there is a NUL."""
    for field, values in zip(batch.schema, batch.columns, strict=True):
        text = pt.is_string(field.type) or pt.is_large_string(field.type)
        if text and pc.any(pc.match_substring(values, "\0")).as_py():
            return str(field.name)
    return None


def _reader(uri: str, table: str, schema: pa.Schema, shown: str) -> SqlReader:
    """The table as a reader, with the types of what was written."""
    plain = read_sql(uri, table=table)
    kinds = {field.name: field.type for field in schema if plain.schema.field(field.name).type != field.type}
    if not kinds:
        return plain
    lacking = ", ".join(sorted({str(kind) for kind in kinds.values()}))
    warn(
        f"{shown} keeps no {lacking}. The source that is returned reads table {table!r} as what was written; elsewhere "
        f"pass blocks.read(..., column_types={said_types(kinds)})."
    )
    return read_sql(uri, table=table, column_types=kinds)
