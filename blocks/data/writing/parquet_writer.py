"""Parquet, in parts: after each, what is there is a whole Parquet file, which the next one is put behind."""

import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from blocks.data.encodings import natural_type
from blocks.data.writing.arrow_writers import Grouped
from blocks.data.writing.rows_writer import require_held
from blocks.errors import MalformedData


class ParquetWriter(Grouped):
    """A Parquet file with zstd; Arrow's schema lies in it, so that every type comes back.

    A footer names row groups by their places in the file, and says nothing of the rest. So a part is written behind the
    one before with a footer of its own, and the last footer names the row groups of all.

    Args:
        path: The file.
        schema: Of the rows.
        extension: That of the format.
        compression: Parquet compresses by itself.
        begun: What `checkpoint` gave, to go on from there.

    Raises:
        SchemaMismatch: Parquet does not hold a column.
    """

    def __init__(
        self,
        path: Path,
        schema: pa.Schema,
        extension: str,
        compression: str,
        *,
        begun: Mapping[str, Any] | None = None,
    ) -> None:
        require_held(schema, "Parquet", _through_parquet)
        super().__init__(schema)
        self._path = path
        self._ends: list[int] = list(begun["ends"]) if begun else []
        self._footers = [self._footer(end) for end in self._ends]
        self._part: tuple[pa.OSFile, pq.ParquetWriter] | None = None

    def _write(self, table: pa.Table) -> None:
        if self._part is None:
            sink = pa.OSFile(str(self._path), "ab" if self._ends else "wb")
            if self._ends:
                # The writer begins at 0 alone. What is appended goes to the end nevertheless, after which the file says
                # where it is, so that the places in the footer are those in the whole file.
                os.lseek(sink.fileno(), 0, os.SEEK_SET)
            writer = pq.ParquetWriter(sink, self._schema, compression="zstd")
            self._part = sink, writer
        self._part[1].write_table(table, row_group_size=max(1, table.num_rows))

    def _end_part(self) -> None:
        self.flush()
        if self._part is not None:
            (sink, writer), self._part = self._part, None
            with sink:
                writer.close()
            end = self._path.stat().st_size
            self._footers.append(self._footer(end))
            _require_behind(self._footers[-1], self._ends[-1] if self._ends else 0)
            self._ends.append(end)

    def _footer(self, end: int) -> pq.FileMetaData:
        """The footer of the part that ends there."""
        with pa.memory_map(str(self._path)) as opened:
            return pq.read_metadata(pa.BufferReader(opened.read_buffer(end)))

    def checkpoint(self) -> dict[str, Any]:
        """See `ResumableWriter`."""
        self._end_part()
        return {"bytes": self._ends[-1], "ends": self._ends}

    def close(self) -> None:
        """Ends the file."""
        self._end_part()
        if not self._ends:
            self._write(self._schema.empty_table())
            self._end_part()
        if len(self._footers) > 1:
            footer, *others = self._footers
            for other in others:
                footer.append_row_groups(other)
            written = io.BytesIO()
            footer.write_metadata_file(written)
            with self._path.open("ab") as file:
                file.write(written.getbuffer()[4:])  # of a file of its own it would be the beginning


def _require_behind(footer: pq.FileMetaData, end: int) -> None:
    """Refuses a part that says to lie where another one does."""
    groups = [footer.row_group(index) for index in range(footer.num_row_groups)]
    columns = [group.column(index) for group in groups for index in range(group.num_columns)]
    if any(column.data_page_offset < end for column in columns):
        raise MalformedData(
            "A part of a Parquet file lies behind the one before. Received: one that does not, by this version of "
            "pyarrow; this is an error of blocks. Write an .arrow file instead."
        )


def _through_parquet(schema: pa.Schema) -> pa.DataType:
    buffer = io.BytesIO()
    pq.write_table(schema.empty_table(), buffer)
    return natural_type(pq.read_schema(io.BytesIO(buffer.getvalue())).field(0).type)
