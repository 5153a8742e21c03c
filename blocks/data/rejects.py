"""The rejects table: rows of text files that could not be used, with where they stood and why."""

import os
from collections.abc import Sequence
from typing import Final, NamedTuple

import pyarrow as pa
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


class BadRow(NamedTuple):
    """A row with another number of values than there are columns."""

    file: str
    line: int
    expected: int
    found: int
    text: str

    @property
    def reason(self) -> str:
        """The rule that the row breaks."""
        return f"expected {self.expected} columns, found {self.found}"


class RejectsTable:
    """Writes bad rows to a Parquet or CSV file, which appears under its name when it is complete.

    Args:
        path: ends in .parquet or .csv.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._partial = f"{path}.partial"
        make = pq.ParquetWriter if path.endswith(".parquet") else pacsv.CSVWriter
        try:
            self._writer = make(self._partial, REJECTS_SCHEMA)
        except OSError as error:
            raise InvalidArgument(
                f"rejects={path!r} cannot be written: {error}. Name a file in a folder that exists."
            ) from None

    def add(self, rows: Sequence[BadRow]) -> None:
        """Appends rows."""
        columns = {name: [getattr(row, name) for row in rows] for name in REJECTS_SCHEMA.names}
        self._writer.write_table(pa.table(columns, schema=REJECTS_SCHEMA))

    def finish(self) -> None:
        """Gives the file its name."""
        self._writer.close()
        os.replace(self._partial, self._path)

    def abandon(self) -> None:
        """Leaves no trace of a scan that failed."""
        self._writer.close()
        os.unlink(self._partial)
