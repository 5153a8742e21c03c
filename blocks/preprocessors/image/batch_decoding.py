"""Decoding batches of images: every row by itself, at once, and a row that cannot be decoded without harm to others."""

import re
from functools import lru_cache, partial
from typing import Any, Final

import numpy as np
import tensorflow as tf

from blocks.errors import InvalidArgument
from blocks.preprocessors.image.image_decoding import FORMATS, ImageFormat
from blocks.preprocessors.image.image_resizing import resized

_AT_ONCE: Final = 8
"""Images that are decoded at once: of the largest ones each takes hundreds of megabytes."""


class BatchDecoder:
    """Encoded images to pixels of one size, as a function that is traced once.

    A decoder's operation raises for its whole batch, and a graph knows no `try`. A `tf.data` pipeline does: it goes on
    behind an element that raised. So the batch is one element of a pipeline, decoded in a loop for each format, which
    is the fastest form there is; only if that raises, each row is an element of its own, and those that raise are left
    out. All of it is TensorFlow's own operations, and every row has the same bits either way.

    Args:
        size: Height and width.
        channels, max_pixels: As of `ImageFormat.decode`.
        fit, interpolation, antialias: As of `resized`.
    """

    def __init__(
        self, size: tuple[int, int], channels: int, max_pixels: int, fit: str, interpolation: str, antialias: bool
    ) -> None:
        self.shape = (*size, channels)
        self.channels, self.max_pixels = channels, max_pixels
        strings, pixels = tf.TensorSpec((None,), tf.string), tf.TensorSpec((None, None, channels), tf.uint8)
        resize = partial(resized, size=size, fit=fit, interpolation=interpolation, antialias=antialias)
        # each is traced once, however often it is called
        self._resized = tf.function(resize, input_signature=[pixels], autograph=False)
        self._in_loops = tf.function(self._by_format, input_signature=[strings], autograph=False)
        self._batch = tf.function(self._decoded, input_signature=[strings], autograph=False)

    def __call__(self, values: Any) -> tuple[Any, Any]:
        """Pixels of a batch of strings, all 0 where there is no image; and which were read, or are missing ("")."""
        return self._batch(tf.convert_to_tensor(values))

    def why_not(self, data: bytes) -> str | None:
        """Why one image cannot be decoded; None where it can."""
        try:
            _, found = self._in_loops(tf.constant([data]))
        except tf.errors.OpError as error:
            return _reason(error)
        return None if found.numpy().all() else f"it is no {' or '.join(one.name for one in FORMATS)}"

    def _decoded(self, values: Any) -> tuple[Any, Any]:
        with tf.device("/CPU:0"):
            batch = tf.data.Dataset.from_tensors(values)
            quick = batch.map(self._in_loops).ignore_errors()
            return quick.concatenate(batch.map(self._one_by_one)).take(1).get_single_element()

    def _by_format(self, values: Any) -> tuple[Any, Any]:
        """A batch in a loop for each format; raises where one cannot be decoded."""
        spec = tf.TensorSpec(self.shape, tf.uint8)
        rows, pixels = [], []
        known = tf.equal(values, "")
        for each in FORMATS:

            def image(data: Any, each: ImageFormat = each) -> Any:
                return tf.ensure_shape(self._fitted(_decoder(each, self.channels, self.max_pixels)(data)), self.shape)

            of_format = tf.equal(tf.strings.substr(values, 0, len(each.signature)), each.signature)
            known |= of_format
            found = tf.where(of_format)
            images = tf.map_fn(
                image, tf.gather_nd(values, found), fn_output_signature=spec, parallel_iterations=_AT_ONCE
            )
            rows.append(found)
            pixels.append(images)
        shape = tf.concat([tf.shape(values, out_type=tf.int64), tf.constant(self.shape, tf.int64)], axis=0)
        return tf.scatter_nd(tf.concat(rows, axis=0), tf.concat(pixels, axis=0), shape), known

    def _fitted(self, pixels: Any) -> Any:
        fits = tf.reduce_all(tf.shape(pixels)[:2] == self.shape[:2])
        return tf.cond(fits, lambda: pixels, lambda: self._resized(pixels))

    def _one_by_one(self, values: Any) -> tuple[Any, Any]:
        """A batch row by row, without those that cannot be decoded."""
        rows = tf.shape(values, out_type=tf.int64)[0]

        def numbered(row: Any, data: Any) -> tuple[Any, Any, Any]:
            pixels, known = self._in_loops(data[tf.newaxis])
            return row, pixels[0], known[0]

        images = tf.data.Dataset.from_tensor_slices(values).enumerate()
        images = images.map(numbered, num_parallel_calls=_AT_ONCE, deterministic=True).ignore_errors()
        # a row more, so that there is one
        last = tf.data.Dataset.from_tensors((rows, tf.zeros(self.shape, tf.uint8), True))
        places, pixels, known = images.concatenate(last).batch(rows + 1).get_single_element()
        places = places[:, tf.newaxis]
        found = tf.scatter_nd(places, tf.cast(known, tf.int32), [rows + 1]) > 0
        shape = tf.concat([[rows + 1], tf.constant(self.shape, tf.int64)], axis=0)
        return tf.scatter_nd(places, pixels, shape)[:-1], found[:-1]


@lru_cache(maxsize=64)
def _decoder(format: ImageFormat, channels: int, max_pixels: int) -> Any:
    """A format's decoder, traced once for images of all sizes."""

    def decode(data: Any) -> Any:
        return tf.ensure_shape(format.decode(data, channels, max_pixels), (None, None, channels))

    return tf.function(decode, input_signature=[tf.TensorSpec((), tf.string)], autograph=False)


@lru_cache(maxsize=64)
def batch_decoder(
    size: tuple[int, int], channels: int, max_pixels: int, fit: str, interpolation: str, antialias: bool
) -> BatchDecoder:
    """The decoder of these arguments: it has no state, and tracing one takes more than a second."""
    return BatchDecoder(size, channels, max_pixels, fit, interpolation, antialias)


def _reason(error: Any) -> str:
    """What an operation's error says, without where in the graph it was raised."""
    said = [line.strip() for line in str(error.message).splitlines() if line.strip()]
    found = re.search(r"assertion failed: \[([^\]]*)\]", " ".join(said))
    if found is not None:
        return found[1]
    last = [line for line in said if not line.startswith(("Graph execution error", "Detected at", "File ", "[["))]
    return re.sub(r"\{\{.*?\}\}|\[(Op|\[).*", "", last[0] if last else "").strip(" .") or type(error).__name__


def image_size(size: Any) -> tuple[int, int]:
    """Height and width of what an argument says: two whole numbers, or one for both.

    Raises:
        InvalidArgument: It says something else.

    Example:
        >>> image_size(32), image_size([48, 64])
        ((32, 32), (48, 64))
    """
    pair = (size, size) if isinstance(size, int | np.integer) else size
    if isinstance(pair, list | tuple) and len(pair) == 2:
        height, width = pair
        if all(isinstance(one, int | np.integer) and not isinstance(one, bool) and one >= 1 for one in pair):
            return int(height), int(width)
    raise InvalidArgument(f"An image's size is (height, width), or one number for both. Received: {size!r}.")
