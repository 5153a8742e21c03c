"""Resizing: pixels of any size as pixels of one size. Where they come from is in image_decoding."""

from typing import Any, Final

import tensorflow as tf

FITS: Final = ("crop", "pad", "stretch")
INTERPOLATIONS: Final = ("bilinear", "nearest", "bicubic", "area", "lanczos3")


def resized(pixels: Any, size: tuple[int, int], fit: str, interpolation: str, antialias: bool) -> Any:
    """One image's pixels, uint8 (any height, any width, channels), as uint8 (*size, channels).

    Args:
        pixels: One pixel at least.
        size: Height and width.
        fit: "crop", "pad" or "stretch": see `blocks.preprocessors.Image`.
        interpolation: As of `tf.image.resize`.
        antialias: Whether an image that shrinks is smoothed.
    """
    height, width = size
    shape = tf.cast(tf.shape(pixels), tf.int64)
    target = tf.constant(size)
    if fit == "crop":
        # in whole numbers: the largest part of the size's ratio, centred
        tall = tf.clip_by_value(shape[1] * height // width, 1, shape[0])
        wide = tf.clip_by_value(shape[0] * width // height, 1, shape[1])
        top, left = (shape[0] - tall) // 2, (shape[1] - wide) // 2
        pixels = pixels[top : top + tall, left : left + wide]
    elif fit == "pad":
        tall = tf.clip_by_value((2 * shape[0] * width + shape[1]) // (2 * shape[1]), 1, height)
        wide = tf.clip_by_value((2 * shape[1] * height + shape[0]) // (2 * shape[0]), 1, width)
        target = tf.cast(tf.stack([tall, wide]), tf.int32)

    def resize() -> Any:
        values = tf.image.resize(pixels, target, method=interpolation, antialias=antialias)
        return tf.cast(tf.clip_by_value(tf.round(values), 0, 255), tf.uint8)

    pixels = tf.cond(tf.reduce_all(tf.shape(pixels)[:2] == target), lambda: pixels, resize)
    if fit == "pad":
        missing = tf.concat([tf.constant(size) - target, [0]], axis=0)
        pixels = tf.pad(pixels, tf.stack([missing // 2, missing - missing // 2], axis=1))
    return pixels
