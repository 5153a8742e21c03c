"""The rejects table: rows that could not be used, with where they stood and why."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from blocks.errors import InvalidArgument
from blocks.files.durable import whole_file
from blocks.files.write_errors import explained

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


def rejects_of(**columns: Sequence[Any]) -> pa.Table:
    """Rows as the rejects file holds them; what is not given is null.

    Example:
        >>> rejects_of(file=["a.tar"], reason=["is empty"]).to_pylist()[0]["reason"]
        'is empty'
    """
    rows = len(next(iter(columns.values())))
    arrays = [
        pa.array(columns[field.name], field.type) if field.name in columns else pa.nulls(rows, field.type)
        for field in REJECTS_SCHEMA
    ]
    return pa.Table.from_arrays(arrays, schema=REJECTS_SCHEMA)


class RejectsTable:
    """Writes bad rows to a Parquet or CSV file, which appears under its name when it is complete.

    Args:
        path: ends in .parquet or .csv.
        schema: of what is written.
        repeated: columns of few distinct values.

    Raises:
        InvalidArgument: No file can be made there.
        WriteError: There is no room for one.
    """

    def __init__(self, path: str, schema: pa.Schema = REJECTS_SCHEMA, repeated: Sequence[str] = _REPEATED) -> None:
        self._path = path
        self._aside = whole_file(path)
        try:
            file = self._aside.__enter__()
        except OSError as error:
            raise InvalidArgument(
                f"rejects={path!r} cannot be written: {error}. Name a file in a folder that exists."
            ) from None
        try:
            with explained(path):
                self._writer = (
                    pq.ParquetWriter(file, schema, use_dictionary=list(repeated))
                    if path.endswith(".parquet")
                    else pacsv.CSVWriter(file, schema)
                )
        except BaseException:
            self._forget()
            raise

    def add(self, rows: pa.Table) -> None:
        """Appends rows of the schema.

        Raises:
            WriteError: The operating system keeps them from being written.
        """
        with explained(self._path):
            self._writer.write_table(rows)

    def finish(self) -> None:
        """Gives the file its name.

        Raises:
            WriteError: The operating system keeps it from being written.
        """
        try:
            with explained(self._path):
                self._writer.close()
        except BaseException:
            self._forget()
            raise
        with explained(self._path):
            self._aside.__exit__(None, None, None)

    def abandon(self) -> None:
        """Leaves no trace of a scan that failed."""
        with suppress(OSError):  # what is not whole need not be complete
            self._writer.close()
        self._forget()

    def _forget(self) -> None:
        with suppress(_GivenUp):
            self._aside.__exit__(_GivenUp, _GivenUp(), None)


class _GivenUp(Exception):
    """The scan failed; what lies aside is removed."""
