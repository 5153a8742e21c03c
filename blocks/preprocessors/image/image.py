"""Image: encoded bytes of images to pixels of one size. How they are decoded is in batch_decoding."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from blocks.arguments import check_whole_number
from blocks.block import Preprocessor
from blocks.errors import InvalidArgument
from blocks.features.spec import Entry, Feature
from blocks.preprocessors.image.batch_decoding import batch_decoder, image_size
from blocks.preprocessors.image.image_resizing import FITS, INTERPOLATIONS

ON_BAD = ("missing", "error")


@keras.saving.register_keras_serializable(package="blocks")
class Image(Preprocessor):
    """Images, the encoded bytes of each a value, as pixels of one size: an entry of its own, uint8.

    JPEG, PNG, GIF (of an animation the first frame), BMP (of 8 grey, 24 or 32 bits) and WebP (not animated; where
    TensorFlow decodes it: 2.21 does, 2.16 does not) are decoded by TensorFlow's own operations, offline and in the
    exported model alike: other libraries' decoders give other pixels. Transparency is dropped; 16 bits become the upper
    8; inks (CMYK) become colours; the orientation in a JPEG's Exif data is not applied.

    A missing value (null, or no bytes) is an image of zeros. What cannot be decoded hurts no other row: with
    `on_bad="missing"` it is an image of zeros too, and whoever works on whole sources (`precompute`, `fit`) says how
    many there were and why; put `ImageMissing` beside the block where a model should know. A header alone makes nothing
    large: an image that declares more than `max_pixels` cannot be decoded. Learns nothing.

    Args:
        size: Height and width of all images; one number for both.
        channels: 3 (red, green, blue) or 1 (grey).
        fit: How an image of another ratio becomes one of `size`: "crop" (the largest part of that ratio, centred),
            "pad" (the whole image, centred, with zeros around) or "stretch".
        interpolation: "bilinear", "nearest", "bicubic", "area" or "lanczos3", as of `tf.image.resize`.
        antialias: Whether images that shrink are smoothed, so that fine patterns do not turn into coarse ones; as PIL
            does always. An image that has the size already is left as it is.
        on_bad: What becomes of a value that cannot be decoded: "missing", or "error".
        max_pixels: Height times width of the largest image that is decoded.

    Returns:
        uint8 of shape (batch, height, width, channels).

    Raises:
        InvalidArgument: An argument is outside what is said above.
        tf.errors.InvalidArgumentError: When called, with `on_bad="error"`: a value cannot be decoded. Offline that is
            `MalformedData`, which says which and why.

    Example:
        >>> import tensorflow as tf
        >>> png = tf.io.encode_png(tf.fill((4, 6, 3), tf.constant(200, tf.uint8)))
        >>> pixels = Image(2)(tf.stack([png, "", "no image"]))
        >>> pixels.shape, pixels.dtype.name, pixels.numpy().max(axis=(1, 2, 3))
        (TensorShape([3, 2, 2, 3]), 'uint8', array([200,   0,   0], dtype=uint8))
    """

    accepts = ("text",)
    row_by_row = True

    def __init__(
        self,
        size: int | tuple[int, int],
        channels: int = 3,
        *,
        fit: str = "crop",
        interpolation: str = "bilinear",
        antialias: bool = True,
        on_bad: str = "missing",
        max_pixels: int = 1 << 26,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if channels not in (1, 3):
            raise InvalidArgument(f"Image's channels are 3 (colours) or 1 (grey). Received: {channels!r}.")
        for argument, value, known in (
            ("fit", fit, FITS),
            ("interpolation", interpolation, INTERPOLATIONS),
            ("on_bad", on_bad, ON_BAD),
        ):
            if value not in known:
                raise InvalidArgument(f"Image's {argument} is one of {', '.join(known)}. Received: {value!r}.")
        self.size = list(image_size(size))
        self.channels = channels
        self.fit = fit
        self.interpolation = interpolation
        self.antialias = antialias
        self.on_bad = on_bad
        self.max_pixels = check_whole_number("max_pixels", max_pixels, 1, most=1 << 30)
        self._decoder = batch_decoder(image_size(size), channels, max_pixels, fit, interpolation, antialias)

    def compute(self, values: Any) -> Any:
        """The pixels, uint8."""
        pixels, readable = self._decoder(values)
        if self.on_bad == "error":
            which = tf.where(~readable)[:, 0]
            told = [f"{self.name} cannot decode the images in these rows of the batch:", which]
            with tf.control_dependencies([tf.debugging.Assert(tf.reduce_all(readable), told, summarize=10)]):
                pixels = tf.identity(pixels)
        return pixels

    def unreadable(self, values: np.ndarray, features: np.ndarray) -> Mapping[int, str]:
        """By row, why a value that is there could not be decoded."""
        dark = ~features.reshape(len(features), -1).any(axis=1)
        rows = [int(row) for row in np.flatnonzero(dark) if len(values[row])]
        reasons = ((row, self._decoder.why_not(values[row])) for row in rows)
        return {row: why for row, why in reasons if why is not None}

    def outputs(self, name: str, columns: tuple[str, ...]) -> list[Feature]:
        """The image."""
        return [Feature(name, columns)]

    def entry(self, name: str, columns: tuple[str, ...]) -> Entry | None:
        """The image as an entry of its own."""
        return Entry("uint8", (*self.size, self.channels), tuple(self.outputs(name, columns)))

    def compute_output_spec(self, inputs: Any) -> Any:
        """uint8 of shape (batch, height, width, channels)."""
        return keras.KerasTensor((inputs.shape[0], *self.size, self.channels), "uint8")

    def examples(self, dtype: str) -> list[Any]:
        """A small image in three formats, and what is none."""
        pixels = tf.constant(np.arange(60, dtype=np.uint8).reshape(4, 5, 3) * 4)
        png, jpeg = tf.io.encode_png(pixels).numpy(), tf.io.encode_jpeg(pixels).numpy()
        return [png, jpeg, png[:30], jpeg[:40], b"\xff\xd8\xff", b"GIF89a", b"BM", b"RIFF", b"\x89PNG", b"text"]

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {
            **super().get_config(),
            "size": self.size,
            "channels": self.channels,
            "fit": self.fit,
            "interpolation": self.interpolation,
            "antialias": self.antialias,
            "on_bad": self.on_bad,
            "max_pixels": self.max_pixels,
        }
