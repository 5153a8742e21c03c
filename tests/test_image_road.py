"""The whole road over images beside numbers and categories: stores, training, answers, files, exports, serving."""

import asyncio
import base64
import json

import keras
import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf

import blocks
from blocks import classifiers, feature_extractors, postprocessors, preprocessors
from blocks.errors import BlocksWarning
from blocks.offline.transform import Transform
from blocks.training.resume import Resume

RANDOM = np.random.default_rng(2)
COUNT = 90
LABELS = RANDOM.integers(0, 2, COUNT)


def photo(label):
    """An image that is bright or dark, as JPEG or PNG."""
    pixels = np.clip(RANDOM.normal(80 + 100 * label, 40, (9, 8, 3)), 0, 255).astype("uint8")
    return (tf.io.encode_jpeg if RANDOM.random() < 0.5 else tf.io.encode_png)(pixels).numpy()


PHOTOS = [None if row == 5 else b"no image" if row == 11 else photo(label) for row, label in enumerate(LABELS)]
ROWS = pa.table(
    {
        "photo": pa.array(PHOTOS, pa.binary()),
        "age": RANDOM.normal(40, 9, COUNT),
        "city": RANDOM.choice(["rome", "oslo"], COUNT),
        "label": np.where(LABELS, "bright", "dark"),
    }
)


def made():
    return blocks.Model(
        preprocessor=preprocessors.Columns(
            {
                "photo": preprocessors.Image(8),
                "age": preprocessors.Standardize(),
                "city": preprocessors.Vocabulary(),
            }
        ),
        feature_extractor=feature_extractors.Joined(
            {"photo": feature_extractors.ConvNet([4, 6])}, rest=feature_extractors.MLP([4])
        ),
        head=classifiers.Softmax("label"),
        postprocessors=[postprocessors.Labels()],
        seed=0,
    )


@pytest.fixture(scope="module")
def road(tmp_path_factory):
    """A model fitted on a store of images; its splits, stores in both formats, and an export."""
    folder = tmp_path_factory.mktemp("images")
    splits = blocks.read(ROWS).split(train=0.7, valid=0.1, test=0.2, seed=0)
    model = made()
    model.adapt(splits["train"], verbose=0)
    with pytest.warns(BlocksWarning, match=r"Column 'photo' .*1 values cannot be read and count as missing: row \d+"):
        stores = {f: model.precompute(splits, folder / f, format=f, verbose=0) for f in ("hdf5", "tfrecord")}
    model.fit(stores["hdf5"]["train"], validation_data=stores["hdf5"]["valid"], epochs=3, batch_size=16, verbose=0)
    model.export(folder / "export")
    return model, splits, stores, folder


async def post(application, path, body):
    """What an ASGI application answers in JSON."""
    parts, sent = [{"type": "http.request", "body": json.dumps(body).encode(), "more_body": False}], []

    async def receive():
        return parts.pop(0) if parts else {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "http_version": "1.1", "method": "POST", "path": path, "raw_path": path.encode()}
    scope |= {"query_string": b"", "root_path": "", "scheme": "http", "headers": [], "client": ("127.0.0.1", 1)}
    await application({**scope, "server": ("127.0.0.1", 80), "asgi": {"version": "3.0"}}, receive, send)
    return json.loads(b"".join(message.get("body", b"") for message in sent[1:]))


def test_stores_of_both_formats_hold_the_pixels(road):
    model, splits, stores, _ = road
    assert str(model.spec) == "FeatureSpec(numeric: float32[1], categorical: int32[1], photo: uint8[8, 8, 3])"
    found = Transform(model.preprocessor)(splits["test"].to_table().combine_chunks().to_batches()[0])["photo"]
    for store in stores.values():
        assert store.check() == []
        held = store["test"].read().features["photo"]
        assert held.dtype == np.uint8
        assert held.tobytes() == found.tobytes()
        features, _ = next(iter(store["test"].stream(batch_size=7).dataset()))
        assert features["photo"].dtype == tf.uint8


def test_answers_are_the_same_from_rows_files_and_stores(road):
    model, splits, stores, folder = road
    expected = model.predict(splits["test"], verbose=0)["probabilities"]
    model.save(folder / "model.keras")
    loaded = blocks.load(folder / "model.keras")
    assert np.array_equal(loaded.predict(splits["test"], verbose=0)["probabilities"], expected)
    found = [model.evaluate(data["test"], verbose=0)["loss"] for data in (stores["hdf5"], stores["tfrecord"], splits)]
    np.testing.assert_allclose(found, found[0], rtol=1e-6)


def test_the_export_gives_the_same_bits_and_draws_nothing(road):
    model, splits, stores, folder = road
    report = blocks.verify(folder / "export", splits["test"], stores["tfrecord"]["test"], verbose=0)
    assert report.ok, str(report)
    graph = tf.saved_model.load(str(folder / "export")).signatures["serve"].graph.as_graph_def()
    operations = {node.op for function in graph.library.function for node in function.node_def}
    assert "DecodeJpeg" in operations
    assert not [op for op in operations if "Random" in op]
    app = blocks.serving.app({"photos": folder / "export"})
    row = splits["test"].to_table().slice(3, 1).to_pylist()[0]
    sent = {**row, "photo": {"b64": base64.b64encode(row["photo"]).decode()}}
    del sent["label"]
    answer = asyncio.run(post(app, "/v1/models/photos:predict", {"instances": [sent, {**sent, "photo": "?"}]}))
    app.server.stop()
    expected = model.predict({name: [row[name]] for name in sent}, verbose=0)
    assert len(answer["predictions"]) == 2
    np.testing.assert_allclose(answer["predictions"][0]["probabilities"], expected["probabilities"][0], atol=1e-6)


class Killed(Exception):
    pass


class Kill(keras.callbacks.Callback):
    """Ends a `fit` the hard way, in the midst of an epoch."""

    def on_train_batch_end(self, batch, logs=None):
        if batch == 2:
            raise Killed


def test_training_follows_the_seed_and_goes_on_where_it_was_killed(road, tmp_path):
    _, splits, stores, _ = road

    def fit(*callbacks):
        model = made()
        model.adapt(splits["train"], verbose=0)
        model.compile(steps_per_execution=1)
        model.fit(stores["hdf5"]["train"], epochs=1, batch_size=16, verbose=0, callbacks=callbacks)
        return [np.asarray(weight).tobytes() for weight in model.core.get_weights()]

    whole = fit()
    with pytest.raises(Killed):
        fit(Resume(tmp_path, every=1), Kill())
    assert fit(Resume(tmp_path, every=1)) == whole
