"""Horizons: targets of many steps, quantiles that do not cross, losses and training metrics against NumPy."""

import keras
import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import mean_pinball_loss

from blocks.errors import BadTarget, InvalidArgument
from blocks.regressors import Horizons

RANDOM = np.random.default_rng(0)
TRUTH = RANDOM.normal(50, 9, (300, 4))
LISTS = pa.FixedSizeListArray.from_arrays(pa.array(TRUTH.reshape(-1)), 4)
LEVELS = (0.1, 0.5, 0.9)


def test_one_scale_is_learned_of_all_steps_whatever_the_chunks_and_the_layout(learned):
    whole = learned(Horizons("y"), LISTS).state
    assert whole["steps"] == 4
    np.testing.assert_allclose([whole["mean"], whole["scale"]], [TRUTH.mean(), TRUTH.std()], rtol=1e-12)
    head = Horizons("y")
    parts = [LISTS.slice(0, 7), LISTS.slice(7, 200).cast(pa.list_(pa.float64())), LISTS.slice(207)]
    state = head.learn(head.observe_all(parts))
    np.testing.assert_allclose(state["scale"], whole["scale"], rtol=1e-12)
    assert head.history is None
    assert Horizons("close_ahead").history == "close"


def test_rows_that_lack_a_step_are_errors_or_skipped(learned):
    target = pa.array([[1.0, 2.0], None, [3.0, None], [4.0, float("inf")], [5.0, 6.0]], pa.list_(pa.float64(), 2))
    head = learned(Horizons("y", on_bad_target="skip"), target)
    encoded, usable = head.encode(target)
    assert usable.tolist() == [True, False, False, False, True]
    assert encoded.shape == (5, 2)
    assert head.without_target(head.observe_all([target])) == {"y": (3, 5)}
    with pytest.raises(BadTarget, match=r"finite numbers.*Received: 'y' = None in 3 of 5 rows"):
        learned(Horizons("y"), target).encode_rows(pa.record_batch({"y": target}))
    with pytest.raises(BadTarget, match="as many in each row, 2"):
        head.encode(pa.array([[1.0, 2.0, 3.0]]))
    with pytest.raises(BadTarget, match="as many in each row"):
        learned(Horizons("y"), pa.array([[1.0, 2.0], [1.0]]))
    with pytest.raises(BadTarget, match=r"list of numbers a row.*'y' of type string"):
        learned(Horizons("y"), pa.array(["a"]))
    with pytest.raises(InvalidArgument, match="Horizons' levels are ascending"):
        Horizons("y", quantiles=(0.9, 0.1))


def test_a_number_is_one_step(learned):
    head = learned(Horizons("y"), pa.array([1.0, 2.0, None, 4.0]))
    assert head.steps == 1
    assert head(np.zeros((3, 2), "float32")).shape == (3, 1, 3)


def test_quantiles_of_no_step_cross_and_start_as_a_normal_distributions(learned):
    head = learned(Horizons("y", quantiles=LEVELS), LISTS)
    start = head(np.zeros((1, 6), "float32")).numpy()[0]
    np.testing.assert_allclose((start - TRUTH.mean()) / TRUTH.std(), [[-1.2816, 0, 1.2816]] * 4, atol=1e-3)
    still = learned(Horizons("y", quantiles=LEVELS, drift=False), LISTS)
    np.testing.assert_allclose(still(np.zeros((1, 6), "float32")).numpy()[0], start, rtol=1e-6)
    assert still.count_params() == head.count_params() - 4
    head.units.kernel.assign(RANDOM.normal(size=(6, 12)) * 1e3)
    found = head(RANDOM.normal(size=(200, 6)).astype("float32")).numpy()
    assert found.shape == (200, 4, 3)
    assert (np.diff(found, axis=2) >= 0).all()


def test_loss_and_metrics_of_training_are_numpys(learned):
    head = learned(Horizons("y", quantiles=LEVELS), LISTS)
    predicted = np.sort(RANDOM.normal(50, 9, (300, 4, 3)), axis=2)
    lost = [mean_pinball_loss(TRUTH.reshape(-1), predicted[..., i].reshape(-1), alpha=a) for i, a in enumerate(LEVELS)]
    assert float(head.default_loss()(TRUTH, predicted)) * TRUTH.std() == pytest.approx(np.mean(lost), rel=1e-10)
    weight = RANDOM.random(300)
    found = {}
    for metric in head.default_metrics():
        metric.update_state(TRUTH[:100], predicted[:100], weight[:100])
        metric.update_state(TRUTH[100:], predicted[100:], weight[100:])
        twin = keras.metrics.deserialize(keras.metrics.serialize(metric))
        twin.update_state(TRUTH, predicted, weight)
        assert float(twin.result()) == pytest.approx(float(metric.result()), rel=1e-10)
        found[metric.name] = float(metric.result())
    middle, every = predicted[..., 1], np.broadcast_to(weight[:, None], TRUTH.shape)
    error = np.abs(TRUTH - middle)
    gap, levels = TRUTH[..., None] - predicted, np.array(LEVELS)
    pinball = np.maximum(levels * gap, (levels - 1) * gap)
    expected = {
        "root_mean_squared_error": np.sqrt(np.average(error**2, weights=every)),
        "mean_absolute_error": np.average(error, weights=every),
        "smape": np.average(2 * error / (np.abs(TRUTH) + np.abs(middle)), weights=every),
        "weighted_quantile_loss": 2 * (pinball.mean(axis=2) * every).sum() / (np.abs(TRUTH) * every).sum(),
        "coverage": np.average((predicted[..., 0] <= TRUTH) & (predicted[..., 2] >= TRUTH), weights=every),
    }
    assert found == pytest.approx(expected, rel=1e-6)


def test_without_quantiles_the_mean_of_each_step_is_learned(learned, trained):
    features = RANDOM.normal(size=(4000, 2)).astype("float32")
    lines = features @ np.array([[1.0, -2.0, 0.5], [0.3, 0.0, 4.0]]) + [10.0, 0.0, -5.0]
    target = pa.array((lines + RANDOM.exponential(1.0, lines.shape) - 1).tolist())
    head = learned(Horizons("y", quantiles=None), target)
    found = np.asarray(trained(head, features, target)[0](features))
    assert np.abs(found - lines).mean() < 0.1
    assert list(head.answer(found)) == ["prediction"]
