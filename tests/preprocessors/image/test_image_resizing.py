"""Resizing against slices and against Pillow."""

import numpy as np
import pytest
from encoded_images import PIXELS
from PIL import Image as PillowImage

from blocks.preprocessors.image.image_resizing import FITS, resized


def test_crop_takes_the_middle():
    for size in ((20, 20), (10, 30), (20, 30)):
        top, left = (20 - size[0]) // 2, (30 - size[1]) // 2
        found = resized(PIXELS, size, "crop", "bilinear", True)
        # of the wide ones all of their height is kept, and of the high ones all of their width: here nothing is scaled
        if size[1] == 30 or size[0] == 20:
            assert np.array_equal(found, PIXELS[top : top + size[0], left : left + size[1]])


def test_pad_keeps_all_of_it():
    found = resized(np.full((3, 9, 3), 200, np.uint8), (6, 6), "pad", "bilinear", True).numpy()
    assert (found[2:4] == 200).all()
    assert not found[[0, 1, 4, 5]].any()


def test_stretch_with_antialias_is_what_pillow_resizes_to():
    shrunk = np.asarray(PillowImage.fromarray(PIXELS).resize((7, 9), PillowImage.Resampling.BILINEAR)).astype(int)
    assert np.abs(resized(PIXELS, (9, 7), "stretch", "bilinear", True).numpy() - shrunk).max() <= 1
    assert np.abs(resized(PIXELS, (9, 7), "stretch", "bilinear", False).numpy() - shrunk).max() > 10


@pytest.mark.parametrize("fit", FITS)
def test_a_pixel_wide_and_a_hundred_thousand_high(fit):
    found = resized(np.full((100_000, 1, 1), 90, np.uint8), (8, 5), fit, "bilinear", True)
    assert found.shape == (8, 5, 1)
    assert found.numpy().max() == 90
