"""Naive forecasts against loops over the windows; their table beside a model's."""

import numpy as np
import pytest

import blocks
from blocks import baselines, postprocessors, preprocessors, regressors
from blocks.errors import InvalidArgument

RANDOM = np.random.default_rng(0)
LENGTH, AHEAD, SEASON = 7, 5, 3
HISTORY = RANDOM.normal(10, 2, (60, LENGTH))
ROWS = {"close": HISTORY, "close_ahead": RANDOM.normal(10, 2, (60, AHEAD))}


def head(**options):
    return regressors.Horizons("close_ahead", **{"season": SEASON, **options})


@pytest.mark.parametrize("gap", [0, 2])
def test_a_season_is_repeated(gap):
    expected = np.empty((60, AHEAD))
    for row in range(60):
        for step in range(AHEAD):
            place = LENGTH + gap + step
            while place >= LENGTH:
                place -= SEASON
            expected[row, step] = HISTORY[row, place]
    made = baselines.seasonal_naive(ROWS, head(), gap=gap)
    found = made.predict(ROWS)
    np.testing.assert_array_equal(found["prediction"], expected)
    errors = np.quantile(ROWS["close_ahead"] - expected, [0.1, 0.5, 0.9], axis=0).T
    errors = np.stack([np.minimum(errors[:, 0], 0), np.zeros(AHEAD), np.maximum(errors[:, 2], 0)], axis=1)
    np.testing.assert_allclose(found["quantiles"], expected[..., None] + errors)
    np.testing.assert_array_equal(
        baselines.naive(ROWS, head(quantiles=None)).predict(ROWS)["prediction"], HISTORY[:, -1:].repeat(AHEAD, axis=1)
    )


def test_missing_steps_of_a_window_are_those_a_season_before_or_the_mean():
    holed = HISTORY[:2].copy()
    holed[0, -1], holed[1] = np.nan, np.nan
    found = baselines.seasonal_naive(ROWS, head()).predict({"close": holed})["prediction"]
    assert found[0, 2] == HISTORY[0, LENGTH - 1 - SEASON]
    np.testing.assert_allclose(found[1], ROWS["close_ahead"].mean())


def test_it_stands_beside_a_model_in_one_table(tmp_path):
    columns = preprocessors.Columns({"close": preprocessors.Standardize()})
    model = blocks.Model(columns, head=head(), postprocessors=[postprocessors.ConformalInterval(0.8)], seed=0)
    model.adapt(ROWS, verbose=0)
    model.calibrate(ROWS)
    naive = baselines.seasonal_naive(ROWS, model.head)
    found = blocks.compare(
        {"naive": naive, "model": model}, data=ROWS, metrics=["mase", "mean_absolute_error"]
    ).to_pylist()
    error = np.abs(ROWS["close_ahead"] - naive.predict(ROWS)["prediction"])
    scale = np.abs(HISTORY[:, SEASON:] - HISTORY[:, :-SEASON]).mean(axis=1, keepdims=True)
    assert found[0]["baseline_value"] == pytest.approx(error.mean())
    assert found[1]["baseline_value"] == pytest.approx((error / scale).mean())
    assert naive.evaluate(ROWS)["mean_absolute_error"] == pytest.approx(error.mean())
    # a margin for each step: 0.8 of the rows that it was learned on, and one more at most
    table = model.predict_table(ROWS, tmp_path / "table.parquet", verbose=0)
    steps = blocks.evaluate.step_errors(table).to_pylist()
    shares = [row["value"] for row in steps if row["metric"] == "coverage"]
    assert len(shares) == AHEAD
    assert all(0.8 <= share <= 0.8 + 2 / 60 for share in shares)


def test_what_cannot_be_repeated_is_refused():
    with pytest.raises(InvalidArgument, match=r"Horizons head's target.*Mean of 'close_ahead'"):
        baselines.naive(ROWS, regressors.Mean("close_ahead"))
    with pytest.raises(InvalidArgument, match="history="):
        baselines.naive(ROWS, regressors.Horizons("y"))
    with pytest.raises(InvalidArgument, match=r"A season lies within a window\. Received: 24, of windows of 7"):
        baselines.seasonal_naive(ROWS, head(), season=24)
