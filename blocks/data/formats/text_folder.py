"""Folders and archives of texts, each file one, in one encoding that is never guessed."""

import codecs
import re
from collections.abc import Sequence
from typing import Any, Final

import pyarrow as pa

from blocks.data.files import File
from blocks.data.formats.csv.options import checked_encoding
from blocks.data.formats.folder.folder_reader import FolderReader
from blocks.data.formats.folder.members import Unreadable

_ARCHIVE: Final = re.compile(
    rb"PK\x03\x04|PK\x05\x06|\x1f\x8b\x08|BZh[1-9](1AY&SY|\x17rE8P\x90)|\xfd7zXZ\0|\x28\xb5\x2f\xfd|.{257}ustar",
    re.DOTALL,
)


class TextFolderReader(FolderReader):
    """Files of text as the rows of a table: path, text, label.

    Args:
        files: As `resolve` finds them, of every extension.
        encoding: Of all texts; what is none in it is unreadable.
        on_bad_rows: See `FolderReader`, and so are all others.

    Raises:
        InvalidArgument: An option has a wrong value.
    """

    def __init__(
        self,
        files: Sequence[File],
        *,
        encoding: str = "utf-8",
        on_bad_rows: str = "error",
        rejects: Any = None,
        max_member_bytes: int = 256 << 20,
    ) -> None:
        self._encoding = checked_encoding(encoding)
        text = pa.field("text", pa.string())
        options = {"on_bad_rows": on_bad_rows, "rejects": rejects, "max_member_bytes": max_member_bytes}
        super().__init__(files, "texts", text, **options)

    def fingerprint(self) -> dict[str, Any]:
        """As of `FolderReader`, and the encoding."""
        return {**super().fingerprint(), "encoding": self._encoding}

    def _value(self, data: bytes) -> bytes:
        if _ARCHIVE.match(data):
            raise Unreadable("is an archive or compressed, which is not opened where it lies among texts")
        try:
            text = data.decode(self._encoding)
            plain = self._encoding == "utf-8"
            data = data if plain else text.encode()  # which refuses lone surrogates, that are no text either
        except (UnicodeError, LookupError) as error:
            at = f" (byte {error.start + 1:,})" if isinstance(error, UnicodeDecodeError) else ""
            raise Unreadable(f"is no text in {self._encoding}{at}; another may be given by encoding=") from None
        return data.removeprefix(codecs.BOM_UTF8) if plain else data
