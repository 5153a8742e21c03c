"""Arrow IPC files (Feather) and streams, and ORC files: formats whose batches are read one after the other."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.ipc as paipc
import pyarrow.orc as paorc

from blocks.data.files import File, naming
from blocks.data.files_reader import FilesReader
from blocks.data.schema import conform, natural_schema, unify
from blocks.errors import BlocksError

_FIX: Final = "It may be truncated: write or copy it again."


class BatchFilesReader(FilesReader):
    """Arrow IPC or ORC files as one table, in order.

    A batch (a stripe of ORC) is read whole; files on this machine are mapped, so uncompressed batches cost nothing.

    Args:
        files: at least one.
        format: its name.
        opener: of a file, what has its `schema`, `count`, `batches` of columns, and `close`.
    """

    def __init__(self, files: Sequence[File], format: str, opener: Callable[[File], Any]) -> None:
        super().__init__(files, format)
        self._opener = opener
        schemas = []
        self._counts: list[int | None] = []
        for file in self._files:
            with _naming(file), contextlib.closing(self._opener(file)) as opened:
                schemas.append((file.name, natural_schema(opened.schema, file.name)))
                self._counts.append(opened.count)
        self._schema = unify(schemas)

    @property
    def schema(self) -> pa.Schema:
        """The columns of all files, by name."""
        return self._schema

    def count(self) -> int | None:
        """Rows, where the files tell."""
        known = [count for count in self._counts if count is not None]
        return sum(known) if len(known) == len(self._counts) else None

    def _rows_of(self, index: int, target: pa.Schema, rows: int, encoded: bool) -> Iterator[pa.RecordBatch]:
        file = self._files[index]
        with contextlib.ExitStack() as stack:
            with _naming(file):
                opened = stack.enter_context(contextlib.closing(self._opener(file)))
            batches = opened.batches(target.names)
            wanted = set(target.names)
            while True:
                with _naming(file):
                    batch = next(batches, None)
                    if batch is None:
                        break
                    # nothing has looked at these bytes: offsets may lead anywhere, and text be no UTF-8
                    batch = batch.select([name for name in batch.schema.names if name in wanted] or [0])
                    batch.validate(full=True)
                for start in range(0, batch.num_rows, rows):
                    with _naming(file):
                        piece = conform(batch.slice(start, rows), target, encoded=encoded)
                    yield piece


@contextlib.contextmanager
def _naming(file: File) -> Iterator[None]:
    """`naming`, of what Arrow's Python code raises over sizes that make no sense too."""
    with naming(file, _FIX):
        try:
            yield
        except (ValueError, OverflowError, MemoryError) as error:
            if isinstance(error, (pa.ArrowException, BlocksError, UnicodeError)):
                raise
            raise pa.ArrowInvalid(str(error)) from error


def read_ipc(files: Sequence[File]) -> BatchFilesReader:
    """Arrow IPC files, Feather among them, and streams."""
    return BatchFilesReader(files, "ipc", _Ipc)


def read_orc(files: Sequence[File]) -> BatchFilesReader:
    """ORC files."""
    return BatchFilesReader(files, "orc", _Orc)


class _Ipc:
    """An IPC file (batches at known places) or stream (one after the other)."""

    def __init__(self, file: File) -> None:
        self._handle = pa.memory_map(file.path) if file.local else file.open()
        try:
            self._file = self._handle.read_at(6, 0) == b"ARROW1" if file.local else self._handle.read(6) == b"ARROW1"
            self._handle.seek(0)
            self._opened = (paipc.open_file if self._file else paipc.open_stream)(self._handle)
            self.schema = self._opened.schema
            # `RecordBatchFileReader.count_rows` came with pyarrow 26, which refuses NumPy 1.26.
            self.count = ds.IpcFileFormat().make_fragment(self._handle).count_rows() if self._file else None
        except BaseException:
            self._handle.close()
            raise

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        if not self._file:
            yield from self._opened
            return
        for index in range(self._opened.num_record_batches):
            yield self._opened.get_batch(index)

    def close(self) -> None:
        self._opened.close() if hasattr(self._opened, "close") else None
        self._handle.close()


class _Orc:
    """An ORC file, by stripes."""

    def __init__(self, file: File) -> None:
        self._handle = file.open()
        try:
            self._opened = paorc.ORCFile(self._handle)
        except BaseException:
            self._handle.close()
            raise
        self.schema = self._opened.schema
        self.count = self._opened.nrows

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        wanted = set(columns)
        present = [name for name in self.schema.names if name in wanted] or self.schema.names[:1]
        for index in range(self._opened.nstripes):
            yield self._opened.read_stripe(index, columns=present)

    def close(self) -> None:
        self._handle.close()
