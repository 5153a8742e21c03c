"""One model over an image, a text, numbers, a category and a list of numbers: the whole road."""

import os

import keras
import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf

import blocks
from blocks import classifiers, feature_extractors, postprocessors, preprocessors

ROWS, SIZE = 60, 8
RANDOM = np.random.default_rng(0)


def photo(bright):
    pixels = RANDOM.integers(0, 60, (SIZE, SIZE, 3)).astype(np.uint8)
    pixels[: SIZE // 2] += np.uint8(150 * bright)
    return tf.io.encode_png(pixels).numpy()


def table():
    bright, kind = RANDOM.integers(0, 2, ROWS), RANDOM.integers(0, 2, ROWS)
    words = np.where(kind, "the soft red chair stands here", "a hard blue table was there")
    vectors = RANDOM.normal(size=(ROWS, 6)).astype("float32")
    return pa.table(
        {
            "photo": pa.array([None if row == 7 else photo(one) for row, one in enumerate(bright)], pa.binary()),
            "note": [f"{text} {row}" for row, text in enumerate(words)],
            "price": np.where(np.arange(ROWS) % 9, RANDOM.normal(10, 2, ROWS), np.nan),
            "shop": ["oslo", "rome", None] * (ROWS // 3),
            "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), 6),
            "tags": pa.array([["a", "b"][: row % 3] for row in range(ROWS)], pa.list_(pa.string())),
            "sold": np.where((bright == 1) & (kind == 1), "yes", "no"),
        }
    )


@pytest.fixture(scope="module")
def road(tmp_path_factory):
    rows, folder = table(), tmp_path_factory.mktemp("modalities")
    columns = preprocessors.Columns(
        {
            "photo": preprocessors.Image(SIZE),
            "note": preprocessors.Subword(60, output_length=8),
            "price": preprocessors.Standardize(add_indicator=True),
            "shop": preprocessors.Vocabulary(),
            "vector": preprocessors.Impute("constant", fill_value=0.0),
            "tags": preprocessors.Tokens(2),
        }
    )
    extractor = feature_extractors.Joined(
        {
            "photo": feature_extractors.ConvNet([4, 8], augment=None),
            "note": feature_extractors.TextCNN(4, sizes=[2], dim=8),
        },
        rest=feature_extractors.MLP([8]),
        top=feature_extractors.MLP([8]),
    )
    chain = [postprocessors.Temperature(), postprocessors.Labels()]
    model = blocks.Model(columns, extractor, classifiers.Softmax("sold"), chain, seed=0)
    model.adapt(rows, verbose=0)
    stores = {form: model.precompute({"train": rows}, folder / form, format=form) for form in ("hdf5", "tfrecord")}
    model.fit(stores["hdf5"]["train"], epochs=2, batch_size=16, verbose=0)
    model.calibrate(stores["hdf5"]["train"], allow_training_rows=True)
    model.export(folder / "export")
    return model, rows, stores, folder


def test_entries_are_typed_and_lists_enter_as_they_are(road):
    model, rows, stores, _ = road
    spec = model.preprocessor.spec
    assert {name: (entry.dtype, entry.shape) for name, entry in spec.items()} == {
        "numeric": ("float32", (2,)),
        "categorical": ("int32", (1,)),
        "photo": ("uint8", (SIZE, SIZE, 3)),
        "note": ("int32", (8,)),
        "vector": ("float32", (6,)),
        "tags": ("int32", (2,)),
    }
    for store in stores.values():
        features = [batch[0] for batch in store["train"].stream(batch_size=7, shuffle=False)]
        joined = {name: np.concatenate([np.asarray(one[name]) for one in features]) for name in spec}
        assert np.array_equal(joined["vector"], np.array(rows["vector"].to_pylist(), np.float32))
        assert joined["photo"].dtype == np.uint8
        assert not joined["photo"][7].any()
        expected = tf.io.decode_image(rows["photo"][0].as_py())
        assert np.array_equal(joined["photo"][0], expected)


def test_the_export_gives_the_bits_of_the_store_and_the_models_answers(road):
    model, rows, stores, folder = road
    assert blocks.verify(folder / "export", rows, stores["tfrecord"]["train"], verbose=0).ok
    expected = model.predict(rows)
    model.save(folder / "model.keras")
    again = keras.saving.load_model(folder / "model.keras").predict(rows)
    assert np.array_equal(again["probabilities"], expected["probabilities"])
    small = np.concatenate([model.predict(rows.slice(start, 7))["probabilities"] for start in range(0, ROWS, 7)])
    np.testing.assert_allclose(small, expected["probabilities"], atol=1e-6)


def test_it_is_served(road):
    import base64

    starlette = pytest.importorskip("starlette.testclient", reason="starlette's client needs httpx")
    model, rows, _, folder = road
    row = rows.slice(3, 1).drop_columns(["sold"]).to_pylist()[0]
    row["photo"] = {"b64": base64.b64encode(row["photo"]).decode()}
    with starlette.TestClient(blocks.serving.app({"sold": folder / "export"})) as client:
        answer = client.post("/v1/models/sold:predict", json={"instances": [row]})
    assert answer.status_code == 200, answer.text
    found = answer.json()["predictions"][0]
    expected = model.predict(rows.slice(3, 1))
    np.testing.assert_allclose(found["probabilities"], expected["probabilities"][0], atol=1e-6)
    assert found["label"] == expected["label"][0]


def test_a_row_is_explained_by_regions_words_values_and_stretches(road):
    _, rows, _, folder = road
    found = blocks.explain(folder / "export", rows.slice(3, 1), background=rows, n_samples=256)
    by_column = {name: [one.value for one in found.contributions if one.column == name] for name in rows.schema.names}
    assert all(value.startswith("region ") for value in by_column["photo"])
    assert set(by_column["note"]) >= {"soft", "chair"} or set(by_column["note"]) >= {"hard", "table"}
    assert len(by_column["price"]) == len(by_column["shop"]) == 1
    assert len(by_column["vector"]) == 6


@pytest.mark.proof
@pytest.mark.skipif("BLOCKS_REPORTS" not in os.environ, reason="set BLOCKS_REPORTS, as make proof does")
def test_the_report_shows_pictures_with_what_their_regions_contribute(road):
    _, rows, _, folder = road
    page = blocks.report(folder / "export", {"train": rows}, folder / "report.html", verbose=0).read_text()
    assert "contributions of regions" in page


def test_auto_takes_them_all():
    rows = table().drop_columns(["tags"])
    model = blocks.Model(head=classifiers.Softmax("sold"), seed=0)
    model.adapt(rows, verbose=0)
    described = model.describe()
    assert f"encoded pictures of {SIZE} x {SIZE} pixels" in described
    assert "windows of 6 values" in described
    assert type(model.feature_extractor).__name__ == "Joined"
    assert type(model.feature_extractor.top).__name__ == "TabM"
    model.fit(rows, epochs=1, verbose=0)
    assert model.predict(rows)["probabilities"].shape == (ROWS, 2)
    alone = model.replace(preprocessor=preprocessors.Columns({"photo": preprocessors.Image(SIZE)}))
    alone.adapt(rows, verbose=0)
    assert type(alone.feature_extractor).__name__ == "ConvNet"
    table_alone = alone.replace(preprocessor="auto")
    table_alone.adapt(rows.select(["price", "shop", "sold"]), verbose=0)
    assert type(table_alone.feature_extractor).__name__ == "TabM"
