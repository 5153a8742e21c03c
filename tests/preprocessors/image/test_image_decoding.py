"""Decoding against Pillow, and hostile bytes: refused by name, without harm to the rows beside them."""

import numpy as np
import pytest
import tensorflow as tf
from encoded_images import DEEP, HOSTILE, JPEG, LOSSLESS, PIXELS, encode, pillow

from blocks.preprocessors.image.batch_decoding import batch_decoder
from blocks.preprocessors.image.image_decoding import DECODES_WEBP

MOST = 40_000
COLOURS = batch_decoder((20, 30), 3, MOST, "crop", "bilinear", True)
GREYS = batch_decoder((20, 30), 1, MOST, "crop", "bilinear", True)


def test_formats_without_loss_have_the_pixels_that_pillow_gives():
    pixels, found = COLOURS(list(LOSSLESS.values()))
    assert found.numpy().all()
    for name, mine in zip(LOSSLESS, pixels.numpy(), strict=True):
        assert np.array_equal(mine, pillow(LOSSLESS[name])), name


def test_greys():
    pixels, _ = GREYS(
        [LOSSLESS["BMP"], encode(DEEP, "PNG"), encode(PIXELS, "JPEG", "L"), encode(PIXELS, "JPEG", "CMYK"), JPEG]
    )
    luma = (PIXELS @ np.array([299, 587, 114]) + 500) // 1000
    assert np.array_equal(pixels[0, ..., 0], luma)
    assert np.array_equal(pixels[1, ..., 0], DEEP >> 8)
    for of_jpeg in pixels[2:].numpy():
        assert np.abs(of_jpeg[..., 0].astype(int) - luma).mean() < 25


def test_inks_and_progressive_jpeg_are_colours():
    pixels, found = COLOURS([encode(PIXELS, "JPEG", "CMYK"), encode(PIXELS, "JPEG", progressive=True), JPEG])
    assert found.numpy().all()
    assert np.array_equal(pixels[1], pixels[2])
    assert np.abs(pixels[0].numpy().astype(int) - pillow(encode(PIXELS, "JPEG", "CMYK"))).mean() < 4


def test_webp_where_tensorflow_decodes_it():
    still = [encode(PIXELS, "WEBP", lossless=True), encode(PIXELS, "WEBP", "RGBA", lossless=True, exif=b"II*\0")]
    pixels, found = COLOURS(still)
    assert found.numpy().tolist() == [DECODES_WEBP] * 2
    if DECODES_WEBP:
        assert np.array_equal(pixels, [PIXELS] * 2)
    else:
        assert f"TensorFlow {tf.__version__} does not decode" in str(COLOURS.why_not(still[0]))


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_bytes_are_told_by_name(name):
    data, why = HOSTILE[name]
    found = COLOURS.why_not(data)
    assert found is not None
    assert any(part in found for part in why.split("|")), found


def test_hostile_rows_are_zeros_among_others():
    hostile = [data for data, _ in HOSTILE.values()]
    rows = [part for data in hostile for part in (JPEG, data, b"")]
    pixels, found = COLOURS(rows)
    assert found.numpy().tolist() == [True, False, True] * len(hostile)
    assert not pixels[1::3].numpy().any()
    assert not pixels[2::3].numpy().any()
    alone, _ = COLOURS([JPEG])
    assert np.array_equal(pixels[::3], np.repeat(alone, len(hostile), axis=0))


def test_of_an_image_that_can_be_decoded_there_is_no_reason_why_not():
    assert COLOURS.why_not(JPEG) is None
    assert COLOURS.why_not(encode(np.zeros((1, 39_999, 3), np.uint8), "PNG")) is None
    assert "more than 40000" in str(COLOURS.why_not(encode(np.zeros((1, 40_001, 3), np.uint8), "PNG")))
