"""Folders and archives of pictures: their encoded bytes, known by the first of them and not decoded."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from blocks.data.files import File
from blocks.data.formats.folder.folder_reader import FolderReader
from blocks.data.formats.folder.members import Unreadable
from blocks.data.picture_bytes import is_picture


class ImageFolderReader(FolderReader):
    """Files in JPEG, PNG, GIF, BMP or WebP as the rows of a table: path, image, label.

    Args:
        files: As `resolve` finds them, of every extension.
        on_bad_rows: See `FolderReader`, and so are all others.

    Raises:
        InvalidArgument: An option has a wrong value.
    """

    def __init__(
        self,
        files: Sequence[File],
        *,
        on_bad_rows: str = "error",
        rejects: Any = None,
        max_member_bytes: int = 256 << 20,
    ) -> None:
        image = pa.field("image", pa.binary())
        options = {"on_bad_rows": on_bad_rows, "rejects": rejects, "max_member_bytes": max_member_bytes}
        super().__init__(files, "images", image, **options)

    def _value(self, data: bytes) -> bytes:
        if not is_picture(data):
            what = f"begins with {data[:8]!r}" if data else "is empty"
            raise Unreadable(f"is no JPEG, PNG, GIF, BMP or WebP: it {what}")
        return data
