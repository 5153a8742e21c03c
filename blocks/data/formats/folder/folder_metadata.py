"""metadata.csv and metadata.jsonl: a table with the columns of the files beside it, by `file_name`.

Source: Hugging Face's ImageFolder (huggingface.co/docs/datasets/image_dataset).
"""

import posixpath
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, cast

import numpy as np
import pyarrow as pa
import pyarrow.fs as pafs

from blocks.data.files import File
from blocks.data.formats.csv.reader import read_csv
from blocks.data.formats.json_lines import JsonLinesReader
from blocks.data.schema import conform
from blocks.errors import MalformedData

METADATA: Final = ("metadata.csv", "metadata.jsonl")
KEY: Final = "file_name"


class FolderMetadata:
    """The columns of files, by path.

    Args:
        found: What `METADATA` names, by path.

    Raises:
        MalformedData: One names no files, a file twice, or one that lies elsewhere.
    """

    def __init__(self, found: Mapping[str, File]) -> None:
        self.tables: list[tuple[str, pa.Table]] = []
        self._folders = {posixpath.dirname(path) for path in found}
        self._rows: dict[str, int] = {}
        if len(self._folders) < len(found):
            name = next(iter(found.values())).name
            raise MalformedData(f"A folder has one of {' and '.join(METADATA)}. Received: both, beside {name}.")
        for path, file in found.items():
            self._add(path, file)

    def _add(self, table_path: str, file: File) -> None:
        folder, types = posixpath.dirname(table_path), {KEY: "string"}
        csv = table_path.endswith(".csv")
        try:
            reader = read_csv([file], column_types=types) if csv else JsonLinesReader([file], types)
            table = pa.Table.from_batches(list(reader.chunks(65_536)), schema=reader.schema)
        except ValueError as error:
            raise MalformedData(
                f"{file.name} cannot be read as a table with the column {KEY!r}, of the files beside it: {error}"
            ) from error
        for name in table[KEY].to_pylist():
            path = posixpath.normpath(posixpath.join(folder, name or ".."))
            if not name or posixpath.isabs(name) or path.startswith("..") or not _is_below(path, folder):
                raise MalformedData(f"{file.name} names files below its folder. Received: {name!r}. Correct it.")
            if path in self._rows:
                raise MalformedData(f"{file.name} names each file once. Received: {name!r} again. Correct it.")
            self._rows[path] = len(self._rows)
        self.tables.append((file.name, table.drop_columns([KEY])))

    def covers(self, path: str) -> bool:
        """Whether there is a table beside a file or above it."""
        return any(_is_below(path, folder) for folder in self._folders)

    def row(self, path: str) -> int | None:
        """The row of a file, if it has one."""
        return self._rows.get(path)

    def paths(self) -> Iterable[str]:
        """All files that have a row."""
        return self._rows.keys()

    def conform(self, schema: pa.Schema) -> None:
        """Brings all tables into one schema."""
        batches = [conform(batch, schema) for _, table in self.tables for batch in table.to_batches()]
        self.tables = [("", pa.Table.from_batches(batches, schema).combine_chunks())]

    def columns(self, rows: Sequence[int | None]) -> dict[str, pa.Array]:
        """The values of rows, after `conform`; nulls where there is none."""
        none = np.array([row is None for row in rows])
        at = pa.array(np.array([row or 0 for row in rows], np.int64), mask=none)
        table = self.tables[0][1].take(at)
        return {name: table[name].combine_chunks() for name in table.schema.names}


def _is_below(path: str, folder: str) -> bool:
    return not folder or path.startswith(f"{folder}/")


def file_in_memory(content: bytes, name: str) -> File:
    """A file of an archive, for readers of files."""
    return File(cast("pafs.FileSystem", _Memory(content)), name, len(content), None)


class _Memory:
    """What readers ask of a file system, for one file."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def open_input_file(self, path: str) -> pa.NativeFile:
        return pa.BufferReader(self._content)

    def open_input_stream(self, path: str, compression: str | None = None, buffer_size: int | None = None) -> Any:
        reader = pa.BufferReader(self._content)
        return reader if compression is None else pa.CompressedInputStream(reader, compression)

    def get_file_info(self, path: str) -> pafs.FileInfo:
        return pafs.FileInfo(path, type=pafs.FileType.File, size=len(self._content))
