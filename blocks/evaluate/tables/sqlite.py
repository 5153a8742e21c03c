"""SQLite: a prediction table as a database of one table, written in transactions and read back in chunks, over ADBC."""

import base64
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.types as pt

from blocks.errors import MalformedData

SUFFIXES = (".db", ".sqlite", ".sqlite3")
TABLE = "predictions"

_OF_KIND = {"integer": "0", "real": "0.5", "text": "''"}

_ROW = "_rowid_"
"""SQLite's number of a row, in the order of writing."""


def is_sqlite(path: str | os.PathLike[str]) -> bool:
    """Whether a path names a database."""
    return Path(path).suffix in SUFFIXES


class SqliteWriter:
    """Writes record batches, a transaction each; lists of fixed size become columns name[0], name[1], ...

    SQL's names are one whatever their case: a second of these is called `name_2`. The schema keeps all names.

    Args:
        path: A file that does not exist.
        schema: Of the batches.
    """

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._connection = _connected(str(path))
        self._cursor = self._connection.cursor()
        taken = {_ROW}
        self._columns = [(_of_its_own(name, taken), kind) for field in schema for name, kind in _columns(field)]
        quoted = ", ".join(f"{_quoted(name)} {kind}" for name, kind in self._columns)
        try:
            self._cursor.execute("pragma journal_mode = off")
            self._cursor.execute(f"create table {TABLE} ({quoted})")
            self._cursor.execute("create table blocks (schema text)")
        except BaseException:
            self.close()
            raise

    def write_batch(self, batch: pa.RecordBatch) -> None:
        """Adds rows in one transaction."""
        columns = [values for column in batch.columns for values in _stored(column)]
        rows = pa.RecordBatch.from_arrays(columns, names=[name for name, _ in self._columns])
        self._cursor.adbc_ingest(TABLE, rows, mode="append")

    def finish(self, schema: pa.Schema) -> None:
        """Keeps the schema, metadata included, in the table `blocks`."""
        packed = base64.b64encode(schema.serialize().to_pybytes()).decode()
        self._cursor.execute("insert into blocks values (?)", (packed,))

    def close(self) -> None:
        """Ends the database."""
        self._cursor.close()
        self._connection.close()


class SqliteTable:
    """A database that `SqliteWriter` wrote: a schema and chunks, so that `blocks.read` takes it.

    Args:
        path: The file.

    Raises:
        MalformedData: It is none.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        from adbc_driver_manager import DatabaseError

        self._path = Path(path)
        try:
            with self._opened() as cursor:
                cursor.execute("select schema from blocks")
                packed = cursor.fetchone()[0]
                cursor.execute(f"select count(*) from {TABLE}")
                self._rows = int(cursor.fetchone()[0])
        except (DatabaseError, TypeError) as error:
            raise MalformedData(f"{path} is no prediction table of blocks in SQLite: {error}.") from None
        self.schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(packed)))

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        uri = f"{self._path.absolute().as_uri()}?mode=ro"
        with _connected(uri) as connection, connection.cursor() as cursor:
            yield cursor

    def count(self) -> int:
        """Rows."""
        return self._rows

    def fingerprint(self) -> dict[str, Any]:
        """Name, size and time of change."""
        found = self._path.stat()
        return {"name": self._path.name, "size": found.st_size, "mtime_ns": found.st_mtime_ns}

    def chunks(self, rows: int) -> Iterator[pa.RecordBatch]:
        """The rows in order, about so many at once."""
        columns = [[kind for _, kind in _columns(field)] for field in self.schema]
        # ADBC takes a column's type from the first rows, which may be null: one row of each type goes before
        first = ", ".join(_OF_KIND[kind] for kinds in columns for kind in kinds)
        with self._opened() as cursor:
            cursor.adbc_statement.set_options(**{"adbc.sqlite.query.batch_rows": str(rows)})
            cursor.execute(f"select 0, {first} union all select {_ROW}, * from {TABLE} order by 1")
            for number, batch in enumerate(cursor.fetch_record_batch()):
                batch = batch.slice(0 if number else 1)
                found = iter(batch.columns[1:])
                arrays = [
                    _restored([next(found) for _ in kinds], field.type)
                    for field, kinds in zip(self.schema, columns, strict=True)
                ]
                if len(batch):
                    yield pa.RecordBatch.from_arrays(arrays, schema=self.schema)


def _connected(uri: str) -> Any:
    from adbc_driver_sqlite import dbapi  # takes longer to import than everything else here

    return dbapi.connect(uri, autocommit=True)


def _columns(field: pa.Field) -> list[tuple[str, str]]:
    if pt.is_fixed_size_list(field.type):
        kind = _kind(field.type.value_type)
        return [(f"{field.name}[{i}]", kind) for i in range(field.type.list_size)]
    return [(field.name, _kind(field.type))]


def _of_its_own(name: str, taken: set[str]) -> str:
    """The name for SQL, which holds no NUL and ignores the case of ASCII letters."""
    plain = name.replace("\0", "\ufffd")
    found, number = plain, 2
    while found.lower() in taken:
        found, number = f"{plain}_{number}", number + 1
    taken.add(found.lower())
    return found


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _kind(type: pa.DataType) -> str:
    if pt.is_floating(type):
        return "real"
    return "integer" if pt.is_integer(type) or pt.is_boolean(type) or pt.is_temporal(type) else "text"


def _stored(values: pa.Array) -> list[pa.Array]:
    if pt.is_fixed_size_list(values.type):
        size = values.type.list_size
        flat = values.flatten()
        return [_scalar(flat.take(pa.array(np.arange(i, len(flat), size)))) for i in range(size)]
    return [_scalar(values)]


def _scalar(values: pa.Array) -> pa.Array:
    kind = values.type
    if pt.is_temporal(kind):
        return values.cast(pa.int32() if kind.bit_width == 32 else pa.int64()).cast(pa.int64())
    if pt.is_boolean(kind):
        values = values.cast(pa.uint8())
    if pt.is_list(kind) or pt.is_large_list(kind):
        return pa.array([None if value is None else json.dumps(value) for value in values.to_pylist()], pa.string())
    return values.cast({"real": pa.float64(), "integer": pa.int64(), "text": pa.string()}[_kind(kind)])


def _restored(columns: list[pa.Array], kind: pa.DataType) -> pa.Array:
    if pt.is_fixed_size_list(kind):
        parts = [_restored([column], kind.value_type) for column in columns]
        order = np.arange(len(parts) * len(parts[0])).reshape(len(parts), -1).T.reshape(-1)
        return pa.FixedSizeListArray.from_arrays(pa.concat_arrays(parts).take(pa.array(order)), kind.list_size)
    values = columns[0]
    if pt.is_temporal(kind):
        return values.cast(pa.int32() if kind.bit_width == 32 else pa.int64()).cast(kind)
    if pt.is_boolean(kind):
        return values.cast(pa.uint8()).cast(kind)
    if pt.is_floating(kind):
        # SQLite has no NaN: it holds one as null
        return values.fill_null(np.nan).cast(kind)
    if pt.is_list(kind) or pt.is_large_list(kind):
        return pa.array([None if value is None else json.loads(value) for value in values.to_pylist()], kind)
    return pa.nulls(len(values)) if pt.is_null(kind) else values.cast(kind)
