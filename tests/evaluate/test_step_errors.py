"""Metrics of forecasts, of all steps and of each, against NumPy's by hand."""

import numpy as np
import pyarrow as pa
import pytest

import blocks
from blocks.data.fixed_size_lists import fixed_size_lists
from blocks.errors import InvalidArgument, SchemaMismatch
from blocks.evaluate import metrics, quantile_coverage, residuals, step_errors
from blocks.evaluate.scoring.forecast import naive_errors
from blocks.evaluate.tables.table_description import METADATA, Description
from blocks.targets.description import HeadDescription

ROWS, STEPS, LEVELS = 400, 3, (0.1, 0.5, 0.9)
RANDOM = np.random.default_rng(0)
TRUTH = RANDOM.normal(2, 5, (ROWS, STEPS))
QUANTILES = np.sort(TRUTH[..., None] + RANDOM.normal(0, 2, (ROWS, STEPS, 3)), axis=2)
SCALE = np.where(np.arange(ROWS) % 50, RANDOM.uniform(0.5, 2, ROWS), 0.0)
WEIGHT = RANDOM.random(ROWS)


def table(weighted=False):
    columns = {
        "y": fixed_size_lists(TRUTH),
        "prediction": fixed_size_lists(QUANTILES[..., 1]),
        "quantiles": fixed_size_lists(QUANTILES.reshape(ROWS, -1)),
        "low": fixed_size_lists(QUANTILES[..., 0]),
        "high": fixed_size_lists(QUANTILES[..., 2]),
        "naive_error": SCALE,
        "weight": WEIGHT,
        "pair": pa.array(["a", "b"] * (ROWS // 2)),
    }
    head = HeadDescription(
        kind="Horizons", targets=("y",), levels=LEVELS, sample_weight="weight" if weighted else None, steps=STEPS
    )
    return pa.table(columns).replace_schema_metadata({METADATA: Description((head,)).to_bytes()})


def by_hand(truth, quantiles, scale, weight):
    error = np.abs(truth - quantiles[..., 1])
    levels, gap = np.array(LEVELS), truth[..., None] - quantiles
    lost = np.maximum(levels * gap, (levels - 1) * gap)
    weight = np.broadcast_to(weight[:, None], truth.shape)
    moves = scale > 0

    def mean(values):
        return np.average(values, weights=weight)

    return {
        "mean_absolute_error": mean(error),
        "mean_squared_error": mean(error**2),
        "root_mean_squared_error": np.sqrt(mean(error**2)),
        "mean_error": mean(quantiles[..., 1] - truth),
        "smape": mean(2 * error / (np.abs(truth) + np.abs(quantiles[..., 1]))),
        "mase": np.average((error[moves] / scale[moves, None]), weights=weight[moves]),
        "weighted_quantile_loss": 2 * mean(lost.mean(axis=-1)) / mean(np.abs(truth)),
        "weighted_quantile_loss[0.9]": 2 * mean(lost[..., 2]) / mean(np.abs(truth)),
        "mean_pinball_loss[0.1]": mean(lost[..., 0]),
        "share_below[0.5]": mean(truth <= quantiles[..., 1]),
        "coverage": mean((quantiles[..., 0] <= truth) & (truth <= quantiles[..., 2])),
        "mean_width": mean(quantiles[..., 2] - quantiles[..., 0]),
    }


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("chunk_rows", [7, 10_000])
def test_metrics_of_all_steps_are_numpys(weighted, chunk_rows):
    weight = WEIGHT if weighted else np.ones(ROWS)
    found = metrics(table(weighted), chunk_rows=chunk_rows, bootstrap=100).to_pylist()
    values = {row["metric"]: row["value"] for row in found}
    expected = by_hand(TRUTH, QUANTILES, SCALE, weight)
    assert {name: values[name] for name in expected} == pytest.approx(expected, rel=1e-9)
    assert all(row["low"] <= row["value"] <= row["high"] for row in found)
    assert {row["note"] for row in found if row["metric"] == "mase"} == {
        "8 rows are left out, whose history does not move"
    }


def test_metrics_of_each_step_and_group_are_numpys():
    found = step_errors(table(), by="pair", chunk_rows=33).to_pylist()
    for group, rows in (("all", slice(None)), ("b", slice(1, None, 2))):
        for step in range(STEPS):
            at = rows, slice(step, step + 1)
            expected = by_hand(TRUTH[at], QUANTILES[at], SCALE[rows], np.ones(ROWS)[rows])
            values = {
                row["metric"]: row["value"] for row in found if row["group"].endswith(group) and row["step"] == step + 1
            }
            assert {name: values[name] for name in expected} == pytest.approx(expected, rel=1e-9)


def test_each_step_is_a_row_of_coverage_and_residuals():
    observed = quantile_coverage(table())["observed"].to_pylist()
    inside = (QUANTILES[..., 0] <= TRUTH) & (QUANTILES[..., 2] >= TRUTH)
    np.testing.assert_allclose(observed, [*(TRUTH[..., None] <= QUANTILES).mean(axis=(0, 1)), inside.mean()])
    (row,) = residuals(table(), 1).to_pylist()
    assert row["residual"] == pytest.approx((TRUTH - QUANTILES[..., 1]).mean())


def test_forecasts_are_compared_on_the_same_rows():
    worse = table().set_column(1, "prediction", fixed_size_lists(QUANTILES[..., 1] + 3))
    found = blocks.compare([table(), worse], metrics=["mase", "smape"]).to_pylist()
    assert [row["verdict"] for row in found] == ["other is worse"] * 2
    error = np.abs(TRUTH - QUANTILES[..., 1] - 3)
    assert found[1]["other_value"] == pytest.approx((error[SCALE > 0] / SCALE[SCALE > 0, None]).mean())


def test_missing_steps_are_left_out_and_misfits_refused():
    holed = TRUTH.copy()
    holed[3, 1] = np.nan
    rows = {"y": fixed_size_lists(holed), "prediction": fixed_size_lists(TRUTH)}
    with pytest.warns(UserWarning, match="1 unusable_targets"):
        found = metrics(pa.table(rows), target="y", bootstrap=0).to_pylist()
    assert found[0]["rows"] == ROWS - 1
    assert found[0]["value"] == 0
    with pytest.raises(SchemaMismatch, match=r"a number for each step.*'prediction' with 2, 'y' with 3"):
        metrics(pa.table({**rows, "prediction": fixed_size_lists(TRUTH[:, :2])}), target="y")
    with pytest.raises(InvalidArgument, match="a head of many steps"):
        step_errors({"y": [1.0, 2.0], "prediction": [1.0, 2.0]}, target="y")


def test_the_naive_error_is_the_mean_of_seasonal_differences():
    history = RANDOM.normal(size=(9, 12))
    for season in (1, 5):
        expected = [np.mean([abs(row[t] - row[t - season]) for t in range(season, 12)]) for row in history]
        np.testing.assert_allclose(naive_errors(history, season), expected)
