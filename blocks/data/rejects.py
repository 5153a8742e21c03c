"""The rejects table: rows of text files that could not be used, with where they stood and why."""

import os
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from blocks.errors import InvalidArgument

REJECTS_SCHEMA: Final = pa.schema(
    [
        ("file", pa.string()),
        ("line", pa.int64()),
        ("expected", pa.int32()),
        ("found", pa.int32()),
        ("text", pa.string()),
        ("reason", pa.string()),
    ]
)

_REPEATED: Final = ["file", "expected", "found", "reason"]


def bad_rows(
    file: str, lines: np.ndarray, expected: int, found: np.ndarray, text: bytes, offsets: np.ndarray
) -> pa.Table:
    """Rows of one file with another number of values than there are columns, as the rejects file holds them.

    Args:
        file: its name.
        lines: the line of each row.
        expected: the number of columns.
        found: the number of values of each row.
        text: of all rows, one after the other.
        offsets: where the text of each row begins in `text`, and the end (int32).
    """
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(text)]
    texts = pa.Array.from_buffers(pa.binary(), len(lines), buffers)
    try:
        texts = texts.cast(pa.string())
    except pa.ArrowInvalid:  # in a file with binary columns
        texts = pa.array([value.decode(errors="backslashreplace") for value in texts.to_pylist()])
    counts = pa.array(found, pa.int32())
    reasons = pc.binary_join_element_wise(f"expected {expected} columns, found", counts.cast(pa.string()), " ")
    same = [
        pa.repeat(pa.scalar(value, kind), len(lines)) for value, kind in ((file, pa.string()), (expected, pa.int32()))
    ]
    return pa.table([same[0], pa.array(lines, pa.int64()), same[1], counts, texts, reasons], schema=REJECTS_SCHEMA)


class RejectsTable:
    """Writes bad rows to a Parquet or CSV file, which appears under its name when it is complete.

    Args:
        path: ends in .parquet or .csv.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._partial = f"{path}.partial"
        try:
            self._writer = (
                pq.ParquetWriter(self._partial, REJECTS_SCHEMA, use_dictionary=_REPEATED)
                if path.endswith(".parquet")
                else pacsv.CSVWriter(self._partial, REJECTS_SCHEMA)
            )
        except OSError as error:
            raise InvalidArgument(
                f"rejects={path!r} cannot be written: {error}. Name a file in a folder that exists."
            ) from None

    def add(self, rows: pa.Table) -> None:
        """Appends rows of `bad_rows`."""
        self._writer.write_table(rows)

    def finish(self) -> None:
        """Gives the file its name."""
        self._writer.close()
        os.replace(self._partial, self._path)

    def abandon(self) -> None:
        """Leaves no trace of a scan that failed."""
        self._writer.close()
        os.unlink(self._partial)
