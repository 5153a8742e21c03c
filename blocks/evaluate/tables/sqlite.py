"""SQLite: a prediction table as a database of one table, written in transactions and read back in chunks."""

import base64
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.types as pt

from blocks.errors import MalformedData

SUFFIXES = (".db", ".sqlite", ".sqlite3")
TABLE = "predictions"

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
        schema: Of the batches; kept in the table `blocks`, metadata included.
    """

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("pragma journal_mode = off")
        self._schema = schema
        columns = [column for field in schema for column in _columns(field)]
        taken = {_ROW}
        quoted = ", ".join(f"{_quoted(_of_its_own(name, taken))} {kind}" for name, kind in columns)
        self._connection.execute(f"create table {TABLE} ({quoted})")
        self._connection.execute("create table blocks (schema text)")
        packed = base64.b64encode(schema.serialize().to_pybytes()).decode()
        self._connection.execute("insert into blocks values (?)", (packed,))
        self._insert = f"insert into {TABLE} values ({', '.join('?' * len(columns))})"

    def write_batch(self, batch: pa.RecordBatch) -> None:
        """Adds rows in one transaction."""
        columns = [values for field in self._schema for values in _stored(batch.column(field.name))]
        self._connection.execute("begin")
        self._connection.executemany(self._insert, zip(*(values.to_pylist() for values in columns), strict=True))
        self._connection.execute("commit")

    def close(self) -> None:
        """Ends the database."""
        self._connection.close()


class SqliteTable:
    """A database that `SqliteWriter` wrote: a schema and chunks, so that `blocks.read` takes it.

    Args:
        path: The file.

    Raises:
        MalformedData: It is none.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        try:
            with self._open() as connection:
                packed = connection.execute("select schema from blocks").fetchone()[0]
                self._rows = int(connection.execute(f"select count(*) from {TABLE}").fetchone()[0])
        except (sqlite3.Error, TypeError) as error:
            raise MalformedData(f"{path} is no prediction table of blocks in SQLite: {error}.") from None
        self.schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(packed)))

    def _open(self) -> Any:
        return closing(sqlite3.connect(f"{self._path.absolute().as_uri()}?mode=ro", uri=True))

    def count(self) -> int:
        """Rows."""
        return self._rows

    def fingerprint(self) -> dict[str, Any]:
        """Name, size and time of change."""
        found = self._path.stat()
        return {"name": self._path.name, "size": found.st_size, "mtime_ns": found.st_mtime_ns}

    def chunks(self, rows: int) -> Iterator[pa.RecordBatch]:
        """The rows in order."""
        widths = [len(_columns(field)) for field in self.schema]
        with self._open() as connection:
            cursor = connection.execute(f"select * from {TABLE} order by {_ROW}")
            while found := cursor.fetchmany(rows):
                columns = iter(zip(*found, strict=True))
                arrays = [
                    _restored([next(columns) for _ in range(width)], field.type)
                    for field, width in zip(self.schema, widths, strict=True)
                ]
                yield pa.RecordBatch.from_arrays(arrays, schema=self.schema)


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
        return values.cast(pa.uint8())
    if _kind(kind) != "text":
        return values
    if pt.is_list(kind) or pt.is_large_list(kind):
        return pa.array([None if value is None else json.dumps(value) for value in values.to_pylist()], pa.string())
    return values.cast(pa.string())


def _restored(columns: list[tuple[Any, ...]], kind: pa.DataType) -> pa.Array:
    if pt.is_fixed_size_list(kind):
        parts = [_restored([column], kind.value_type) for column in columns]
        order = np.arange(len(parts) * len(parts[0])).reshape(len(parts), -1).T.reshape(-1)
        return pa.FixedSizeListArray.from_arrays(pa.concat_arrays(parts).take(pa.array(order)), kind.list_size)
    values = columns[0]
    if pt.is_temporal(kind):
        return pa.array(values, pa.int64()).cast(pa.int32() if kind.bit_width == 32 else pa.int64()).cast(kind)
    if pt.is_boolean(kind):
        return pa.array(values, pa.uint8()).cast(kind)
    if pt.is_floating(kind):
        # SQLite has no NaN: it holds one as null
        return pa.array(np.array(values, np.float64)).cast(kind)
    if pt.is_list(kind) or pt.is_large_list(kind):
        return pa.array([None if value is None else json.loads(value) for value in values], kind)
    return pa.array(values).cast(kind)
