"""Where a store lies: a local folder, or one behind a URL, on a file system of `blocks.files.remote_files`.

TFRecord is written behind URLs; stores of both formats are read.
"""

import errno
import os
import re
from collections.abc import Iterator
from copy import copy
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

from blocks.errors import InvalidArgument, StoreError
from blocks.files.remote_files import ARROW_SCHEMES, ArrowFiles, TensorFlowFiles, os_errors

_URL = re.compile(r"([a-z][a-z0-9+.-]+):/", re.IGNORECASE)
# What says nothing of the file itself
_PASSING = {
    getattr(errno, name)
    for name in ("EACCES", "EPERM", "EMFILE", "ENFILE", "ENOMEM", "EAGAIN", "EINTR", "ESTALE", "ETIMEDOUT", "EHOSTDOWN")
}


def is_damage(error: OSError, place: "Place") -> bool:
    """Whether a file that cannot be read is gone or broken, and not merely out of reach at the moment."""
    return error.errno in (None, errno.ENOENT) if isinstance(place, Remote) else error.errno not in _PASSING


def unreachable(place: "Place", error: OSError) -> StoreError:
    """Say that a file of a store may well be whole, but cannot be read."""
    return StoreError(
        error.errno or errno.EIO,
        f"'{place}' cannot be read now ({error.strerror or error}). Nothing is known to be damaged: see to the "
        "connection, the permissions or the limit of open files, and repeat the call.",
    )


class _Size(NamedTuple):
    st_size: int


class Remote:
    """A file or folder behind a URL: of `pathlib.Path` what a store needs, with the same errors.

    Args:
        url: "scheme://...".

    Example:
        >>> folder = Remote("ram://example")
        >>> (folder / "a").write_bytes(b"12")
        2
        >>> [(file.name, file.stat().st_size) for file in folder.iterdir()]
        [('a', 2)]
        >>> (folder / "b").read_bytes()
        Traceback (most recent call last):
        FileNotFoundError: ...
    """

    def __init__(self, url: str):
        scheme, _, rest = url.partition("://")
        scheme = scheme.lower()
        self._query = ""
        self._files: ArrowFiles | TensorFlowFiles
        if scheme in ARROW_SCHEMES:
            from pyarrow.fs import FileSystem

            rest, mark, query = rest.partition("?")
            self._query = mark + query
        self._url = f"{scheme}://{re.sub('/+', '/', rest).rstrip('/')}"
        if scheme in ARROW_SCHEMES:
            with os_errors():
                filesystem, self._path = FileSystem.from_uri(self._url + self._query)
            self._files = ArrowFiles(filesystem)
        else:
            self._files, self._path = TensorFlowFiles(scheme), self._url

    def _at(self, url: str, path: str) -> "Remote":
        other = copy(self)
        other._url, other._path = url, path
        return other

    def __str__(self) -> str:
        return re.sub("://[^/@]*@", "://", self._url) + self._query

    def __fspath__(self) -> str:
        return self._url + self._query

    def __truediv__(self, name: str) -> "Remote":
        return self._at(f"{self._url}/{name}", f"{self._path}/{name}")

    @property
    def name(self) -> str:
        """The last part."""
        return self._url.rpartition("/")[2]

    @property
    def parent(self) -> "Remote":
        """The folder that this is in."""
        return self._at(self._url.rpartition("/")[0], self._path.rpartition("/")[0])

    def with_name(self, name: str) -> "Remote":
        """Another name in the same folder."""
        return self.parent / name

    def exists(self) -> bool:
        """Whether there is such a file or folder."""
        with os_errors():
            return self._files.kind(self._path) != "NotFound"

    def is_dir(self) -> bool:
        """Whether it is a folder."""
        with os_errors():
            return self._files.kind(self._path) == "Directory"

    def stat(self) -> _Size:
        """Say the size of a file."""
        with os_errors():
            return _Size(self._files.size(self._path))

    def iterdir(self) -> Iterator["Remote"]:
        """List a folder; where folders are but parts of names, one that holds nothing is none."""
        with os_errors():
            names = self._files.names(self._path)
        return (self / name for name in names)

    def mkdir(self, parents: bool = True, exist_ok: bool = True) -> None:
        """Make a folder, with those above it, where there is none; both arguments are as they have to be."""
        with os_errors():
            self._files.make_folder(self._path)

    def unlink(self, missing_ok: bool = False) -> None:
        """Delete a file."""
        if not missing_ok or self.exists():
            with os_errors():
                self._files.delete(self._path)

    def remove_tree(self) -> None:
        """Delete a folder and what is in it, where there is one."""
        if self.is_dir():
            with os_errors():
                self._files.delete_folder(self._path)

    def replace(self, target: Any) -> None:
        """Give a file another name, and its place to it."""
        with os_errors():
            self._files.rename(self._path, target._path)

    def open(self, mode: str = "rb", buffering: int = 0) -> Any:
        """Open a file to read: at any position, by `read_at(size, offset)` too."""
        with os_errors():
            return self._files.open(self._path)

    def read_bytes(self) -> bytes:
        """Read a whole file."""
        with os_errors(), self._files.open(self._path) as file:
            return bytes(file.read())

    def write_bytes(self, data: bytes) -> int:
        """Write a whole file."""
        with os_errors():
            self._files.write(self._path, data)
        return len(data)

    def upload(self, local: Path) -> None:
        """Write a whole file, from a local one."""
        with os_errors():
            self._files.write(self._path, local)


Place = Path | Remote


def place(path: str | os.PathLike[str]) -> Place:
    """Say where a path or a URL leads.

    Raises:
        InvalidArgument: there is no file system for the URL.

    Example:
        >>> place("ram://bucket/store"), place("here/store")
        (<blocks.files.place.Remote object at ...>, PosixPath('here/store'))
        >>> place("gopher://host/store")
        Traceback (most recent call last):
        blocks.errors.InvalidArgument: A store lies in a local folder, or where pyarrow or TensorFlow has a ...
    """
    if isinstance(path, Remote):
        return path
    if not isinstance(path, str | os.PathLike):
        raise InvalidArgument(f"A store lies at a path, a str or pathlib.Path, or at a URL. Received: {path!r}.")
    text = os.fspath(path)
    scheme = _URL.match(text)
    if not scheme:
        return Path(path)
    _, mark, rest = text.partition("://")
    local = scheme[1].lower() == "file"
    if not mark or not rest.strip("/") or (local and not rest.removeprefix("localhost").startswith("/")):
        raise InvalidArgument(
            "A URL is scheme://place/folder, and of a local file file:///folder, given as a string. "
            f"Received: {text!r}."
        )
    return Path(unquote(rest.removeprefix("localhost"))) if local else Remote(text)
