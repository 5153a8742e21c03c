"""How a person gives a value of each column on the page: by what the column held in training, and what reads it."""

from typing import Any, Final

import numpy as np

from blocks.inspection.column_statistics import LENGTHS
from blocks.serving.servable import Servable

BOOLEAN: Final = "boolean"
IMAGE: Final = "image"
LONG_TEXT: Final = "long text"
NUMBER: Final = "number"
TEXT: Final = "text"
WHOLE: Final = "whole number"
WINDOW: Final = "window"

LONG: Final = 40
"""Bytes of a text, on average, from which it is given lines instead of one."""
_OF_TEXTS: Final = {"Subword", "TfIdf", "Tokens"}
_OF_IMAGES: Final = {"Image"}
_MAGIC: Final = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"BM")


def input_of(servable: Servable, name: str) -> str:
    """The kind of input of a column.

    Returns:
        `BOOLEAN` (true, false, missing), `IMAGE` (a file), `LONG_TEXT` (lines), `WINDOW` (numbers in a row), `NUMBER`,
        `WHOLE` (integers, and times), or `TEXT`: one line.
    """
    raw = servable.inputs.raw[name]
    if raw.shape:
        return WINDOW
    kept = servable.spread.get(name)
    if raw.dtype == "string":
        readers = _readers(servable.manifest, name)
        if readers & _OF_IMAGES or any(_is_image(one) for one in servable.golden_rows[name]):
            return IMAGE
        lengths = None if kept is None else kept.results.get(LENGTHS)
        long = lengths is not None and lengths.mean >= LONG
        return LONG_TEXT if raw.kind == "string" and (long or readers & _OF_TEXTS) else TEXT
    if kept is not None and kept.holds == (BOOLEAN, False):
        return BOOLEAN
    return WHOLE if raw.dtype == "int64" else NUMBER


def _is_image(value: Any) -> bool:
    return isinstance(value, bytes | np.bytes_) and (
        value.startswith(_MAGIC) or (value[:4] == b"RIFF" and value[8:12] == b"WEBP")
    )


def _readers(manifest: Any, name: str) -> set[str]:
    """The classes of the blocks that read a column."""
    found = set()
    for key, chains in manifest["preprocessor"].get("config", {}).get("columns", []):
        if name in ([key] if isinstance(key, str) else key):
            found |= {str(block.get("class_name")) for chain in chains for block in chain}
    return found
