"""Files and folders that survive a crash: written aside, synced, renamed. Nothing else in blocks gives a file its name.

Beside what is written lies, for as long as that takes, `.tmp-NAME`, locked: the kernel gives a killed writer's lock
back, and the next writer of that name takes its remains up. So a kill leaves at most that behind, and never for long.
"""

import errno
import fcntl
import itertools
import os
import shutil
import socket
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from blocks.files.place import Place, Remote

TEMPORARY = ".tmp-"
_OWN = f"blocks-{socket.gethostname()}-"
_MOST_NAME = 200
_MOST_WRITERS = 1000


@contextmanager
def whole_file(path: Place | str | os.PathLike[str]) -> Iterator[Path]:
    """Give a local, empty file to write; it becomes `path` when the block ends, and is gone when the block fails.

    At every moment `path` is the old file or the new one, whole; of several writers at once the last one wins. Links
    are followed, and the new file has the old one's permissions.

    Args:
        path: A file, there or not, in a folder that exists; or one behind a URL.

    Raises:
        OSError: As the operating system says; see `refusals.explained`.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with whole_file(Path(folder, "answer")) as file:
        ...         _ = file.write_text("42")
        ...     os.listdir(folder)
        ['answer']
    """
    if isinstance(path, Remote):
        with own_folder() as folder:
            file = Path(folder, path.name)
            yield file
            path.upload(file)
        return
    final = Path(os.path.realpath(path))
    mode = _mode_of(final)
    with _held(final, folder=False) as held:
        yield held.path
        if mode is not None:
            held.path.chmod(mode)
        sync(held.path)
        held.publish(final)
    sync(final.parent)


class Unfinished:
    """What is written of a file that is not whole yet.

    Args:
        path: Where it is written.

    Attributes:
        journal: Beside it, a file for what is known of it; whoever writes it, it goes with it.
        keep: Whether both stay when writing fails, so that the next call of `resumable_file` gives them.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.journal, self.keep = path, path.with_name(f".journal{path.name}"), False


@contextmanager
def resumable_file(path: Path) -> Iterator[Unfinished]:
    """Give a file as `whole_file` does, but with what a writer before left in it, after a kill or where it said `keep`.

    Args:
        path: As of `whole_file`; local.

    Raises:
        OSError: As the operating system says.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for end in "a", "b":
        ...         with suppress(KeyError), resumable_file(Path(folder, "answer")) as file:
        ...             file.keep = True
        ...             _ = file.path.write_text(file.path.read_text() + end)
        ...             file.journal.touch()
        ...             {}["no"] if end == "a" else None
        ...     Path(folder, "answer").read_text(), os.listdir(folder)
        ('ab', ['answer'])
    """
    final = Path(os.path.realpath(path))
    mode = _mode_of(final)
    held = _take(final, folder=False, empty=False)
    unfinished = Unfinished(held.path)
    try:
        yield unfinished
        if mode is not None:
            held.path.chmod(mode)
        sync(held.path)
        unfinished.journal.unlink(missing_ok=True)
        held.publish(final)
    finally:
        if not held.published and not unfinished.keep:
            for left in (unfinished.journal, held.path):
                with suppress(OSError):
                    left.unlink(missing_ok=True)
        os.close(held.handle)
    sync(final.parent)


@contextmanager
def whole_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give an empty folder to fill; it becomes `path` when the block ends, and is gone when the block fails.

    Args:
        path: A folder that does not exist, in one that does.

    Raises:
        OSError: There is something of that name (EEXIST), another process is writing it (EBUSY), or as the operating
            system says.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with whole_folder(Path(folder, "new")) as new, whole_folder(Path(folder, "new")):
        ...         pass
        Traceback (most recent call last):
        BlockingIOError: ...
    """
    final = Path(os.path.abspath(path))
    with _held(final, folder=True) as held:
        if os.path.lexists(final):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(final))
        yield held.path
        for at, _, names in os.walk(held.path):
            for name in names:
                sync(Path(at, name))
            sync(Path(at))
        held.publish(final)
    sync(final.parent)


def _mode_of(final: Path) -> int | None:
    """The permissions of the file that is replaced, None where there is none; what is no file is no place for one."""
    try:
        mode = final.stat().st_mode
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(mode):
        number = errno.EISDIR if stat.S_ISDIR(mode) else errno.EINVAL
        raise OSError(number, os.strerror(number), str(final))
    return stat.S_IMODE(mode)


class _Held:
    """What lies aside, and the handle that holds its lock."""

    def __init__(self, path: Path, handle: int) -> None:
        self.path, self.handle = path, handle
        self.published = False

    def publish(self, final: Path) -> None:
        """Give it its name. From then on the name that it had may be another writer's."""
        os.rename(self.path, final)
        self.published = True


@contextmanager
def _held(final: Path, *, folder: bool) -> Iterator[_Held]:
    """Make and lock what lies aside, and remove it in the end, unless it has got its name."""
    held = _take(final, folder)
    try:
        yield held
    finally:
        if not held.published:
            if folder:
                shutil.rmtree(held.path, ignore_errors=True)
            else:
                with suppress(OSError):
                    held.path.unlink(missing_ok=True)
        os.close(held.handle)


def _take(final: Path, folder: bool, *, empty: bool = True) -> _Held:
    name = final.name
    while len(os.fsencode(name)) > _MOST_NAME:
        name = name[1:]  # its end, by which libraries know formats, is kept
    for number in itertools.count(1):
        aside = final.with_name(f"{TEMPORARY}{'' if number == 1 else f'{number}-'}{name}")
        handle = _opened(aside, folder)
        if handle is not None and _locked(handle, aside):
            if folder:
                for left in aside.iterdir():
                    shutil.rmtree(left) if left.is_dir() and not left.is_symlink() else left.unlink()
            elif empty:
                os.ftruncate(handle, 0)
            return _Held(aside, handle)
        if handle is not None:
            os.close(handle)
        if folder or number == _MOST_WRITERS:
            raise BlockingIOError(errno.EBUSY, os.strerror(errno.EBUSY), str(final))
    raise AssertionError


def _opened(aside: Path, folder: bool) -> int | None:
    """Open what lies aside, made where there is none; None where there is something that we did not make."""
    try:
        if folder:
            aside.mkdir(exist_ok=True)
            return os.open(aside, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
        handle = os.open(aside, flags, 0o666)
    except OSError:
        if os.path.lexists(aside):
            return None
        raise
    found = os.fstat(handle)
    if stat.S_ISREG(found.st_mode) and found.st_nlink <= 1 and found.st_uid == os.geteuid():
        return handle
    os.close(handle)
    return None


def _locked(handle: int, aside: Path) -> bool:
    """Lock it, and see whether it still has its name: another writer may have given it its last one in between."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass  # a file system without locks
    try:
        return os.fstat(handle).st_ino == os.lstat(aside).st_ino
    except FileNotFoundError:
        return False


def sync(path: Place) -> None:
    """Force a file or a folder's entries to the disk; what is behind a URL is there once it was closed."""
    if isinstance(path, Remote):
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def own_folder() -> tempfile.TemporaryDirectory[str]:
    """A folder among the temporary files; `sweep_asides` removes it where this process is killed."""
    return tempfile.TemporaryDirectory(prefix=f"{_OWN}{os.getpid()}-")


def sweep_asides() -> None:
    """Remove what killed processes of this host left in the folder of temporary files, where their `own_folder` was."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_OWN}*-*"):
        pid = folder.name.removeprefix(_OWN).partition("-")[0]
        with suppress(OSError, ValueError):
            try:
                os.kill(int(pid), 0)
            except ProcessLookupError:
                shutil.rmtree(folder)


def write_text(path: Place | str | os.PathLike[str], text: str) -> None:
    """Write `path` whole or not at all."""
    write_bytes(path, text.encode())


def write_bytes(path: Place | str | os.PathLike[str], data: bytes) -> None:
    """Write `path` whole or not at all."""
    if isinstance(path, Remote):
        file = path.with_name(TEMPORARY + path.name)
        file.write_bytes(data)
        file.replace(path)
        return
    with whole_file(path) as local:
        local.write_bytes(data)


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
