"""Reading many ranges of one file into memory that the caller owns, in as few calls as they allow.

Each call gives up the interpreter's lock and waits to get it back, which beside a busy thread takes longer than reading
a chunk from the system's cache: measured on 2 cores, a thread that iterates over `Stream.dataset` loses 0.1 ms for each
call of a thread that reads.
"""

import os
from collections.abc import Callable, Iterator
from typing import Any

from blocks.files.place import Place, Remote
from blocks.files.regular_files import open_regular
from blocks.files.remote_files import os_errors

_MOST = 512

Piece = tuple[int, memoryview]


class RangeFile:
    """A file to read at offsets, open until nobody uses it any more.

    Threads may share it, but for one behind a URL.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "a")
        ...     _ = path.write_bytes(b"0123456789")
        ...     first, second = bytearray(3), bytearray(2)
        ...     RangeFile(path).fill([(7, memoryview(first)), (5, memoryview(second))])
        ...     first, second
        (bytearray(b'789'), bytearray(b'56'))
    """

    def __init__(self, path: Place):
        self._handle = -1
        self._remote: Any = None
        if isinstance(path, Remote):
            self._remote = path.open()
        else:
            self._handle = open_regular(path)

    def __del__(self, close: Callable[[int], None] = os.close) -> None:
        if self._handle >= 0:
            close(self._handle)

    def fill(self, pieces: list[Piece]) -> None:
        """Read the bytes at each offset into each memory.

        Raises:
            EOFError: the file ends before.
            OSError: it cannot be read.
        """
        for offset, buffers in _adjoining(pieces):
            while buffers:
                if self._remote is None:
                    count = os.preadv(self._handle, buffers, offset)
                else:
                    count = self._read_ahead(buffers, offset)
                if not count:
                    raise EOFError("the file ends too early")
                offset += count
                while buffers and count >= len(buffers[0]):
                    count -= len(buffers.pop(0))
                if count:
                    buffers[0] = buffers[0][count:]

    def _read_ahead(self, buffers: list[memoryview], offset: int) -> int:
        """Fill as many buffers as one request gives bytes for: behind a URL requests cost most."""
        with os_errors():
            data = memoryview(self._remote.read_at(sum(map(len, buffers)), offset))
        start = 0
        for buffer in buffers:
            part = data[start : start + len(buffer)]
            buffer[: len(part)] = part
            start += len(part)
        return start


def _adjoining(pieces: list[Piece]) -> Iterator[tuple[int, list[memoryview]]]:
    """Put pieces together that follow each other in the file.

    Example:
        >>> four = memoryview(bytes(4))
        >>> [(offset, len(buffers)) for offset, buffers in _adjoining([(8, four), (0, four), (4, four), (20, four)])]
        [(0, 3), (20, 1)]
    """
    start, end = 0, 0
    buffers: list[memoryview] = []
    for offset, buffer in sorted((piece for piece in pieces if len(piece[1])), key=lambda piece: piece[0]):
        if buffers and (offset != end or len(buffers) == _MOST):
            yield start, buffers
            buffers = []
        if not buffers:
            start = offset
        buffers.append(buffer)
        end = offset + len(buffer)
    if buffers:
        yield start, buffers
