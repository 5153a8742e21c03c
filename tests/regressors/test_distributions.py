"""Quantiles, Gaussian, Poisson and Tweedie: losses against scikit-learn and SciPy, and known parameters found again."""

import keras
import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import norm
from sklearn.metrics import mean_pinball_loss, mean_poisson_deviance, mean_tweedie_deviance

from blocks.errors import BadTarget, InvalidArgument
from blocks.regressors import Gaussian, Poisson, Quantiles, Tweedie

RANDOM = np.random.default_rng(0)
FEATURES = RANDOM.normal(size=(4000, 2)).astype("float32")
LINE = FEATURES @ [0.6, -0.4]


def same_after_a_trip(loss, truth, predicted):
    twin = keras.losses.deserialize(keras.losses.serialize(loss))
    assert float(twin(truth, predicted)) == float(loss(truth, predicted))


# -- quantiles ---------------------------------------------------------------------------------------------------------


def test_the_pinball_loss_is_scikit_learns(learned):
    levels, truth = [0.1, 0.4, 0.95], RANDOM.normal(50, 9, 300)
    head = learned(Quantiles("y", levels), pa.array(truth))
    predicted = np.sort(RANDOM.normal(50, 9, (300, 3)), axis=1)
    expected = np.mean([mean_pinball_loss(truth, predicted[:, i], alpha=a) for i, a in enumerate(levels)])
    loss = head.default_loss()
    assert float(loss(truth, predicted)) * truth.std() == pytest.approx(expected, rel=1e-10)
    weight = RANDOM.random(300)
    of_rows = np.asarray(loss.call(truth, predicted))
    assert float(loss(truth, predicted, weight)) == pytest.approx((of_rows * weight).mean(), rel=1e-5)
    same_after_a_trip(loss, truth, predicted)


def test_quantiles_never_cross_whatever_the_weights(learned):
    head = learned(Quantiles("y", [0.01, 0.2, 0.3, 0.9]), pa.array([1e9, 1e9 + 1]))
    head.build((None, 6))
    for scale in (0.1, 10.0, 1e4):
        head.units.kernel.assign(RANDOM.normal(size=(6, 4)) * scale)
        found = head(RANDOM.normal(size=(500, 6)).astype("float32")).numpy()
        assert (np.diff(found, axis=1) >= 0).all()
    assert head.middle == 2
    answers = head.answer(head(np.zeros((3, 6), "float32")))
    assert answers["prediction"].shape == (3,)
    assert answers["quantiles"].shape == (3, 4)


def test_quantiles_start_as_a_normal_distributions(learned):
    target = RANDOM.normal(7, 3, 1000)
    head = learned(Quantiles("y"), pa.array(target))
    found = head(np.zeros((1, 4), "float32")).numpy()[0]
    assert np.allclose(found, norm.ppf([0.05, 0.5, 0.95], target.mean(), target.std()), rtol=1e-5)


def test_quantiles_cover_at_their_level(learned, trained):
    spread = np.exp(0.5 * FEATURES[:, 0])
    target = pa.array(20 + 5 * LINE + spread * RANDOM.normal(size=len(LINE)))
    model, history = trained(learned(Quantiles("y", [0.1, 0.5, 0.9]), target), FEATURES, target)
    predicted, truth = np.asarray(model(FEATURES)), target.to_numpy()
    shares = (truth[:, np.newaxis] <= predicted).mean(axis=0)
    assert np.allclose(shares, [0.1, 0.5, 0.9], atol=0.03)
    inside = ((predicted[:, 0] <= truth) & (truth <= predicted[:, 2])).mean()
    assert history["coverage"][-1] == pytest.approx(inside, abs=0.03)
    assert history["mean_absolute_error"][-1] == pytest.approx(np.abs(truth - predicted[:, 1]).mean(), rel=0.1)


def test_quantiles_of_several_targets(learned):
    target = pa.array([{"a": float(i), "b": 1000.0 * i} for i in range(50)])
    head = learned(Quantiles(["a", "b"], [0.25, 0.75]), target)
    predictions = head(np.zeros((5, 3), "float32"))
    answers = head.answer(predictions)
    assert answers["quantiles"].shape == (5, 2, 2)
    assert answers["prediction"].shape == (5, 2)
    truth = head.encode(target)[0][:5]
    expected = np.mean(
        [
            mean_pinball_loss(truth[:, i], predictions.numpy()[:, i, j], alpha=level) / head.state["scale"][i]
            for i in range(2)
            for j, level in enumerate([0.25, 0.75])
        ]
    )
    assert float(head.default_loss()(truth, predictions)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("levels", [[], [0.5, 0.2], [0.0, 0.5], [0.5, 1.0], [0.5, 0.5], [float("nan")]])
def test_levels_are_checked(levels):
    with pytest.raises(InvalidArgument, match=r"levels are ascending, between 0 and 1. Received:"):
        Quantiles("y", levels)


# -- gaussian ----------------------------------------------------------------------------------------------------------


def test_the_gaussian_loss_is_scipys(learned):
    truth = RANDOM.normal(50, 9, 300)
    head = learned(Gaussian("y"), pa.array(truth))
    mean, deviation = RANDOM.normal(50, 9, 300), RANDOM.uniform(1, 20, 300)
    expected = -norm.logpdf(truth, mean, deviation).mean() - np.log(truth.std())
    predicted = np.stack([mean, deviation], axis=1)
    assert float(head.default_loss()(truth, predicted)) == pytest.approx(expected, rel=1e-10)
    same_after_a_trip(head.default_loss(), truth, predicted)


def test_gaussian_finds_mean_and_deviation_again(learned, trained):
    deviation = 3 * np.exp(0.5 * FEATURES[:, 1])
    target = pa.array(1e6 + 10 * LINE + deviation * RANDOM.normal(size=len(LINE)))
    head = learned(Gaussian("y"), target)
    model, history = trained(head, FEATURES, target)
    answers = head.answer(model(FEATURES))
    assert np.median(np.abs(answers["prediction"].numpy() - 1e6 - 10 * LINE)) < 1.0
    # the softplus of a line is no exponential, but near one here
    assert np.median(np.abs(np.log(answers["standard_deviation"].numpy() / deviation))) < 0.2
    assert "root_mean_squared_error" in history


def test_the_deviation_has_a_floor(learned):
    head = learned(Gaussian("y", floor=0.1), pa.array([0.0, 10.0]))
    head.build((None, 2))
    head.units.bias.assign([0.0, -1e6])
    assert head(np.zeros((1, 2), "float32")).numpy()[0, 1] == pytest.approx(0.5)
    with pytest.raises(InvalidArgument, match=r"floor is between 0 and 1. Received: 0"):
        Gaussian("y", floor=0)


# -- counts ------------------------------------------------------------------------------------------------------------


def test_deviances_are_scikit_learns(learned):
    truth = RANDOM.poisson(2.0, 400) * 1.0
    predicted = RANDOM.uniform(0.1, 5, 400)
    head = learned(Poisson("y"), pa.array(truth))
    expected = mean_poisson_deviance(truth, predicted)
    assert float(head.default_loss()(truth, predicted)) * truth.mean() == pytest.approx(expected, rel=1e-10)
    metric = head.default_metrics()[-1]
    metric.update_state(truth, predicted)
    assert float(metric.result()) == pytest.approx(expected, rel=1e-10)
    same_after_a_trip(head.default_loss(), truth, predicted)
    for power in (1.1, 1.5, 1.9):
        head = learned(Tweedie("y", power=power), pa.array(truth))
        expected = mean_tweedie_deviance(truth, predicted, power=power)
        found = float(head.default_loss()(truth, predicted)) * truth.mean() ** (2 - power)
        assert found == pytest.approx(expected, rel=1e-9)
        metric = head.default_metrics()[-1]
        metric.update_state(truth, predicted)
        assert float(metric.result()) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("head", [Poisson("y"), Tweedie("y")], ids=["poisson", "tweedie"])
def test_rates_are_found_again(learned, trained, head):
    rate = np.exp(1.0 + LINE)
    counts = RANDOM.poisson(rate) * 1.0
    target = pa.array(counts if isinstance(head, Poisson) else counts * RANDOM.gamma(2.0, 0.5, len(counts)))
    model, history = trained(learned(head, target), FEATURES, target)
    predicted = np.asarray(model(FEATURES))
    assert np.median(np.abs(np.log(predicted / rate))) < 0.1
    assert predicted.mean() == pytest.approx(target.to_numpy().mean(), rel=0.05)
    assert set(history) == {"loss", "root_mean_squared_error", "mean_absolute_error", "deviance"}


def test_predictions_never_overflow(learned):
    head = learned(Poisson("y"), pa.array([1.0, 3.0]))
    head.build((None, 1))
    head.unit.kernel.assign([[1e30]])
    found = head(np.array([[1.0], [-1.0]], "float32")).numpy()
    assert np.isfinite(found).all()
    assert (found > 0).all()
    assert np.isfinite(float(head.default_loss()(np.array([0.0, 3.0]), found)))


@pytest.mark.parametrize("make", [Poisson, Tweedie])
def test_negative_numbers_are_refused(learned, make):
    with pytest.raises(BadTarget, match=rf"{make.__name__} is for numbers that are not negative.*'y' from -1 to 3"):
        learned(make("y"), pa.array([-1.0, 3.0]))
    with pytest.raises(BadTarget, match=r"nor all 0. Received: 'b' from 0 to 0"):
        learned(make(["a", "b"]), pa.array([{"a": 1, "b": 0}, {"a": 2, "b": 0}]))
    head = learned(make("y"), pa.array([1.0, 3.0]))
    with pytest.raises(BadTarget, match=r"Every row needs a target that is a finite number, not negative.*'y' = -2.0"):
        head.encode_rows(pa.record_batch({"y": [1.0, -2.0]}))
    with pytest.raises(InvalidArgument, match=r"power is between 1 and 2. Received: 2"):
        Tweedie("y", power=2)
