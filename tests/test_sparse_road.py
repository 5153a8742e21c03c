"""The whole road over sparse features: stores, training, answers, files and exports, beside those over dense ones."""

import keras
import numpy as np
import pyarrow as pa
import pytest

import blocks
from blocks import Resume, baselines, classifiers, feature_extractors, preprocessors
from blocks.errors import BlocksWarning
from blocks.offline.adapt import adapt

RANDOM = np.random.default_rng(0)
ROWS, TOKENS = 600, 60
TEXTS = [" ".join(RANDOM.choice([f"w{i}" for i in range(TOKENS)], RANDOM.integers(0, 15))) for _ in range(ROWS)]
TEXTS[5] = None
TEXTS[7] = " ".join(f"w{i}" for i in range(TOKENS))
TABLE = pa.table(
    {
        "text": TEXTS,
        "age": RANDOM.normal(size=ROWS),
        "label": ["yes" if text and "w3" in text.split() else "no" for text in TEXTS],
    }
)


def made(sparse=True, **options):
    return blocks.Model(
        preprocessor=preprocessors.Columns(
            {"text": preprocessors.TfIdf(TOKENS, sparse=sparse), "age": preprocessors.Standardize()}
        ),
        feature_extractor=feature_extractors.MLP([8]),
        head=classifiers.Softmax("label"),
        seed=0,
        **options,
    )


def weights(model):
    return [np.asarray(weight).copy() for weight in model.core.get_weights()]


@pytest.fixture(scope="module")
def road(tmp_path_factory):
    """A model fitted on a sparse store; its splits and stores in both formats."""
    folder = tmp_path_factory.mktemp("road")
    splits = blocks.read(TABLE).split(train=0.7, test=0.3)
    model = made()
    model.adapt(splits["train"], verbose=False)
    stores = {
        form: model.precompute(splits, folder / form, format=form, verbose=False) for form in ("hdf5", "tfrecord")
    }
    model.fit(stores["hdf5"]["train"], validation_data=stores["hdf5"]["test"], epochs=2, batch_size=32, verbose=0)
    return model, splits, stores, folder


def test_stores_hold_the_dense_columns(road):
    _, splits, stores, folder = road
    dense = made(sparse=False)
    dense.adapt(splits["train"], verbose=False)
    theirs = dense.precompute(splits, folder / "dense", verbose=False)
    for store in stores.values():
        assert store.check() == []
        rows, wide = store["train"].read().features, theirs["train"].read().features["numeric"]
        np.testing.assert_array_equal(rows["text"].dense(), wide[:, :TOKENS])
        np.testing.assert_array_equal(rows["numeric"], wide[:, TOKENS:])
    assert stores["hdf5"].spec["text"]["sparse"]


def test_training_is_the_same_from_both_formats_and_on_the_fly(road):
    model, splits, stores, _ = road
    found = []
    for data in (stores["hdf5"]["train"], stores["tfrecord"]["train"], splits["train"]):
        one = made()
        one.adapt(splits["train"], verbose=False)
        one.fit(data, epochs=1, batch_size=64, shuffle=False, verbose=0)
        found.append(weights(one))
    for other in found[1:]:
        for ours, theirs in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(ours, theirs)
    stored, fly = (model.evaluate(data, verbose=0) for data in (stores["hdf5"]["test"], splits["test"]))
    assert stored == pytest.approx(fly, abs=1e-6)


def test_answers_are_one_everywhere(road, tmp_path):
    model, splits, stores, _ = road
    expected = model.predict(splits["test"])["probabilities"]
    raw = splits["test"].to_table()
    batch = {"text": np.array([text or "" for text in raw["text"].to_pylist()]), "age": raw["age"].to_numpy()}
    np.testing.assert_allclose(model(batch)["probabilities"], expected, atol=1e-6)
    model.save(tmp_path / "model.keras")
    again = blocks.load(tmp_path / "model.keras")
    np.testing.assert_array_equal(again.predict(splits["test"])["probabilities"], expected)
    again.evaluate(stores["hdf5"]["test"], verbose=0)  # the store is still this model's
    model.export(tmp_path / "export")
    report = blocks.verify(tmp_path / "export", splits["test"], stores["hdf5"]["test"], verbose=False)
    assert report.ok
    assert report.features == {"text": 0, "age": 0}
    told = []
    model.summary(print_fn=lambda text, *_, **__: told.append(text))
    assert "text: float32 (batch, 60 sparse)" in "\n".join(told)


def test_verify_finds_a_store_of_other_sparse_rows(road, tmp_path):
    model, splits, _, _ = road
    other = made()
    other.adapt(blocks.read(TABLE.slice(0, 300)), verbose=False)
    store = other.precompute({"test": splits["test"]}, tmp_path / "other", verbose=False)
    model.export(tmp_path / "export")
    report = blocks.verify(tmp_path / "export", splits["test"], store["test"], verbose=False)
    assert not report.ok
    assert report.features["text"] > 0


def test_baselines_say_that_they_leave_the_column_out(road):
    model, splits, _, _ = road
    with pytest.warns(BlocksWarning, match=r"leave out text\."):
        baselines.linear(splits["train"], model.head, preprocessor=model.preprocessor)


def test_an_epoch_goes_on_where_it_was_interrupted(road, tmp_path):
    _, splits, stores, _ = road

    class Stop(Exception):
        pass

    def fitted(folder, after=None):
        model = made()
        model.adapt(splits["train"], verbose=False)

        def stop(batch, logs):
            if batch + 1 == after:
                raise Stop

        model.compile(steps_per_execution=1)
        callbacks = [Resume(folder, every=2), keras.callbacks.LambdaCallback(on_train_batch_end=stop)]
        model.fit(stores["hdf5"]["train"], epochs=2, batch_size=32, verbose=0, callbacks=callbacks)
        return weights(model)

    with pytest.raises(Stop):
        fitted(tmp_path / "run", after=7)
    for ours, theirs in zip(fitted(tmp_path / "run"), fitted(tmp_path / "whole"), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_dense_model_of_many_columns_saved_before_stays_dense(tmp_path):
    columns = preprocessors.Columns({"text": preprocessors.TfIdf(TOKENS)})
    adapt(columns, None, blocks.read(TABLE), verbose=False)
    config = columns.get_config()
    assert "sparse" not in str(config)
    assert list(preprocessors.Columns.from_config(config)._spec()) == ["numeric"]
