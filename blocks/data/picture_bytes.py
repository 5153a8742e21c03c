"""Which bytes are an encoded picture: known by the first of them, nothing is decoded."""

import re
from typing import Final

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
