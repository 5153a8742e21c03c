"""Reliability against scikit-learn, and what each postprocessor bought."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from sklearn.calibration import calibration_curve

import blocks
from blocks import classifiers, postprocessors, preprocessors
from blocks.errors import InvalidArgument
from blocks.evaluate import calibration, calibration_stages


@pytest.mark.parametrize("strategy", ["quantile", "uniform"])
@pytest.mark.parametrize("name", ["adult_census", "penguins"])
def test_curves_equal_scikit_learn(predicted, name, strategy):
    table, classes = predicted(name)
    truth, p = table["target"].to_numpy(), np.stack(table["probabilities"].to_pylist())
    found = calibration(table, 10, strategy, target="target", classes=classes, chunk_rows=1000)
    names = classes[1:] if len(classes) == 2 else classes
    assert found["class"].unique().to_pylist() == names
    for name in names:
        own = found.filter(pc.field("class") == name)
        share, mean = calibration_curve(truth == name, p[:, classes.index(name)], n_bins=10, strategy=strategy)
        np.testing.assert_allclose(own["observed"].to_numpy(), share, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(own["predicted"].to_numpy(), mean, rtol=1e-9)
        assert pc.sum(own["rows"]).as_py() == len(table)
        assert all(row["low"] <= row["observed"] <= row["high"] for row in own.to_pylist())


def test_weights_count_as_repeated_rows():
    random = np.random.default_rng(0)
    p, weight = random.random(200), random.integers(1, 4, 200)
    truth = np.where(random.random(200) < p, "yes", "no")
    table = pa.table({"y": truth, "w": weight, "probabilities": list(np.stack([1 - p, p], 1))})
    repeated = table.take(pa.array(np.repeat(np.arange(200), weight)))
    told = {"target": "y", "classes": ["no", "yes"]}
    one = calibration(table, 5, "uniform", **told, sample_weight="w")
    two = calibration(repeated, 5, "uniform", **told)
    for name in ("predicted", "observed", "rows"):
        np.testing.assert_allclose(one[name].to_numpy(), two[name].to_numpy(), rtol=1e-12)


def test_each_postprocessor_shows_what_it_bought():
    random = np.random.default_rng(0)
    x = random.normal(size=4000)
    rows = {"x": x, "label": np.where(x + random.logistic(size=4000) > 0, "yes", "no")}
    model = blocks.Model(
        preprocessors.Columns({"x": preprocessors.Standardize()}),
        head=classifiers.Softmax("label"),
        postprocessors=[postprocessors.Temperature(), postprocessors.Labels()],
        seed=0,
    )
    model.adapt(rows)
    model.postprocessors[0].restore({"temperature": np.asarray(3.0)})  # far too timid, for all to see
    found = calibration_stages(model, rows, 5)
    assert found["stage"].unique().to_pylist() == ["Softmax", "Temperature", "Labels"]

    def gap(stage):
        own = found.filter(pc.field("stage") == stage)
        return float(np.abs(own["predicted"].to_numpy() - own["observed"].to_numpy()).mean())

    assert gap("Temperature") != gap("Softmax")
    assert gap("Labels") == gap("Temperature")
    with pytest.raises(InvalidArgument, match="Stages are those of a blocks.Model"):  # noqa: RUF043
        calibration_stages(Answers(), rows)


class Answers:
    inputs = ("x",)

    def answers(self, chunk):
        return {"prediction": chunk["x"].to_numpy()}

    def describe(self):
        return {"model": "x", "heads": [{"targets": ["label"]}]}


def test_what_is_refused():
    table = pa.table({"y": [1.0, 2.0], "prediction": [1.0, 2.5]})
    with pytest.raises(InvalidArgument, match="Reliability is of a classifier"):
        calibration(table, target="y")
    with pytest.raises(InvalidArgument, match="strategy 'quantile' or 'uniform'"):
        calibration(table, strategy="other")
