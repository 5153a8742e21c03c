"""Exports and `.keras` files of somebody else, or damaged: our error, with what was raised as its cause.

BLOCKS_HOSTILE says how many are changed at random; `make proof` asks for many.
"""

import json
import os
import pickle
import random
import shutil
import zipfile

import keras
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

import blocks
from blocks import Resume, classifiers, feature_extractors, preprocessors
from blocks.errors import BlocksError, CorruptShard, InvalidArgument, MalformedData, NotExportable, StoreMismatch
from blocks.export.export_manifest import read_manifest, schema
from blocks.export.exported_predictor import ExportedPredictor
from blocks.export.replay import ASSETS, read_arrays, write_arrays
from blocks.export.savedmodel import read_parts
from blocks.files.json_schema import violation

TRIES = int(os.environ.get("BLOCKS_HOSTILE", "20"))


@pytest.fixture(scope="module")
def rows():
    return {"x": np.linspace(-1, 1, 40), "c": np.resize(["a", "b", "c"], 40), "y": np.repeat(["n", "y"], 20)}


@pytest.fixture(scope="module")
def model(rows):
    columns = preprocessors.Columns({"x": preprocessors.Standardize(), "c": preprocessors.Vocabulary()})
    model = blocks.Model(columns, feature_extractors.MLP([4]), classifiers.Softmax("y"), seed=0)
    model.adapt(rows)
    model.fit(rows, epochs=1, verbose=0)
    return model


@pytest.fixture(scope="module")
def kept(model, tmp_path_factory):
    """An export and a file, not to be changed."""
    folder = tmp_path_factory.mktemp("kept")
    model.export(folder / "export")
    model.save(folder / "model.keras")
    return folder


@pytest.fixture
def export(kept, tmp_path):
    return shutil.copytree(kept / "export", tmp_path / "export")


def changed(export, **changes):
    file = export / ASSETS / "manifest.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def test_every_manifest_is_what_its_schema_says(kept, exported):
    for path in (kept / "export", exported):
        content = json.loads((path / ASSETS / "manifest.json").read_text())
        assert violation(content, schema()) is None
        assert content == read_manifest(path)


@pytest.mark.parametrize(
    "change",
    [
        {"version": "2"},
        {"version": 0},
        {"schema": {"x": "object"}},
        {"schema": ["x"]},
        {"heads": []},
        {"heads": [{"targets": 1}]},
        {"heads": [{"targets": ["y"], "classes": 3}]},
        {"spec": {"numeric": {}}},
        {"spec": {}},
        {"preprocessor": {}},
        {"preprocessor": {"class_name": "system", "module": "os", "config": {}, "registered_name": None}},
        {"preprocessor": {"class_name": "Dense", "module": "keras.layers", "config": {"units": 1}}},
        {"head": {"class_name": "Dense", "module": "keras.layers", "config": {"units": 1}}},
        {"compute_dtype": "int3"},
    ],
    ids=str,
)
def test_a_manifest_that_makes_no_sense(export, change):
    changed(export, **change)
    with pytest.raises(MalformedData, match="is damaged, or not by blocks"):
        read_parts(export)


@pytest.mark.parametrize("text", ["", "[" * 100_000, "[]", "null", "{"])
def test_a_manifest_that_is_none(export, text):
    (export / ASSETS / "manifest.json").write_text(text)
    for read in (blocks.verify, ExportedPredictor):
        with pytest.raises(MalformedData, match=r"manifest\.json"):
            read(export)


@pytest.mark.parametrize("kind", ["pipe", "link"])
def test_a_manifest_that_is_no_file(export, kind):
    file = export / ASSETS / "manifest.json"
    file.unlink()
    os.mkfifo(file) if kind == "pipe" else file.symlink_to("/dev/zero")
    with pytest.raises(InvalidArgument, match="must be a regular file, and is a"):
        read_manifest(export)


def gone(file):
    file.unlink()


def cut(file):
    file.write_bytes(file.read_bytes()[:-40])


def empty(file):
    file.write_bytes(b"")


def pickled(file):
    np.savez(file, mean=np.array([pickle.dumps], object))


def of_other_columns(file):
    write_arrays(file, {"z": np.arange(24.0)})


def of_fewer_rows(file):
    write_arrays(file, {name: values[:-1] for name, values in read_arrays(file).items()})


def of_an_offset_beyond(file):
    """Strings whose offsets point past their bytes."""
    offsets = pa.py_buffer(np.array([0, 10**6, 1], np.int32).tobytes())
    bad = pa.Array.from_buffers(pa.binary(), 2, [None, offsets, pa.py_buffer(b"a")])
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_file(sink, pa.schema([("c", pa.binary())])) as writer:
        writer.write_table(pa.table({"c": bad}))


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        *(("state.npz", damage) for damage in (gone, cut, empty, pickled)),
        *(("golden_rows.arrow", one) for one in (gone, cut, empty, of_other_columns, of_an_offset_beyond)),
        ("golden_features.arrow", of_other_columns),
        ("golden_features.arrow", of_fewer_rows),
        ("golden_answers.arrow", of_fewer_rows),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_damaged_assets_are_told_by_name(export, name, damage):
    damage(export / ASSETS / name)
    with pytest.raises(MalformedData, match=name) as caught:
        blocks.verify(export)
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize("name", ["saved_model.pb", "variables/variables.index"])
def test_a_damaged_savedmodel(export, rows, name):
    cut(export / name)
    with pytest.raises(MalformedData, match="its SavedModel cannot be read"):
        blocks.explain(export, {"x": 0.5, "c": "a"}, background=rows)
    with pytest.raises(MalformedData, match="its replay ended early") as caught:
        blocks.verify(export)
    assert "Traceback" in caught.value.__notes__[0]


def test_a_savedmodel_of_others(tmp_path, rows):
    tf.saved_model.save(tf.Module(), str(tmp_path / "foreign"))
    for use in (
        lambda: blocks.verify(tmp_path / "foreign"),
        lambda: blocks.explain(tmp_path / "foreign", {"x": 0.5, "c": "a"}, background=rows),
        lambda: blocks.report(tmp_path / "foreign", rows, path=tmp_path / "report.html"),
    ):
        with pytest.raises(InvalidArgument, match="is no SavedModel that blocks exported"):
            use()
    assert os.listdir(tmp_path) == ["foreign"]


@pytest.mark.proof
def test_exports_changed_at_random_never_raise_anything_raw(kept, tmp_path, rows):
    rng = random.Random(3)
    names = ["manifest.json", "state.npz"]
    refused = 0
    for number in range(TRIES):
        export = shutil.copytree(kept / "export", tmp_path / str(number))
        file = export / ASSETS / rng.choice(names)
        raw = bytearray(file.read_bytes())
        for _ in range(rng.choice([1, 1, 8])):
            raw[rng.randrange(len(raw))] = rng.randrange(256)
        file.write_bytes(raw[: rng.choice([len(raw), len(raw), rng.randrange(len(raw))])])
        try:
            read_parts(export)
        except BlocksError:
            refused += 1
        shutil.rmtree(export)
    assert refused > TRIES / 4


# -- .keras ----------------------------------------------------------------------------------------------------------


def repacked(source, target, change):
    """A file of the same members, one of them changed."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            raw = change(name, old.read(name))
            if raw is not None:
                new.writestr(name, raw)
    return target


@pytest.mark.parametrize(
    ("member", "change"),
    [
        ("config.json", lambda raw: None),
        ("config.json", lambda raw: b""),
        ("config.json", lambda raw: b"[" * 100_000),
        ("config.json", lambda raw: raw.replace(b"Standardize", b"Nonsense")),
        ("config.json", lambda raw: raw.replace(b'"x"', b"3")),
        ("model.weights.h5", lambda raw: None),
        ("model.weights.h5", lambda raw: raw[: len(raw) // 2]),
        ("model.weights.h5", lambda raw: b""),
    ],
)
def test_a_damaged_keras_file_gets_our_error_with_keras_as_its_cause(kept, tmp_path, member, change):
    path = repacked(kept / "model.keras", tmp_path / "m.keras", lambda n, raw: change(raw) if n == member else raw)
    with pytest.raises(MalformedData, match="Restore the file, save the model again") as caught:
        blocks.load(path)
    assert caught.value.__cause__ is not None


def test_keras_files_changed_at_random_load_the_same_or_not_at_all(model, kept, tmp_path, rows):
    rng = random.Random(5)
    raw, expected = (kept / "model.keras").read_bytes(), model.predict(rows)["probabilities"]
    refused = 0
    for number in range(max(TRIES // 4, 5)):
        path = tmp_path / f"{number}.keras"
        damaged = bytearray(raw)
        for _ in range(rng.choice([1, 4, 64])):
            damaged[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged[: rng.choice([len(raw), len(raw), rng.randrange(len(raw))])])
        try:
            np.testing.assert_array_equal(blocks.load(path).predict(rows)["probabilities"], expected)
        except BlocksError:
            refused += 1
    assert refused


def test_a_lambda_is_refused_when_it_is_saved(tmp_path, rows):
    layer = keras.layers.Lambda(lambda x: x * 2, output_shape=(4,))
    columns = preprocessors.Columns({"x": preprocessors.Standardize()})
    for extractor in (
        feature_extractors.Keras(layer),
        feature_extractors.Keras(keras.Sequential([keras.Input((1,)), layer])),
    ):
        model = blocks.Model(columns.copy(), extractor, classifiers.Softmax("y"), seed=0)
        with pytest.raises(NotExportable, match=r"feature_extractor holds a lambda\. Use a named function"):
            model.save(tmp_path / "m.keras")
    model = blocks.Model(columns, feature_extractors.MLP([2]), classifiers.Softmax("y"), seed=0)
    model.adapt(rows)
    model.compile(loss=lambda true, predicted: keras.ops.mean(predicted, axis=-1))
    with pytest.raises(NotExportable, match=r"a model whose compile holds a lambda\. Use a named function"):
        model.save(tmp_path / "m.keras")
    assert os.listdir(tmp_path) == []


# -- what else is read again -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "about",
    [
        b"[]",
        b"[" * 100_000,
        b'{"batches": 1, "epoch": 0, "batch": 0, "dtypes": [], "metrics": 0}',
        b'{"epoch": -1}',
        b"",
    ],
)
def test_what_resume_did_not_save(model, rows, tmp_path, about):
    np.savez(tmp_path / "resume.npz", about=np.frombuffer(about, np.uint8))
    with pytest.raises(CorruptShard, match=r"What Resume saved in .* is damaged"):
        model.fit(rows, epochs=1, verbose=0, callbacks=[Resume(tmp_path)])
    (tmp_path / "resume.npz").unlink()
    os.mkfifo(tmp_path / "resume.npz")
    with pytest.raises(CorruptShard, match="must be a regular file, and is a pipe"):
        model.fit(rows, epochs=1, verbose=0, callbacks=[Resume(tmp_path)])


@pytest.mark.parametrize(
    "metadata", [b"", b"[]", b"[" * 100_000, b'{"heads": []}', b'{"heads": [{"targets": 1}], "plan": {}, "counts": {}}']
)
def test_a_table_whose_metadata_is_not_ours(tmp_path, metadata):
    table = pa.table({"y": ["n", "y"], "probabilities": [[0.5, 0.5], [0.1, 0.9]]})
    pq.write_table(table.replace_schema_metadata({"blocks": metadata}), tmp_path / "t.parquet")
    with pytest.raises(MalformedData, match=r"metadata 'blocks' is damaged, or not by blocks.*say target="):
        blocks.evaluate.metrics(blocks.read(tmp_path / "t.parquet"))


def test_an_unfinished_table_whose_plan_is_damaged(model, rows, tmp_path):
    folder = tmp_path / "t.parquet.partial"
    for text in ("[" * 100_000, "[1]", ""):
        folder.mkdir()
        (folder / "plan.json").write_text(text)
        with pytest.raises(StoreMismatch, match=r"replace it: overwrite=True"):
            model.predict_table(rows, tmp_path / "t.parquet", verbose=False)
        assert model.predict_table(rows, tmp_path / "t.parquet", overwrite=True, verbose=False).count() == 40
        (tmp_path / "t.parquet").unlink()
