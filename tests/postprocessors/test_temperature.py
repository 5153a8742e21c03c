"""Temperature against the optimum that SciPy finds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from blocks.block import AnswerChunk
from blocks.errors import EmptySource
from blocks.postprocessors import Isotonic, Temperature, VectorScaling


def loss(beta, probabilities, target, weight):
    logits = beta * np.log(np.maximum(probabilities.astype(np.float64), np.finfo(np.float32).tiny))
    logits -= logits.max(axis=1, keepdims=True)
    losses = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(target)), target]
    return float(np.average(losses, weights=weight))


def calibrated(probabilities, target, weight=None, size=None):
    parts = [slice(start, start + (size or len(target))) for start in range(0, len(target), size or len(target))]
    return Temperature().calibrate(
        AnswerChunk({"probabilities": probabilities[part]}, target[part], None if weight is None else weight[part])
        for part in parts
    )


def sample(seed, classes, rows, temperature):
    """Probabilities that are too bold by `temperature`, and targets drawn from the honest ones."""
    random = np.random.default_rng(seed)
    honest = random.dirichlet(np.full(classes, 0.7), rows)
    target = np.array([random.choice(classes, p=row) for row in honest])
    bold = honest**temperature
    return (bold / bold.sum(axis=1, keepdims=True)).astype("float32"), target


@given(st.integers(0, 10**6), st.sampled_from([2, 3, 7]), st.floats(0.3, 6.0), st.booleans())
@settings(max_examples=20, deadline=None)
def test_finds_the_optimum(seed, classes, temperature, weighted):
    probabilities, target = sample(seed, classes, 300, temperature)
    weight = np.random.default_rng(seed).uniform(0.0, 2.0, 300) if weighted else None
    found = 1.0 / calibrated(probabilities, target, weight).temperature
    best = minimize_scalar(loss, (0.02, 50.0), args=(probabilities, target, weight), bounds=(0.02, 50.0),
                           method="bounded", options={"xatol": 1e-10})  # fmt: skip
    assert found == pytest.approx(best.x, rel=2e-4)
    assert loss(found, probabilities, target, weight) <= best.fun * (1 + 1e-8) + 1e-12


def test_finds_the_temperature_that_was_put_in():
    probabilities, target = sample(0, 4, 20_000, 2.5)
    assert calibrated(probabilities, target).temperature == pytest.approx(2.5, rel=0.05)


def test_chunks_do_not_matter():
    probabilities, target = sample(1, 3, 500, 2.0)
    whole = calibrated(probabilities, target).temperature
    for size in (1, 7, 100):
        assert calibrated(probabilities, target, size=size).temperature == pytest.approx(whole, rel=1e-9)


def test_before_calibration_nothing_changes_and_after_it_the_order_stays():
    probabilities, target = sample(2, 5, 200, 3.0)
    raw = Temperature()({"probabilities": probabilities})["probabilities"].numpy()
    assert np.allclose(raw, probabilities, atol=1e-7)
    block = calibrated(probabilities, target)
    after = block({"probabilities": probabilities})["probabilities"].numpy()
    assert after.dtype == np.float32
    assert np.allclose(after.sum(axis=1), 1.0, atol=1e-6)
    assert np.array_equal(after.argmax(axis=1), probabilities.argmax(axis=1))
    expected = np.power(probabilities.astype(np.float64), 1 / block.temperature)
    assert np.allclose(after, expected / expected.sum(axis=1, keepdims=True), atol=1e-6)


@pytest.mark.parametrize(("right", "end"), [(True, 0.02), (False, 50.0)])
def test_an_optimum_beyond_the_ends_is_held_there(right, end):
    probabilities = np.tile([[0.6, 0.4]], (20, 1)).astype("float32")
    target = np.full(20, 0 if right else 1)
    assert calibrated(probabilities, target).temperature == pytest.approx(end)


def test_certain_and_impossible_probabilities_stay_finite():
    probabilities = np.array([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5], [1.0, 0.0]] * 3, "float32")
    block = calibrated(probabilities, np.array([0, 0, 1, 0] * 3))
    assert np.isfinite(block.temperature)
    assert np.isfinite(block({"probabilities": probabilities})["probabilities"]).all()


def test_calibrating_again_starts_over():
    probabilities, target = sample(3, 3, 400, 2.0)
    block = calibrated(probabilities, target)
    first = block.temperature
    block.calibrate(AnswerChunk({"probabilities": probabilities}, target))
    assert block.temperature == first
    with pytest.raises(EmptySource, match=r"calibrated on held-out rows, 10 at least. Received: none"):
        block.calibrate([])


@pytest.mark.parametrize("block", [Temperature, VectorScaling, Isotonic])
def test_too_few_rows_are_refused_and_the_number_is_said(block):
    probabilities, target = sample(3, 3, 9, 2.0)
    made = block()
    with pytest.raises(EmptySource, match=f"{block.__name__} is calibrated on held-out rows, 10 at least. Received: 9"):
        made.calibrate(AnswerChunk({"probabilities": probabilities}, target))
