"""A file of text that grows, compressed or not; text that is safe on the disk is never touched again."""

import contextlib
import lzma
import os
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

_ARROW_CODECS: Final = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd", ".lz4": "lz4"}


class TextFile:
    """What text is written to. Compressed, it is as many members as `cut` was called, one after the other.

    Args:
        path: The file.
        compression: .gz, .bz2, .zst, .lz4, .xz or "".
        append: Whether to go on behind what is there.
    """

    def __init__(self, path: Path, compression: str, *, append: bool) -> None:
        self._path, self._compression = path, compression
        self._begin(append=append)

    def _begin(self, *, append: bool) -> None:
        self.stack = contextlib.ExitStack()
        mode = "ab" if append else "wb"
        self.sink: Any = self.stack.enter_context(pa.OSFile(str(self._path), mode))
        if self._compression == ".xz":
            self.sink = self.stack.enter_context(lzma.LZMAFile(self.sink, "wb"))  # noqa: SIM115 - the stack closes it
        elif self._compression:
            codec = _ARROW_CODECS[self._compression]
            self.sink = self.stack.enter_context(pa.CompressedOutputStream(self.sink, codec))

    def cut(self) -> int:
        """Ends what was written so far, so that all of it is in the file; that file's bytes."""
        self.close()
        self._begin(append=True)
        return os.path.getsize(self._path)

    def close(self) -> None:
        """Ends the file."""
        self.stack.close()
