"""The file systems behind URLs, each with the same few calls: pyarrow's, and TensorFlow's for what it alone reaches.

pyarrow has "s3://", "gs://", "abfs://" and "hdfs://", as `blocks.read` has, with credentials and options from the
environment or the URL: "s3://bucket/store?endpoint_override=localhost:9000&scheme=http". TensorFlow has "ram://", and
with tensorflow-io (the extra `io`) reads from "http://" and "https://".

Where files are objects ("s3://", "gs://", "abfs://"), one appears whole when it is closed and cannot grow; renaming it
copies and then deletes, so that for a moment both names are there, never neither. "hdfs://" does not rename onto a file
that is there: it is deleted first, and a process killed in between leaves the new file under its other name.
"""

import errno
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blocks.errors import InvalidArgument

if TYPE_CHECKING:
    import pyarrow.fs as pafs

ARROW_SCHEMES = ("s3", "gs", "gcs", "abfs", "abfss", "hdfs", "viewfs")

_CODES = {
    "NotFoundError": errno.ENOENT,
    "AlreadyExistsError": errno.EEXIST,
    "ResourceExhaustedError": errno.ENOSPC,
    "PermissionDeniedError": errno.EACCES,
    "UnauthenticatedError": errno.EACCES,
    "UnimplementedError": errno.EROFS,
    "FailedPreconditionError": errno.ENOTDIR,
}


@contextmanager
def os_errors() -> Iterator[None]:
    """Turn TensorFlow's and pyarrow's errors of file access into the `OSError` that they stand for."""
    try:
        yield
    except Exception as error:
        known = os_error(error)
        unnumbered = isinstance(error, OSError) and error.errno is None
        if unnumbered or type(error).__module__.partition(".")[0] == "pyarrow":
            known = OSError(errno.EIO, str(error))
        if known is None:
            raise
        raise known from error


def os_error(error: BaseException) -> OSError | None:
    """The `OSError` that an error of TensorFlow stands for, None for any other error."""
    if type(error).__module__.partition(".")[0] != "tensorflow" or not hasattr(error, "message"):
        return None
    return OSError(_CODES.get(type(error).__name__, errno.EIO), error.message)


class ArrowFiles:
    """pyarrow's file systems.

    Args:
        filesystem: of one place.
    """

    def __init__(self, filesystem: "pafs.FileSystem"):
        self._files = filesystem

    def kind(self, path: str) -> str:
        """Say whether there is a "File", a "Directory" or, in other words, nothing at a path."""
        return str(self._files.get_file_info(path).type.name)

    def size(self, path: str) -> int:
        """Count the bytes of a file."""
        found = self._files.get_file_info(path)
        if not found.is_file:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return int(found.size)

    def names(self, path: str) -> list[str]:
        """List a folder."""
        from pyarrow.fs import FileSelector

        return [found.base_name for found in self._files.get_file_info(FileSelector(path, allow_not_found=True))]

    def make_folder(self, path: str) -> None:
        """Make a folder, with those above it, where there is none."""
        self._files.create_dir(path, recursive=True)

    def delete(self, path: str) -> None:
        """Delete a file."""
        self._files.delete_file(path)

    def delete_folder(self, path: str) -> None:
        """Delete a folder and what is in it."""
        self._files.delete_dir(path)

    def rename(self, path: str, target: str) -> None:
        """Give a file another name, in place of what has it."""
        if self._files.type_name == "hdfs" and self.kind(target) == "File":
            self._files.delete_file(target)
        self._files.move(path, target)

    def open(self, path: str) -> Any:
        """Open a file to read at any position."""
        return self._files.open_input_file(path)

    def write(self, path: str, data: bytes | Path) -> None:
        """Write a whole file: bytes, or what a local file holds."""
        from pyarrow import BufferReader, OSFile

        source = OSFile(str(data)) if isinstance(data, Path) else BufferReader(data)
        with source, self._files.open_output_stream(path, compression=None) as file:
            file.upload(source)


class TensorFlowFiles:
    """TensorFlow's file systems, of a scheme that they know.

    Args:
        scheme: of URLs.
    """

    def __init__(self, scheme: str):
        import tensorflow as tf

        if scheme not in tf.io.gfile.get_registered_schemes():
            with suppress(ImportError):
                import tensorflow_io  # noqa: F401 (adds its file systems)
        if scheme not in (known := tf.io.gfile.get_registered_schemes()):
            names = ", ".join(f"{name}://" for name in sorted({*ARROW_SCHEMES, *filter(None, known)}))
            raise InvalidArgument(
                f"A store lies in a local folder, or where pyarrow or TensorFlow has a file system: {names}. "
                f"Received: {scheme}://. tensorflow-io adds http and more: pip install 'ml-blocks[io]'."
            )
        self._files: Any = tf.io.gfile

    def kind(self, path: str) -> str:
        """Say whether there is a "File", a "Directory" or, in other words, nothing at a path."""
        return "NotFound" if not self._files.exists(path) else "Directory" if self._files.isdir(path) else "File"

    def size(self, path: str) -> int:
        """Count the bytes of a file."""
        return int(self._files.stat(path).length)

    def names(self, path: str) -> list[str]:
        """List a folder; where folders are but parts of names, one that holds nothing is none."""
        return [name.rstrip("/") for name in self._files.listdir(path)] if self._files.isdir(path) else []

    def make_folder(self, path: str) -> None:
        """Make a folder, with those above it, where there is none."""
        self._files.makedirs(path)

    def delete(self, path: str) -> None:
        """Delete a file."""
        self._files.remove(path)

    def delete_folder(self, path: str) -> None:
        """Delete a folder and what is in it."""
        self._files.rmtree(path)

    def rename(self, path: str, target: str) -> None:
        """Give a file another name, in place of what has it."""
        self._files.rename(path, target, overwrite=True)

    def open(self, path: str) -> "_TensorFlowFile":
        """Open a file to read, which goes by requests of 512 KiB."""
        return _TensorFlowFile(self._files.GFile(path, "rb"))

    def write(self, path: str, data: bytes | Path) -> None:
        """Write a whole file: bytes, or what a local file holds."""
        if isinstance(data, Path):
            self._files.copy(str(data), path, overwrite=True)
            return
        with self._files.GFile(path, "wb") as file:
            file.write(data)


class _TensorFlowFile(io.RawIOBase):
    """A file being read, with the calls of pyarrow's."""

    def __init__(self, file: Any):
        self._file = file

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
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

    def read_at(self, size: int, offset: int) -> bytes:
        self.seek(offset)
        with os_errors():
            return bytes(self._file.read(size))

    def close(self) -> None:
        self._file.close()
        super().close()
