"""Files: from what a user names (path, glob, directory, list, URI) to files, their format, and their bytes.

Which formats there are stands in `formats`, how one is read in its reader.
"""

import contextlib
import datetime
import glob
import lzma
import operator
import os
import re
import stat
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.fs as pafs

from blocks.data.formats import EXTENSIONS, FORMATS
from blocks.errors import InvalidArgument, MalformedData, SchemaMismatch
from blocks.files.url_passwords import without_secrets

_COMPRESSED: Final = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd", ".lz4": "lz4", ".xz": "xz"}
_COMPRESSION_MAGIC: Final = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bz2",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\x04\x22\x4d\x18": "lz4",
    b"\xfd7zXZ\x00": "xz",
}
_FOREIGN_MAGIC: Final = {
    b"PK\x03\x04": "a ZIP archive (or an Excel or ODS file)",
    b"SQLite format 3": "an SQLite database",
    b"\xd0\xcf\x11\xe0": "an old Excel file",
    b"%PDF": "a PDF file",
}
_HIDDEN: Final = re.compile("/[._]")
_HIDDEN_BY: Final = (".", "_")


class File(NamedTuple):
    """One file: where it is, what it is called in messages, and what changes when its content does."""

    filesystem: pafs.FileSystem
    path: str
    size: int
    mtime_ns: int | None
    root: str = ""
    """The folder that was named to find the file; "" where the file itself was."""

    @property
    def name(self) -> str:
        """The path, as messages name it."""
        return self.path

    @property
    def local(self) -> bool:
        """Whether the file lies on this machine, where it can be mapped into memory."""
        return isinstance(self.filesystem, pafs.LocalFileSystem)

    def open(self) -> pa.NativeFile:
        """The file for reads at any position."""
        with naming(self):
            return self.filesystem.open_input_file(self.path)

    def stream(self) -> Any:
        """The bytes in order, decompressed if the first ones say so, whatever the extension says."""
        with naming(self):
            with self.filesystem.open_input_stream(self.path, compression=None) as peek:
                first = peek.read(8)
            kind = next((kind for magic, kind in _COMPRESSION_MAGIC.items() if first.startswith(magic)), None)
            if kind == "xz":
                return lzma.open(self.filesystem.open_input_file(self.path))
            return self.filesystem.open_input_stream(self.path, compression=kind, buffer_size=1 << 18)

    def magic(self) -> bytes:
        """The first 16 bytes, decompressed."""
        with naming(self), self.stream() as stream:
            return bytes(stream.read(16))

    def fingerprint(self) -> dict[str, Any]:
        """Base name, size in bytes and time of change in nanoseconds."""
        return {"name": os.path.basename(self.path), "size": self.size, "mtime_ns": self.mtime_ns}


@contextlib.contextmanager
def naming(file: File, fix: str = "Write it again, or leave it out.") -> Iterator[None]:
    """Turns what Arrow, codecs and decompressors raise over a file's bytes into MalformedData that names it."""
    try:
        yield
    except FileNotFoundError:
        raise InvalidArgument(f"There is no file {file.name} any more. Check the path.") from None
    except SchemaMismatch as error:
        if file.name in str(error):
            raise
        raise SchemaMismatch(f"{file.name}: {error}") from None
    except PermissionError:
        raise InvalidArgument(f"{file.name} may not be read: permission denied. Change its mode.") from None
    except (pa.ArrowException, OSError, EOFError, lzma.LZMAError, UnicodeError) as error:
        text = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise MalformedData(f"{file.name} cannot be read: {text[:300]}. {fix}") from error


def resolve(
    data: str | os.PathLike[str] | Sequence[str | os.PathLike[str]], extra: Sequence[str] = (), *, every: bool = False
) -> list[File]:
    """The files that a path, URI, glob, directory, or a list of these, stands for.

    A directory stands for the files of known extensions in it and below, hidden ones and those that start with an
    underscore apart; a glob and a directory give them by name.

    Args:
        data: what the user named.
        extra: paths inside that are not to be read, such as a rejects file that is written there.
        every: files of every extension count, and a glob stands for the folders that match too.

    Raises:
        InvalidArgument: if there is no such file, or none of a known extension.
    """
    items: Sequence[Any] = data if isinstance(data, (list, tuple)) else [data]
    if not items:
        raise InvalidArgument("read takes at least one path. Received: an empty list.")
    files: list[File] = []
    for item in items:
        if not isinstance(item, (str, os.PathLike)):
            raise InvalidArgument(f"A list given to read holds paths. Received in it: {type(item).__name__}.")
        files += _resolved(os.fspath(item), every)
    left_out = {os.path.abspath(path) for path in extra}
    if not left_out:
        return files
    return [file for file in files if not (file.local and os.path.abspath(file.path) in left_out)]


def _resolved(path: str, every: bool) -> list[File]:
    if re.match(r"^[a-z][a-z0-9+.-]+://", path):
        try:
            filesystem, inner = pafs.FileSystem.from_uri(path)
        except (pa.ArrowException, OSError, ValueError) as error:
            said = without_secrets(f"{path!r} is no URI that Arrow can open: {error}.")
            raise InvalidArgument(said) from None
    else:
        filesystem, inner = pafs.LocalFileSystem(), os.path.expanduser(path)
    info = _info(filesystem, inner, path)
    if info.type == pafs.FileType.File:
        return [_file(filesystem, info)]
    if info.type == pafs.FileType.Directory:
        return _below(filesystem, inner, every)
    if info.type == pafs.FileType.Unknown:
        raise _no_file(path, inner)
    if isinstance(filesystem, pafs.LocalFileSystem) and glob.has_magic(inner):
        found = [_info(filesystem, match, path) for match in sorted(glob.glob(inner, recursive=True))]
        for info in found:
            if info.type == pafs.FileType.Unknown:
                raise _no_file(info.path, info.path)
        root = re.split(r"[*?[]", inner, maxsplit=1)[0].rpartition("/")[0]
        root = root or (every and ("/" if inner.startswith("/") else os.curdir)) or ""
        files = [_file(filesystem, info, root) for info in found if info.type == pafs.FileType.File]
        if not files or every:  # folders, such as partitions
            files += [
                file._replace(root=root)
                for info in found
                if info.type == pafs.FileType.Directory
                for file in _below(filesystem, info.path, every)
            ]
        if every:  # a file that matches may lie in a folder that does
            files = list({os.path.normpath(file.path): file for file in sorted(files, key=_path)}.values())
        if not files:
            raise InvalidArgument(f"No file matches {path!r}. Check the pattern.")
        return files
    raise InvalidArgument(f"There is no file or directory {path!r}. Check the path (here: {os.getcwd()}).")


def _path(file: File) -> str:
    return file.path


def _info(filesystem: pafs.FileSystem, path: str, shown: str) -> pafs.FileInfo:
    try:
        return filesystem.get_file_info(path)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise InvalidArgument(f"{shown!r} cannot be looked up: {error}.") from None


_SPECIAL: Final = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFCHR: "a character device",
    stat.S_IFBLK: "a block device",
    stat.S_IFSOCK: "a socket",
}


def _no_file(shown: str, path: str) -> InvalidArgument:
    """The error for what has a name among files but cannot be read again and again: pipes, /dev/stdin, devices."""
    try:
        what = _SPECIAL.get(stat.S_IFMT(os.stat(path).st_mode), "no regular file")
    except OSError:
        what = "no regular file"
    return InvalidArgument(
        f"{shown!r} is {what}. A source is read several times, so it is a regular file, or a table in memory. Write "
        "what comes out of it into a file first (cat PIPE > rows.csv), or give "
        "blocks.read(pyarrow.csv.read_csv(sys.stdin.buffer))."
    )


def _file(filesystem: pafs.FileSystem, info: pafs.FileInfo, root: str = "") -> File:
    return File(filesystem, info.path, info.size or 0, info.mtime_ns, root)


def _below(filesystem: pafs.FileSystem, folder: str, every: bool) -> list[File]:
    infos = filesystem.get_file_info(pafs.FileSelector(folder, recursive=True))
    start = len(folder.rstrip("/"))
    files = []
    try:
        named = sorted([(info.path, info) for info in infos], key=operator.itemgetter(0))
    except UnicodeDecodeError as error:
        raise InvalidArgument(
            f"The directory {folder!r} holds a name that is no UTF-8: {error.object[-200:]!r}. Rename it."
        ) from None
    hidden: dict[str, bool] = {}
    for path, info in named:
        inside, _, name = path.rpartition("/")
        out = hidden.get(inside)
        if out is None:
            out = hidden[inside] = _HIDDEN.search(inside, start) is not None
        if out or name[:1] in _HIDDEN_BY:
            continue
        if not every and extensions(path)[0] not in EXTENSIONS:
            continue
        size = info.size
        if size is not None or info.type == pafs.FileType.File:
            files.append(File(filesystem, path, size or 0, info.mtime_ns, folder))
        elif info.type == pafs.FileType.Unknown:
            raise _no_file(path, path)
    if not files and every:
        raise InvalidArgument(f"The directory {folder!r} holds no file that is not hidden.")
    if not files:
        raise InvalidArgument(
            f"The directory {folder!r} holds no file of a known extension: {', '.join(EXTENSIONS)}. Where each file is "
            'a row, say of what: format="images" or "texts".'
        )
    return files


def extensions(path: str) -> tuple[str, str]:
    """The extension that tells the format and the one that tells the compression, each "" if there is none.

    Example:
        >>> extensions("a/people.CSV.gz")
        ('.csv', '.gz')
    """
    stem, last = os.path.splitext(path.lower())
    if last in _COMPRESSED:
        return os.path.splitext(stem)[1], last
    return last, ""


def format_of(file: File) -> str:
    """The format of a file: by its extension, checked against its first bytes; by those alone without one.

    Raises:
        MalformedData: if the first bytes are those of something else.
        InvalidArgument: if neither tells.
    """
    extension = extensions(file.path)[0]
    first = file.magic()
    foreign = next((what for magic, what in _FOREIGN_MAGIC.items() if first.startswith(magic)), None)
    own = FORMATS[EXTENSIONS[extension]].magic if extension in EXTENSIONS else b""
    archive = extension == ".npz" and first.startswith(b"PK")
    if foreign and not archive and not (own and first.startswith(own)):
        if "SQLite" in foreign:
            raise MalformedData(
                f"{file.name} is {foreign}. Read a table of it: read('sqlite:///{file.path}', table=...)."
            )
        fix = "Unpack it, or export it as CSV."
        if "ZIP" in foreign:
            fix += ' Where its members are rows, say of what: format="images" or "texts".'
        raise MalformedData(f"{file.name} is {foreign}, which blocks does not read. {fix}")
    actual = next((name for name, known in FORMATS.items() if known.magic and first.startswith(known.magic)), None)
    if actual == "orc" and EXTENSIONS.get(extension, "orc") != "orc":
        actual = None  # three letters may well begin a text file
    if actual is None and extension not in EXTENSIONS:
        raise InvalidArgument(
            f"The extension of {file.name} does not tell its format; known are {', '.join(EXTENSIONS)}. "
            'Say it: read(path, format="csv").'
        )
    return actual or EXTENSIONS[extension]


@contextlib.contextmanager
def unchanged(file: File) -> Iterator[None]:
    """Refuses a file that was written to between the first look at it and the end of this reading of it.

    What was learned of it may then be wrong, and its first rows may be of another time than its last.
    """
    _require_unchanged(file)
    try:
        yield
    except MalformedData:
        _require_unchanged(file)
        raise
    _require_unchanged(file)


def _require_unchanged(file: File) -> None:
    with naming(file):
        now = file.filesystem.get_file_info(file.path)
    if now.type == pafs.FileType.NotFound:
        raise InvalidArgument(f"There is no file {file.name} any more. Check the path.")
    if (now.size, now.mtime_ns) != (file.size, file.mtime_ns):
        when = datetime.datetime.fromtimestamp((now.mtime_ns or 0) / 1e9).isoformat(" ", "seconds")
        raise MalformedData(f"{file.name} has changed since it was opened (at {when}). Call blocks.read again.")
