"""Records of rows in the order of their keys' hashes, in memory or, where there are many, on disk by DuckDB."""

from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

import numpy as np
import pyarrow as pa

from blocks.errors import InvalidArgument

RECORD = np.dtype(
    [("a", "u8"), ("b", "u8"), ("c", "u8"), ("d", "u8"), ("reasons", "u8"), ("row", "i8"), ("table", "u2")]
)
"""Of a row: its key's 128-bit hash (a, b), that of its values (c, d), reasons of its own, its position, its table."""

IN_MEMORY = 1 << 20
"""Records that are held; more go to disk."""

MEMORY = "256MB"

MOST_OF_A_KEY = 1 << 22


class KeySorting:
    """Takes records in any order, and gives them by the order of their keys' hashes.

    Args:
        folder: For what does not fit memory.
        keys: Their columns, for messages.
    """

    def __init__(self, folder: str, keys: list[str]) -> None:
        self._folder, self._keys = folder, keys
        self._waiting: list[np.ndarray] = [np.zeros(0, RECORD)]
        self._count = 0
        self._connection: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._connection is not None:
            self._connection.close()

    def add(self, records: np.ndarray) -> None:
        """Takes records.

        Raises:
            InvalidArgument: There are too many for memory, and DuckDB is not installed.
        """
        self._waiting.append(records)
        self._count += len(records)
        if self._count > IN_MEMORY:
            self._spill()

    def _spill(self) -> None:
        if self._connection is None:
            self._connection = _connected(self._folder)
        records = np.concatenate(self._waiting)
        columns = pa.table({name: np.ascontiguousarray(records[name]) for name in RECORD.names or ()})
        self._connection.register("waiting", columns)
        self._connection.execute("INSERT INTO records SELECT * FROM waiting")
        self._connection.unregister("waiting")
        self._waiting, self._count = [np.zeros(0, RECORD)], 0

    def by_key(self) -> Iterator[np.ndarray]:
        """Gives all records, in pieces of whole keys.

        Raises:
            InvalidArgument: A key stands so often that it tells no rows apart.
        """
        held = np.zeros(0, RECORD)
        for piece in self._sorted():
            piece = np.concatenate([held, piece])
            last = int(((piece["a"] == piece["a"][-1]) & (piece["b"] == piece["b"][-1])).sum())
            if last < len(piece):
                yield piece[:-last]
            held = piece[-last:]
            if last > MOST_OF_A_KEY:
                raise InvalidArgument(
                    f"A key tells rows apart. Received: keys={self._keys}, one of which more than {MOST_OF_A_KEY:,} "
                    "rows have. Name all columns that together tell rows apart."
                )
        if len(held):
            yield held

    def _sorted(self) -> Iterator[np.ndarray]:
        if self._connection is None:
            records = np.concatenate(self._waiting)
            if len(records):
                yield records[np.lexsort((records["b"], records["a"]))]
            return
        self._spill()
        for batch in self._connection.sql("SELECT * FROM records ORDER BY a, b").to_arrow_reader(1 << 18):
            records = np.empty(batch.num_rows, RECORD)
            for name in RECORD.names or ():
                records[name] = batch.column(name).to_numpy()
            if len(records):
                yield records


def _connected(folder: str) -> Any:
    try:
        import duckdb
    except ImportError as error:
        raise InvalidArgument(
            f"Keys of more than {IN_MEMORY:,} rows are sorted on disk by DuckDB, which is not installed. "
            "pip install 'ml-blocks[sql]'."
        ) from error
    options: dict[str, Any] = {
        "memory_limit": MEMORY,
        "temp_directory": f"{folder}/spilled",
        "preserve_insertion_order": "false",
    }
    connection = duckdb.connect(f"{folder}/records.duckdb", config=options)
    kinds = {"u8": "UBIGINT", "i8": "BIGINT", "u2": "USMALLINT"}
    columns = ", ".join(f'"{name}" {kinds[RECORD[name].str[1:]]}' for name in RECORD.names or ())
    connection.execute(f"CREATE TABLE records ({columns})")
    return connection
