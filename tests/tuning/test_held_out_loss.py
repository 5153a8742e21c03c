"""The loss on test rows and its interval, against NumPy and SciPy."""

import numpy as np
import pytest
from scipy import stats

from blocks.tuning.held_out_loss import interval, losses_of_groups


def test_of_equal_weights_it_is_students_interval():
    values = np.random.default_rng(0).normal(3, 2, 40)
    low, high = stats.t.interval(0.95, 39, values.mean(), stats.sem(values))
    assert interval(values, np.full(40, 2.5)) == pytest.approx((values.mean(), low, high))


def test_of_weights_it_covers_as_often_as_it_says():
    random, covered = np.random.default_rng(1), 0
    for _ in range(1000):
        weights = random.integers(1, 4, 100).astype(float)
        value, low, high = interval(random.normal(5, 1 / np.sqrt(weights)), weights)
        covered += low <= 5 <= high
        assert low < value < high
    assert 930 <= covered <= 970


def test_groups_that_weigh_nothing_do_not_count_and_one_has_no_interval():
    assert interval(np.array([1.0, 2.0, 99.0]), np.array([1.0, 1.0, 0.0]))[0] == 1.5
    value, low, high = interval(np.array([1.0]), np.array([2.0]))
    assert (value, np.isnan(low), np.isnan(high)) == (1.0, True, True)


def test_groups_are_the_rows_that_evaluate_judges(fitted, table, tmp_path):
    store = fitted.precompute({"test": table}, tmp_path / "store")
    losses, weights = losses_of_groups(fitted, store["test"], 7)
    assert len(losses) == 7
    assert weights.sum() == len(table)
    wanted = fitted.evaluate(store["test"], verbose=0)["loss"]
    assert np.average(losses, weights=weights) == pytest.approx(wanted, rel=1e-5)
    probabilities = fitted.core.predict(dict(store["test"].read().features), verbose=0)
    first = next(iter(store["test"].stream(-(-len(table) // 7), seed=0)))
    predicted = fitted.core.predict(first[0], verbose=0)
    assert probabilities.shape[1] == predicted.shape[1] == 2
    assert losses[0] == pytest.approx(
        -np.log(np.exp(predicted) / np.exp(predicted).sum(1, keepdims=True))[np.arange(len(predicted)), first[1]].mean()
        if not np.allclose(predicted.sum(1), 1)
        else -np.log(predicted[np.arange(len(predicted)), first[1]]).mean(),
        rel=1e-4,
    )
