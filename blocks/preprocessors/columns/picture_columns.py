"""Pictures: how a column of encoded pictures is known, and of which size they become. Part of what `infer` chooses."""

from dataclasses import dataclass
from typing import Final

import pyarrow as pa
import pyarrow.types as pt

from blocks.data import Source
from blocks.data.picture_bytes import picture_header
from blocks.preprocessors.image.image import Image

LOOKED_AT: Final = 32
"""Values that are looked at."""

NEARLY_ALL: Final = 0.9
"""The share of those that are there which must be pictures."""

SIDES: Final = (32, 48, 64, 96, 128)
"""Of pictures of several sizes, or large ones; 128 is what a small network can still learn from on a few cores."""


@dataclass(frozen=True)
class Pictures:
    """A column of pictures.

    Args:
        block: What decodes them.
        described: In words.
    """

    block: Image
    described: str


def pictures_of(source: Source, field: pa.Field) -> Pictures | None:
    """What the first values of a column are pictures of; None where they are none.

    Headers alone are read here: `Image` decodes.
    """
    if not (pt.is_binary(field.type) or pt.is_large_binary(field.type)):
        return None
    values = [value for value in source.select([field.name]).head(LOOKED_AT).column(0).to_pylist() if value]
    found = [header for value in values if (header := picture_header(value)) is not None]
    if not found or len(found) < NEARLY_ALL * len(values):
        return None
    sizes = {(one.height, one.width) for one in found}
    channels = 3 if any(one.colours for one in found) else 1
    first = next(iter(sizes))
    if len(sizes) == 1 and max(first) <= SIDES[-1]:
        return Pictures(Image(first, channels), f"encoded pictures of {first[1]} x {first[0]} pixels")
    middle = sorted(min(one.height, one.width) for one in found)[len(found) // 2]
    side = next((side for side in SIDES if side >= middle), SIDES[-1])
    widths, heights = [one.width for one in found], [one.height for one in found]
    range_of = f"{min(widths)} to {max(widths)} x {min(heights)} to {max(heights)}"
    return Pictures(Image(side, channels), f"encoded pictures of {range_of} pixels: the middle, as {side} x {side}")
