"""Every metric that any head reports, in training or in `metrics`, is known to be better higher, lower or neither."""

import numpy as np
import pytest

import blocks
from blocks import classifiers, preprocessors, regressors
from blocks.errors import InvalidArgument
from blocks.evaluate.explanations.importance import permutation_importance
from blocks.evaluate.metric_direction import direction
from blocks.evaluate.scoring.classification import Classification
from blocks.evaluate.scoring.estimate import Settings
from blocks.evaluate.scoring.forecast import Forecast
from blocks.evaluate.scoring.regression import Regression

ROWS = {
    "x": np.arange(8.0),
    "n": np.arange(8.0),
    "m": np.arange(8.0) + 1,
    "c": np.arange(8) % 2,
    "d": np.arange(8) // 4,
}
TARGETS = [
    *((name, ["c", "d"] if name == "Sigmoid" else "c") for name in classifiers.__all__),
    *((name, target) for name in regressors.__all__ for target in ("n", ["n", "m"]) if name != "Horizons"),
    ("Horizons", "n"),
]


@pytest.mark.parametrize(("name", "target"), TARGETS)
def test_metrics_of_training(name, target):
    head = (getattr(classifiers, name, None) or getattr(regressors, name))(target)
    blocks.Model(preprocessors.Columns({"x": preprocessors.Standardize()}), head=head).adapt(ROWS)
    ways = {direction(metric.name) for metric in head.default_metrics()}
    assert "higher" in ways or "lower" in ways


def test_metrics_of_tables():
    judged = [Classification(["a", "b"]), Classification([f"c{i}" for i in range(12)])]
    judged.append(Regression([0.1, 0.9], interval=True, deviation=True))
    judged.append(Forecast(1, [0.1, 0.9], interval=True, scaled=True))
    found = {name: direction(name) for one in judged for name in one.result(Settings(replicates=0))}
    assert found["recall[c3]"] == found["roc_auc_ovr_weighted"] == found["top_10_accuracy"] == "higher"
    assert found["log_loss"] == found["mean_pinball_loss[0.1]"] == found["root_mean_squared_error"] == "lower"
    assert {name for name, way in found.items() if way == "neither"} == {
        *("mean_error", "coverage", "mean_width", "share_below[0.1]", "share_below[0.9]")
    }


def test_of_a_head_and_of_a_column():
    assert direction("money_mean_error[price]") == "neither"
    assert direction("val_loss") == direction("coverage_mean_absolute_error") == "lower"


def test_unknown_is_refused():
    with pytest.raises(InvalidArgument, match="Received: 'smoothness'"):
        direction("smoothness")


def test_importance_is_by_a_metric_with_a_direction():
    class Doubled:
        def predict(self, rows):
            return {"prediction": 2 * rows["x"].to_numpy()}

    with pytest.raises(InvalidArgument, match="neither is"):
        permutation_importance(Doubled(), {"x": ROWS["x"], "y": ROWS["n"]}, metric="mean_error", target="y")
