"""Columns of encoded pictures are known by their bytes, and get a size of their own."""

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf

import blocks
from blocks.preprocessors import Columns

RANDOM = np.random.default_rng(0)


def picture(height, width, channels=3, kind="png"):
    pixels = RANDOM.integers(0, 255, (height, width, channels)).astype(np.uint8)
    return (tf.io.encode_png if kind == "png" else tf.io.encode_jpeg)(pixels).numpy()


def chosen(values):
    source = blocks.read({"photo": pa.array(values, pa.large_binary()), "x": np.arange(float(len(values)))})
    return Columns.infer(source)["photo"][0]


@pytest.mark.parametrize(
    ("values", "size", "channels"),
    [
        ([picture(28, 28, 1), None, b""] * 4, [28, 28], 1),
        ([picture(20, 30, 3, "jpeg")] * 5, [20, 30], 3),
        ([picture(50, 40), picture(300, 200), picture(70, 60, 1)], [64, 64], 3),
        ([picture(500, 400, 3, "jpeg")], [128, 128], 3),
        ([picture(8, 9), picture(9, 8)], [32, 32], 3),
    ],
)
def test_the_size_is_that_of_the_pictures_or_near_it(values, size, channels):
    (block,) = chosen(values)
    assert type(block).__name__ == "Image"
    assert (block.size, block.channels) == (size, channels)


def test_what_is_rarely_a_picture_is_none():
    for values in ([b"\x00\x01", picture(3, 3)] * 9, ["a", "b"] * 9):
        assert type(Columns.infer(blocks.read({"photo": values}))["photo"][0][0]).__name__ == "Vocabulary"


def test_a_header_that_declares_too_much_is_not_decoded():
    bomb = bytearray(picture(8, 8))
    bomb[16:24] = (60_000).to_bytes(4, "big") * 2
    (block,) = chosen([picture(8, 8)] * 20 + [bytes(bomb)])
    assert block.size == [8, 8]
