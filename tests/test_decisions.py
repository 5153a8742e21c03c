"""Decisions end to end: on real rows, offline and served, refused where they would mislead."""

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import OrdinalEncoder

import blocks
from blocks import classifiers, feature_extractors, preprocessors, regressors
from blocks.block import AnswerChunk
from blocks.errors import InvalidArgument, NotAdapted
from blocks.postprocessors import (
    Abstain,
    Clip,
    ConformalInterval,
    ConformalSet,
    Isotonic,
    Labels,
    Round,
    Temperature,
    Threshold,
    TopK,
    Units,
    VectorScaling,
)

FOLDER = Path(os.environ.get("BLOCKS_DATA", ""))
real = pytest.mark.skipif("BLOCKS_DATA" not in os.environ, reason="BLOCKS_DATA names no folder of real data")

COLUMNS = ["mean radius", "mean texture", "worst concavity", "worst area"]


# -- through a Model ---------------------------------------------------------------------------------------------------


def patients():
    data = load_breast_cancer(as_frame=True)
    return blocks.read(data.frame[COLUMNS].assign(sick=np.array(["yes", "no"])[data.frame["target"]]))


def classifier(*postprocessors, head=None):
    return blocks.Model(
        preprocessor=preprocessors.Columns({name: preprocessors.Standardize() for name in COLUMNS}),
        feature_extractor=feature_extractors.MLP([8]),
        head=head or classifiers.Softmax("sick"),
        postprocessors=postprocessors,
        seed=0,
    )


def trained(model, splits, epochs=10):
    model.adapt(splits["train"])
    model.fit(splits["train"], epochs=epochs, batch_size=32, verbose=0)
    return model


@pytest.fixture(scope="module")
def splits():
    return patients().split(train=0.4, valid=0.3, test=0.3)


@pytest.fixture(scope="module")
def decided(splits):
    model = classifier(
        Temperature(),
        VectorScaling(),
        Isotonic(),
        TopK(2),
        Threshold(cost=[[0, 1], [9, 0]], positive="yes"),
        ConformalSet(0.9),
        Abstain(0.6, max_set_size=1),
    )
    trained(model, splits)
    model.calibrate(splits["valid"])
    return model


def assert_equal(expected, found):
    assert set(expected) == set(found)
    for name, values in expected.items():
        if values.dtype.kind == "f":
            assert np.allclose(values, found[name], atol=1e-5), name
        else:
            assert np.asarray(values).tolist() == np.asarray(found[name]).tolist(), name


def served_answers(model, source, path):
    model.export(path)
    raw = {name: tf.constant(source.to_table()[name].to_numpy()) for name in model.preprocessor.inputs}
    answers = tf.saved_model.load(str(path)).signatures["serve"](**raw)
    return {name: np.vectorize(bytes.decode)(v) if v.dtype == object else v
            for name, v in ((n, t.numpy()) for n, t in answers.items())}  # fmt: skip


def test_a_whole_chain_answers_alike_offline_reloaded_and_served(decided, splits, tmp_path):
    answers = decided.predict(splits["test"])
    assert set(answers) == {
        "probabilities", "top_labels", "top_probabilities", "label", "confidence", "threshold", "prediction_set",
        "set_size", "abstain",
    }  # fmt: skip
    decided.save(tmp_path / "model.keras")
    assert_equal(answers, blocks.load(tmp_path / "model.keras").predict(splits["test"]))
    assert_equal(answers, served_answers(decided, splits["test"], tmp_path / "1"))


def test_a_regressors_chain_answers_alike_offline_reloaded_and_served(tmp_path):
    frame = load_diabetes(as_frame=True).frame
    splits = blocks.read(frame).split(train=0.4, valid=0.3, test=0.3)
    model = blocks.Model(
        preprocessor=preprocessors.Columns({name: preprocessors.Standardize() for name in ("bmi", "bp", "s5")}),
        feature_extractor=feature_extractors.MLP([8]),
        head=regressors.Mean("target"),
        postprocessors=[ConformalInterval(0.8), Clip(0), Units(0.01, 1.0, "percent"), Round(2)],
        seed=0,
    )
    trained(model, splits, epochs=20)
    model.calibrate(splits["valid"])
    answers = model.predict(splits["test"])
    truth = 1 + splits["test"].to_table()["target"].to_numpy() / 100
    assert ((answers["low"] <= truth) & (truth <= answers["high"])).mean() > 0.7
    assert (answers["low"] >= 1.0).all()
    model.save(tmp_path / "model.keras")
    assert_equal(answers, blocks.load(tmp_path / "model.keras").predict(splits["test"]))
    assert_equal(answers, served_answers(model, splits["test"], tmp_path / "1"))


# -- refusals ----------------------------------------------------------------------------------------------------------


def test_rows_that_were_trained_on_are_refused(splits, tmp_path):
    model = classifier(Temperature())
    model.adapt(splits["train"])
    store = model.precompute({name: splits[name] for name in ("train", "valid")}, tmp_path / "store", verbose=False)
    model.fit(store["train"], epochs=1, verbose=0)
    model.calibrate(store["valid"])
    with pytest.raises(
        InvalidArgument, match=r"not trained on.*Received: split 'train' of a store, which fit was given"
    ):
        model.calibrate(store["train"])
    with pytest.raises(InvalidArgument, match=r"Received: Source\(.*which fit was given. .*allow_training_rows=True"):
        model.calibrate(splits["train"])
    model.save(tmp_path / "model.keras")
    again = blocks.load(tmp_path / "model.keras")
    with pytest.raises(InvalidArgument, match="split 'train' of a store, which fit was given"):
        again.calibrate(store["train"])
    again.calibrate(store["train"], allow_training_rows=True)
    again.calibrate(splits["valid"])
    fresh = again.replace(seed=1)  # its core was trained on nothing
    fresh.calibrate(store["train"])


def test_a_model_is_not_used_before_calibration(splits, tmp_path):
    model = classifier(ConformalSet())
    trained(model, splits, epochs=1)
    for use in (lambda: model.predict(splits["test"]), lambda: model.export(tmp_path / "1")):
        with pytest.raises(NotAdapted, match=r"ConformalSet '.*' has not been calibrated. Call model.calibrate"):
            use()
    model.evaluate(splits["test"], verbose=0)


def test_chains_that_do_not_fit_are_refused(splits):
    with pytest.raises(InvalidArgument, match=r"ConformalInterval works on a regressor's answers. Received: a Softmax"):
        classifier(ConformalInterval())
    with pytest.raises(InvalidArgument, match=r"Abstain needs 'set_size' among .*Received: 'probabilities'"):
        classifier(Abstain(max_set_size=1), ConformalSet(), head=classifiers.Softmax("sick")).adapt(splits["train"])
    prices = {"x": np.arange(20.0), "price": np.arange(20.0)}
    with pytest.raises(InvalidArgument, match=r"in the target's unit. Received: ConformalInterval after Units"):
        blocks.Model(
            preprocessor=preprocessors.Columns({"x": preprocessors.Standardize()}),
            head=regressors.Mean("price"),
            postprocessors=[Units(0.01), ConformalInterval()],
        ).adapt(prices)
    with pytest.raises(InvalidArgument, match=r"a row and a column for each class. Received: 3 rows for 2 classes"):
        classifier(Labels(), Threshold(cost=[[0, 1, 1], [1, 0, 1], [1, 1, 0]])).adapt(splits["train"])


# -- real rows ---------------------------------------------------------------------------------------------------------


def halves(rows, fit, seed=0):
    """Positions to fit on, to calibrate on, and to test on, the last two of like size."""
    order = np.random.default_rng(seed).permutation(rows)
    return order[:fit], order[fit : (fit + rows) // 2], order[(fit + rows) // 2 :]


def adult():
    frame = pd.read_csv(FOLDER / "adult_census" / "adult_train.csv")
    features = OrdinalEncoder().fit_transform(frame.drop(columns="income").fillna("?").astype(str))
    return features, pd.factorize(frame["income"], sort=True)[0], 3000, HistGradientBoostingClassifier(max_iter=15)


def mammography():
    frame = pd.read_csv(FOLDER / "mammography_imbalanced" / "mammography.csv", header=None)
    sick = frame[6].astype(str).str.strip("'").astype(int) == 1
    return frame.iloc[:, :6].to_numpy(), sick.astype(int).to_numpy(), 3000, LogisticRegression(max_iter=500)


def white_wine():
    frame = pd.read_csv(FOLDER / "wine_quality" / "winequality-white.csv", header=None)
    quality = frame.iloc[:, -1].clip(4, 8)
    return frame.iloc[:, :-1].to_numpy(), (quality - 4).to_numpy(), 1200, HistGradientBoostingClassifier(max_iter=8)


def sms():
    lines = (FOLDER / "sms_spam" / "sms.tsv").read_text(encoding="utf-8").splitlines()
    label, text = zip(*(line.split("\t", 1) for line in lines), strict=True)
    words = ("call", "free", "txt", "you", "?", "!", "£", "0", "www", "i")
    counts = np.array(
        [[len(t), sum(c.isupper() for c in t), *(t.lower().count(w) for w in words)] for t in text], float
    )
    return counts, (np.array(label) == "spam").astype(int), 1000, HistGradientBoostingClassifier(max_iter=8)


def bikes():
    frame = pd.read_csv(FOLDER / "bike_sharing" / "bike_sharing_dataset_clean.csv")
    features = frame[["month", "hour", "holiday", "weekday", "temp", "hum", "windspeed"]].to_numpy(float)
    return features, frame["users"].to_numpy(float), 2000, HistGradientBoostingRegressor(max_iter=15)


def flights():
    columns = ["month", "day", "carrier", "origin", "dest", "distance", "hour", "arr_delay"]
    frame = pd.read_parquet(FOLDER / "nycflights13" / "flights.parquet", columns=columns).dropna()[::10]
    coded = [
        pd.factorize(frame[name])[0] if frame[name].dtype.kind not in "if" else frame[name] for name in columns[:-1]
    ]
    return (
        np.stack(coded, 1).astype(float),
        frame["arr_delay"].to_numpy(float),
        8000,
        HistGradientBoostingRegressor(max_iter=15),
    )


def wine_grades():
    features, _, fit, _ = white_wine()
    quality = pd.read_csv(FOLDER / "wine_quality" / "winequality-white.csv", header=None).iloc[:, -1]
    return features, quality.to_numpy(float), fit, HistGradientBoostingRegressor(max_iter=15)


def ages():
    frame = pd.read_csv(FOLDER / "adult_census" / "adult_train.csv")
    features = OrdinalEncoder().fit_transform(frame.drop(columns="age").fillna("?").astype(str))
    return features, frame["age"].to_numpy(float), 2000, HistGradientBoostingRegressor(max_iter=15)


def offline_and_served(block, answers, folder):
    """The block's answers, equal to those of its SavedModel."""
    inputs = {name: keras.Input(v.shape[1:], dtype=v.dtype.name, name=name) for name, v in answers.items()}
    model = keras.Model(inputs, block(inputs))
    model.export(str(folder / "export"), format="tf_saved_model", verbose=False)
    tensors = {name: tf.constant(values) for name, values in answers.items()}
    offline = {name: value.numpy() for name, value in block(tensors).items()}
    loaded = tf.saved_model.load(str(folder / "export"))
    served = loaded.serve(tensors)
    for name, values in offline.items():
        assert np.array_equal(values, served[name].numpy()), name
    return offline


@real
@pytest.mark.parametrize("data", [adult, mammography, white_wine, sms])
def test_sets_cover_new_rows(data, tmp_path):
    features, target, fit, model = data()
    one, two, three = halves(len(target), fit)
    model.fit(features[one], target[one])
    block = ConformalSet(0.9)
    block.calibrate(AnswerChunk({"probabilities": model.predict_proba(features[two]).astype("float32")}, target[two]))
    given = {"probabilities": model.predict_proba(features[three]).astype("float32")}
    sets = offline_and_served(block, given, tmp_path)["prediction_set"]
    assert sets[np.arange(len(three)), target[three]].mean() == pytest.approx(0.9, abs=0.015)


@real
@pytest.mark.parametrize("data", [bikes, flights, wine_grades, ages])
def test_intervals_cover_new_rows(data, tmp_path):
    features, target, fit, model = data()
    one, two, three = halves(len(target), fit)
    model.fit(features[one], target[one])
    names = ["prediction"]
    quantiles = []
    if data is bikes:
        names = ["prediction", "quantiles"]
        quantiles = [
            HistGradientBoostingRegressor(loss="quantile", quantile=q, max_iter=10).fit(features[one], target[one])
            for q in (0.05, 0.95)
        ]

    def answers(rows):
        found = {"prediction": model.predict(features[rows])}
        if quantiles:
            found["quantiles"] = np.sort(np.stack([q.predict(features[rows]) for q in quantiles], axis=1), axis=1)
        return found

    assert list(answers(two)) == names
    block = ConformalInterval(0.9)
    block.calibrate(AnswerChunk(answers(two), target[two]))
    found = offline_and_served(block, answers(three), tmp_path)
    inside = (found["low"] <= target[three]) & (target[three] <= found["high"])
    assert inside.mean() == pytest.approx(0.9, abs=0.015)


@real
@pytest.mark.parametrize("learn", [False, True])
@pytest.mark.parametrize("data", [mammography, adult])
def test_a_threshold_by_cost_beats_one_half(data, learn):
    features, target, fit, model = data()
    one, two, three = halves(len(target), fit)
    model.fit(features[one], target[one])
    cost = np.array([[0.0, 1.0], [20.0, 0.0]])
    block = Threshold(cost=cost.tolist(), learn=learn, classes=[0, 1])
    if learn:
        block.calibrate(AnswerChunk({"probabilities": model.predict_proba(features[two])}, target[two]))
    given = model.predict_proba(features[three])
    label = block({"probabilities": tf.constant(given)})["label"].numpy()
    assert cost[target[three], label].mean() < 0.8 * cost[target[three], given.argmax(axis=1)].mean()


@real
def test_bold_probabilities_become_honest():
    features, target, fit, model = adult()
    one, two, three = halves(len(target), fit)
    model.fit(features[one], target[one])

    def bold(rows):
        odds = model.predict_proba(features[rows]) ** 3
        return odds / odds.sum(axis=1, keepdims=True)

    def error(given):
        bins = np.digitize(given[:, 1], np.linspace(0, 1, 16)[1:-1])
        share = [(bins == b).mean() * abs(given[bins == b, 1].mean() - target[three][bins == b].mean())
                 for b in np.unique(bins)]  # fmt: skip
        return sum(share)

    given = bold(three)
    for block, most in ((Isotonic(), 0.02), (VectorScaling(), 0.04), (Temperature(), 0.04)):
        block.calibrate(AnswerChunk({"probabilities": bold(two)}, target[two]))
        after = block({"probabilities": tf.constant(given)})["probabilities"].numpy()
        assert error(after) < most < 0.06 < error(given), type(block).__name__


# -- the example -------------------------------------------------------------------------------------------------------


def test_the_example_runs_and_another_process_decides_alike(tmp_path):
    script = Path(__file__).parents[1] / "examples" / "decisions.py"
    done = subprocess.run([sys.executable, str(script), "--out", str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "called by TensorFlow alone: the same decisions on 20 rows: True" in done.stdout
