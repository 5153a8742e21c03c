"""Isotonic against scikit-learn's IsotonicRegression."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression

from blocks.block import AnswerChunk
from blocks.errors import EmptySource, InvalidArgument
from blocks.postprocessors import Isotonic
from blocks.postprocessors import isotonic as module


def calibrated(probabilities, target, weight=None, size=None):
    parts = [slice(start, start + (size or len(target))) for start in range(0, len(target), size or len(target))]
    return Isotonic().calibrate(
        AnswerChunk({"probabilities": probabilities[part]}, target[part], None if weight is None else weight[part])
        for part in parts
    )


def curve(given, positive, weight, at):
    found = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip")
    return found.fit(given.astype(np.float64), positive, sample_weight=weight).predict(at.astype(np.float64))


def sample(seed, classes, rows):
    random = np.random.default_rng(seed)
    probabilities = random.dirichlet(np.full(classes, 0.7), rows).astype("float32")
    target = np.array([random.choice(classes, p=row**2 / (row**2).sum()) for row in probabilities.astype(float)])
    target[:classes] = np.arange(classes)
    return probabilities, target


@given(st.integers(0, 10**6), st.booleans(), st.sampled_from([2, 5, 300]))
@settings(max_examples=15)
def test_two_classes_equal_scikit_learn(seed, weighted, distinct):
    probabilities, target = sample(seed, 2, 300)
    second = (np.round(probabilities[:, 1] * distinct) / distinct).astype("float32")
    probabilities = np.stack([1 - second, second], axis=1)
    weight = np.random.default_rng(seed).uniform(0.0, 2.0, 300) if weighted else None
    block = calibrated(probabilities, target, weight)
    at = np.concatenate([second, np.linspace(0, 1, 101, dtype="float32")])
    answers = block({"probabilities": np.stack([1 - at, at], axis=1)})["probabilities"].numpy()
    assert np.allclose(answers[:, 1], curve(second, target, weight, at), atol=1e-6)
    assert np.allclose(answers.sum(axis=1), 1.0, atol=1e-6)
    assert (np.diff(answers[300:, 1]) >= 0).all()


def test_more_classes_are_each_against_the_rest_and_sum_to_one():
    probabilities, target = sample(0, 4, 500)
    answers = calibrated(probabilities, target, size=64)({"probabilities": probabilities})["probabilities"].numpy()
    each = np.stack([curve(probabilities[:, c], target == c, None, probabilities[:, c]) for c in range(4)], axis=1)
    assert np.allclose(answers, each / each.sum(axis=1, keepdims=True), atol=1e-6)


def test_where_no_class_is_left_the_probabilities_stay():
    block = Isotonic()
    block.restore({"given": np.tile([0.0, 1.0], (3, 1)), "honest": np.zeros((3, 2))})
    given_ = np.array([[0.2, 0.3, 0.5]], "float32")
    assert np.array_equal(block({"probabilities": given_})["probabilities"], given_)


def test_beyond_what_is_held_it_is_close(monkeypatch):
    probabilities, target = sample(1, 2, 4000)
    exact = calibrated(probabilities, target)({"probabilities": probabilities})["probabilities"].numpy()
    monkeypatch.setattr(module, "MOST_VALUES", 4 * 512)
    block = calibrated(probabilities, target)
    assert block.state["given"].shape[1] <= 513
    near = block({"probabilities": probabilities})["probabilities"].numpy()
    assert np.abs(near - exact).mean() < 0.01


@pytest.mark.parametrize(
    ("probabilities", "found"),
    [([[0.5, np.nan]], "nan"), ([[-0.1, 1.1]], "-0.1"), ([[0.5, 0.7]], "sum 1.2"), ([[3.0, -4.0]], "-4.0")],
)
def test_probabilities_that_are_none_are_refused(probabilities, found):
    with pytest.raises(InvalidArgument, match=rf"not negative and sum to 1. Isotonic received: .*{found}"):
        Isotonic().calibrate(AnswerChunk({"probabilities": np.array(probabilities)}, np.array([0])))


def test_a_class_without_rows_is_refused():
    probabilities, target = sample(2, 3, 50)
    with pytest.raises(EmptySource, match=r"held-out rows of every class. Received: none.*of the classes at 2"):
        calibrated(probabilities[target < 2], target[target < 2])
    with pytest.raises(InvalidArgument, match=r"targets from 0 to 2.*Received: from 0 to 3"):
        calibrated(probabilities, np.where(target == 2, 3, target))
