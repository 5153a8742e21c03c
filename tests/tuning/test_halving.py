"""Halving: the plan of rungs, and who goes on, against a plain count."""

import itertools

import numpy as np
import pandas as pd
import pytest

from blocks.training import defaults
from blocks.tuning.halving import DEFAULT, FACTOR, LEAST_ROWS, promoted, rungs


@pytest.mark.parametrize("rows", [1, 900, 3_072, 12_165, 70_000, 30_000_000])
@pytest.mark.parametrize("trials", [1, 2, 3, 8, 9, 26, 27, 32, 243])
def test_rungs_have_fewer_trials_and_more_work_each(rows, trials):
    plan = rungs(rows, trials)
    assert plan[0].trials == trials
    assert plan[-1].share == 1
    assert plan[-1].rows == rows
    assert plan[-1].epochs == defaults.fixed_epochs(rows)
    assert plan[-1].trials < FACTOR
    for here, after in itertools.pairwise(plan):
        assert after.trials == here.trials // FACTOR
        assert after.share >= here.share
        assert (after.share == here.share) == (here.share == 1), "rows grow first, then epochs"
        assert here.share < 1 or after.epochs >= here.epochs
    assert all(rung.rows >= min(rows, LEAST_ROWS) for rung in plan)


def test_halving_takes_less_than_a_quarter_of_all_trials_on_all_rows():
    for rows in (10_000, 100_000, 1_000_000):
        plan = rungs(rows, 32)
        with_default = plan[0].row_passes + sum(rung.rows * rung.epochs * (rung.trials + 1) for rung in plan[1:])
        assert with_default < 0.25 * 32 * plan[-1].rows * plan[-1].epochs


def test_those_of_the_lowest_losses_go_on_and_the_default():
    random = np.random.default_rng(0)
    for count in range(1, 12):
        losses = dict(enumerate(random.normal(size=12)))
        losses.pop(7)  # one that failed
        wanted = pd.Series(losses).nsmallest(count).index.tolist()
        found = promoted(losses, count)
        assert found[:count] == wanted
        assert found[count:] == ([] if DEFAULT in wanted else [DEFAULT])


def test_equal_losses_go_by_the_order_of_trials():
    assert promoted({3: 0.5, 1: 0.5, 2: 0.5}, 2) == [1, 2]
    assert promoted({}, 2) == []
