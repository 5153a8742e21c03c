"""Arrow IPC and ORC, and what formats have in common that Arrow writes by groups of rows."""

import errno
import io
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.ipc as paipc
import pyarrow.orc as paorc

from blocks.data.encodings import natural_type
from blocks.data.writing.rows_writer import require_held

GROUP_ROWS: Final = 1 << 18
GROUP_BYTES: Final = 1 << 26
"""Of a row group or stripe, whichever is less: what is held while writing, and by most readers."""


_MAGIC: Final = b"ARROW1\0\0"
"""What an IPC file begins with; a stream follows, then the footer."""


class Grouped(ABC):
    """Collects batches into groups: a small one costs every reader of the file.

    Args:
        schema: Of the rows.
    """

    def __init__(self, schema: pa.Schema) -> None:
        self.options: dict[str, Any] = {}
        self.note = ""
        self._schema = schema
        self._waiting: list[pa.RecordBatch] = []

    def write_batch(self, batch: pa.RecordBatch) -> None:
        """Adds rows."""
        self._waiting.append(batch)
        rows, size = (sum(one) for one in zip(*((b.num_rows, b.nbytes) for b in self._waiting), strict=True))
        if rows >= GROUP_ROWS or size >= GROUP_BYTES:
            self.flush()

    def flush(self) -> None:
        """Writes what waits as a group."""
        if self._waiting:
            table, self._waiting = pa.Table.from_batches(self._waiting, schema=self._schema), []
            self._write(table)

    @abstractmethod
    def _write(self, table: pa.Table) -> None:
        """Writes a group."""


class IpcWriter:
    """An Arrow IPC file, or a stream where its name ends with .arrows; uncompressed, so that readers map it.

    Args:
        path: The file.
        schema: Of the rows.
        extension: That of the format.
        compression: None.
        begun: What `checkpoint` gave, to go on from there.
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
        self.options: dict[str, Any] = {}
        self.note = ""
        self._batches = 0
        new = paipc.new_stream if extension == ".arrows" else paipc.new_file
        if begun is None:
            self._sink: Any = pa.OSFile(str(path), "wb")
            self._writer = new(self._sink, schema)
            return
        # The footer names every batch: they are handed to the writer again, without their bytes being read or written
        behind = _Behind(path, begun["bytes"])
        self._sink = pa.PythonFile(behind, "w")
        self._writer = new(self._sink, schema)
        with pa.memory_map(str(path)) as there:
            there.seek(0 if extension == ".arrows" else len(_MAGIC))
            reader = paipc.open_stream(there)
            for _ in range(begun["batches"]):
                self.write_batch(reader.read_next_batch())
            del reader
        if behind.place != begun["bytes"]:
            raise OSError(errno.EIO, "what is there is not what was written", str(path))

    def write_batch(self, batch: pa.RecordBatch) -> None:
        """Adds rows."""
        self._writer.write_batch(batch)
        self._batches += 1

    def checkpoint(self) -> dict[str, Any]:
        """See `ResumableWriter`."""
        self._sink.flush()
        return {"bytes": self._sink.tell(), "batches": self._batches}

    def close(self) -> None:
        """Ends the file."""
        try:
            self._writer.close()
        finally:
            self._sink.close()


class _Behind(io.RawIOBase):
    """A file of which a part is there already, which is written again by nobody."""

    def __init__(self, path: Path, there: int) -> None:
        self._file, self._there, self.place = path.open("r+b", buffering=0), there, 0
        self._file.seek(there)

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        new = memoryview(data)[max(0, self._there - self.place) :]
        self.place += len(data)
        while len(new):
            new = new[self._file.write(new) :]
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()


class OrcWriter(Grouped):
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
        super().__init__(schema)
        self._writer = paorc.ORCWriter(pa.PythonFile(self._sink, "w"), compression="zstd")
        self._writer.write(schema.empty_table())  # which an empty file needs to have columns

    def _write(self, table: pa.Table) -> None:
        self._writer.write(table)
        self._sink.check()

    def close(self) -> None:
        """Ends the file."""
        try:
            try:
                self.flush()
            finally:
                self._waiting = []
                self._writer.close()
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


def _through_orc(schema: pa.Schema) -> pa.DataType:
    buffer = io.BytesIO()
    paorc.write_table(schema.empty_table(), buffer)
    return natural_type(paorc.ORCFile(io.BytesIO(buffer.getvalue())).schema.field(0).type)
