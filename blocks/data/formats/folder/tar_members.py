"""The members of a tar in its own order, compressed or not, read as they come by: nothing is sought and none kept.

Python's `tarfile` ends without a word at a damaged header, and keeps every header that it has read. Sources: POSIX.1
(ustar, pax), the GNU tar manual ("Basic Tar Format").
"""

import contextlib
import re
import zlib
from collections.abc import Iterator
from typing import Any, Final

from blocks.data.files import File, naming, unchanged
from blocks.data.formats.folder.members import (
    FREE_BYTES,
    MOST_RATIO,
    Member,
    checked_path,
    is_passed_over,
    refused,
)
from blocks.errors import MalformedData

_BLOCK: Final = 512
_PIECE: Final = 1 << 18
_MOST_EXTENSION: Final = 1 << 20
_MOST_PADDING: Final = 1 << 22
_FIX: Final = "It may be damaged or truncated: write or copy it again."
_KINDS: Final = {b"1": "is a link", b"2": "is a link", b"3": "is a device", b"4": "is a device", b"6": "is a pipe"}


class TarArchive:
    """A tar, compressed or not.

    Args:
        file: Where it is.
    """

    archive = True

    def __init__(self, file: File) -> None:
        self.files = [file]

    def members(self) -> Iterator[Member]:
        """Gives those that are not passed over, as they stand there.

        Raises:
            MalformedData: It is damaged, or made to do harm.
        """
        (file,) = self.files
        seen: set[str] = set()
        with unchanged(file), contextlib.closing(_TarStream(file)) as stream:
            named: dict[str, str] = {}
            while (header := stream.header()) is not None:
                kind, size = header[156:157], _number(header[124:136], file)
                if kind in (b"L", b"K", b"x", b"X", b"g"):
                    stream.begin(size, "a long name")
                    if size > _MOST_EXTENSION:
                        raise _damaged(file, f"a header of {size:,} bytes")
                    if kind in (b"L", b"K"):
                        extension = {"path" if kind == b"L" else "linkpath": _text(stream.content(), file)}
                    else:
                        extension = _pax(stream.content(), file)
                    if kind == b"g":
                        if extension.keys() & {"path", "size"}:
                            raise _damaged(file, "one name or size for all members")
                        continue
                    named |= extension
                    continue
                name = named.get("path") or _name(header, file)
                if "size" in named:
                    size = _number(named["size"].encode(), file, 10)
                sparse = any(key.startswith("GNU.sparse") for key in named)
                named = {}
                path = checked_path(name, file)
                folder = kind == b"5" or (kind in (b"0", b"\0") and name.endswith("/"))
                plain = kind in (b"0", b"\0", b"7") and not sparse and not folder
                stream.begin(0 if folder or kind in _KINDS else size, path)
                if folder or (path and is_passed_over(path)):
                    continue
                if not plain or not path:
                    raise refused(file, name, _KINDS.get(kind, "is no plain file"))
                if path in seen:
                    raise refused(file, path, "stands there twice")
                seen.add(path)
                yield Member(path, size, file, stream.content)


class _TarStream:
    """The bytes of a tar: headers, and what stands between them; cut from large pieces, for most members are small."""

    def __init__(self, file: File) -> None:
        self._file = file
        with naming(file, _FIX):
            with file.open() as raw:
                plain = raw.read(263)[257:262] == b"ustar"
            # what need not be unpacked is passed over by seeking
            self._stream: Any = file.open() if plain else file.stream()
        self._plain = plain
        self._piece, self._at, self._read = b"", 0, 0
        self._left = self._padding = 0
        self._name = ""

    def close(self) -> None:
        """Lets go of the file."""
        self._stream.close()

    def header(self) -> bytes | None:
        """The next header, behind what is left of the member before; None at the end of the archive."""
        self._skip(self._left + self._padding)
        self._left = self._padding = 0
        header = self._exactly(_BLOCK, "a header")
        if header[0] == 0 and not header.strip(b"\0"):
            self._end()
            return None
        # Adler-32 holds the sum of the bytes (modulo a prime near 65,536), and is much faster than Python's
        total = (zlib.adler32(header) - sum(header[148:156]) + 255) % (1 << 16)
        said = _number(header[148:156], self._file)
        if said != total and said not in _sums(header):
            raise _damaged(self._file, f"no member behind {self._name!r}" if self._name else "no member of a tar")
        return header

    def begin(self, size: int, name: str) -> None:
        """Says what follows the header."""
        if self._plain and size > self._file.size:
            raise refused(self._file, name, "is said to be larger than the archive")
        self._left, self._padding, self._name = size, -size % _BLOCK, name

    def content(self) -> bytes:
        """The bytes of the member."""
        size, self._left = self._left, 0
        return self._exactly(size, self._name)

    def _exactly(self, size: int, what: str) -> bytes:
        """So many bytes; read as they come, so that a size that lies allocates nothing."""
        end = self._at + size
        if end <= len(self._piece):
            part = self._piece[self._at : end]
            self._at = end
            return part
        parts = [self._piece[self._at :]]
        size -= len(parts[0])
        while size:
            self._next(what)
            parts.append(self._piece[:size])
            self._at = len(parts[-1])
            size -= self._at
        return b"".join(parts)

    def _next(self, what: str) -> None:
        """Reads the next piece."""
        with naming(self._file, _FIX):
            self._piece, self._at = bytes(self._stream.read(_PIECE)), 0
        if not self._piece:
            raise _damaged(self._file, f"its end in {what}")
        self._read += len(self._piece)
        if self._read > FREE_BYTES and self._read > MOST_RATIO * max(self._file.size, 1):
            raise refused(self._file, self._name, f"would become more than {self._read:,} bytes of {self._file.size:,}")

    def _skip(self, size: int) -> None:
        here = min(size, len(self._piece) - self._at)
        self._at += here
        size -= here
        if size and self._plain:
            self._read += size
            if self._read > self._file.size:
                raise _damaged(self._file, f"its end in {self._name}")
            with naming(self._file, _FIX):
                self._stream.seek(self._read)
            self._piece, self._at = b"", 0
            return
        while size:
            self._next(self._name)
            self._at = min(size, len(self._piece))
            size -= self._at

    def _end(self) -> None:
        """Reads to the end, where compressed files say whether they are whole."""
        part, most = self._piece[self._at :], _MOST_PADDING
        while True:
            most -= len(part)
            if part.strip(b"\0") or most < 0:
                raise _damaged(self._file, "more behind its end (two archives joined)")
            with naming(self._file, _FIX):
                part = bytes(self._stream.read(_PIECE))
            if not part:
                return


def _sums(header: bytes) -> tuple[int, int]:
    """The sum of a header by the standard, and by those who took bytes for signed numbers."""
    counted = header[:148] + b" " * 8 + header[156:]
    return sum(counted), sum(counted) - 256 * sum(byte > 127 for byte in counted)


def _damaged(file: File, what: str) -> MalformedData:
    return MalformedData(f"{file.name} cannot be read as a tar: it has {what[:300]}. {_FIX}")


def _number(field: bytes, file: File, base: int = 8) -> int:
    """A size or sum: digits, or, by GNU tar, a large one in bytes."""
    if field[:1] == b"\x80":
        return int.from_bytes(field[1:], "big")
    text = field.partition(b"\0")[0].strip()
    if base == 8 and text.isdigit():
        with contextlib.suppress(ValueError):
            return int(text, 8)
    if len(text) > 20 or not re.fullmatch(rb"[0-7]*" if base == 8 else rb"[0-9]+", text):
        raise _damaged(file, f"{text[:40]!r} where a number should stand")
    return int(text or b"0", base)


def _text(raw: bytes, file: File) -> str:
    try:
        return raw.partition(b"\0")[0].decode()
    except UnicodeDecodeError:
        raise _damaged(file, f"a name that is no UTF-8: {raw[:100]!r}") from None


def _name(header: bytes, file: File) -> str:
    name = _text(header[:100], file)
    prefix = _text(header[345:500], file) if header[257:263] == b"ustar\0" else ""
    return f"{prefix}/{name}" if prefix else name


def _pax(raw: bytes, file: File) -> dict[str, str]:
    """The records "LENGTH KEY=VALUE" of an extended header; of those that are no text, the key."""
    found, at = {}, 0
    while at < len(raw.rstrip(b"\0")):
        match = re.compile(rb"(\d{1,7}) ([^=]+)=").match(raw, at)
        end = at + int(match[1]) if match else 0
        if not match or end <= match.end() or end > len(raw) or raw[end - 1 : end] != b"\n":
            raise _damaged(file, "an extended header that is none")
        key = match[2].decode(errors="replace")
        value = raw[match.end() : end - 1]
        if key in ("path", "size") and b"\0" in value:
            raise _damaged(file, f"{value[:100]!r} in an extended header")
        found[key] = _text(value, file) if key in ("path", "size") else ""
        at = end
    return found
