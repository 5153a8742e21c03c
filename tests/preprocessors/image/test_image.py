"""Image and ImageMissing: sizes, what becomes of rows without an image, and what is told of them."""

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from encoded_images import JPEG, PNG, encode

import blocks
from blocks.errors import BlocksWarning, InvalidArgument, MalformedData, SchemaMismatch
from blocks.offline.encoded_rows import EncodedRows
from blocks.offline.transform import Transform
from blocks.preprocessors import Columns, Image, ImageMissing


@pytest.fixture(scope="module")
def transform():
    """Of one size and with an indicator: what it is made of takes seconds to trace."""
    made = Columns({"photo": (Image(4), ImageMissing())})
    made.bind(pa.schema([("photo", pa.binary())]))
    return Transform(made)


def test_bytes_and_texts_enter_and_numbers_do_not():
    block = Image(4)
    assert block.raw_column(pa.binary(), "x") == block.raw_column(pa.large_string(), "x")
    with pytest.raises(SchemaMismatch, match=r"Image takes columns of text. Received: column 'x' of type double"):
        block.raw_column(pa.float64(), "x")


def test_the_entry_is_of_pixels(transform):
    assert str(transform.spec) == "FeatureSpec(numeric: float32[1], photo: uint8[4, 4, 3])"
    found = transform(pa.record_batch({"photo": pa.array([PNG, None, b"bad"], pa.binary())}))
    assert found["photo"].dtype == np.uint8
    assert found["photo"].any(axis=(1, 2, 3)).tolist() == [True, False, False]
    assert found["numeric"].tolist() == [[0.0], [1.0], [1.0]]


def test_a_pass_tells_what_it_could_not_read(transform):
    dark = encode(np.zeros((5, 5, 3), np.uint8), "PNG")
    rows = blocks.read({"photo": pa.array([PNG, b"bad", None, dark, *[JPEG] * 5, JPEG[:300], PNG[:50]], pa.binary())})
    encoded = EncodedRows(rows, transform, None)
    assert sum(len(part) for part in encoded.chunks(rows=4)) == 11
    told = (
        r"3 values cannot be read .*: row 1 \(it is no JPEG.*\), row 9 \(Invalid JPEG.*\), row 10 \(Invalid PNG.*\)\."
    )
    with pytest.warns(BlocksWarning, match=told):
        encoded.warn()


def test_an_error_where_it_is_asked_for():
    strict = Image(4, on_bad="error", name="photo_pixels")
    assert strict(tf.constant([PNG, ""])).shape == (2, 4, 4, 3)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"photo_pixels cannot decode the images in these rows"):
        strict(tf.constant([PNG, "bad"]))
    made = Columns({"photo": strict})
    made.bind(pa.schema([("photo", pa.binary())]))
    encoded = EncodedRows(blocks.read({"photo": pa.array([*[PNG] * 5, PNG[:50]], pa.binary())}), Transform(made), None)
    with pytest.raises(MalformedData, match=r"'photo' can be read.*row 5 \(Invalid PNG.*on_bad='missing'"):
        list(encoded.chunks(rows=3))


def test_large_images_come_in_small_chunks(transform, monkeypatch):
    assert transform.most_rows == (64 << 20) // (4 * 4 * 3)
    monkeypatch.setattr(transform, "most_rows", 8)
    rows = blocks.read({"photo": pa.array([PNG] * 20, pa.binary())})
    assert [len(part) for part in EncodedRows(rows, transform, None).chunks()] == [8, 8, 4]


def test_errors_say_the_rule():
    with pytest.raises(InvalidArgument, match=r"channels are 3 \(colours\) or 1 \(grey\). Received: 4"):
        Image(8, 4)
    with pytest.raises(InvalidArgument, match=r"size is \(height, width\), or one number for both. Received: \(8, 0\)"):
        Image((8, 0))
    with pytest.raises(InvalidArgument, match=r"fit is one of crop, pad, stretch. Received: 'cut'"):
        Image(8, fit="cut")
