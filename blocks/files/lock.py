"""The lock that keeps a second writer away from a store. Readers need none: a manifest appears whole, at the end."""

import errno
import fcntl
import json
import os
import socket
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from blocks.errors import StoreLocked
from blocks.files.place import Place, Remote
from blocks.files.regular_files import NotRegular, read_regular

NAME = ".lock"
_MOST_BYTES = 1 << 16


def _started(pid: int) -> int | None:
    """Say when a process started, in clock ticks since boot; None where that is unknown or the process is gone."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except (OSError, IndexError, ValueError):
        return None


def _alive(owner: dict[str, Any]) -> bool:
    if owner.get("host") != socket.gethostname():
        return True
    try:
        os.kill(owner["pid"], 0)
    except ProcessLookupError:
        return False
    except (OSError, KeyError, TypeError, OverflowError):
        return True
    return _started(owner["pid"]) == owner.get("started")


def _owner(path: Place) -> dict[str, Any]:
    try:
        # behind a URL every name is a regular file's, and one call less can fail
        owner = json.loads(path.read_bytes() if isinstance(path, Remote) else read_regular(path, _MOST_BYTES))
    except (FileNotFoundError, NotRegular, ValueError, RecursionError):
        return {}
    return owner if isinstance(owner, dict) else {}


def _refuse(path: Place, owner: dict[str, Any]) -> StoreLocked:
    who = (
        f"process {owner.get('pid')} on {owner.get('host')}, since {owner.get('since')}" if owner else "another process"
    )
    gone = f" If it is gone, delete {path}." if isinstance(path, Remote) else ""
    return StoreLocked(
        f"One process at a time writes a store: '{path.parent}' is being written by {who}. "
        f"Wait for it, stop it, or choose another path.{gone}"
    )


def _acquire(path: Path) -> int:
    """Lock the file `path`, which must still have that name afterwards: a writer that ends removes its own."""
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644)
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
            os.close(handle)
            raise OSError(errno.EINVAL, "the lock must be a regular file", str(path))
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            owner = _owner(path)
            if owner and not _alive(owner):
                # The kernel frees a dead process' lock, but a child that it forked may hold the same open file.
                path.unlink(missing_ok=True)
                continue
            raise _refuse(path, owner) from None
        except BaseException:
            os.close(handle)
            raise
        try:
            same = os.fstat(handle).st_ino == path.stat().st_ino
        except FileNotFoundError:
            same = False
        if same:
            return handle
        os.close(handle)


@contextmanager
def _locked_remotely(path: Remote, owner: dict[str, Any]) -> Iterator[None]:
    """Write down the owner where there is none, or a dead one of this host; two writers of one moment may both pass."""
    found = _owner(path)
    if found and _alive(found):
        raise _refuse(path, found)
    path.unlink(missing_ok=True)
    path.write_bytes(json.dumps(owner).encode())
    if (found := _owner(path)) != owner:
        raise _refuse(path, found)
    try:
        yield
    finally:
        if _owner(path) == owner:
            path.unlink(missing_ok=True)


@contextmanager
def locked(folder: Place) -> Iterator[None]:
    """Keep every other writer out of `folder`.

    Args:
        folder: an existing, writable folder.

    Raises:
        StoreLocked: a live process holds it; the message names it.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder, locked(Path(folder)):
        ...     with locked(Path(folder)):
        ...         pass
        Traceback (most recent call last):
        blocks.errors.StoreLocked: One process at a time writes a store: ...
    """
    owner = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "started": _started(os.getpid()),
        "since": time.strftime("%Y-%m-%d %H:%M:%S %z"),
    }
    path = folder / NAME
    if isinstance(path, Remote):
        with _locked_remotely(path, owner):
            yield
        return
    handle = _acquire(path)
    try:
        os.ftruncate(handle, 0)
        os.pwrite(handle, json.dumps(owner).encode(), 0)
        yield
    finally:
        # Removed while still held, so that nobody can lock a file that is about to lose its name unnoticed.
        path.unlink(missing_ok=True)
        os.close(handle)
