"""Ordinal: the cumulative link by NumPy, thresholds that cannot cross, a known model found again."""

import keras
import numpy as np
import pyarrow as pa
import pytest

from blocks.classifiers import Ordinal
from blocks.errors import BadTarget

RANDOM = np.random.default_rng(0)
SIZES = ["small", "medium", "large", "huge"]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def cumulative_link(score, thresholds):
    below = sigmoid(thresholds - score[:, np.newaxis])
    return np.diff(below, prepend=0.0, append=1.0, axis=1)


def test_probabilities_are_the_cumulative_links():
    head = Ordinal("size", classes=SIZES)
    values = RANDOM.normal(size=(40, 5)).astype("float32")
    found = head(values).numpy()
    score = (values.astype(np.float64) @ head.score.kernel.numpy())[:, 0]
    thresholds = np.asarray(head.thresholds, np.float64)
    assert np.allclose(found, cumulative_link(score, thresholds), atol=1e-6)
    assert np.allclose(found.sum(axis=1), 1.0, atol=1e-6)
    assert head.encode(pa.array(["huge", "small", None, "tiny"]))[0].tolist() == [3, 0, -1, -1]


def test_thresholds_start_where_the_classes_shares_are(learned):
    target = RANDOM.choice([1, 2, 5], 5000, p=[0.2, 0.5, 0.3])
    head = learned(Ordinal("stars"), pa.array(target))
    assert head.classes == [1, 2, 5]
    found = head(np.zeros((1, 3), "float32")).numpy()[0]
    assert np.allclose(found, head.priors, atol=2e-3)


@pytest.mark.parametrize("scale", [1.0, 30.0, 1e4])
def test_thresholds_never_cross(scale):
    head = Ordinal("size", classes=SIZES)
    head.build((None, 3))
    for _ in range(5):
        head.first.assign(RANDOM.normal(size=1) * scale)
        head.steps.assign(RANDOM.normal(size=2) * scale)
        head.score.kernel.assign(RANDOM.normal(size=(3, 1)) * scale)
        assert (np.diff(np.asarray(head.thresholds)) >= 0).all()
        found = head(RANDOM.normal(size=(200, 3)).astype("float32")).numpy()
        assert (found >= 0).all()
        assert np.allclose(found.sum(axis=1), 1.0, atol=1e-5)


def test_tiny_probabilities_keep_their_digits():
    head = Ordinal("size", classes=SIZES)
    head.build((None, 1))
    head.score.kernel.assign([[1.0]])
    head.first.assign([0.0])
    head.steps.assign([1.0, 1.0])
    score, thresholds = np.array([30.0, 60.0]), np.asarray(head.thresholds, np.float64)
    found = head(score[:, np.newaxis].astype("float32")).numpy()
    # sigmoid(a) - sigmoid(b) of float64 would lose them on the other side
    expected = np.exp(thresholds[1] - score) - np.exp(thresholds[0] - score)
    assert np.allclose(found[:, 1], expected, rtol=1e-3)


def test_a_proportional_odds_model_is_found_again(learned, trained):
    features = RANDOM.normal(size=(5000, 2)).astype("float32")
    score, thresholds = features @ [1.5, -1.0], np.array([-1.0, 0.5, 2.0])
    chances = cumulative_link(score, thresholds)
    ranks = (RANDOM.random((5000, 1)) > chances.cumsum(axis=1)).sum(axis=1)
    target = pa.array(np.array(SIZES, object)[ranks])
    head = learned(Ordinal("size", classes=SIZES), target)
    model, history = trained(head, features, target, steps=200)
    assert np.allclose(np.asarray(head.thresholds), thresholds, atol=0.15)
    assert np.allclose(head.score.kernel.numpy()[:, 0], [1.5, -1.0], atol=0.15)
    predicted = np.asarray(model(features))
    assert history["rank_error"][-1] == pytest.approx(np.abs(predicted.argmax(axis=1) - ranks).mean(), abs=0.05)
    assert history["loss"][-1] == pytest.approx(-np.log(chances[np.arange(5000), ranks]).mean(), abs=0.03)


def test_weights_keep_their_precision_in_mixed_float16():
    half = Ordinal("size", classes=SIZES, dtype="mixed_float16")
    found = half(np.zeros((2, 3), "float32"))
    assert found.dtype == "float32"
    assert np.allclose(found, 0.25, atol=1e-6)


def test_the_thresholds_survive_a_file(tmp_path):
    head = Ordinal("size", classes=SIZES)
    inputs = keras.Input((3,))
    model = keras.Model(inputs, head(inputs))
    head.steps.assign([3.0, -1.0])
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    values = RANDOM.normal(size=(9, 3)).astype("float32")
    assert (loaded(values).numpy() == model(values).numpy()).all()


def test_errors_say_the_rule(learned):
    with pytest.raises(
        BadTarget, match=r"order of an ordinal target's strings must be given. Received: 'size'.*highest\]"
    ):
        learned(Ordinal("size"), pa.array(["a", "b"]))
    with pytest.raises(BadTarget, match=r"two classes or more. Received: 'size' with 'small'"):
        learned(Ordinal("size", classes=SIZES), pa.array(["small", "small"]))
    with pytest.raises(BadTarget, match=r"Every class stands once among the classes. Received:"):
        Ordinal("size", classes=["a", "b", "a"])
