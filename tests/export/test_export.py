"""Export and verify: one SavedModel of TensorFlow's own ops, equal bit for bit; a verification that finds damage."""

import json
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import keras
import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

import blocks
from blocks import classifiers, feature_extractors, preprocessors, regressors
from blocks.errors import BlocksWarning, InvalidArgument, SchemaMismatch
from blocks.export import golden_rows, read_parts
from blocks.export.replay import ASSETS, differing, distance, read_arrays, write_arrays

SIGNATURES = {
    "serving_default", "serve", "serve_packed", "transform_features", "predict_features", "serving_examples",
}  # fmt: skip


@pytest.fixture(scope="module")
def meta_graph(exported):
    return saved_model_pb2.SavedModel.FromString((exported / "saved_model.pb").read_bytes()).meta_graphs[0]


@pytest.fixture(scope="module")
def loaded(exported):
    return tf.saved_model.load(str(exported))


def tensors(rows):
    return {name: tf.constant(values) for name, values in rows.items()}


def bits(values):
    return np.ascontiguousarray(values).view(np.uint32)


# -- what is in it -----------------------------------------------------------------------------------------------------


def test_signatures_have_the_columns_own_names(meta_graph):
    served = meta_graph.signature_def
    assert set(served) == SIGNATURES | {"__saved_model_init_op"}
    for name in ("serving_default", "serve", "transform_features"):
        assert {key: tf.as_dtype(info.dtype).name for key, info in served[name].inputs.items()} == {
            "age": "float64", "Cost: Total $": "float32", "class": "int64", "größe": "float64", "city": "string",
            "is it?": "float64",
        }  # fmt: skip
        assert all([dim.size for dim in info.tensor_shape.dim] == [-1] for info in served[name].inputs.values())
    assert set(served["serve"].outputs) == {"probabilities", "label", "confidence"}
    assert set(served["transform_features"].outputs) == {"numeric", "categorical"}
    assert set(served["predict_features"].inputs) == {"numeric", "categorical"}
    assert set(served["predict_features"].outputs) == {"probabilities"}
    assert set(served["serving_examples"].inputs) == {"examples"}


def test_it_holds_tensorflow_ops_alone(meta_graph):
    graph = meta_graph.graph_def
    ops = {node.op for function in graph.library.function for node in function.node_def} | {n.op for n in graph.node}
    assert ops
    assert not ops & {"PyFunc", "EagerPyFunc", "PyFuncStateless"}
    assert not [op for op in ops if ">" in op]  # ops of other libraries carry their name so


def test_assets_say_what_it_is(exported, fitted):
    folder = exported / ASSETS
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["spec"] == fitted.spec.to_json()
    preprocessor, head, spec = read_parts(exported)
    assert spec == fitted.spec
    assert head.classes == fitted.head.classes
    for name, value in fitted.preprocessor.state.items():
        assert preprocessor.state[name].tobytes() == value.tobytes(), name
    assert not list(exported.parent.glob(".*"))


def test_no_row_of_the_data_leaves_with_it(exported, table):
    ages = set(table["age"].drop_null().to_pylist())
    golden = read_arrays(exported / ASSETS / "golden_rows.arrow")
    assert not ages & set(golden["age"].tolist())


# -- equality ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 16, 1000])
def test_features_equal_the_offline_ones_bit_for_bit(loaded, fitted, table, odd_rows, size):
    transform = loaded.signatures["transform_features"]
    chunk = table.select(list(fitted.preprocessor.inputs)).slice(0, 150).combine_chunks().to_batches()[0]
    raw = {
        "age": chunk["age"].to_numpy(zero_copy_only=False),
        "Cost: Total $": chunk["Cost: Total $"].to_numpy(),
        "class": chunk["class"].fill_null(np.iinfo(np.int64).min).to_numpy(),
        "größe": chunk["größe"].to_numpy(),
        "city": chunk["city"].fill_null("").to_numpy(zero_copy_only=False),
        "is it?": chunk["is it?"].cast(pa.int8()).cast(pa.float64()).to_numpy(),
    }
    offline = fitted.transform(chunk)
    whole = {name: np.concatenate([raw[name], odd_rows[name]]) for name in raw}
    expected = {n: np.concatenate([offline[n], v.numpy()]) for n, v in fitted.preprocessor(tensors(odd_rows)).items()}
    parts = []
    for start in range(0, len(whole["age"]), size):
        part = {name: values[start : start + size] for name, values in whole.items()}
        parts.append({name: value.numpy() for name, value in transform(**tensors(part)).items()})
    for name, values in expected.items():
        assert np.array_equal(bits(np.concatenate([part[name] for part in parts])), bits(values)), name


def test_the_parts_of_the_road_compose(loaded, odd_rows):
    features = loaded.signatures["transform_features"](**tensors(odd_rows))
    before = loaded.signatures["predict_features"](**features)["probabilities"].numpy()
    after = loaded.signatures["serve"](**tensors(odd_rows))["probabilities"].numpy()
    assert np.array_equal(before.argmax(axis=1), after.argmax(axis=1))
    assert not np.allclose(before, after, atol=1e-6)  # a temperature lies between them


def test_examples_answer_as_columns_do(loaded, odd_rows):
    def example(row):
        feature = {}
        for name, values in odd_rows.items():
            value = values[row]
            if isinstance(value, str):
                feature[name] = tf.train.Feature(bytes_list=tf.train.BytesList(value=[value.encode()]))
            elif isinstance(value, np.integer):
                feature[name] = tf.train.Feature(int64_list=tf.train.Int64List(value=[int(value)]))
            else:
                feature[name] = tf.train.Feature(float_list=tf.train.FloatList(value=[float(value)]))
        return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()

    examples = [example(row) for row in range(len(odd_rows["age"]))]
    answers = loaded.signatures["serving_examples"](examples=tf.constant(examples))
    rounded = {n: v.astype("f4").astype("f8") if v.dtype == np.float64 else v for n, v in odd_rows.items()}
    expected = loaded.signatures["serve"](**tensors(rounded))
    assert np.allclose(answers["probabilities"], expected["probabilities"], rtol=1e-6)
    assert answers["label"].numpy().tolist() == expected["label"].numpy().tolist()


def test_absent_features_of_an_example_are_missing(loaded):
    empty = tf.constant([tf.train.Example().SerializeToString()])
    answers = loaded.signatures["serving_examples"](examples=empty)
    missing = {"age": [np.nan], "Cost: Total $": np.array([np.nan], "f4"), "class": [np.iinfo(np.int64).min],
               "größe": [np.nan], "city": np.array([""], object), "is it?": [np.nan]}  # fmt: skip
    expected = loaded.signatures["serve"](**tensors({name: np.asarray(values) for name, values in missing.items()}))
    assert np.allclose(answers["probabilities"], expected["probabilities"], rtol=1e-6)


@pytest.mark.parametrize("kind", ["regression", "integers", "numbers alone", "ids alone"])
def test_other_roads_export(kind, tmp_path):
    random = np.random.default_rng(0)
    rows = {
        "x": random.normal(size=100),
        "k": random.integers(0, 5, 100),
        "y": random.normal(1e9, 1.0, 100),
        "c": random.integers(0, 3, 100),
        "b": random.random(100) < 0.5,
    }
    columns = {"x": preprocessors.Standardize(missing="keep")}, {"k": preprocessors.Vocabulary()}
    columns = {"numbers alone": columns[0], "ids alone": columns[1]}.get(kind, {**columns[0], **columns[1]})
    head = {"regression": regressors.Mean("y"), "integers": classifiers.Softmax("c")}.get(
        kind, classifiers.Softmax("b")
    )
    model = blocks.Model(preprocessors.Columns(columns), head=head, seed=0)
    model.adapt(rows)
    model.export(tmp_path / "1")
    serve = tf.saved_model.load(str(tmp_path / "1")).signatures["serve"]
    given = {name: rows[name] for name in columns}
    found = serve(**tensors(given))
    for name, values in model.predict(given).items():
        assert found[name].numpy().dtype == values.dtype
        assert np.allclose(found[name], values, rtol=1e-6)


def test_an_export_never_overwrites(fitted, exported):
    with pytest.raises(InvalidArgument, match=r"An export never overwrites. Received: .*which exists"):
        fitted.export(exported)


def test_golden_rows_may_be_given(fitted, table, tmp_path):
    fitted.export(tmp_path / "1", golden=table.slice(0, 5))
    golden = read_arrays(tmp_path / "1" / ASSETS / "golden_rows.arrow")
    assert golden["age"].shape == (5,)
    made = golden_rows(fitted.graph)
    assert {name: value.shape[0] for name, value in made.items()} == dict.fromkeys(fitted.preprocessor.inputs, 24)
    assert np.isnan(made["age"]).any()
    assert np.isinf(made["größe"]).any()
    assert b"" in made["city"].numpy()


# -- verify ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def report(exported, table):
    with warnings.catch_warnings():
        warnings.simplefilter("error", BlocksWarning)  # a model that was fitted is not said to be random
        return blocks.verify(exported, table)


def test_verify_finds_no_difference(report, fitted):
    assert report.ok
    assert bool(report)
    assert set(report.features) == set(fitted.preprocessor.get_feature_names_out())
    assert not any(report.features.values())
    assert set(report.answers) == {"probabilities", "label", "confidence"}
    assert report.answers["label"] == 0.0
    assert report.answers["probabilities"] <= 1e-6
    assert report.rows == {"golden rows": 24, "rows of the source": 400}
    text = str(report)
    for part in ("equal", "400 rows of the source", "batch sizes 1, 2, 3, 7, 8, 16, 1000, all", "serving_examples"):
        assert part in text


def test_verify_finds_damage(exported, tmp_path):
    broken = tmp_path / "1"
    shutil.copytree(exported, broken)
    for name, change in {
        "golden_features": lambda arrays: {"numeric": flip_last_bit(arrays["numeric"])},
        "golden_answers": lambda arrays: {
            "probabilities": arrays["probabilities"] + 1e-3,
            "label": arrays["label"][::-1].copy(),
        },
    }.items():
        file = broken / ASSETS / f"{name}.arrow"
        arrays = read_arrays(file)
        write_arrays(file, arrays | change(arrays))
    report = blocks.verify(broken)
    assert not report
    assert "DIFFERENT" in str(report)
    assert len([name for name, value in report.features.items() if value > 0]) == 1
    assert {name for name, value in report.answers.items() if value > 1e-6} == {"probabilities", "label"}


def flip_last_bit(values):
    changed = values.copy()
    changed.view(np.uint32)[3, 1] ^= 1
    return changed


def test_verify_finds_a_model_of_other_statistics(exported, fitted, table, tmp_path):
    broken = tmp_path / "1"
    shutil.copytree(exported, broken)
    with np.load(broken / ASSETS / "state.npz") as held:
        state = dict(held)
    state["0|mean"] = state["0|mean"] + 1e-3
    np.savez(broken / ASSETS / "state.npz", **state)
    report = blocks.verify(broken, table)
    assert not report.ok
    assert report.features["age"] > 0
    assert report.features["größe"] == 0


def test_verify_errors(exported, tmp_path, table):
    with pytest.raises(InvalidArgument, match=r"is no SavedModel that blocks exported"):
        blocks.verify(tmp_path)
    with pytest.raises(SchemaMismatch, match=r"A store is compared with the raw rows.*a store and no source"):
        blocks.verify(exported, store=object())
    with pytest.raises(SchemaMismatch, match=r"city"):
        blocks.verify(exported, table.drop(["city"]))


def test_saved_model_cli_answers(exported, fitted, tmp_path):
    rows = {
        "age": np.array([30.0, np.nan]),
        "class": np.array([3, -1]),
        "city": np.array([b"rome", b""]),
        "größe": np.array([1.7, np.inf]),
        "is it?": np.array([1.0, 0.0]),
        "Cost: Total $": np.array([2.0, 3.0], "float32"),
    }
    np.savez(tmp_path / "rows.npz", **{f"c{i}": values for i, values in enumerate(rows.values())})
    inputs = ";".join(f"{name}={tmp_path}/rows.npz[c{i}]" for i, name in enumerate(rows))
    done = subprocess.run(
        [Path(sys.executable).with_name("saved_model_cli"), "run", "--dir", exported, "--tag_set", "serve",
         "--signature_def", "serving_default", "--inputs", inputs, "--outdir", tmp_path],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    expected = fitted({**rows, "city": np.array(["rome", ""], object)})["probabilities"]
    assert np.allclose(np.load(tmp_path / "probabilities.npy"), expected, rtol=1e-6)
    assert "Result for output key label" in done.stdout


# -- what verify measures with -----------------------------------------------------------------------------------------


def test_arrays_survive_files_bit_for_bit(tmp_path):
    arrays = {
        "f4": np.array([[0.0, -0.0], [np.nan, np.inf]], "float32"),
        "f8": np.array([1e-310, -np.nan], "float64"),
        "i4": np.arange(8, dtype="int32").reshape(2, 2, 2),
        "text": np.array([b"", b"a\x00\n"], object),
        "flag": np.array([True, False]),
    }
    write_arrays(tmp_path / "a.arrow", arrays)
    found = read_arrays(tmp_path / "a.arrow")
    for name, values in arrays.items():
        assert found[name].shape == values.shape
        assert found[name].tolist() == values.tolist() or found[name].tobytes() == values.tobytes()
        assert found[name].dtype == values.dtype


def test_differences_are_counted_by_bits():
    one = np.array([[0.0, 1.0], [np.nan, 2.0]], "float32")
    assert differing(one, one.copy()) == [0, 0]
    assert differing(one, -one) == [2, 2]  # minus zero and the NaN's sign count
    assert differing(one, one[:1]) == [2, 2]
    assert differing(one, one.astype("f8")) == [2, 2]


def test_distances_are_relative_to_the_largest():
    one = np.array([1.0, -100.0, np.nan, np.inf])
    assert distance(one, one.copy()) == 0.0
    assert distance(one, one + np.array([0.5, 0, 0, 0])) == pytest.approx(0.005)
    assert distance(one, np.array([1.0, -100.0, 3.0, np.inf])) == float("inf")
    assert distance(one, one[:2]) == float("inf")
    assert distance(np.array([b"a", b"b"], object), np.array([b"a", b"c"], object)) == 0.5


def test_the_tolerance_follows_the_compute_dtype(tmp_path):
    rows = {"x": np.random.default_rng(0).normal(size=64), "y": np.resize(["n", "y"], 64)}
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        columns = preprocessors.Columns({"x": preprocessors.Standardize()})
        model = blocks.Model(columns, feature_extractors.MLP([8]), classifiers.Softmax("y"), seed=0)
        model.adapt(rows)
        model.fit(rows, epochs=1, verbose=0)
        model.export(tmp_path / "1")
    finally:
        keras.mixed_precision.set_global_policy("float32")
    report = blocks.verify(tmp_path / "1", rows)
    assert report.ok, report
    assert (report.compute_dtype, report.tolerance) == ("bfloat16", 2.0**-4)
    assert "tolerance 0.0625 of answers, which are computed in bfloat16" in str(report)
    report.answers["probabilities"] = 0.07
    assert not report.ok
    report.answers["probabilities"] = 0.05
    assert report.ok
    report.features["x"] = 1
    assert not report.ok, "features are exact whatever the core computes in"


def test_exports_say_what_they_are_judged_by(report):
    assert (report.compute_dtype, report.tolerance) == ("float32", 1e-6)
