"""Folders and archives of files as one table: path, content, label, split, and the columns of metadata."""

import hashlib
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

from blocks.arguments import check_whole_number
from blocks.data.files import File
from blocks.data.formats.csv.options import checked_rejects
from blocks.data.formats.csv.rejects import RejectsTable, rejects_of
from blocks.data.formats.folder.folder_layout import Layout, folder_around, places_of
from blocks.data.formats.folder.folder_metadata import METADATA, FolderMetadata, file_in_memory
from blocks.data.formats.folder.members import Member, Place, Unreadable
from blocks.data.schema import unify
from blocks.errors import EmptySource, MalformedData, SchemaMismatch

_BATCH_BYTES: Final = 64 << 20
_MOST_MEMBER: Final = 512 << 20  # times three in UTF-8, after a batch of others: less than the 2 GB of an array
_REJECTS_AT_ONCE: Final = 1_000


@dataclass
class _Found:
    """What a look at all names, and with rejects at all contents, has found.

    Args:
        schema: The columns.
        layout: What folders mean.
        around: For each place the folder that its archive was made of.
        metadata: For each place its tables, if it has some.
        members: How many there are.
        bad: The numbers, in order, of those that are no rows.
        rejected: Rows in the rejects file.
    """

    schema: pa.Schema
    layout: Layout
    around: list[str]
    metadata: list[FolderMetadata | None]
    members: int
    bad: frozenset[int] = frozenset()
    rejected: int = 0


class FolderReader(ABC):
    """A `Reader` of files each of which is a row; a subclass says what makes a value of a file's bytes.

    Rows come by their path's order, those of a tar in the tar's own, which costs no search and is the same each time.
    A class is the folder below the one that is read, or below train, valid, validation or test where these are all
    folders at the top: then the column `split` says which. Without class folders there is no column `label`, and a file
    beside them has none. Where there is metadata, its columns take the place of the folders' names. The first use looks
    at all names, which stay in memory until it is done; with rejects at all contents too.

    Args:
        files: As `resolve` finds them, of every extension.
        format: Its name.
        content: The column of the values.
        on_bad_rows: "keep" to set aside what is unreadable.
        rejects: Where to, .parquet or .csv.
        max_member_bytes: A file that holds more is unreadable.

    Raises:
        InvalidArgument: An option has a wrong value.
    """

    ahead: bool = True

    def __init__(
        self,
        files: Sequence[File],
        format: str,
        content: pa.Field,
        *,
        on_bad_rows: str = "error",
        rejects: Any = None,
        max_member_bytes: int = 256 << 20,
    ) -> None:
        self._files, self._format, self._content = list(files), format, content
        self._rejects = checked_rejects(on_bad_rows, rejects)
        self._most = check_whole_number("max_member_bytes", max_member_bytes, least=1, most=_MOST_MEMBER)
        self._places = places_of(self._files)
        self._lock = threading.Lock()
        self._found: _Found | None = None

    @abstractmethod
    def _value(self, data: bytes) -> bytes:
        """Makes a value of a file's bytes, a text in UTF-8; or raises `Unreadable`."""

    @property
    def schema(self) -> pa.Schema:
        """The columns; the first access looks at all names."""
        return self._looked().schema

    @property
    def rejected(self) -> int:
        """Rows in the rejects file."""
        return self._looked().rejected

    def count(self) -> int | None:
        """Files that are rows."""
        found = self._looked()
        return found.members - len(found.bad)

    def fingerprint(self) -> dict[str, Any]:
        """Names, sizes and times of change of files or archives, digested, and what decides which are rows."""
        digest = hashlib.sha256()
        for place in self._places:
            for file in place.files:
                name = file.path.rpartition("/")[2] if place.archive else file.path.removeprefix(file.root)
                digest.update(f"{name}\0{file.size}\0{file.mtime_ns}\0".encode(errors="surrogateescape"))
        options = {"max_member_bytes": self._most, "keep": self._rejects is not None}
        return {"format": self._format, "files": len(self._files), "digest": digest.hexdigest(), "options": options}

    def description(self) -> str:
        """The folder, or the first path, and how many more."""
        if self._files[0].root and not self._places[0].archive:
            return repr(self._files[0].root)
        more = f" and {len(self._files) - 1} more" if len(self._files) > 1 else ""
        return f"{self._files[0].name!r}{more}"

    def chunks(
        self, rows: int, columns: Sequence[str] | None = None, *, encoded: bool = False
    ) -> Iterator[pa.RecordBatch]:
        """Gives the rows in order; contents are read if they are wanted. See `Reader`."""
        found = self._looked()
        names = found.schema.names if columns is None else list(columns)
        target = pa.schema([found.schema.field(name) for name in names])
        made = _Rows(target, self._content.name)
        folders: dict[str, tuple[str | None, str | None]] = {}
        for _, metadata, member, path in self._rows(found):
            value = self._read(member, metadata, path, made.with_content)
            folder = path.rpartition("/")[0]
            if folder not in folders:
                folders[folder] = found.layout.read(path)
            made.add(path, value, folders[folder], metadata)
            if len(made) >= rows or made.bytes >= _BATCH_BYTES:
                yield made.batch()
        if len(made):
            yield made.batch()

    def _rows(self, found: _Found) -> Iterator[tuple[int, FolderMetadata | None, Member, str]]:
        """Gives each member that is a row: its number, the metadata of its place, itself, and its path."""
        number = -1
        for place, around, metadata in zip(self._places, found.around, found.metadata, strict=True):
            for member in place.members():
                path = member.path.removeprefix(around)
                if _is_metadata(path):
                    continue
                number += 1
                if number not in found.bad:
                    yield number, metadata, member, path
        if number + 1 != found.members:
            raise MalformedData(f"{self.description()} has changed since it was opened. Call blocks.read again.")

    def _read(self, member: Member, metadata: FolderMetadata | None, path: str, content: bool) -> bytes | None:
        """The value of a member; None where it is not wanted.

        Raises:
            MalformedData: It is unreadable.
        """
        try:
            if metadata is None and member.size <= self._most:
                return self._value(member.read()) if content else None
            return self._tried(member, metadata, path, content)
        except Unreadable as error:
            raise MalformedData(
                f"{_shown(member.file, member.path)} {error}. Mend it, leave it out, or set it aside: "
                'on_bad_rows="keep", rejects=PATH.'
            ) from None

    def _tried(self, member: Member, metadata: FolderMetadata | None, path: str, content: bool = True) -> bytes | None:
        if metadata is not None and metadata.covers(path) and metadata.row(path) is None:
            raise Unreadable("has no row in the metadata")
        if member.size > self._most:
            raise Unreadable(f"holds {member.size:,} bytes, more than max_member_bytes={self._most:,}")
        return self._value(member.read()) if content else None

    def _looked(self) -> _Found:
        with self._lock:
            if self._found is None:
                found, missing = self._look()
                if self._rejects is not None:
                    self._set_aside(found, missing)
                elif missing:
                    where, path = missing[0]
                    raise MalformedData(
                        f"{_shown(where, path)} is named by the metadata and is not there. Correct the metadata, or "
                        'set such rows aside: on_bad_rows="keep", rejects=PATH.'
                    )
                self._found = found
        return self._found

    def _look(self) -> tuple[_Found, list[tuple[File, str]]]:
        around, tables, paths = [], [], []
        missing: list[tuple[File, str]] = []
        for place in self._places:
            here, metadata = self._names(place)
            prefix = folder_around([*here, *metadata]) if place.archive else ""
            here = [path.removeprefix(prefix) for path in here]
            table = (
                FolderMetadata({path.removeprefix(prefix): file for path, file in metadata.items()})
                if metadata
                else None
            )
            if table is not None:
                there = set(here)
                missing += [(place.files[0], path) for path in table.paths() if path not in there]
            around.append(prefix)
            tables.append(table)
            paths += here
        if not paths:
            raise EmptySource(f"{self.description()} holds no file that is not hidden. Check the path.")
        layout = Layout.of(paths, self.description())
        fields = [pa.field("path", pa.string()), self._content]
        with_tables = [table for table in tables if table is not None]
        if layout.label and not with_tables:
            fields.append(pa.field("label", pa.string()))
        if layout.split:
            fields.append(pa.field("split", pa.string()))
        if with_tables:
            schemas = [(name, table.schema) for one in with_tables for name, table in one.tables]
            more = unify(schemas)
            taken = {field.name for field in fields} & set(more.names)
            if taken:
                raise SchemaMismatch(
                    f"The columns of metadata stand beside {', '.join(field.name for field in fields)}. Received: "
                    f"{min(taken)!r} in {schemas[0][0]}. Rename it."
                )
            fields += list(more)
            for one in with_tables:
                one.conform(more)
        return _Found(pa.schema(fields), layout, around, tables, len(paths)), missing

    def _names(self, place: Place) -> tuple[list[str], dict[str, File]]:
        """The paths of members, and the files that are metadata."""
        paths, metadata = [], {}
        for member in place.members():
            if not _is_metadata(member.path):
                paths.append(member.path)
            elif not place.archive:
                metadata[member.path] = member.file
            elif member.size > self._most:
                raise MalformedData(
                    f"{_shown(member.file, member.path)} holds {member.size:,} bytes, more than "
                    f"max_member_bytes={self._most:,}. Raise it."
                )
            else:
                try:
                    content = member.read()
                except Unreadable as error:
                    raise MalformedData(f"{_shown(member.file, member.path)} {error}. Write it again.") from error
                metadata[member.path] = file_in_memory(content, _shown(member.file, member.path))
        return paths, metadata

    def _set_aside(self, found: _Found, missing: Sequence[tuple[File, str]]) -> None:
        """Reads everything once; what is unreadable goes into the rejects file."""
        assert self._rejects is not None
        table = RejectsTable(self._rejects)
        reasons = [(file.name, path, "is not there, and is named by the metadata") for file, path in missing]
        bad = []
        try:
            for number, metadata, member, path in self._rows(found):
                try:
                    self._tried(member, metadata, path)
                except Unreadable as error:
                    bad.append(number)
                    reasons.append((member.file.name, member.path, str(error)))
                if len(reasons) >= _REJECTS_AT_ONCE:
                    table.add(_rejects(reasons))
                    reasons = []
            table.add(_rejects(reasons))
        except BaseException:
            table.abandon()
            raise
        table.finish()
        found.bad, found.rejected = frozenset(bad), len(bad) + len(missing)


_NO_METADATA: Final = (None, None)


class _Rows:
    """Rows on their way into a batch.

    Args:
        schema: Of the batch.
        content: The column of the values.
    """

    def __init__(self, schema: pa.Schema, content: str) -> None:
        self._schema, self._content = schema, content
        self.with_content = content in schema.names
        self._clear()

    def _clear(self) -> None:
        self.bytes = 0
        self._paths: list[str] = []
        self._values: list[bytes] = []
        self._folders: list[tuple[str | None, str | None]] = []
        self._at: list[tuple[FolderMetadata | None, int | None]] = []

    def __len__(self) -> int:
        return len(self._paths)

    def add(
        self,
        path: str,
        value: bytes | None,
        folders: tuple[str | None, str | None],
        metadata: FolderMetadata | None,
    ) -> None:
        self._paths.append(path)
        if value is not None:
            self._values.append(value)
            self.bytes += len(value)
        self._folders.append(folders)
        self._at.append(_NO_METADATA if metadata is None else (metadata, metadata.row(path)))

    def batch(self) -> pa.RecordBatch:
        more = self._of_metadata()
        if self.with_content:
            more[self._content] = _joined(self._values, self._schema.field(self._content).type)
        splits, labels = zip(*self._folders, strict=True)
        known = {"path": self._paths, "split": splits, "label": labels}
        arrays = [
            more[field.name] if field.name in more else pa.array(known[field.name], field.type)
            for field in self._schema
        ]
        self._clear()
        return pa.RecordBatch.from_arrays(arrays, schema=self._schema)

    def _of_metadata(self) -> dict[str, pa.Array]:
        if all(at is _NO_METADATA for at in self._at):
            names = set(self._schema.names) - {"path", self._content, "label", "split"}
            return {name: pa.nulls(len(self._at), self._schema.field(name).type) for name in names}
        parts = []
        start = 0
        for end in range(1, len(self._at) + 1):
            if end == len(self._at) or self._at[end][0] is not self._at[start][0]:
                parts.append((self._at[start][0], [row for _, row in self._at[start:end]]))
                start = end
        made = [(metadata.columns(rows) if metadata else {}, len(rows)) for metadata, rows in parts]
        names = {name for columns, _ in made for name in columns} & set(self._schema.names)
        return {
            name: pa.concat_arrays(
                [columns.get(name, pa.nulls(size, self._schema.field(name).type)) for columns, size in made]
            )
            for name in names
        }


def _joined(values: list[bytes], kind: pa.DataType) -> pa.Array:
    """The values as an array: one copy into memory that Arrow keeps for the next one."""
    ends = np.cumsum([0, *map(len, values)], dtype=np.int64)
    data = pa.allocate_buffer(int(ends[-1]))
    place, start = memoryview(data).cast("B"), 0
    for value in values:
        place[start : start + len(value)] = value
        start += len(value)
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(ends.astype(np.int32)), data])


def _is_metadata(path: str) -> bool:
    return path.endswith(METADATA) and path.rpartition("/")[2] in METADATA


def _shown(file: File, path: str) -> str:
    """A member as messages name it."""
    return file.name if file.path.endswith(path) else f"{path!r} of {file.name}"


def _rejects(reasons: Sequence[tuple[str, str, str]]) -> pa.Table:
    files, paths, why = zip(*reasons, strict=True) if reasons else ((), (), ())
    return rejects_of(file=files, text=paths, reason=why)
