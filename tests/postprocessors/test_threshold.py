"""Threshold against a search over every threshold with scikit-learn's metrics, and Elkan's formula."""

import numpy as np
import pytest
import tensorflow as tf
from sklearn import metrics

from blocks.block import AnswerChunk
from blocks.classifiers import Softmax
from blocks.errors import EmptySource, InvalidArgument, NotAdapted
from blocks.postprocessors import Threshold
from blocks.regressors import Mean

OF_TWO = {
    "accuracy": metrics.accuracy_score,
    "balanced_accuracy": metrics.balanced_accuracy_score,
    "f1": metrics.f1_score,
    "youden": lambda truth, label: metrics.balanced_accuracy_score(truth, label, adjusted=True),
}


def sample(seed, classes, rows, bold=1.0):
    random = np.random.default_rng(seed)
    honest = random.dirichlet(np.linspace(2.0, 0.3, classes), rows)
    target = np.array([random.choice(classes, p=row) for row in honest])
    given = honest**bold
    return (given / given.sum(axis=1, keepdims=True)).astype("float32"), target


def calibrated(block, probabilities, target, weight=None, size=100):
    parts = [slice(start, start + size) for start in range(0, len(target), size)]
    return block.calibrate(
        AnswerChunk({"probabilities": probabilities[part]}, target[part], None if weight is None else weight[part])
        for part in parts
    )


def labels(block, probabilities):
    return block({"probabilities": tf.constant(probabilities)})["label"].numpy()


@pytest.mark.parametrize("metric", OF_TWO)
def test_two_classes_reach_the_best_of_all_thresholds(metric):
    probabilities, target = sample(1, 2, 400)
    block = calibrated(Threshold(metric, classes=[0, 1]), probabilities, target)
    score = OF_TWO[metric]
    every = [score(target, probabilities[:, 1] >= cut) for cut in [*probabilities[:, 1], 2.0]]
    assert score(target, labels(block, probabilities)) == pytest.approx(max(every), abs=1e-12)
    assert 0 < block.threshold < 1


def test_weights_count_as_repetition():
    probabilities, target = sample(2, 2, 150)
    times = np.random.default_rng(0).integers(0, 4, 150)
    one = calibrated(Threshold("f1", classes=[0, 1]), probabilities, target, times.astype("float32"))
    two = calibrated(Threshold("f1", classes=[0, 1]), probabilities.repeat(times, axis=0), target.repeat(times))
    assert one.threshold == pytest.approx(two.threshold)


@pytest.mark.parametrize("metric", ["accuracy", "balanced_accuracy", "f1"])
def test_more_classes_beat_the_likeliest_class(metric):
    probabilities, target = sample(3, 4, 600, bold=0.6)
    block = calibrated(Threshold(metric, classes=[0, 1, 2, 3]), probabilities, target)
    found, plain = labels(block, probabilities), probabilities.argmax(axis=1)
    score = {
        "accuracy": metrics.accuracy_score,
        "balanced_accuracy": metrics.balanced_accuracy_score,
        "f1": lambda truth, label: metrics.f1_score(truth, label, average="macro", zero_division=0),
    }[metric]
    assert score(target, found) >= score(target, plain)
    if metric != "accuracy":
        assert score(target, found) > score(target, plain) + 0.01
    # nobody beats it by moving one factor alone
    factors = block.state["factors"]
    for index in range(4):
        for times in (0.5, 0.9, 1.1, 2.0):
            other = factors * np.where(np.arange(4) == index, times, 1.0)
            moved = (probabilities.astype(np.float64) * other).argmax(axis=1)
            assert score(target, moved) <= score(target, found) + 1e-9


def test_a_cost_is_the_least_expected_one():
    probabilities, _ = sample(4, 3, 200)
    cost = np.array([[0.0, 1.0, 4.0], [2.0, 0.0, 1.0], [9.0, 3.0, -1.0]])
    block = Threshold(cost=cost.tolist(), classes=["a", "b", "c"])
    assert not block.calibrates
    expected = (probabilities.astype(np.float64) @ cost).argmin(axis=1)
    answers = block({"probabilities": tf.constant(probabilities)})
    assert answers["label"].numpy().tolist() == [[b"a", b"b", b"c"][i] for i in expected]
    assert np.array_equal(answers["confidence"], probabilities[np.arange(200), expected])
    assert set(answers) == {"probabilities", "label", "confidence"}


@pytest.mark.parametrize("positive", ["ill", "well"])
def test_two_classes_have_the_threshold_of_the_formula(positive):
    block = Threshold(cost=[[-1.0, 2.0], [7.0, 0.0]], classes=["well", "ill"], positive=positive)
    # calling a well one ill costs 3 more than right, calling an ill one well 7
    assert block.threshold == pytest.approx(0.3 if positive == "ill" else 0.7)
    given = np.array([[0.71, 0.29], [0.69, 0.31]], "float32")
    answers = block({"probabilities": tf.constant(given)})
    assert answers["label"].numpy().tolist() == [b"well", b"ill"]
    assert answers["threshold"].numpy() == pytest.approx([block.threshold] * 2)
    assert answers["confidence"].numpy() == pytest.approx([0.71, 0.31])


@pytest.mark.parametrize("positive", [0, 1])
def test_a_learned_cost_is_the_least_on_the_rows(positive):
    probabilities, target = sample(5, 2, 500, bold=2.5)
    cost = np.array([[0.0, 1.0], [6.0, -0.5]])
    block = Threshold(cost=cost.tolist(), learn=True, positive=positive, classes=[0, 1])
    calibrated(block, probabilities, target)
    found = cost[target, labels(block, probabilities)].mean()
    every = [cost[target, (probabilities[:, 1] >= cut).astype(int)].mean() for cut in [*probabilities[:, 1], 2.0]]
    assert found == pytest.approx(min(every), abs=1e-9)
    plain = Threshold(cost=cost.tolist(), classes=[0, 1])
    assert found < cost[target, labels(plain, probabilities)].mean()


def test_errors():
    two = [[0, 1], [1, 0]]
    for make, message in {
        lambda: Threshold(): "takes a metric or a cost matrix",
        lambda: Threshold("f1", cost=two): "takes a metric or a cost matrix",
        lambda: Threshold("auc"): "metric is one of accuracy, balanced_accuracy, f1, youden. Received: 'auc'",
        lambda: Threshold("f1", learn=True): "learn is for a cost",
        lambda: Threshold(cost=[[0, 1]]): r"square matrix of finite numbers, cost\[actual\]\[called\]",
        lambda: Threshold(cost=[[1, 0], [1, 0]]): "no wrong label costs less than the right one",
        lambda: Threshold(cost=two, classes=[1, 2, 3]): "a row and a column for each class. Received: 2 rows for 3",
        lambda: Threshold("f1", classes=[1, 2, 3], positive=1): "positive are for two classes. Received: 3 classes",
        lambda: Threshold("f1", classes=[1, 2], positive=3): r"positive class is one of \[1, 2\]. Received: 3",
        lambda: Threshold("f1").bind(Mean("y")): "Threshold works on a classifier's probabilities. Received: a Mean",
        lambda: Threshold("f1", classes=[1, 2, 3]).threshold: "A threshold is of two classes. Received: 3",
    }.items():
        with pytest.raises(InvalidArgument, match=message):
            make()
    probabilities, target = sample(6, 2, 50)
    with pytest.raises(NotAdapted, match=r"has not been calibrated. Call model.calibrate\(held_out\)"):
        labels(Threshold("f1", classes=[0, 1]), probabilities)
    with pytest.raises(NotAdapted, match="does not know the classes yet"):
        labels(Threshold(cost=two), probabilities)
    with pytest.raises(EmptySource, match="held-out rows of every class"):
        calibrated(Threshold("f1", classes=[0, 1]), probabilities, target * 0)


def test_takes_the_heads_classes():
    block = Threshold("f1", positive="b")
    block.bind(Softmax("y"))  # not adapted yet: nothing to take
    assert block.adds == ("label", "confidence")
    block.bind(Softmax("y", classes=["b", "a"]))
    assert block.adds == ("label", "confidence", "threshold")
    assert type(block).from_config(block.get_config()).get_config() == block.get_config()
