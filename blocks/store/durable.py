"""Files that survive a crash: written aside, synced, renamed; and what the operating system's refusals mean."""

import errno
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from blocks.errors import StoreError
from blocks.store.place import Place, Remote

TEMPORARY = ".tmp-"
_OWN = f"blocks-{socket.gethostname()}-"

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
def explained(path: Place) -> Iterator[None]:
    """Turn an `OSError` of a write below `path` into a `StoreError` that keeps its errno and names the fix."""
    try:
        yield
    except StoreError:
        raise
    except OSError as error:
        fix = _FIXES.get(error.errno or 0, "repeat the same call once the cause is gone, it resumes")
        reason = error.strerror or str(error)
        raise StoreError(error.errno or errno.EIO, f"writing the store '{path}' failed ({reason}): {fix}") from error


def sync(path: Place) -> None:
    """Force a file or a folder's entries to the disk; what is behind a URL is there once it was closed."""
    if isinstance(path, Remote):
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def aside(path: Place) -> Iterator[Path]:
    """Give a local file to write before `publish` gives it its name: in the same folder, so that a rename suffices."""
    if isinstance(path, Remote):
        with tempfile.TemporaryDirectory(prefix=f"{_OWN}{os.getpid()}-") as folder:
            yield Path(folder, path.name)
        return
    file = path.with_name(TEMPORARY + path.name)
    try:
        yield file
    finally:
        file.unlink(missing_ok=True)


def sweep_asides() -> None:
    """Remove what killed processes of this host, that wrote behind a URL, left in the folder of temporary files."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_OWN}*-*"):
        pid = folder.name.removeprefix(_OWN).partition("-")[0]
        with suppress(OSError, ValueError):
            try:
                os.kill(int(pid), 0)
            except ProcessLookupError:
                shutil.rmtree(folder)


def publish(file: Path, path: Place) -> None:
    """Have `path` whole or not at all: sync the file and rename it, or send it."""
    if isinstance(path, Remote):
        path.upload(file)
        return
    sync(file)
    file.replace(path)
    sync(path.parent)


def write_text(path: Place, text: str) -> None:
    """Write `path` whole or not at all."""
    write_bytes(path, text.encode())


def write_bytes(path: Place, data: bytes) -> None:
    """Write `path` whole or not at all."""
    if isinstance(path, Remote):
        file = path.with_name(TEMPORARY + path.name)
        file.write_bytes(data)
        file.replace(path)
        return
    with aside(path) as local:
        local.write_bytes(data)
        publish(local, path)


def append(path: Place, data: bytes, offset: int) -> None:
    """Cut `path` at `offset` and add to it. Behind a URL that means to write it again: files there cannot grow."""
    if isinstance(path, Remote):
        write_bytes(path, path.read_bytes()[:offset] + data)
        return
    handle = os.open(path, os.O_WRONLY)
    try:
        os.ftruncate(handle, offset)
        write_at(handle, memoryview(data), offset)
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_tree(path: Place) -> None:
    """Delete a folder and what is in it."""
    if isinstance(path, Remote):
        path.remove_tree()
    else:
        shutil.rmtree(path)


def write_at(handle: int, data: memoryview, offset: int) -> None:
    """Write all of `data` at `offset`; the operating system may take it in parts."""
    while data:
        count = os.pwrite(handle, data, offset)
        data, offset = data[count:], offset + count
