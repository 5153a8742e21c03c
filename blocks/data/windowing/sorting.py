"""Rows in the order of entity and time: whether they are, and a sorted copy on disk where they are not.

Sorting larger than memory is DuckDB's: it spills to disk.
"""

import os
import shutil
import tempfile
import weakref
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.types as pt

from blocks.data.read import read
from blocks.data.splitting.durations import as_counts
from blocks.errors import InvalidArgument
from blocks.statistics.hashing import hash_rows

MEMORY = "512MB"


def in_order(chunks: Iterator[pa.RecordBatch], by: Sequence[str], order: str) -> bool:
    """Whether no row of an entity comes after a later one of it; entities may be mixed. One pass.

    Args:
        chunks: Of these columns at least.
        by: Columns that tell entities apart.
        order: The column of times.
    """
    known, latest = np.zeros(0, np.uint64), np.zeros(0, np.int64)
    for chunk in chunks:
        time = as_counts(chunk.column(order), order)
        hashes = hash_rows([chunk.column(name) for name in by]) if by else np.zeros(len(time), np.uint64)
        hashes, time = np.concatenate([known, hashes]), np.concatenate([latest, time])
        rows = np.argsort(hashes, kind="stable")
        hashes, time = hashes[rows], time[rows]
        same = hashes[1:] == hashes[:-1]
        if (same & (time[1:] < time[:-1])).any():
            return False
        last = np.append(~same, True)[: len(hashes)]
        known, latest = hashes[last], time[last]
    return True


class Sorted:
    """Reads a sorted copy of rows, in a temporary folder that goes when this object does.

    In the copy columns have plain names and what DuckDB gives back as it was: it takes names that differ in case alone
    for one, cuts nanoseconds and has no half precision.

    Args:
        schema: Of the rows.
        chunks: All rows.
        by: Columns to sort by.

    Raises:
        InvalidArgument: DuckDB is not installed, or cannot sort these rows.
    """

    ahead = True

    def __init__(self, schema: pa.Schema, chunks: Iterable[pa.RecordBatch], by: Sequence[str]) -> None:
        try:
            import duckdb
        except ImportError as error:
            raise InvalidArgument(
                "These rows are not in the order of time, and DuckDB, which sorts them, is not installed. Sort them, "
                "or pip install 'ml-blocks[sql]'."
            ) from error
        if odd := [field for field in schema if pt.is_interval(field.type)]:
            raise InvalidArgument(
                f"Rows that are not in order are sorted by DuckDB, which gives no intervals back. Received: "
                f"{odd[0].name!r} of type {odd[0].type}. Sort them before, or leave it out: select([...])."
            )
        self.schema = schema
        self._folder = tempfile.mkdtemp(prefix="blocks-sorted-")
        weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        self._path = os.path.join(self._folder, "rows.parquet")
        stored = pa.schema([(f"c{n}", _stored_type(field.type)) for n, field in enumerate(schema)])
        failed: list[BaseException] = []
        rows: Any = pa.RecordBatchReader.from_batches(stored, _stored(chunks, stored, failed))
        keys = ", ".join(f"c{schema.get_field_index(name)}" for name in by)
        target = self._path.replace("'", "''")
        options: dict[str, Any] = {
            "memory_limit": MEMORY,
            "temp_directory": self._folder,
            "preserve_insertion_order": "false",
        }
        try:
            with duckdb.connect(config=options) as connection:
                connection.register("rows", rows)
                connection.execute(f"COPY (SELECT * FROM rows ORDER BY {keys}) TO '{target}' (FORMAT parquet)")
        except duckdb.Error as error:
            if failed:  # which DuckDB tells as its own
                raise failed[0] from None
            raise InvalidArgument(
                f"DuckDB sorts rows that are not in order. It says: {str(error).splitlines()[0][:200]}. Sort them "
                "before, or leave the column out by select([...])."
            ) from error

    def chunks(
        self, rows: int, columns: Sequence[str] | None = None, *, encoded: bool = False
    ) -> Iterator[pa.RecordBatch]:
        """Gives the rows; see `Reader`."""
        names = self.schema.names if columns is None else list(columns)
        fields = [self.schema.field(name) for name in names]
        places = [f"c{self.schema.get_field_index(name)}" for name in names]
        for batch in read(self._path).chunks(rows, columns=places, exact=False):
            arrays = [
                column.cast(_stored_type(field.type)).cast(field.type)
                for column, field in zip(batch.columns, fields, strict=True)
            ]
            yield pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))

    def count(self) -> int | None:
        """From the copy's footer."""
        return read(self._path).count()

    def fingerprint(self) -> dict[str, Any]:
        """The copy's, which lasts as long as this object."""
        return {"sorted": read(self._path).fingerprint()}

    def description(self) -> str:
        """What it is."""
        return "a sorted copy"


def _stored(
    chunks: Iterable[pa.RecordBatch], schema: pa.Schema, failed: list[BaseException]
) -> Iterator[pa.RecordBatch]:
    try:
        for chunk in chunks:
            arrays = [column.cast(field.type) for column, field in zip(chunk.columns, schema, strict=True)]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)
    except BaseException as error:
        failed.append(error)
        raise


def _stored_type(kind: pa.DataType) -> pa.DataType:
    """What values are in the copy; casting them back gives them as they were."""
    if pt.is_time32(kind):
        return pa.int32()
    if pt.is_date64(kind) or getattr(kind, "unit", None) is not None:
        return pa.int64()
    if pt.is_decimal256(kind):
        return pa.string()
    return pa.float32() if pt.is_float16(kind) else kind
