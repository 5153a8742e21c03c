"""The members of a zip, by name; each is unpacked when it is read, in memory."""

import contextlib
import lzma
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import Final

from blocks.data.files import File, naming, unchanged
from blocks.data.formats.folder.members import (
    FREE_BYTES,
    MOST_RATIO,
    Member,
    Unreadable,
    checked_path,
    is_passed_over,
    refused,
)
from blocks.errors import MalformedData

_DAMAGE: Final = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    NotImplementedError,
    RuntimeError,
    ValueError,
    EOFError,
    OSError,
    MemoryError,
)


class ZipArchive:
    """A zip.

    Args:
        file: Where it is.
    """

    archive = True

    def __init__(self, file: File) -> None:
        self.files = [file]

    def members(self) -> Iterator[Member]:
        """Gives those that are not passed over, by path.

        Raises:
            MalformedData: It is damaged, encrypted, or made to do harm.
        """
        (file,) = self.files
        with unchanged(file), naming(file), file.open() as opened:
            try:
                archive = zipfile.ZipFile(opened)
            except (*_DAMAGE, LookupError) as error:
                raise MalformedData(
                    f"{file.name} cannot be read: {str(error)[:200]}. Write or copy it again."
                ) from error
            with archive:
                found: dict[str, zipfile.ZipInfo] = {}
                _require_all(archive, file)
                _require_apart(archive, file)
                for info in archive.infolist():
                    path = _checked(archive, info, file)
                    if path is None:
                        continue
                    if path in found:
                        raise refused(file, path, "stands there twice")
                    found[path] = info
                for path, info in sorted(found.items()):
                    yield Member(path, info.file_size, file, lambda info=info: _content(archive, info))  # type: ignore[misc]


def _require_all(archive: zipfile.ZipFile, file: File) -> None:
    """Refuses a list of members that is shorter than its end says: a damaged length hides those that follow."""
    end = file.size - 22 - len(archive.comment)
    with file.open() as opened:
        opened.seek(max(end, 0))
        last = bytes(opened.read(22))
        opened.seek(max(end - 76, 0))
        large = bytes(opened.read(56))
    count = int.from_bytes(last[10:12], "little")
    if count == 0xFFFF and large[:4] == b"PK\x06\x06":
        count = int.from_bytes(large[32:40], "little")
    here = len(archive.infolist())
    if last[:4] != b"PK\x05\x06" or here % (1 << 16) != count % (1 << 16):
        raise MalformedData(
            f"{file.name} cannot be read: it lists {here:,} members and ends with {count:,}, or with something else. "
            "Write or copy it again."
        )


def _require_apart(archive: zipfile.ZipFile, file: File) -> None:
    """Refuses members that share bytes: a few kilobytes become petabytes so."""
    end = 0
    for info in sorted(archive.infolist(), key=lambda info: info.header_offset):
        if info.header_offset < end or info.header_offset < 0:
            raise refused(file, info.filename, "overlaps with another")
        end = info.header_offset + info.compress_size
    if end > file.size:
        raise refused(file, info.filename, "is said to be larger than the archive")


def _checked(archive: zipfile.ZipFile, info: zipfile.ZipInfo, file: File) -> str | None:
    """The path of a member to read; None for one to pass over."""
    path = checked_path(info.filename, file)
    kind = stat.S_IFMT(info.external_attr >> 16)
    if info.is_dir() and not info.file_size and not info.compress_size:
        return None
    if is_passed_over(path):
        with contextlib.suppress(NotImplementedError, RuntimeError):  # another compression, a password
            try:
                archive.open(info).close()  # a damaged name is not passed over: it stands there twice
            except (zipfile.BadZipFile, OSError, ValueError) as error:
                raise refused(file, path, f"cannot be read ({error})") from error
        return None
    if info.is_dir():
        raise refused(file, path, "is a folder with bytes of its own")
    if kind not in (0, stat.S_IFREG):
        raise refused(file, path, "is a link" if kind == stat.S_IFLNK else "is no plain file")
    if info.flag_bits & 1:
        raise refused(file, path, "is encrypted")
    if info.file_size > FREE_BYTES and info.file_size > MOST_RATIO * max(info.compress_size, 1):
        raise refused(file, path, f"would become {info.file_size:,} bytes of {info.compress_size:,}")
    return path


def _content(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    try:
        with archive.open(info) as stream:
            data = stream.read(info.file_size + 1)
    except _DAMAGE as error:
        raise Unreadable(f"cannot be unpacked ({str(error)[:200]})") from error
    if len(data) != info.file_size:
        raise Unreadable(f"holds {len(data):,} bytes and is said to hold {info.file_size:,}")
    return data
