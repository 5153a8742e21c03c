"""Which bytes are an encoded picture: known by the first of them, nothing is decoded."""

import io
import re
import warnings
from typing import Final, NamedTuple

_PICTURE: Final = re.compile(rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|GIF8[79]a|BM.{4}\0\0\0\0|RIFF.{4}WEBP", re.DOTALL)


def is_picture(data: bytes) -> bool:
    r"""Whether bytes begin as JPEG, PNG, GIF, BMP or WebP do.

    Example:
        >>> is_picture(b"GIF89a\x01\x00"), is_picture(b"a text")
        (True, False)
    """
    return _PICTURE.match(data) is not None


def is_animated_webp(data: bytes) -> bool:
    r"""Whether bytes say that they are a WebP of several frames.

    Example:
        >>> is_animated_webp(b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\x02\0\0\0"), is_animated_webp(b"RIFF")
        (True, False)
    """
    return data.startswith(b"RIFF") and data[8:16] == b"WEBPVP8X" and bool(data[20:21] and data[20] & 2)


class PictureHeader(NamedTuple):
    """What an encoded picture says of itself.

    Args:
        height, width: In pixels.
        colours: Whether it has any.
        frames: How many pictures there are.
    """

    height: int
    width: int
    colours: bool
    frames: int


def picture_header(data: bytes) -> PictureHeader | None:
    r"""A picture's header, by Pillow, which decodes nothing here; None where it knows none.

    Example:
        >>> picture_header(b"BM" + b"\0" * 30), picture_header(b"a text")
        (None, None)
    """
    if not is_picture(data):
        return None
    from PIL import Image as pillow
    from PIL import UnidentifiedImageError

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of sizes that nobody should decode: they are not decoded here
        try:
            with pillow.open(io.BytesIO(data)) as opened:
                colours = opened.mode not in ("1", "L", "LA", "I", "I;16", "F")
                return PictureHeader(opened.height, opened.width, colours, getattr(opened, "n_frames", 1))
        except (UnidentifiedImageError, pillow.DecompressionBombError, OSError, ValueError, SyntaxError):
            return None
