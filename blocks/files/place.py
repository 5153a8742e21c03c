"""Where a store lies: a local folder, or one on a file system that TensorFlow reaches by a URL.

TensorFlow itself brings "gs://" and "ram://"; tensorflow-io (the extra `io`) adds "s3://", "az://", "hdfs://" and
others, and reading from "http://" and "https://". TFRecord is written there; stores of both formats are read.

tensorflow-io 0.37.1 ends a process that used "s3://" by SIGABRT at its exit, after everything is written (its issue
2039): look at the store then, not at the exit code.
"""

import errno
import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

from blocks.errors import InvalidArgument, StoreError

_URL = re.compile(r"([a-z][a-z0-9+.-]+):/", re.IGNORECASE)
_CODES = {
    "NotFoundError": errno.ENOENT,
    "AlreadyExistsError": errno.EEXIST,
    "ResourceExhaustedError": errno.ENOSPC,
    "PermissionDeniedError": errno.EACCES,
    "UnauthenticatedError": errno.EACCES,
    "UnimplementedError": errno.EROFS,
    "FailedPreconditionError": errno.ENOTDIR,
}
# What says nothing of the file itself
_PASSING = {
    getattr(errno, name)
    for name in ("EACCES", "EPERM", "EMFILE", "ENFILE", "ENOMEM", "EAGAIN", "EINTR", "ESTALE", "ETIMEDOUT", "EHOSTDOWN")
}


@contextmanager
def os_errors() -> Iterator[None]:
    """Turn TensorFlow's errors of file access into the `OSError` that they stand for."""
    try:
        yield
    except Exception as error:
        if (known := os_error(error)) is None:
            raise
        raise known from error


def os_error(error: BaseException) -> OSError | None:
    """The `OSError` that an error of TensorFlow stands for, None for any other error."""
    if type(error).__module__.partition(".")[0] != "tensorflow" or not hasattr(error, "message"):
        return None
    return OSError(_CODES.get(type(error).__name__, errno.EIO), error.message)


def _gfile(scheme: str) -> Any:
    """Find TensorFlow's functions on files, for a scheme that they know."""
    import tensorflow as tf

    if scheme not in tf.io.gfile.get_registered_schemes():
        with suppress(ImportError):
            import tensorflow_io  # noqa: F401 (adds its file systems)
        if scheme not in (known := tf.io.gfile.get_registered_schemes()):
            told = ", ".join(sorted(f"{name}://" for name in known if name))
            raise InvalidArgument(
                f"A store lies in a local folder, or where TensorFlow has a file system: {told}. "
                f"Received: {scheme}://. tensorflow-io has s3, az, hdfs, http and more: pip install 'ml-blocks[io]'."
            )
    return tf.io.gfile


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


class _File(io.RawIOBase):
    """A file being read, at any position."""

    def __init__(self, file: Any):
        self._file = file

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        with os_errors():
            self._file.seek(offset, whence=whence)
            return int(self._file.tell())

    def readinto(self, buffer: Any) -> int:
        with os_errors():
            data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def read_at(self, buffer: memoryview, offset: int) -> int:
        """Read at an offset; say how many bytes came."""
        self.seek(offset)
        return self.readinto(buffer)

    def close(self) -> None:
        self._file.close()
        super().close()


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
        self._url = f"{scheme.lower()}://{re.sub('/+', '/', rest).rstrip('/')}"
        self._files = _gfile(scheme.lower())

    def __str__(self) -> str:
        return self._url

    def __fspath__(self) -> str:
        return self._url

    def __truediv__(self, name: str) -> "Remote":
        return Remote(f"{self._url}/{name}")

    @property
    def name(self) -> str:
        """The last part."""
        return self._url.rpartition("/")[2]

    @property
    def parent(self) -> "Remote":
        """The folder that this is in."""
        return Remote(self._url.rpartition("/")[0])

    def with_name(self, name: str) -> "Remote":
        """Another name in the same folder."""
        return self.parent / name

    def exists(self) -> bool:
        """Whether there is such a file or folder."""
        with os_errors():
            return bool(self._files.exists(self._url))

    def is_dir(self) -> bool:
        """Whether it is a folder."""
        with os_errors():
            return bool(self._files.isdir(self._url))

    def stat(self) -> _Size:
        """Say the size of a file."""
        with os_errors():
            return _Size(int(self._files.stat(self._url).length))

    def iterdir(self) -> Iterator["Remote"]:
        """List a folder; where folders are but parts of names, one that holds nothing is none."""
        with os_errors():
            names = self._files.listdir(self._url) if self._files.isdir(self._url) else []
        return (self / name.rstrip("/") for name in names)

    def mkdir(self, parents: bool = True, exist_ok: bool = True) -> None:
        """Make a folder, with those above it, where there is none; both arguments are as they have to be."""
        with os_errors():
            self._files.makedirs(self._url)

    def unlink(self, missing_ok: bool = False) -> None:
        """Delete a file."""
        with os_errors():
            if not missing_ok or self._files.exists(self._url):
                self._files.remove(self._url)

    def remove_tree(self) -> None:
        """Delete a folder and what is in it, where there is one."""
        with os_errors():
            if self._files.isdir(self._url):
                self._files.rmtree(self._url)

    def replace(self, target: str | os.PathLike[str]) -> None:
        """Give a file another name, and its place to it."""
        with os_errors():
            self._files.rename(self._url, os.fspath(target), overwrite=True)

    def open(self, mode: str = "rb", buffering: int = 0) -> _File:
        """Open a file to read, which goes by requests of 512 KiB."""
        with os_errors():
            return _File(self._files.GFile(self._url, "rb"))

    def read_bytes(self) -> bytes:
        """Read a whole file."""
        with os_errors(), self._files.GFile(self._url, "rb") as file:
            return bytes(file.read())

    def write_bytes(self, data: bytes) -> int:
        """Write a whole file."""
        with os_errors(), self._files.GFile(self._url, "wb") as file:
            file.write(data)
        return len(data)

    def upload(self, local: Path) -> None:
        """Write a whole file, from a local one."""
        with os_errors():
            self._files.copy(str(local), self._url, overwrite=True)


Place = Path | Remote


def place(path: str | os.PathLike[str]) -> Place:
    """Say where a path or a URL leads.

    Raises:
        InvalidArgument: TensorFlow has no file system for the URL.

    Example:
        >>> place("ram://bucket/store"), place("here/store")
        (<blocks.files.place.Remote object at ...>, PosixPath('here/store'))
        >>> place("gopher://host/store")
        Traceback (most recent call last):
        blocks.errors.InvalidArgument: A store lies in a local folder, or where TensorFlow has a file system: ...
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
