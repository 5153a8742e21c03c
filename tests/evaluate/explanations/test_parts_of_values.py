"""LIME of pictures by their regions and of windows by their stretches, beside columns of one value."""

import io
import zlib

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from PIL import Image

import blocks
from blocks.evaluate import Lime
from blocks.evaluate.explanations.explanation import Contribution, Explanation
from blocks.evaluate.explanations.perturbed_rows import neighbours
from blocks.evaluate.explanations.picture_regions import PictureRegions
from blocks.reporting.sections.raw_values import long_texts, shown_values

RANDOM = np.random.default_rng(0)


def halves(channels=3):
    """Bright above, dark below, with some noise."""
    pixels = np.full((24, 32, channels), 60, np.uint8)
    pixels[:12] = 190
    return pixels + RANDOM.integers(0, 20, pixels.shape).astype(np.uint8)


def encoded(pixels, kind="png"):
    return (tf.io.encode_png if kind == "png" else tf.io.encode_jpeg)(pixels).numpy()


@pytest.mark.parametrize(("kind", "channels"), [("png", 3), ("png", 1), ("png", 4), ("jpeg", 3), ("jpeg", 1)])
def test_a_picture_with_all_of_its_regions_has_the_pixels_that_it_had(kind, channels):
    data = encoded(halves(channels), kind)
    regions = PictureRegions.of(data)
    assert 10 <= regions.count <= 60
    whole, none = regions.encoded(np.array([[True], [False]]).repeat(regions.count, axis=1)).to_pylist()
    assert np.array_equal(tf.io.decode_image(whole), tf.io.decode_image(data))
    flat = tf.io.decode_image(none).numpy()
    for region in range(regions.count):
        inside = regions.labels == region
        mean = regions.pixels[inside].mean(axis=0)
        assert (np.abs(flat[inside] - mean) <= 0.5).all()


def test_what_is_no_picture_has_no_regions():
    whole = encoded(halves())
    bomb = bytearray(whole)
    bomb[16:24] = (60_000).to_bytes(4, "big") * 2
    bomb[29:33] = zlib.crc32(bomb[12:29]).to_bytes(4, "big")  # a header that is right in all else
    for data in (
        bytes(bomb),
        None,
        b"",
        b"text",
        "text",
        whole[: len(whole) // 2],
        b"\xff\xd8\xff\xe0",
        encoded(halves()[:1]),
    ):
        assert PictureRegions.of(data) is None


def test_an_animated_webp_is_not_given_to_a_decoder_that_ends_the_process():
    frame, animated = Image.fromarray(halves()), io.BytesIO()
    frame.save(animated, "WEBP", save_all=True, append_images=[frame.rotate(90)])
    assert PictureRegions.of(animated.getvalue()) is None


def test_the_region_that_an_answer_depends_on_contributes_most():
    row = pa.table({"photo": [encoded(halves(), "jpeg")], "pay": [3.0]})
    background = pa.table({"photo": [encoded(halves())] * 40, "pay": np.arange(40.0)})
    seen = []

    def predict(rows):
        """How much the upper left corner varies, which is gone in one colour, and a little pay."""
        seen.append(len(rows))
        pixels = [tf.io.decode_image(photo).numpy().astype(float) for photo in rows["photo"].to_pylist()]
        return np.array([one[:4, :4].std() for one in pixels]) + 0.01 * rows["pay"].to_numpy()

    found = Lime(512).explain(predict, row, background)
    assert sum(seen) == 513
    corner = found.regions["photo"][:4, :4]
    assert found.contributions[0].column == "photo"
    assert found.contributions[0].value in {f"region {one + 1}" for one in np.unique(corner)}
    assert found.contributions[0].weight > 0
    assert {one.column for one in found.contributions} == {"photo", "pay"}
    assert found.prediction == predict(row)[0]
    assert "regions" not in found.to_json()
    twice = Lime(512).explain(predict, row, background)
    assert twice.contributions == found.contributions


def test_many_large_pictures_are_encoded_a_few_at_a_time():
    large = encoded(RANDOM.integers(0, 255, (700, 700, 3)).astype(np.uint8))
    row = pa.table({"photo": [large]})
    found = neighbours(row, row, 4096, 0)
    assert len(found.changed) == 1 + 1024  # 2^28 pixels, and then a power of two
    first = next(found.tables())
    assert len(first) < 40
    assert first["photo"][0].as_py() == large


@pytest.mark.parametrize("type", [pa.float64(), pa.int32()])
def test_the_stretch_that_an_answer_depends_on_contributes_most(type):
    values = np.random.default_rng(1).integers(0, 50, (60, 24))
    values[3, -2:] = 49
    table = pa.table({"x": pa.array(values.tolist(), pa.list_(type, 24)), "y": range(60)})
    found = blocks.explain(_Last(), table.slice(3, 1), background=table, n_samples=1024)
    own, mean = np.array(table["x"][3].as_py())[-2:].sum(), 2 * np.array(table["x"].to_pylist()).mean()
    assert found.contributions[0].value == "steps 23 to 24 of 24"
    assert found.contributions[0].weight == pytest.approx(own - mean, abs=6)
    assert all(abs(one.weight) < 6 for one in found.contributions[1:])


class _Last:
    def predict(self, rows):
        return {"prediction": np.array([sum(one[-2:]) for one in rows["x"].to_pylist()], float)}


def test_windows_keep_their_own_values_or_have_those_of_another_row_at_the_same_steps():
    lists = [[100 * row + step for step in range(7)] for row in range(5)]
    table = pa.table({"x": pa.array([*lists, None], pa.list_(pa.float32(), 7))})
    found = neighbours(table.slice(2, 1), table, 64, 0)
    drawn = pa.concat_tables(found.tables())
    assert drawn.schema.equals(table.schema)
    assert [value for _, value in found.features] == [f"step {step} of 7" for step in range(1, 8)]
    for row, kept in zip(np.array(drawn["x"].to_pylist()), found.kept, strict=True):
        assert np.array_equal(row % 100, np.arange(7))
        assert (row[kept] // 100 == 2).all()
    absent = neighbours(table.slice(5, 1), table, 64, 0)
    assert absent.features == [] or absent.features == [("x", None)]


def test_a_row_is_shown_with_its_pictures_curves_and_texts():
    data = encoded(halves())
    count = PictureRegions.of(data).count
    parts = [Contribution("photo", f"region {one}", (-1.0) ** one) for one in range(1, count + 1)]
    found = Explanation(
        (*parts, Contribution("x", "steps 1 to 2 of 4", 0.5), Contribution("pay", 3.0, 0.1)),
        0.0,
        0.0,
        0.0,
        1.0,
        regions={"photo": PictureRegions.of(data).labels},
    )
    row = {"photo": data, "x": [1.0, None, 2.0, 3.0], "pay": 3.0, "note": "word " * 400, "short": "a"}
    shown = shown_values("value0", row, found)
    assert [one.caption for one in shown] == ["photo", "photo: contributions of regions", "x"]
    assert shown[0].description == "32 x 24 pixels."
    assert all(one.svg.count("<image") == number for one, number in zip(shown, (1, 1, 0), strict=True))
    assert len({one.svg for one in shown}) == 3
    texts = long_texts(row, ["note", "short", "pay"])
    assert len(texts) == 1
    assert texts[0].endswith("(2,000 characters)")
    assert len(texts[0]) < 1_100
