"""An export as ONNX: the file that the model itself becomes, made of the SavedModel alone; windows, several heads."""

import importlib
import json
import shutil
import sys

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf

import blocks
from blocks import classifiers, feature_extractors, postprocessors, preprocessors, regressors
from blocks.errors import InvalidArgument, MalformedData, NotExportable
from blocks.export import to_onnx

REASON = "ml-blocks[onnx] is not installed"
onnxruntime = pytest.importorskip("onnxruntime", reason=REASON)
onnx = pytest.importorskip("onnx", reason=REASON)
pytest.importorskip("tf2onnx", reason=REASON)
comparison = importlib.import_module("blocks.export.onnx_comparison")
as_onnx = comparison.as_onnx


def rows(count=200, seed=0):
    random = np.random.default_rng(seed)
    age = random.normal(40, 12, count)
    return pa.table(
        {
            "age": pa.array([None if i % 9 == 0 else v for i, v in enumerate(age)]),
            "in come": random.lognormal(3, 2, count),
            "größe": pa.array(random.choice(["S", "M", "L", ""], count)),
            "close": pa.array(random.normal(size=(count, 4)).astype("float32").tolist(), pa.list_(pa.float32(), 4)),
            "label": np.where(age > 40, "ja", "nein"),
            "price": age * 300 + 1e4,
        }
    )


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A model of windows and two heads, one in other units, and its export."""
    columns = {
        "age": preprocessors.Standardize(),
        "in come": [preprocessors.Log1p(), preprocessors.Standardize()],
        "größe": preprocessors.Vocabulary(),
        "close": preprocessors.Standardize(),
    }
    model = blocks.Model(
        preprocessors.Columns(columns),
        feature_extractors.MLP([8]),
        {"class": classifiers.Softmax("label"), "price": regressors.Mean("price")},
        {"class": [postprocessors.Labels()], "price": [postprocessors.Units(0.5, 3.0, "EUR")]},
        seed=0,
    )
    model.adapt(rows())
    model.fit(rows(), epochs=1, verbose=0)
    path = tmp_path_factory.mktemp("exported") / "1"
    model.export(path)
    return model, path


def answers(file, path):
    """What the SavedModel answers on the golden rows, and onnxruntime."""
    read = importlib.import_module("blocks.export.replay").read_arrays
    given = read(path / "assets.extra/blocks/golden_rows.arrow")
    fed, usable = as_onnx(given)
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_outputs()]
    loaded = tf.saved_model.load(str(path))
    expected = loaded.serve({name: tf.constant(values) for name, values in given.items()})
    known = {name: value.numpy()[usable] for name, value in expected.items()}
    found = dict(zip(names, session.run(names, fed), strict=True))
    return known, found


def test_an_export_becomes_the_file_that_its_model_becomes(exported, tmp_path):
    model, path = exported
    to_onnx(path, tmp_path / "of_export.onnx")
    model.export(tmp_path / "of_model.onnx", format="onnx")
    one, other = (onnx.load(tmp_path / name) for name in ("of_export.onnx", "of_model.onnx"))
    assert [i.name for i in other.graph.input] == list(model.graph.raw_signature)
    assert [i.name for i in one.graph.input] == sorted(model.graph.raw_signature)
    assert one.metadata_props == other.metadata_props
    expected, found = answers(tmp_path / "of_export.onnx", path)
    names = {"class_probabilities", "class_label", "class_confidence", "price_prediction"}
    assert found.keys() == expected.keys() == names
    assert [text.decode() for text in expected["class_label"]] == found["class_label"].tolist()
    assert np.abs(expected["class_probabilities"] - found["class_probabilities"]).max() < 1e-6
    # 1e-5 of the deviation of a target that was halved, and of what is farther from its mean
    price = expected["price_prediction"]
    limit = 1e-5 * np.maximum(np.std(rows()["price"].to_numpy()) / 2, np.abs(price))
    assert (np.abs(price - found["price_prediction"]) < limit).all()


def test_a_model_of_a_users_own_blocks_goes_without_their_code(exported, tmp_path):
    path = shutil.copytree(exported[1], tmp_path / "1")
    manifest = path / "assets.extra/blocks/manifest.json"
    told = json.loads(manifest.read_text())
    of_users = {"class_name": "Mine", "registered_name": "mine>Mine", "module": "mine"}
    for _, chains in told["preprocessor"]["config"]["columns"]:
        chains[0][0] |= of_users
    told["head"] |= of_users
    manifest.write_text(json.dumps(told))
    to_onnx(path, tmp_path / "model.onnx")
    expected, found = answers(tmp_path / "model.onnx", path)
    np.testing.assert_allclose(expected["class_probabilities"], found["class_probabilities"], atol=1e-6)


def test_rows_of_ones_own_are_compared(exported, tmp_path):
    _, path = exported
    to_onnx(path, tmp_path / "model.onnx", golden=rows(30, seed=1))
    assert (tmp_path / "model.onnx").exists()
    with pytest.raises(InvalidArgument, match="one at least"):
        to_onnx(path, tmp_path / "other.onnx", golden=rows().slice(0, 0))


def test_an_export_whose_golden_answers_are_others_is_refused(exported, tmp_path):
    _, path = exported
    copy = shutil.copytree(path, tmp_path / "copy")
    replay = importlib.import_module("blocks.export.replay")
    file = copy / "assets.extra/blocks/golden_answers.arrow"
    kept = replay.read_arrays(file)
    replay.write_arrays(file, {**kept, "price_prediction": kept["price_prediction"] * np.float32(1.001)})
    with pytest.raises(NotExportable, match="'price_prediction' differs by"):
        to_onnx(copy, tmp_path / "model.onnx")
    file.write_bytes(file.read_bytes()[:50])
    with pytest.raises(MalformedData, match="golden rows"):
        to_onnx(copy, tmp_path / "model.onnx")
    assert [one.name for one in tmp_path.iterdir()] == ["copy"]


def test_what_has_no_onnx_is_refused_by_operation_column_and_block(tmp_path):
    table = {"class": np.array(["x", "y"] * 30), "label": np.array(["a", "b"] * 30)}
    model = blocks.Model(
        preprocessors.Columns({"class": [preprocessors.Hashing(9)]}), head=classifiers.Softmax("label")
    )
    model.adapt(table)
    model.export(tmp_path / "1")
    with pytest.raises(NotExportable, match=r"StringToHashBucketFast of column 'class' \(Hashing\)"):
        to_onnx(tmp_path / "1", tmp_path / "model.onnx")
    assert [one.name for one in tmp_path.iterdir()] == ["1"]


def test_without_its_packages_the_extra_is_named(exported, tmp_path, monkeypatch):
    for name in ("onnx_file", "onnx_conversion"):
        monkeypatch.delitem(sys.modules, f"blocks.export.{name}")
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    with pytest.raises(ImportError, match=r"ml-blocks\[onnx\]"):
        to_onnx(exported[1], tmp_path / "model.onnx")


def test_where_the_model_answers_nan_the_file_must_and_what_follows_may_differ():
    nan, ones = np.float32("nan"), np.ones(2)
    expected = np.array([[nan, 0.0], [0.5, 0.5]], np.float32)
    answered = np.array([False, True])
    comparison._check("p", expected, np.array([[nan, nan], [0.5, 0.5]], np.float32), answered, 1e-6, ones)
    comparison._check("label", np.array([b"a", b"b"], object), np.array(["b", "b"], object), answered, None, ones)
    with pytest.raises(NotExportable, match="a number where the model's is NaN"):
        comparison._check("p", expected, np.array([[1.0, 0.0], [0.5, 0.5]], np.float32), answered, 1e-6, ones)
    with pytest.raises(NotExportable, match="differs by nan"):
        comparison._check("p", expected, np.array([[nan, nan], [nan, 0.5]], np.float32), answered, 1e-6, ones)
    with pytest.raises(NotExportable, match="another in 1 of 2"):
        comparison._check("n", np.array([1, 2]), np.array([1, 3]), answered, None, ones)
