"""The whole road over windows of hourly series: stores, training, answers, files, exports and what explains them."""

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf

import blocks
from blocks import baselines, classifiers, feature_extractors, preprocessors, regressors
from blocks.errors import BadTarget, InvalidArgument, SchemaMismatch
from blocks.export.exported_predictor import ExportedPredictor
from blocks.offline.transform import Transform

RANDOM = np.random.default_rng(1)
HOURS, LENGTH = 120, 24
VOLUME = np.exp(2 * RANDOM.normal(size=3 * HOURS))
ROWS = pa.table(
    {
        "pair": np.repeat(["a", "b", "c"], HOURS),
        "at": np.tile(np.datetime64("2024-01-01T00", "us") + np.arange(HOURS) * np.timedelta64(1, "h"), 3),
        "close": np.cumsum(RANDOM.normal(size=3 * HOURS)).astype("f4"),
        "volume": pa.array(VOLUME, mask=RANDOM.random(3 * HOURS) < 0.05),
        "up": RANDOM.random(3 * HOURS) > 0.5,
        "trades": RANDOM.integers(0, 40, 3 * HOURS),
    }
)
COLUMNS = ["close", "volume", "up", "trades"]


def windows(**options):
    ask = {"length": LENGTH, "horizon": 1, "by": "pair", "order": "at", "every": "1h", "columns": COLUMNS}
    return blocks.windows(ROWS, **{**ask, "target": "close", **options})


def made(extractor=None, **head):
    return blocks.Model(
        preprocessor=preprocessors.Columns(
            {
                "close": preprocessors.Standardize(),
                "volume": [preprocessors.Log1p(), preprocessors.Standardize(add_indicator=True)],
                "up": preprocessors.Impute("most_frequent"),
                "trades": preprocessors.Bucketize(num_bins=4),
                "pair": preprocessors.Vocabulary(),
            }
        ),
        feature_extractor=extractor or feature_extractors.MLP([8]),
        head=regressors.Mean("close_ahead"),
        seed=0,
    )


@pytest.fixture(scope="module")
def road(tmp_path_factory):
    """A model fitted on a store of windows; its splits, stores in both formats, and an export."""
    folder = tmp_path_factory.mktemp("windows")
    splits = windows().split(train=0.7, valid=0.1, test=0.2, time="at", horizon="1h")
    model = made()
    model.adapt(splits["train"], verbose=0)
    stores = {form: model.precompute(splits, folder / form, format=form, verbose=0) for form in ("hdf5", "tfrecord")}
    model.fit(stores["hdf5"]["train"], validation_data=stores["hdf5"]["valid"], epochs=2, batch_size=32, verbose=0)
    model.export(folder / "export")
    return model, splits, stores, folder


def in_order(source):
    return source.to_table().combine_chunks()


def test_features_are_those_of_numpy_and_of_each_value_alone(road):
    model, splits, _, _ = road
    train = in_order(splits["train"])
    close = np.array(train["close"].to_pylist(), "f8")
    volume = np.log1p(np.array(train["volume"].to_pylist(), "f8"))
    found = Transform(model.preprocessor)(train.to_batches()[0])
    np.testing.assert_allclose(found["close"], (close - close.mean()) / close.std(), rtol=1e-5, atol=1e-6)
    scaled = np.where(np.isnan(volume), 0, (volume - np.nanmean(volume)) / np.nanstd(volume))
    np.testing.assert_allclose(found["volume"][..., 0], scaled, rtol=1e-5, atol=1e-6)
    assert np.array_equal(found["volume"][..., 1], np.isnan(volume))
    alone = preprocessors.Standardize()
    alone.restore(model.preprocessor["close"][0][0].state)
    assert found["close"].tobytes() == alone(close.reshape(-1).astype("f4")).numpy().tobytes()
    bins = np.digitize(train["trades"].to_pylist(), model.preprocessor["trades"][0][0].state["boundaries"]) + 1
    assert np.array_equal(found["trades"], bins)


def test_stores_of_both_formats_hold_what_every_chunk_size_gives(road):
    model, splits, stores, _ = road
    transform = Transform(model.preprocessor)
    for size in (1, 7, 64):
        parts = [transform(chunk) for chunk in splits["test"].chunks(size)]
        for store in stores.values():
            assert store.check() == []
            held = store["test"].read().features
            assert held.keys() == model.spec.keys()
            for name, values in held.items():
                assert values.tobytes() == np.concatenate([part[name] for part in parts]).tobytes()
    features, _ = next(iter(stores["tfrecord"]["train"].stream(batch_size=16, shuffle=True, seed=0)))
    assert {name: values.shape[1:] for name, values in features.items()} == {
        name: entry.shape for name, entry in model.spec.items()
    }


def test_training_is_the_same_from_a_store_and_on_the_fly(road):
    _, splits, stores, _ = road
    found = []
    for data in (stores["tfrecord"]["train"], splits["train"]):
        model = made()
        model.adapt(splits["train"], verbose=0)
        model.fit(data, epochs=1, batch_size=64, shuffle=False, verbose=0)
        found.append([np.asarray(weight) for weight in model.core.get_weights()])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_answers_are_the_same_from_rows_of_any_form_and_from_files(road):
    model, splits, stores, folder = road
    test = in_order(splits["test"])
    expected = model.predict(splits["test"])["prediction"]
    arrays = {name: np.array(test[name].to_pylist(), "f8") for name in COLUMNS}
    arrays["close"] = arrays["close"].astype("f4")
    for rows in (
        test,
        {**arrays, "pair": test["pair"]},
        {name: test[name].to_pylist() for name in [*COLUMNS, "pair"]},
        test.select([*COLUMNS, "pair"]).to_pandas(),
    ):
        np.testing.assert_array_equal(model.predict(rows)["prediction"], expected)
    model.save(folder / "model.keras")
    np.testing.assert_array_equal(blocks.load(folder / "model.keras").predict(splits["test"])["prediction"], expected)
    table = model.predict_table(splits["test"], folder / "answers.parquet", keys=["pair", "at"])
    np.testing.assert_array_equal(table.to_table()["prediction"].to_numpy(), expected)
    assert model.evaluate(stores["hdf5"]["test"]) == model.evaluate(stores["tfrecord"]["test"])
    with pytest.raises(SchemaMismatch, match=r"'close' .*windows of 24 numbers.*\[12\]"):
        model.predict(windows(length=12, target=None))


def test_the_export_gives_the_same_bits_and_takes_examples(road):
    model, splits, stores, folder = road
    report = blocks.verify(folder / "export", splits["test"], stores["tfrecord"]["test"], verbose=0)
    assert report.ok, str(report)
    assert set(report.features) == {"close", "volume", "volume_missing", "up", "trades", "pair"}
    loaded = tf.saved_model.load(str(folder / "export"))
    shapes = {n: tuple(v.shape) for n, v in loaded.signatures["serve"].structured_input_signature[1].items()}
    assert shapes == {**dict.fromkeys(COLUMNS, (None, LENGTH)), "pair": (None,)}
    test = in_order(splits["test"]).slice(0, 5)
    exported = ExportedPredictor(folder / "export").answers(test.to_batches()[0])["prediction"]
    np.testing.assert_allclose(exported, model.predict(test)["prediction"], rtol=1e-5)
    narrow = {name: np.array(test[name].to_pylist(), "f4") for name in COLUMNS}
    examples = []
    for row, pair in enumerate(test["pair"].to_pylist()):
        feature = {n: tf.train.Feature(float_list=tf.train.FloatList(value=v[row])) for n, v in narrow.items()}
        feature["pair"] = tf.train.Feature(bytes_list=tf.train.BytesList(value=[pair.encode()]))
        examples.append(tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString())
    found = loaded.signatures["serving_examples"](examples=tf.constant(examples))["prediction"].numpy()
    rounded = model.predict({**narrow, "pair": test["pair"]})["prediction"]
    np.testing.assert_allclose(found, rounded, rtol=1e-5)
    empty = loaded.signatures["serving_examples"](examples=tf.constant([b""]))["prediction"].numpy()
    missing = {**{name: np.full((1, LENGTH), np.nan) for name in COLUMNS}, "pair": [None]}
    np.testing.assert_allclose(empty, model.predict(missing)["prediction"], rtol=1e-5)


def test_importance_is_of_whole_windows_and_lime_of_their_stretches(road):
    model, splits, _, folder = road
    found = blocks.evaluate.permutation_importance(model, splits["test"], repeats=2)
    assert found["column"][0].as_py() == "close"
    assert len(found) == 5
    explained = blocks.explain(model, splits["test"].head(1), background=splits["train"], n_samples=512)
    stretches = [one for one in explained.contributions if one.column == "close"]
    assert {one.value for one in stretches} == {f"steps {step} to {step + 1} of 24" for step in range(1, 24, 2)}
    assert explained.top(1) == ["close"]
    with pytest.raises(InvalidArgument, match="Partial dependence is on columns of one value"):
        blocks.evaluate.partial_dependence(model, splits["test"], "close")
    blocks.report(model, splits, path=folder / "report.html")
    assert "Most do steps" in (folder / "report.html").read_text()


def test_schema_profile_drift_and_baselines_take_windows(road):
    model, splits, stores, _ = road
    schema = blocks.Schema.infer(splits["train"])
    odd = in_order(splits["test"])
    place = odd.schema.names.index("close")
    outside = np.array(odd["close"].to_pylist()) < np.array(in_order(splits["train"])["close"].to_pylist()).min()
    told = {row["kind"]: row["rows"] for row in schema.validate(odd).to_pylist() if row["column"] == "close"}
    assert told.get("FLOAT_TYPE_SMALL_FLOAT", 0) == outside.any(axis=1).sum()
    text = odd.set_column(place, "close", pa.array(["x"] * len(odd)))
    assert schema.validate(text)["column"].to_pylist()[0] == "close"
    assert "24 a row" in next(line for line in str(blocks.describe(splits)).splitlines() if line.startswith("volume"))
    drift = blocks.evaluate.drift(splits["train"], splits["test"])
    assert "close" in drift["column"].to_pylist()
    ridge = baselines.linear(stores["hdf5"]["train"], model.head)
    assert ridge.evaluate(stores["hdf5"]["test"])["mean_absolute_error"] < 3.0


def test_auto_reads_windows_and_says_so():
    rows = windows(columns=["close", "up"]).to_table().append_column("day", pa.array(["x", "y"] * 144))
    model = blocks.Model(head=classifiers.Softmax("day"), seed=0, feature_extractor=feature_extractors.MLP([4]))
    model.adapt(rows.select(["close", "up", "day"]), verbose=0)
    assert {name: entry.shape for name, entry in model.spec.items()} == {"close": (LENGTH,), "up": (LENGTH,)}
    assert "windows of 24 values of float, scaled as one, about" in model.describe()


def test_a_target_of_several_steps_is_refused_by_name_where_a_head_takes_one():
    model = made()
    with pytest.raises(BadTarget, match=r"'close_ahead' of type fixed_size_list.*\[4\]\. .*regressors\.Horizons"):
        model.adapt(windows(horizon=4), verbose=0)
