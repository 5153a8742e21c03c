"""Decoding: one image's bytes to its pixels, in TensorFlow's own operations, bounded before anything is decoded.

What cannot be decoded raises `tf.errors.InvalidArgumentError`, whose message says why. TensorFlow's decoders trust
headers, and allocate what these declare; so a header is read here first, and what a decoder is known to get wrong is
kept from it:

- a GIF is cut off behind its first frame, since the decoder reads all of them into memory;
- an animated WebP is refused: TensorFlow 2.21 corrupts its memory on one;
- a BMP with a palette of colours is refused: the decoder takes positions in the palette for shades of grey;
- a large JPEG of very many scans is refused: each costs the time of the whole image in a few bytes.

What the pixels become lives in image_resizing; how a batch is decoded, in batch_decoding.
"""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import tensorflow as tf

DECODES_WEBP: Final = hasattr(tf.io, "decode_webp")
"""Whether this TensorFlow decodes WebP: 2.16 does not, 2.21 does."""

MOST_SCANS: Final = 100
"""Of a JPEG of `max_pixels`, and more of a smaller one; progressive ones have about ten."""

MOST_GIF_BLOCKS: Final = 50_000
"""Pieces of at most 255 bytes in which a GIF's first frame, and what stands before it, may come."""

_SCAN_BYTES: Final = 10
"""What a scan takes at least."""


class ImageFormat(NamedTuple):
    """One format of encoded images."""

    name: str
    signature: bytes
    """What every image of the format begins with, and none of another."""

    decode: Callable[[Any, int, int], Any]
    """From data, a string scalar; channels, 1 (grey) or 3 (red, green, blue); and max_pixels, beyond which images, as
    their headers say, are refused: to uint8 (height, width, channels). Transparency is dropped, 16 bits become the
    upper 8, of an animation the first frame is taken; what Exif data say of orientation is not looked at."""


def _if(condition: Any, why: str, value: Any) -> Any:
    """A value that is there if the condition holds; else `why` is raised, and nothing that needs the value runs."""
    with tf.control_dependencies([tf.debugging.Assert(condition, [why], name="image")]):
        return tf.identity(value)


def _number(raw: Any, place: int, size: int, big: bool = False) -> Any:
    """The unsigned integer of so many bytes at a place, int64; the smallest byte first unless `big`."""
    values = tf.cast(raw[place : place + size], tf.int64)
    weights = [256**power for power in range(size)]
    return tf.reduce_sum(values * tf.constant(weights[::-1] if big else weights, tf.int64))


def _head(data: Any, size: int) -> Any:
    """So many first bytes, uint8 (size,)."""
    data = _if(tf.strings.length(data) >= size, "it is cut off", data)
    return tf.io.decode_raw(tf.strings.substr(data, 0, size), tf.uint8)


def _if_sized(width: Any, height: Any, max_pixels: int, value: Any) -> Any:
    """A value that is there only if an image has a pixel, and not too many."""
    value = _if((width > 0) & (height > 0), "its header declares no pixel", value)
    # each by itself first: their product may be too large for 64 bits
    few = (width <= max_pixels) & (height <= max_pixels) & (width * height <= max_pixels)
    return _if(few, f"its header declares more than {max_pixels} pixels (max_pixels)", value)


def _jpeg(data: Any, channels: int, max_pixels: int) -> Any:
    shape = tf.io.extract_jpeg_shape(data, output_type=tf.int64)
    data = _if_sized(shape[1], shape[0], max_pixels, data)
    most, size = max_pixels * MOST_SCANS, tf.strings.length(data)
    pixels = shape[0] * shape[1]

    def scans() -> Any:
        # a marker's bytes stand nowhere else in compressed pixels; miniatures in the metadata count too
        raw = tf.io.decode_raw(data, tf.uint8)
        return tf.math.count_nonzero((raw[:-1] == 0xFF) & (raw[1:] == 0xDA))

    few = tf.cast(size // _SCAN_BYTES, tf.int64)
    few = tf.cond(pixels * few > most, scans, lambda: few)
    data = _if(pixels * few <= most, "it is a JPEG of too many scans for its size", data)

    def decode(channels: int) -> Any:
        return tf.io.decode_jpeg(data, channels=channels, dct_method="INTEGER_ACCURATE")

    if channels == 3:
        return decode(3)
    # of four inks the decoder makes colours, and no greys
    return tf.cond(shape[2] == 4, lambda: _grey(decode(3)), lambda: decode(1))


def _png(data: Any, channels: int, max_pixels: int) -> Any:
    raw = _head(data, 24)
    width, height = (_number(raw, place, 4, big=True) for place in (16, 20))
    return tf.io.decode_png(_if_sized(width, height, max_pixels, data), channels=channels)


def _gif(data: Any, channels: int, max_pixels: int) -> Any:
    raw = tf.io.decode_raw(data, tf.uint8)
    raw = _if(tf.size(raw) >= 14, "it is cut off", raw)
    data = _if_sized(_number(raw, 6, 2), _number(raw, 8, 2), max_pixels, data)
    frame, end = _first_frame(raw)
    data = _if_sized(_number(raw[frame:], 5, 2), _number(raw[frame:], 7, 2), max_pixels, data)
    return _in_channels(tf.io.decode_gif(tf.strings.join([tf.strings.substr(data, 0, end), ";"]))[0], channels)


def _first_frame(raw: Any) -> tuple[Any, Any]:
    """Where a GIF's first frame begins, and where it ends."""
    after_header, before_frame, in_extension, in_frame, done = range(5)

    def table(flags: Any) -> Any:
        return tf.where(flags >= 128, tf.bitwise.left_shift(3, 1 + (flags & 7)), 0)

    def step(place: Any, state: Any, frame: Any) -> tuple[Any, Any, Any]:
        byte = tf.cast(_if(place < tf.size(raw), "it is cut off", raw)[place], tf.int32)

        def header() -> tuple[Any, Any, Any]:
            return place + 3 + table(byte), before_frame, frame

        def block() -> tuple[Any, Any, Any]:
            is_frame = byte == 0x2C
            start = _if((byte == 0x21) | is_frame, "it is a GIF without a frame", place)
            # the frame's place, size, flags and table of colours, and the width of its codes
            skip = 10 + table(tf.cast(raw[tf.minimum(place + 9, tf.size(raw) - 1)], tf.int32)) + 1
            return (
                start + tf.where(is_frame, skip, 2),
                tf.where(is_frame, in_frame, in_extension),
                tf.where(is_frame, start, frame),
            )

        def pieces() -> tuple[Any, Any, Any]:
            following = tf.where(state == in_frame, done, before_frame)
            return place + 1 + byte, tf.where(byte == 0, following, state), frame

        return tf.switch_case(state, [header, block, pieces, pieces])

    place, state, frame = tf.while_loop(
        lambda place, state, frame: state != done,
        step,
        (tf.constant(10), tf.constant(after_header), tf.constant(0)),
        parallel_iterations=1,
        maximum_iterations=MOST_GIF_BLOCKS,
    )
    why = f"it is a GIF whose first frame does not end within {MOST_GIF_BLOCKS} pieces"
    return frame, _if(tf.equal(state, done), why, place)


def _bmp(data: Any, channels: int, max_pixels: int) -> Any:
    raw = _head(data, 54)
    width, height = (tf.cast(tf.bitcast(raw[place : place + 4], tf.int32), tf.int64) for place in (18, 22))
    data = _if_sized(width, tf.abs(height), max_pixels, data)
    bits, compression = _number(raw, 28, 2), _number(raw, 30, 4)
    data = _if((compression == 0) | ((compression == 3) & (bits == 32)), "it is a compressed BMP", data)
    data = _if((bits == 8) | (bits == 24) | (bits == 32), "it is a BMP of fewer than 8, or of 16, bits a pixel", data)

    def has_greys() -> Any:
        start = tf.cast(14 + _number(raw, 14, 4), tf.int32)
        table = tf.io.decode_raw(tf.strings.substr(data, start, 1024), tf.uint8)
        colours = tf.cast(tf.reshape(table, (256, 4))[:, :3], tf.int32)
        return tf.reduce_all(colours == tf.range(256)[:, tf.newaxis])

    data = _if(tf.cond(bits == 8, has_greys, lambda: True), "it is a BMP with a palette", data)
    return _in_channels(tf.io.decode_bmp(data), channels)


def _webp(data: Any, channels: int, max_pixels: int) -> Any:
    if not DECODES_WEBP:
        nothing = tf.zeros((1, 1, channels), tf.uint8)
        return _if(False, f"it is a WebP, which TensorFlow {tf.__version__} does not decode", nothing)
    raw = _head(data, 30)
    chunk = _number(raw, 12, 4)
    lossy, lossless, extended = (chunk == int.from_bytes(name, "little") for name in (b"VP8 ", b"VP8L", b"VP8X"))
    known = (_number(raw, 8, 4) == int.from_bytes(b"WEBP", "little")) & (lossy | lossless | extended)
    raw = _if(known, "it is no WebP of a known kind", raw)
    data = _if(~extended | ((raw[20] & 2) == 0), "it is an animated WebP", data)
    bits = _number(raw, 21, 4)
    sizes = (
        (1 + _number(raw, 24, 3), 1 + (bits & 0x3FFF), _number(raw, 26, 2)),
        (1 + _number(raw, 27, 3), 1 + ((bits // 2**14) & 0x3FFF), _number(raw, 28, 2)),
    )
    width, height = (tf.where(extended, one, tf.where(lossless, two, three)) for one, two, three in sizes)
    return _in_channels(tf.io.decode_webp(_if_sized(width, height, max_pixels, data))[0], channels)


def _in_channels(pixels: Any, channels: int) -> Any:
    """Pixels of 1, 3 or 4 channels as ones of 1 or 3; a fourth, transparency, is dropped."""
    found = tf.shape(pixels)[-1]
    if channels == 3:
        return tf.cond(found == 1, lambda: tf.repeat(pixels, 3, axis=-1), lambda: pixels[..., :3])
    return tf.cond(found == 1, lambda: pixels, lambda: _grey(pixels[..., :3]))


def _grey(pixels: Any) -> Any:
    """Rec. 601's luma, rounded, as JPEG and PNG decoders make it."""
    weights = tf.constant([299, 587, 114], tf.int32)
    return tf.cast((tf.reduce_sum(tf.cast(pixels, tf.int32) * weights, axis=-1, keepdims=True) + 500) // 1000, tf.uint8)


FORMATS: Final = (
    ImageFormat("JPEG", b"\xff\xd8\xff", _jpeg),
    ImageFormat("PNG", b"\x89PNG", _png),
    ImageFormat("GIF", b"GIF8", _gif),
    ImageFormat("BMP", b"BM", _bmp),
    ImageFormat("WebP", b"RIFF", _webp),
)
