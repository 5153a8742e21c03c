"""Bins learned by `fit`: from a store or rows alike, once, of the same store after a swap, and never forgotten."""

import numpy as np
import pytest
import tensorflow as tf

import blocks
from blocks import Resume, classifiers, preprocessors
from blocks.feature_extractors import MLP, Ensemble, PiecewiseLinearEmbeddings, TabM
from blocks.training import learn, training_rows

RANDOM = np.random.default_rng(0)
ROWS = {
    "x": np.where(RANDOM.random(600) < 0.9, 0.0, RANDOM.integers(1, 30, 600)),
    "z": np.where(RANDOM.random(600) < 0.1, np.nan, RANDOM.normal(50.0, 9.0, 600)),
    "c": RANDOM.choice(["a", "b", "c"], 600),
    "label": RANDOM.choice(["no", "yes"], 600),
}
RAW = {name: ROWS[name][:50] for name in ("x", "z", "c")}
BINS = PiecewiseLinearEmbeddings(8)


def columns():
    return preprocessors.Columns(
        {"x": preprocessors.Standardize(), "z": preprocessors.Standardize(), "c": preprocessors.Vocabulary()}
    )


def model_of(extractor):
    model = blocks.Model(columns(), extractor, classifiers.Softmax("label"), seed=0)
    model.adapt(ROWS)
    model.compile(run_eagerly=True)
    return model


def fit(model, data, **options):
    return model.fit(data, epochs=1, batch_size=300, verbose=0, **options)


def edges(model):
    return dict(model.feature_extractor.state.items())


def equal(one, other):
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A model that made a store, and the store."""
    model = model_of(MLP([4]))
    return model, model.precompute({"train": ROWS}, tmp_path_factory.mktemp("learning") / "store")


def test_bins_are_of_the_features_that_are_trained_on(made):
    swapped = made[0].replace(feature_extractor=MLP([4], numeric_embeddings=BINS))
    assert not swapped.feature_extractor.adapted
    fit(swapped, made[1]["train"])
    assert swapped.feature_extractor.adapted
    numbers = np.concatenate([rows.features["numeric"] for rows in made[1]["train"].chunks()])
    expected = [np.quantile(np.unique(column), np.linspace(0, 1, 9)) for column in numbers.T.astype(np.float64)]
    assert np.allclose(edges(swapped)["0/edges"], expected, atol=1e-6)
    assert (np.diff(edges(swapped)["0/edges"]) > 0).all()

    rows = made[0].replace(feature_extractor=MLP([4], numeric_embeddings=BINS))
    fit(rows, ROWS)
    assert equal(edges(rows), edges(swapped))


def test_a_swapped_extractor_fits_from_the_old_store_and_nothing_is_adapted_or_written(made, monkeypatch):
    model, store = made
    folder = store.path if hasattr(store, "path") else store._folder
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}

    def refuse(*_args, **_kwargs):
        raise AssertionError("adapted or precomputed again")

    monkeypatch.setattr("blocks.model.adapt", refuse)
    monkeypatch.setattr("blocks.model.precompute", refuse)
    monkeypatch.setattr(preprocessors.Standardize, "learn", refuse)
    for extractor in (TabM([4], k=2, numeric_embeddings=BINS), Ensemble(MLP([4], numeric_embeddings=BINS), k=2)):
        swapped = model.replace(feature_extractor=extractor)
        swapped.compile(run_eagerly=True)
        fit(swapped, store["train"])
        assert swapped.feature_extractor.adapted
    assert before == {
        path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()
    }


def test_learned_bins_survive_files_and_copies_until_features_change(tmp_path):
    model = model_of(TabM([4], k=2, numeric_embeddings=BINS))
    fit(model, ROWS)
    model.save(tmp_path / "model.keras")
    loaded = blocks.load(tmp_path / "model.keras")
    assert equal(edges(loaded), edges(model))
    assert loaded.feature_extractor.adapted
    for name, value in model(RAW).items():
        assert np.array_equal(value, loaded(RAW)[name])
    model.export(tmp_path / "export")
    served = tf.saved_model.load(str(tmp_path / "export")).signatures["serving_default"]
    answers = served(**{name: tf.constant(values) for name, values in RAW.items()})
    assert np.allclose(answers["probabilities"], model(RAW)["probabilities"], atol=1e-6)
    assert equal(model.replace(head=classifiers.Softmax("label")).feature_extractor.state, edges(model))
    assert model.replace(preprocessor=model.preprocessor.copy()).feature_extractor.adapted
    other = model.replace(preprocessor=preprocessors.Columns({"x": preprocessors.Standardize()}))
    assert not other.feature_extractor.adapted
    model.adapt({name: values[:300] for name, values in ROWS.items()})
    assert not model.feature_extractor.adapted


def test_bins_are_learned_once(monkeypatch):
    model = model_of(MLP([4], numeric_embeddings=BINS))
    fit(model, ROWS)
    first = edges(model)
    monkeypatch.setattr(MLP, "observe", lambda *_: pytest.fail("learned again"))
    fit(model, {**ROWS, "x": ROWS["x"] * 2})
    assert equal(edges(model), first)


def test_of_a_long_split_a_fixed_shuffled_part_is_read(made, monkeypatch):
    monkeypatch.setattr(learn, "LEARN_ROWS", 250)
    monkeypatch.setattr(training_rows, "LEARN_CHUNK", 100)
    seen = []
    observe = MLP.observe

    def count(self, statistics, chunk):
        seen.append(len(chunk["numeric"]))
        observe(self, statistics, chunk)

    monkeypatch.setattr(MLP, "observe", count)
    found = []
    for seed in (0, 1):
        model = made[0].replace(feature_extractor=MLP([4], numeric_embeddings=BINS))
        model.compile(run_eagerly=True)
        fit(model, made[1]["train"], seed=seed)
        found.append(edges(model))
    assert seen == [100, 100, 50] * 2
    assert equal(*found)


def test_a_resumed_run_ends_in_equal_weights_and_learns_once(made, tmp_path, monkeypatch):
    def fresh():
        model = made[0].replace(feature_extractor=TabM([4], k=2, numeric_embeddings=BINS))
        model.compile("adam")
        return model

    options = {"batch_size": 100, "epochs": 2, "verbose": 0}
    whole = fresh()
    whole.fit(made[1]["train"], **options)
    cut = fresh()
    cut.fit(made[1]["train"], callbacks=[Resume(tmp_path)], **{**options, "epochs": 1})
    resumed = fresh()
    monkeypatch.setattr(TabM, "observe", lambda *_: pytest.fail("learned again"))
    resumed.fit(made[1]["train"], callbacks=[Resume(tmp_path)], **options)
    for one, other in zip(whole.core.weights, resumed.core.weights, strict=True):
        assert np.array_equal(one, other), one.path
    assert resumed.feature_extractor.adapted
