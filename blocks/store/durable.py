"""Files that survive a crash: written aside, synced, renamed; and what the operating system's refusals mean."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from blocks.errors import StoreError

TEMPORARY = ".tmp-"

_FIXES = {
    errno.ENOSPC: "the disk is full; free space and repeat the same call, it resumes",
    errno.EDQUOT: "the disk quota is used up; free space and repeat the same call, it resumes",
    errno.EFBIG: "the file would pass the size limit; use a smaller rows_per_shard or raise the limit",
    errno.EACCES: "the folder cannot be written; choose another path or change its permissions",
    errno.EPERM: "the folder cannot be written; choose another path or change its permissions",
    errno.EROFS: "the file system is read-only; choose another path",
    errno.ENOTDIR: "a store is a folder; choose another path",
    errno.EEXIST: "a store is a folder; choose another path",
}


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn an `OSError` of a write below `path` into a `StoreError` that keeps its errno and names the fix."""
    try:
        yield
    except StoreError:
        raise
    except OSError as error:
        fix = _FIXES.get(error.errno or 0, "repeat the same call once the cause is gone, it resumes")
        reason = error.strerror or str(error)
        raise StoreError(error.errno or errno.EIO, f"writing the store '{path}' failed ({reason}): {fix}") from error


def sync(path: Path) -> None:
    """Force a file or a folder's entries to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def temporary(path: Path) -> Path:
    """Name the file to write before `publish` gives it its name: the same folder, so that a rename suffices."""
    return path.with_name(TEMPORARY + path.name)


def publish(path: Path) -> None:
    """Sync `temporary(path)` and rename it to `path`, so that `path` exists whole or not at all."""
    sync(temporary(path))
    os.replace(temporary(path), path)
    sync(path.parent)


def write_text(path: Path, text: str) -> None:
    """Write `path` whole or not at all."""
    temporary(path).write_bytes(text.encode())
    publish(path)


def write_at(handle: int, data: memoryview, offset: int) -> None:
    """Write all of `data` at `offset`; the operating system may take it in parts."""
    while data:
        count = os.pwrite(handle, data, offset)
        data, offset = data[count:], offset + count
