"""Parquet, Arrow IPC and ORC: formats that Arrow writes, with the types that Arrow has."""

import io
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.ipc as paipc
import pyarrow.orc as paorc
import pyarrow.parquet as pq

from blocks.data.encodings import natural_type
from blocks.data.writing.rows_writer import require_held

GROUP_ROWS: Final = 1 << 18
GROUP_BYTES: Final = 1 << 26
"""Of a row group or stripe, whichever is less: what is held while writing, and by most readers."""


class _Grouped:
    """Collects batches into groups: a small one costs every reader of the file."""

    def __init__(self, writer: Any, schema: pa.Schema) -> None:
        self.options: dict[str, Any] = {}
        self.note = ""
        self._writer, self._schema = writer, schema
        self._waiting: list[pa.RecordBatch] = []

    def write_batch(self, batch: pa.RecordBatch) -> None:
        """Adds rows."""
        self._waiting.append(batch)
        rows, size = (sum(one) for one in zip(*((b.num_rows, b.nbytes) for b in self._waiting), strict=True))
        if rows >= GROUP_ROWS or size >= GROUP_BYTES:
            self._flush()

    def _flush(self) -> None:
        table, self._waiting = pa.Table.from_batches(self._waiting, schema=self._schema), []
        self._write(table)

    def _write(self, table: pa.Table) -> None:
        self._writer.write_table(table, row_group_size=max(1, table.num_rows))

    def close(self) -> None:
        """Ends the file."""
        try:
            if self._waiting:
                self._flush()
        finally:
            self._waiting = []
            self._writer.close()


class ParquetWriter(_Grouped):
    """A Parquet file with zstd; Arrow's schema lies in it, so that every type comes back.

    Args:
        path: The file.
        schema: Of the rows.
        extension: That of the format.
        compression: Parquet compresses by itself.

    Raises:
        SchemaMismatch: Parquet does not hold a column.
    """

    def __init__(self, path: Path, schema: pa.Schema, extension: str, compression: str) -> None:
        require_held(schema, "Parquet", _through_parquet)
        super().__init__(pq.ParquetWriter(path, schema, compression="zstd"), schema)


class IpcWriter:
    """An Arrow IPC file, or a stream where its name ends with .arrows; uncompressed, so that readers map it.

    Args:
        path: The file.
        schema: Of the rows.
        extension: That of the format.
        compression: None.
    """

    def __init__(self, path: Path, schema: pa.Schema, extension: str, compression: str) -> None:
        self.options: dict[str, Any] = {}
        self.note = ""
        self._sink = pa.OSFile(str(path), "wb")
        self._writer = (paipc.new_stream if extension == ".arrows" else paipc.new_file)(self._sink, schema)

    def write_batch(self, batch: pa.RecordBatch) -> None:
        """Adds rows."""
        self._writer.write_batch(batch)

    def close(self) -> None:
        """Ends the file."""
        try:
            self._writer.close()
        finally:
            self._sink.close()


class OrcWriter(_Grouped):
    """An ORC file with zstd, for columns whose types ORC has: signed integers, floats, texts, dates, lists of these.

    Args:
        path: The file.
        schema: Of the rows.
        extension: That of the format.
        compression: ORC compresses by itself.

    Raises:
        SchemaMismatch: ORC does not hold a column.
    """

    def __init__(self, path: Path, schema: pa.Schema, extension: str, compression: str) -> None:
        require_held(schema, "ORC", _through_orc)
        self._sink = _Sink(path)
        super().__init__(paorc.ORCWriter(pa.PythonFile(self._sink, "w"), compression="zstd"), schema)
        self._writer.write(schema.empty_table())  # which an empty file needs to have columns

    def _write(self, table: pa.Table) -> None:
        self._writer.write(table)
        self._sink.check()

    def close(self) -> None:
        """Ends the file."""
        try:
            super().close()
            self._sink.check()
        finally:
            self._sink.file.close()


class _Sink(io.RawIOBase):
    """A file that keeps its errors until it is asked: ORC's own end the process when one comes as it closes a file."""

    def __init__(self, path: Path) -> None:
        self.file = path.open("wb", buffering=0)
        self._error: OSError | None = None

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        left = memoryview(data)
        try:
            while self._error is None and len(left):
                left = left[self.file.write(left) :]
        except OSError as error:
            self._error = error
        return len(data)

    def check(self) -> None:
        """Raises the first error."""
        if self._error is not None:
            raise self._error


def _through_parquet(schema: pa.Schema) -> pa.DataType:
    buffer = io.BytesIO()
    pq.write_table(schema.empty_table(), buffer)
    return natural_type(pq.read_schema(io.BytesIO(buffer.getvalue())).field(0).type)


def _through_orc(schema: pa.Schema) -> pa.DataType:
    buffer = io.BytesIO()
    paorc.write_table(schema.empty_table(), buffer)
    return natural_type(paorc.ORCFile(io.BytesIO(buffer.getvalue())).schema.field(0).type)
