"""What blocks of before wrote is read, fits, goes on and answers as it did: the artefacts of tests/artefacts."""

import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import blocks
from blocks.errors import BlocksWarning, InvalidArgument, StoreMismatch

ARTEFACTS = Path(__file__).with_name("artefacts")
TRAIN = 40


@pytest.fixture(scope="module", params=sorted(folder.name for folder in ARTEFACTS.glob("tensorflow-*")))
def old(request, tmp_path_factory):
    return Path(shutil.copytree(ARTEFACTS / request.param, tmp_path_factory.mktemp("old") / request.param))


@pytest.fixture(scope="module")
def model(old):
    return blocks.load(old / "model.keras")


@pytest.fixture(scope="module")
def table(old):
    return pq.read_table(old / "rows.parquet")


def test_each_artefact_is_small():
    for artefact in (path for folder in ARTEFACTS.glob("tensorflow-*") for path in folder.iterdir()):
        files = artefact.rglob("*") if artefact.is_dir() else [artefact]
        assert sum(file.stat().st_size for file in files) < 200_000, artefact


def test_a_model_answers_as_it_did(old, model, table):
    answers = model.predict(table)
    expected = {name: values for name, values in np.load(old / "answers.npz").items() if "/" not in name}
    assert answers.keys() == expected.keys()
    for name, values in expected.items():
        if values.dtype.kind == "U":
            assert answers[name].tolist() == values.tolist()
        else:
            # the dense layers' sums are of another order on another machine or TensorFlow
            np.testing.assert_allclose(answers[name], values, rtol=0, atol=1e-6)


def test_what_was_not_kept_yet_is_none(old, model, table):
    assert (model.schema, model.splits, model.drift_reference) == (None, None, None)
    for keeps_nothing in (model, old / "export"):
        with pytest.raises(InvalidArgument, match="Give the training rows"):
            blocks.evaluate.drift(keeps_nothing, table)


@pytest.mark.parametrize("form", ["hdf5", "tfrecord"])
def test_a_store_fits_its_model_which_goes_on(old, model, table, form):
    store = blocks.open_store(old / f"store-{form}")
    assert store.check() == []
    expected = np.load(old / "answers.npz")
    for name, value in model.evaluate(store["valid"]).items():
        assert value == pytest.approx(float(expected[f"evaluate/{name}"]), abs=1e-6)
    stored = store["valid"].read().flat()
    with pytest.warns(BlocksWarning, match="no usable target"):
        [computed] = model.plan(table.slice(TRAIN), keys=["id"]).chunks(0)
    for name, values in computed.flat().items():
        np.testing.assert_array_equal(values, stored.pop(name))
    assert not stored
    copy = blocks.load(old / "model.keras")
    history = copy.fit(store["train"], validation_data=store["valid"], epochs=1, verbose=0)
    assert np.isfinite(history.history["val_loss"]).all()


def test_a_store_of_another_model_is_refused(old, table):
    other = blocks.Model(
        blocks.preprocessors.Columns({"income": blocks.preprocessors.Standardize()}),
        blocks.feature_extractors.MLP([4]),
        blocks.classifiers.Softmax("label", on_bad_target="skip"),
    )
    other.adapt(table)
    with pytest.raises(StoreMismatch, match="preprocessor"):
        other.fit(blocks.open_store(old / "store-hdf5")["train"], verbose=0)


def test_an_export_is_verified(old, table):
    report = blocks.verify(old / "export", table.slice(TRAIN), blocks.open_store(old / "store-hdf5")["valid"])
    assert report.ok, str(report)
    assert report.rows["golden rows"] == 24
