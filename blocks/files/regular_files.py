"""Reading files of others: what is no regular file is refused, and what is too large is not read into memory.

A device, a pipe or a link in the place of a file could have the reader wait for ever, or read what is none of its own.
"""

import errno
import os
import stat
from pathlib import Path

from blocks.errors import InvalidArgument
from blocks.files.place import Place, Remote


class NotRegular(OSError):
    """What is there is a link, a folder, a pipe or a device, or too large: no file that blocks wrote."""


def file_size(path: Place) -> int:
    """The size of a file, links not followed.

    Raises:
        NotRegular: It is something else.
        OSError: It is not there, or out of reach.
    """
    if isinstance(path, Remote):
        return path.stat().st_size
    found = os.lstat(path)
    _require(path, found)
    return found.st_size


def open_regular(path: Path) -> int:
    """Open a file for reading, as a descriptor, without ever waiting for it.

    Raises:
        NotRegular: It is something else.
        OSError: It is not there, or out of reach.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise _refusal(path, "a link") from None
        raise
    try:
        _require(path, os.fstat(handle))
    except BaseException:
        os.close(handle)
        raise
    return handle


def read_regular(path: Place, most: int) -> bytes:
    """All bytes of a file of at most `most`.

    Raises:
        NotRegular: It is something else, or larger.
        OSError: It is not there, or out of reach.
    """
    if isinstance(path, Remote):
        size = path.stat().st_size
    else:
        handle = open_regular(path)
        size = os.fstat(handle).st_size
    if size > most:
        if not isinstance(path, Remote):
            os.close(handle)
        raise _refusal(path, f"a file of {size:,} bytes, where {most:,} are the most")
    if isinstance(path, Remote):
        return path.read_bytes()
    with os.fdopen(handle, "rb") as file:
        return file.read(size + 1)


def _require(path: Path, found: os.stat_result) -> None:
    kinds = {stat.S_IFLNK: "a link", stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
    if not stat.S_ISREG(found.st_mode):
        raise _refusal(path, kinds.get(stat.S_IFMT(found.st_mode), "a device"))


def _refusal(path: Place, what: str) -> NotRegular:
    return NotRegular(errno.EINVAL, f"it must be a regular file, and is {what}", os.fspath(path))


def read_saved(path: str | os.PathLike[str], most: int, of: str) -> bytes:
    """What is in a file that a user names, and that a class of ours wrote; a link is as good as the file.

    Args:
        path: The file.
        most: Bytes that it may have.
        of: The class, whose `load` this is.

    Raises:
        InvalidArgument: There is no such file, or it may not be read.
    """
    try:
        return read_regular(Path(os.path.realpath(path)), most)
    except OSError as error:
        raise InvalidArgument(
            f"{of}.load reads a file that {of}.save wrote. Received: {os.fspath(path)!r} ({error.strerror})."
        ) from error
