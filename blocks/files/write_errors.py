"""Refusals: what the operating system's errors of writing mean, and what to do about them."""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from blocks.errors import BlocksError, StoreError, WriteError
from blocks.files.place import Place
from blocks.files.remote_files import os_error

_FIXES = {
    errno.ENOSPC: "the disk is full; free space and repeat the same call",
    errno.EDQUOT: "the disk quota is used up; free space and repeat the same call",
    errno.EFBIG: "the file would pass the size limit; raise the limit",
    errno.EACCES: "the folder cannot be written; choose another path or change its permissions",
    errno.EPERM: "the folder cannot be written; choose another path or change its permissions",
    errno.EROFS: "the file system is read-only; choose another path",
    errno.ENOENT: "its folder does not exist; make it, or choose another path",
    errno.ENOTDIR: "what should be its folder is a file; choose another path",
    errno.EISDIR: "there is a folder of that name; choose another path",
    errno.EEXIST: "there is one of that name, which is never overwritten; choose another path",
    errno.ENOTEMPTY: "there is one of that name, which is never overwritten; choose another path",
    errno.ELOOP: "links there lead nowhere or to where they should not; choose another path",
    errno.ENAMETOOLONG: "the name is too long; choose another path",
    errno.EBUSY: "another process is writing it; wait for that, or choose another path",
    errno.EINVAL: "that is no place for a file; choose another path",
}
_STORE_FIXES = {
    errno.EFBIG: "the file would pass the size limit; use a smaller rows_per_shard or raise the limit",
    errno.ENOTDIR: "a store is a folder; choose another path",
    errno.EEXIST: "a store is a folder; choose another path",
    errno.ELOOP: "there is a link in the place of a file; delete it, or choose another path",
    errno.EINVAL: "there is no regular file in the place of one; delete it, or choose another path",
}
# h5py says the number of an error in its text
_ERRNO = re.compile(r"errno = (\d+)")
# of a size limit too
_SQLITE = re.compile(r"disk I/O error|database or disk is full")


@contextmanager
def explained(path: Place | str | os.PathLike[str], kind: type[WriteError | StoreError] = WriteError) -> Iterator[None]:
    """Turn the operating system's error of a write at `path` into one that keeps its errno and names the fix.

    Args:
        path: What is written.
        kind: What to raise; a `StoreError` is of a folder of many files, which the same call resumes.

    Raises:
        WriteError: or what `kind` says.

    Example:
        >>> with explained("no/such/folder/file"), open("no/such/folder/file", "w"):
        ...     pass
        Traceback (most recent call last):
        blocks.errors.WriteError: [Errno 2] writing 'no/such/folder/file' failed (No such file or directory): ...
    """
    try:
        yield
    except BlocksError:
        raise
    except Exception as error:
        known = as_os_error(error)
        if known is None:
            raise
        number = known.errno or errno.EIO
        of_store = kind is StoreError
        fix = (_STORE_FIXES if of_store else {}).get(number) or _FIXES.get(
            number, "repeat the same call once the cause is gone"
        )
        what, goes_on = ("the store ", ", it resumes") if of_store else ("", "")
        fix += goes_on if "the same call" in fix else ""
        # some libraries add a page of their own
        told = known.strerror or ""
        reason = str(known) if not known.errno else told if 0 < len(told) <= 80 else os.strerror(number)
        raise kind(number, f"writing {what}'{os.fspath(path)}' failed ({reason}): {fix}") from error


def as_os_error(error: BaseException) -> OSError | None:
    """The operating system's error that an error is, or that a library says in words of its own; None for any other."""
    if isinstance(error, OSError) and error.errno is not None:
        return error
    if isinstance(error, OSError | RuntimeError):
        # h5py tells of a write that failed at a file's end by a RuntimeError, and of its cause in the text alone
        if told := _ERRNO.search(str(error)):
            return OSError(int(told[1]), os.strerror(int(told[1])))
        context = error.__cause__ or error.__context__
        below = as_os_error(context) if context is not None else None
        return below or (error if isinstance(error, OSError) else None)
    if type(error).__module__.partition(".")[0] == "adbc_driver_manager" and (told := _SQLITE.search(str(error))):
        return OSError(errno.ENOSPC if "full" in told[0] else errno.EIO, told[0])
    return os_error(error)
