"""VectorScaling against another optimiser on the plain loss."""

import numpy as np
import pytest
from scipy.optimize import minimize

from blocks.block import AnswerChunk
from blocks.errors import EmptySource, NotAdapted
from blocks.postprocessors import VectorScaling
from blocks.postprocessors import vector_scaling as module


def sample(seed, classes, rows):
    """Probabilities that are off by a scale and a bias, and targets drawn from the honest ones."""
    random = np.random.default_rng(seed)
    honest = random.dirichlet(np.full(classes, 0.8), rows)
    target = np.array([random.choice(classes, p=row) for row in honest])
    off = np.exp((np.log(honest) - np.linspace(-0.5, 0.5, classes)) * 1.7)
    return (off / off.sum(axis=1, keepdims=True)).astype("float32"), target


def loss(parameters, logits, target, weight):
    scale, bias = np.split(parameters, 2)
    scaled = logits * scale + bias
    losses = np.log(np.exp(scaled).sum(axis=1)) - scaled[np.arange(len(target)), target]
    return float(np.average(losses, weights=weight))


def calibrated(probabilities, target, weight=None, size=10**9):
    parts = [slice(start, start + size) for start in range(0, len(target), size)]
    return VectorScaling().calibrate(
        AnswerChunk({"probabilities": probabilities[part]}, target[part], None if weight is None else weight[part])
        for part in parts
    )


@pytest.mark.parametrize(("classes", "weighted"), [(2, False), (3, True), (5, False)])
def test_finds_the_optimum(classes, weighted):
    probabilities, target = sample(classes, classes, 600)
    weight = np.random.default_rng(0).uniform(0.1, 2.0, 600) if weighted else None
    state = calibrated(probabilities, target, weight, size=100).state
    logits = np.log(np.maximum(probabilities.astype(np.float64), np.finfo(np.float32).tiny))
    start = np.concatenate([np.ones(classes), np.zeros(classes)])
    best = minimize(loss, start, (logits, target, weight), method="BFGS", options={"gtol": 1e-8, "maxiter": 500})
    found = loss(np.concatenate([state["scale"], state["bias"]]), logits, target, weight)
    assert found <= best.fun + 1e-7
    assert state["bias"].sum() == pytest.approx(0.0, abs=1e-9)


def test_undoes_what_was_put_in():
    probabilities, target = sample(9, 3, 20_000)
    state = calibrated(probabilities, target).state
    assert np.allclose(state["scale"], 1 / 1.7, atol=0.06)
    assert np.allclose(state["bias"], [-0.5, 0.0, 0.5], atol=0.12)


def test_beyond_what_is_held_it_learns_from_a_sample(monkeypatch):
    probabilities, target = sample(9, 3, 20_000)
    whole = calibrated(probabilities, target).state
    monkeypatch.setattr(module, "MOST_ROWS", 5000)
    one, two = (calibrated(probabilities, target, size=size).state for size in (777, 6000))
    assert all(np.array_equal(one[name], two[name]) for name in one)
    assert np.allclose(one["scale"], whole["scale"], atol=0.1)
    assert not np.allclose(one["scale"], whole["scale"], atol=1e-6)


def test_classes_that_can_be_parted_stay_finite():
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9]] * 5, "float32")
    block = calibrated(probabilities, np.array([0, 0, 1] * 5))
    assert np.isfinite(block({"probabilities": probabilities})["probabilities"]).all()


def test_errors():
    probabilities, target = sample(0, 3, 60)
    with pytest.raises(NotAdapted, match=r"has not been calibrated. Call model.calibrate\(held_out\)"):
        VectorScaling()({"probabilities": probabilities})
    with pytest.raises(EmptySource, match="held-out rows of every class"):
        calibrated(probabilities, np.where(target == 1, 0, target))
