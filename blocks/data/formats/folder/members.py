"""Members: one file of a folder or an archive each, what it may be called, and which are passed over."""

import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol

from blocks.data.files import File, naming, unchanged
from blocks.errors import InvalidArgument, MalformedData

MOST_RATIO: Final = 200
"""Bytes that one of an archive may become; more, beyond `FREE_BYTES`, is no compression but an attack."""

FREE_BYTES: Final = 16 << 20
_LEADS_OUT: Final = re.compile(r"^[\\/]|^[A-Za-z]:[\\/]|(?:^|[\\/])\.\.(?:$|[\\/])")
_PASSED_OVER: Final = re.compile(r"(?:^|/)[._]")
_HIDDEN_BY: Final = (".", "_")
_LEFT_BY_SYSTEMS: Final = ("/thumbs.db", "/desktop.ini")


class Unreadable(Exception):
    """A member cannot become a row; the reason ends the sentence that begins with its name."""


@dataclass(slots=True)
class Member:
    """One file.

    Args:
        path: Below the folder or the archive, with slashes.
        size: In bytes, as the folder or the archive says.
        file: What lies on disk: itself, or the archive.
        read: Gives the bytes; of a tar's member before the next one is asked for. Raises `Unreadable`.
    """

    path: str
    size: int
    file: File
    read: Callable[[], bytes]


class Place(Protocol):
    """Where members lie: a folder, a tar or a zip; the same ones in the same order each time."""

    files: list[File]
    archive: bool

    def members(self) -> Iterator[Member]:
        """Gives all that are not passed over."""


def is_passed_over(path: str) -> bool:
    """Whether a name, or a folder's above it, is hidden, begins with an underscore, or is left by a desktop.

    Example:
        >>> [is_passed_over(path) for path in ("cat/1.jpg", ".git/x", "__MACOSX/cat/1.jpg", "cat/Thumbs.db")]
        [False, True, True, True]
    """
    return _PASSED_OVER.search(path) is not None or f"/{path}".lower().endswith(_LEFT_BY_SYSTEMS)


def checked_path(name: str, file: File) -> str:
    """The path of an archive's member, with no "." in it.

    Raises:
        MalformedData: It leads out of the archive.

    Example:
        >>> import pyarrow.fs as pafs
        >>> checked_path("./cat//1.jpg", File(pafs.LocalFileSystem(), "a.tar", 0, None))
        'cat/1.jpg'
    """
    if _LEADS_OUT.search(name):
        raise refused(file, name, "leads out of the archive")
    if "//" in name or "./" in name or name.endswith(("/", "/.")) or name == ".":
        return "/".join(part for part in name.split("/") if part not in ("", "."))
    return name


def refused(file: File, name: str, why: str) -> MalformedData:
    """The error for an archive with a member that no folder of data needs."""
    return MalformedData(
        f"{file.name} is refused: its member {name[:200]!r} {why}. Make the archive of plain files alone, or, if you "
        "trust it, unpack it and read the folder."
    )


class Folder:
    """Files below a folder, or named one by one, in the order given.

    Args:
        files: Of one root.
    """

    archive = False

    def __init__(self, files: list[File]) -> None:
        self.files = files
        self._members: list[Member] = []

    def members(self) -> Iterator[Member]:
        """Gives the files that are not passed over."""
        if not self._members:
            folders: dict[tuple[str, str], str | None] = {}
            for file in self.files:
                folder, _, name = file.path.rpartition("/")
                if (folder, file.root) not in folders:
                    folders[folder, file.root] = _below(folder, file.root)
                below = folders[folder, file.root]
                if below is None or (file.root and (name[:1] in _HIDDEN_BY or f"/{name}".lower() in _LEFT_BY_SYSTEMS)):
                    continue
                self._members.append(Member(below + name, file.size, file, partial(_content, file)))
            _require_once(dict.fromkeys(folder for folder, root in folders if root and self.files[0].local))
        yield from self._members


def _require_once(folders: Iterable[str]) -> None:
    """Refuses folders that are one by a link: their files would be several rows, or without end."""
    real: dict[str, str] = {}
    for folder in folders:
        other = real.setdefault(os.path.realpath(folder), folder)
        if other != folder:
            raise InvalidArgument(
                f"A folder is read once. Received: {folder!r}, which is {other!r} by a link. Remove the link."
            )


def _below(folder: str, root: str) -> str | None:
    """A folder's path below the one that was named, with a slash; None where its files are passed over.

    A file that was named itself lies below none.
    """
    if not root:
        return ""
    if root != "." and folder.startswith(root):
        folder = folder[len(root) :]
    folder = folder.removeprefix("./").strip("/")
    if folder in ("", "."):
        return ""
    return None if is_passed_over(f"{folder}/") else f"{folder}/"


def _content(file: File) -> bytes:
    data = _read_at_once(file) if file.local else None
    if data is None:
        with unchanged(file), naming(file), file.open() as opened:
            data = bytes(opened.read())
    return data


def _read_at_once(file: File) -> bytes | None:
    """The bytes with the fewest calls, for most files are small; None where anything is not as expected."""
    try:
        number = os.open(file.path, os.O_RDONLY)
        try:
            data = os.read(number, file.size + 1)
            when = os.fstat(number).st_mtime_ns
        finally:
            os.close(number)
    except OSError:
        return None
    return data if (len(data), when) == (file.size, file.mtime_ns) else None
