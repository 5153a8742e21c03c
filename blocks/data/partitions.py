"""Hive partitions: columns that stand in folders' names, `year=2020/part-0.parquet`, beside those in the files."""

import datetime
import os
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as pafs

from blocks.data.files import File
from blocks.data.files_reader import FilesReader
from blocks.data.reader_protocol import Filterable, Reader

_NULL: Final = "__HIVE_DEFAULT_PARTITION__"
_INTEGER: Final = re.compile(r"-?(0|[1-9][0-9]{0,17})")

Values = dict[str, str | None]


def partition_of(path: str, root: str = "") -> Values:
    """The columns in a path's folders and their text; None for a null.

    Below the folder that is read every folder counts; above it those that follow each other up to it, so that a
    partition that is read alone has the columns that it has in the whole.

    Args:
        path: of the file.
        root: the folder that is read; that of the file if none is named.

    Example:
        >>> partition_of("/t/year=2020/month=__HIVE_DEFAULT_PARTITION__/a.parquet")
        {'year': '2020', 'month': None}
        >>> partition_of("/run=1/data/k=a%20b/part/a.csv", "/run=1/data")
        {'k': 'a b'}
    """
    folder = path.rpartition("/")[0]
    root = root.rstrip("/") if root else folder
    below = folder[len(root) :] if folder.startswith(root) else ""
    above = []
    for part in reversed(root.split("/")):
        if not _is_partition(part):
            break
        above.append(part)
    found = [part.partition("=") for part in [*reversed(above), *below.split("/")] if _is_partition(part)]
    return {unquote(name): None if value == _NULL else unquote(value) for name, _, value in found}


def partitions_of(files: Sequence[File]) -> list[Values]:
    """The columns in the folders of each file."""
    return [partition_of(_absolute(file, file.path), _absolute(file, file.root) if file.root else "") for file in files]


def _absolute(file: File, path: str) -> str:
    """A path with all its folders: a relative one has some above it."""
    return os.path.abspath(path) if file.local else path


def _is_partition(folder: str) -> bool:
    return folder.find("=") > 0


def partition_types(files: Sequence[File], partitions: Sequence[Values]) -> dict[str, pa.DataType]:
    """A type for each partition column: int64 or date32 where all values are, else string.

    Neighbours of the folders that are read count too, so that one partition has the types that it has in the whole.
    """
    values: dict[str, set[str]] = {}
    looked: set[str] = set()
    for file, partition in zip(files, partitions, strict=True):
        for name, value in partition.items():
            values.setdefault(name, set()).update([] if value is None else [value])
        folder = _absolute(file, file.path).rpartition("/")[0]
        while partition and "/" in folder:
            folder, _, last = folder.rpartition("/")
            if _is_partition(last) and folder not in looked:
                looked.add(folder)
                for name, value in _neighbours(file.filesystem, folder):
                    if name in partition:
                        values.setdefault(name, set()).add(value)
    return {name: _type(found) for name, found in values.items()}


def _neighbours(filesystem: pafs.FileSystem, folder: str) -> Iterator[tuple[str, str]]:
    try:
        infos = filesystem.get_file_info(pafs.FileSelector(folder or "/"))
    except OSError:  # a folder that may be passed through and not listed
        return
    for info in infos:
        name, _, value = info.base_name.partition("=")
        if info.type == pafs.FileType.Directory and name and value and value != _NULL:
            yield unquote(name), unquote(value)


def _type(values: set[str]) -> pa.DataType:
    if values and all(_INTEGER.fullmatch(value) and value != "-0" for value in values):
        return pa.int64()
    return pa.date32() if values and all(map(_date, values)) else pa.string()


def _date(value: str) -> datetime.date | None:
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
        return None
    try:
        return datetime.date.fromisoformat(value)
    except ValueError:
        return None


class PartitionedReader:
    """Files in folders that name the values of a column.

    A column that the files hold themselves is taken from there.

    Args:
        inner: reads the files.
        files: in its order.
        partitions: the columns of each.
    """

    ahead: bool = True

    def __init__(self, inner: FilesReader, files: Sequence[File], partitions: Sequence[Values]) -> None:
        self._inner = inner
        self._partitions = list(partitions)
        self._types = partition_types(files, partitions)

    @property
    def schema(self) -> pa.Schema:
        """The columns of the files, then those of the folders."""
        inner = self._inner.schema
        more = [pa.field(name, kind) for name, kind in self._types.items() if name not in inner.names]
        return pa.schema([*inner, *more], metadata=inner.metadata)

    @property
    def rejected(self) -> int:
        """Rows in the rejects file, if there is one."""
        return int(getattr(self._inner, "rejected", 0))

    def count(self) -> int | None:
        """Rows, if the files tell."""
        return self._inner.count()

    def filtered(self, expression: pc.Expression) -> Reader:
        """The reader without the parts of files in which no row can satisfy `expression`."""
        if not isinstance(self._inner, Filterable):
            return self
        found = object.__new__(PartitionedReader)
        found._inner = self._inner.filtered(expression)  # type: ignore[assignment]
        found._partitions, found._types = self._partitions, self._types
        return found

    def fingerprint(self) -> dict[str, Any]:
        """That of the files, and the columns of their folders."""
        return {**self._inner.fingerprint(), "partitions": self._partitions}

    def description(self) -> str:
        """The first path and the number of files."""
        return self._inner.description()

    def chunks(
        self, rows: int, columns: Sequence[str] | None = None, *, encoded: bool = False
    ) -> Iterator[pa.RecordBatch]:
        """Gives the rows, file by file; see `Reader`."""
        schema = self.schema
        inner = self._inner.schema.names
        target = schema if columns is None else pa.schema([schema.field(name) for name in columns])
        wanted = [name for name in target.names if name in inner] or inner[:1]
        for index, partition in enumerate(self._partitions):
            scalars = {
                field.name: pa.scalar(partition.get(field.name), pa.string()).cast(field.type)
                for field in target
                if field.name not in inner
            }
            for batch in self._inner.chunks(rows, wanted, encoded=encoded, only=index):
                arrays = [
                    pa.repeat(scalars[name], len(batch)) if name in scalars else batch.column(name)
                    for name in target.names
                ]
                yield pa.RecordBatch.from_arrays(arrays, names=target.names)
