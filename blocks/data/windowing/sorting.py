"""Rows in the order of entity and time: whether they are, and a sorted copy on disk where they are not.

Sorting larger than memory is DuckDB's: it spills to disk.
"""

import os
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

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
    """A sorted copy of rows in a temporary folder, which goes when this object does.

    Args:
        schema: Of the rows.
        chunks: All rows.
        by: Columns to sort by first.
        order: The column of times.

    Raises:
        InvalidArgument: DuckDB is not installed.
    """

    def __init__(self, schema: pa.Schema, chunks: Iterator[pa.RecordBatch], by: Sequence[str], order: str) -> None:
        try:
            import duckdb
        except ImportError as error:
            raise InvalidArgument(
                "These rows are not in the order of time, and DuckDB, which sorts them, is not installed. Sort them, "
                "or pip install 'ml-blocks[sql]'."
            ) from error
        self._folder = tempfile.mkdtemp(prefix="blocks-sorted-")
        weakref.finalize(self, _remove, self._folder)
        self.path = os.path.join(self._folder, "rows.parquet")
        rows: Any = pa.RecordBatchReader.from_batches(schema, chunks)
        keys = ", ".join('"' + name.replace('"', '""') + '"' for name in (*by, order))
        target = self.path.replace("'", "''")
        options: dict[str, Any] = {
            "memory_limit": MEMORY,
            "temp_directory": self._folder,
            "preserve_insertion_order": "false",
        }
        with duckdb.connect(config=options) as connection:
            connection.register("rows", rows)
            connection.execute(f"COPY (SELECT * FROM rows ORDER BY {keys}) TO '{target}' (FORMAT parquet)")


def _remove(folder: str) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)
