"""Encoded images of the formats that `Image` decodes, and hostile bytes: what the tests of images share."""

import io
import struct
import zlib

import numpy as np
from PIL import Image as PillowImage

RANDOM = np.random.default_rng(0)
PIXELS = RANDOM.integers(0, 255, (20, 30, 3), dtype=np.uint8)
OTHER = PIXELS[::-1].copy()


def encode(pixels, format, mode=None, **options):
    """Pixels, or a `PIL.Image`, in a format."""
    picture = pixels if isinstance(pixels, PillowImage.Image) else PillowImage.fromarray(pixels)
    out = io.BytesIO()
    (picture if mode is None else picture.convert(mode)).save(out, format, **options)
    return out.getvalue()


def pillow(data, mode="RGB"):
    """The pixels that Pillow makes of encoded bytes."""
    return np.asarray(PillowImage.open(io.BytesIO(data)).convert(mode))


def png_of_header(width, height):
    """A PNG that declares a size, and holds hardly a pixel."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + chunk + encode(PIXELS, "PNG")[33:]


def of_many_scans(data, scans):
    """A progressive JPEG whose last scan comes many times more."""
    start = data.rindex(b"\xff\xda")
    return data[:-2] + data[start:-2] * scans + data[-2:]


ANIMATION = {"save_all": True, "append_images": [PillowImage.fromarray(OTHER)] * 3}
JPEG, PNG, GIF = (encode(PIXELS, format) for format in ("JPEG", "PNG", "GIF"))
DEEP = RANDOM.integers(0, 1 << 16, (20, 30), dtype=np.uint16)

LOSSLESS = {
    "PNG": PNG,
    "PNG of a palette": encode(PIXELS, "PNG", "P"),
    "BMP": encode(PIXELS, "BMP"),
    "BMP of greys": encode(PIXELS, "BMP", "L"),
    "BMP, transparent": encode(PIXELS, "BMP", "RGBA"),
    "GIF": GIF,
    "GIF, animated": encode(PIXELS, "GIF", **ANIMATION),
}

HOSTILE = {
    "JPEG, cut off": (JPEG[: len(JPEG) // 2], "Invalid JPEG data, size"),
    "JPEG, a header": (JPEG[:20], "Invalid JPEG data, size"),
    "JPEG, many scans": (
        of_many_scans(encode(np.zeros((64, 64, 3), np.uint8), "JPEG", progressive=True), 9999),
        "scans",
    ),
    "PNG, cut off": (PNG[: len(PNG) // 2], "Invalid PNG"),
    "PNG, a bomb": (png_of_header(1 << 16, 1 << 16), "declares more than 40000 pixels"),
    "PNG of no pixel": (png_of_header(0, 7), "declares no pixel"),
    "PNG, negative": (png_of_header(0xFFFFFFFF, 0xFFFFFFFF), "declares more than 40000 pixels"),
    "GIF, cut off": (GIF[:200], "it is cut off"),
    "GIF, a header": (GIF[:10], "it is cut off"),
    "GIF without a frame": (GIF[:781] + b";", "GIF without a frame"),
    "BMP of a palette": (encode(PIXELS, "BMP", "P"), "it is a BMP with a palette"),
    "BMP of bits": (encode(PIXELS, "BMP", "1"), "fewer than 8"),
    "WebP, animated": (encode(PIXELS, "WEBP", **ANIMATION), "animated WebP|does not decode"),
    "WebP, a header": (b"RIFF\x00\x00\x00\x00WEBPVP8X" + b"\xff" * 20, "animated WebP|does not decode"),
    "TIFF": (encode(PIXELS, "TIFF"), "it is no JPEG or PNG or GIF or BMP or WebP"),
    "text": (b"<html>Not found</html>", "it is no JPEG"),
    "a byte": (b"\xff", "it is no JPEG"),
}
