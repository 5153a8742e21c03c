"""ConformalSet and ConformalInterval: the papers' definitions in NumPy, and the coverage that they promise."""

import math

import numpy as np
import pytest

from blocks.block import AnswerChunk
from blocks.classifiers import Softmax
from blocks.errors import EmptySource, InvalidArgument, NotAdapted
from blocks.postprocessors import ConformalInterval, ConformalSet
from blocks.regressors import Mean


def sample(seed, rows, classes=6, concentration=0.4):
    random = np.random.default_rng(seed)
    honest = random.dirichlet(np.full(classes, concentration), rows)
    target = (random.random((rows, 1)) > np.cumsum(honest, axis=1)).sum(axis=1).clip(max=classes - 1)
    off = honest**0.5
    return (off / off.sum(axis=1, keepdims=True)).astype("float32"), target


def calibrated(block, answers, target, size=300):
    parts = [slice(start, start + size) for start in range(0, len(target), size)]
    return block.calibrate(
        AnswerChunk({name: values[part] for name, values in answers.items()}, target[part]) for part in parts
    )


def score(row, label):
    """What is likelier than the label, earlier of equal ones first; of the likeliest its negated probability."""
    order = sorted(range(len(row)), key=lambda i: (-row[i], i))
    rank = order.index(label)
    return sum(float(row[i]) for i in order[:rank]) if rank else -float(row[label])


@pytest.mark.parametrize("coverage", [0.5, 0.9])
def test_sets_are_those_of_the_definition(coverage):
    probabilities, target = sample(0, 333)
    probabilities[::7] = np.float32(1 / 6)  # equal ones
    block = calibrated(ConformalSet(coverage), {"probabilities": probabilities}, target)
    scores = sorted(score(row, label) for row, label in zip(probabilities, target, strict=True))
    limit = scores[math.ceil(334 * coverage) - 1]
    assert float(block.state["score"]) == pytest.approx(limit, abs=1e-12)
    answers = block({"probabilities": probabilities[:50]})
    expected = np.array([[score(row, label) <= limit + 1e-12 for label in range(6)] for row in probabilities[:50]])
    assert np.array_equal(answers["prediction_set"], expected)
    assert np.array_equal(answers["set_size"], expected.sum(axis=1))


@pytest.mark.parametrize(("concentration", "coverage"), [(0.4, 0.9), (0.02, 0.9), (1.0, 0.75)])
def test_sets_cover_as_promised(concentration, coverage):
    probabilities, target = sample(1, 24_000, concentration=concentration)
    held, new = slice(0, 8000), slice(8000, None)
    block = calibrated(ConformalSet(coverage), {"probabilities": probabilities[held]}, target[held], 4000)
    sets = block({"probabilities": probabilities[new]})["prediction_set"].numpy()
    assert sets[np.arange(16_000), target[new]].mean() == pytest.approx(coverage, abs=0.015)


def test_sets_are_never_empty_on_request():
    probabilities, target = sample(2, 4000, concentration=0.02)  # right more often than the coverage
    given = {"probabilities": probabilities}
    assert calibrated(ConformalSet(0.7), given, target)(given)["set_size"].numpy().min() == 0
    answers = calibrated(ConformalSet(0.7, allow_empty=False), given, target)(given)
    assert answers["set_size"].numpy().min() == 1
    assert answers["prediction_set"].numpy()[np.arange(4000), probabilities.argmax(axis=1)].all()


def regression(seed, rows):
    random = np.random.default_rng(seed)
    x = random.uniform(0, 3, rows)
    noise = random.normal(size=rows) * (0.2 + x)
    return {
        "prediction": x,
        "standard_deviation": 0.5 * (0.2 + x),
        "quantiles": x[:, None] + (0.2 + x)[:, None] * np.array([-0.5, 0.0, 0.8]),
    }, x + noise


def test_intervals_are_those_of_the_definitions():
    answers, target = regression(0, 199)
    rank = math.ceil(200 * 0.9) - 1
    prediction, deviation, quantiles = answers.values()
    for names, scores, low, high in (
        (("prediction",), np.abs(target - prediction), lambda q: prediction - q, lambda q: prediction + q),
        (("prediction", "standard_deviation"), np.abs(target - prediction) / deviation,
         lambda q: prediction - q * deviation, lambda q: prediction + q * deviation),
        (("prediction", "quantiles"), np.maximum(quantiles[:, 0] - target, target - quantiles[:, 2]),
         lambda q: quantiles[:, 0] - q, lambda q: quantiles[:, 2] + q),
    ):  # fmt: skip
        given = {name: answers[name] for name in names}
        out = calibrated(ConformalInterval(0.9), given, target, size=50)(given)
        margin = np.sort(scores)[rank]
        assert np.allclose(out["low"], low(margin), atol=1e-12)
        assert np.allclose(out["high"], high(margin), atol=1e-12)
        inside = (target >= out["low"].numpy() - 1e-9) & (target <= out["high"].numpy() + 1e-9)
        assert inside.sum() == rank + 1


@pytest.mark.parametrize("names", [["prediction"], ["prediction", "standard_deviation"], ["quantiles"]], ids=str)
def test_intervals_cover_as_promised(names):
    answers, target = regression(1, 24_000)
    held = {name: answers[name][:8000] for name in names}
    new = {name: answers[name][8000:] for name in names}
    out = calibrated(ConformalInterval(), held, target[:8000], 4000)(new)
    inside = (target[8000:] >= out["low"].numpy()) & (target[8000:] <= out["high"].numpy())
    assert inside.mean() == pytest.approx(0.9, abs=0.015)


def test_levels_choose_the_quantiles():
    answers, target = regression(2, 500)
    given = {"quantiles": np.concatenate([answers["quantiles"][:, :1] - 50, answers["quantiles"]], axis=1)}
    block = calibrated(ConformalInterval(0.6, levels=[0.01, 0.2, 0.5, 0.8]), given, target)
    plain = calibrated(ConformalInterval(0.6), {"quantiles": answers["quantiles"]}, target)
    assert np.allclose(block(given)["low"], plain({"quantiles": answers["quantiles"]})["low"])


def test_several_targets_have_a_margin_each():
    random = np.random.default_rng(3)
    prediction = random.normal(size=(400, 2))
    target = prediction + random.normal(size=(400, 2)) * [1.0, 10.0]
    block = calibrated(ConformalInterval(), {"prediction": prediction}, target)
    out = block({"prediction": prediction.astype("float32")})
    width = out["high"].numpy() - out["low"].numpy()
    assert width.dtype == np.float32
    assert width.shape == (400, 2)
    assert width[0, 1] > 5 * width[0, 0]
    assert ((target >= out["low"].numpy()) & (target <= out["high"].numpy())).mean(axis=0) == pytest.approx(
        0.9, abs=0.01
    )


def test_an_interval_is_never_inside_out():
    quantiles = np.tile([0.0, 10.0], (20, 1))
    block = calibrated(ConformalInterval(0.1), {"quantiles": quantiles}, np.full(20, 5.0))
    narrow = block({"quantiles": np.array([[0.0, 1.0]])})
    assert narrow["low"].numpy() == narrow["high"].numpy() == [0.5]


@pytest.mark.parametrize("make", [ConformalSet, ConformalInterval])
def test_too_few_rows_are_refused_and_the_number_is_said(make):
    probabilities, target = sample(4, 9)
    answers = {"probabilities": probabilities, "prediction": np.zeros(9)}
    truth = target if make is ConformalSet else np.arange(9.0)
    calibrated(make(0.9), answers, truth)
    few = {name: values[:8] for name, values in answers.items()}
    with pytest.raises(EmptySource, match=r"of coverage 0.9 is calibrated on 9 held-out rows at least. Received: 8"):
        calibrated(make(0.9), few, truth[:8])
    with pytest.raises(EmptySource, match=r"calibrated on 99 held-out rows at least. Received: 9"):
        calibrated(make(0.99), answers, truth)
    with pytest.raises(InvalidArgument, match=r"coverage is a share between 0 and 1, 0.9 say. Received: 90"):
        make(90)
    with pytest.raises(NotAdapted, match="has not been calibrated"):
        make()(answers)


def test_the_wrong_head_or_answers_are_refused():
    with pytest.raises(InvalidArgument, match=r"ConformalSet works on a classifier's probabilities. Received: a Mean"):
        ConformalSet().bind(Mean("y"))
    with pytest.raises(InvalidArgument, match=r"works on a regressor's answers. Received: a Softmax.*Use ConformalSet"):
        ConformalInterval().bind(Softmax("y"))
    answers, target = regression(5, 50)
    block = calibrated(ConformalInterval(), answers, target)
    with pytest.raises(InvalidArgument, match=r"calibrated on 'quantiles'. Received: answers with 'prediction'"):
        block({"prediction": answers["prediction"]})
    with pytest.raises(
        InvalidArgument, match=r"a target for each prediction. .*shape \(50,\), targets of shape \(50, 2\)"
    ):
        ConformalInterval().calibrate(AnswerChunk(answers, np.zeros((50, 2))))
    with pytest.raises(
        InvalidArgument, match=r"ConformalSet is calibrated on probabilities of shape \(rows, classes\)"
    ):
        ConformalSet().calibrate(AnswerChunk({"probabilities": np.zeros(3)}, np.zeros(3, int)))
