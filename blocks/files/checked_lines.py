"""Lines of a journal: a crc32 and one JSON value each. A line torn by a crash ends what is believed."""

import json
import zlib
from collections.abc import Callable
from typing import Any


def checked_line(content: Any) -> bytes:
    """A value as a line.

    Example:
        >>> checked_line({"rows": 3}).split()[1:]
        [b'{"rows":', b'3}']
    """
    text = json.dumps(content, sort_keys=True, allow_nan=False).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def parse_lines(raw: bytes, believable: Callable[[Any, bool], bool]) -> tuple[list[Any], int]:
    """The values of lines up to the first that does not hold, and how many bytes they take.

    Args:
        raw: The lines.
        believable: Whether a value, and whether it is the first, is what the journal's writer writes, however well its
            checksum fits.

    Example:
        >>> parse_lines(checked_line([1]) + checked_line([2])[:-3], lambda content, first: True)
        ([[1]], 13)
    """
    contents: list[Any] = []
    size = 0
    for line in raw.splitlines(keepends=True):
        if not line.endswith(b"\n") or line[:9] != b"%08x " % zlib.crc32(line[9:-1]):
            break
        try:
            content = json.loads(line[9:])
        except (ValueError, RecursionError):
            break
        if not believable(content, not contents):
            break
        contents.append(content)
        size += len(line)
    return contents, size
