"""Mean's transforms and several targets, against SciPy, scikit-learn and NumPy."""

import keras
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import yeojohnson
from sklearn.preprocessing import PowerTransformer

from blocks.errors import BadTarget, InvalidArgument
from blocks.regressors import Mean
from blocks.regressors.target_scale import TargetScale

RANDOM = np.random.default_rng(0)
SKEWED = RANDOM.lognormal(3.0, 1.5, 4000)


def test_the_logarithm_is_numpys(learned):
    head = learned(Mean("y", transform="log"), pa.array(SKEWED))
    logs = np.log1p(SKEWED)
    scale = TargetScale.of(head.state)
    assert np.allclose(scale.forward(SKEWED, np), (logs - logs.mean()) / logs.std(), rtol=0, atol=1e-9)
    assert np.allclose(head.inverse([0.0, 1.0]), np.expm1([logs.mean(), logs.mean() + logs.std()]), rtol=1e-9)


@pytest.mark.parametrize("values", [SKEWED, -SKEWED, RANDOM.normal(size=4000) ** 3, np.exp(-SKEWED)], ids=range(4))
def test_the_power_is_scikit_learns(learned, values):
    head = learned(Mean("y", transform="power"), pa.array(values))
    theirs = PowerTransformer().fit(values[:, np.newaxis])
    assert float(head.state["exponent"]) == pytest.approx(theirs.lambdas_[0], abs=1e-3)
    found = TargetScale.of(head.state).forward(values, np)
    expected = yeojohnson(values, float(head.state["exponent"]))
    assert np.allclose(found, (expected - expected.mean()) / expected.std(), atol=1e-6)


@settings(max_examples=40)
@given(st.floats(-3, 3), st.lists(st.floats(-1e4, 1e4), min_size=2, max_size=9), st.floats(-9, 9))
def test_every_number_comes_back_and_order_stays(exponent, seen, start):
    low, high = min(seen), max(seen)
    scale = TargetScale.of({"mean": 0.0, "scale": 1.0, "exponent": exponent, "origin": 0.0, "low": low, "high": high})
    width = max(high - low, 1.0)
    values = np.sort(np.array([*seen, low - width, high + width, high + 7 * width]))
    there = scale.forward(values, np)
    assert np.isfinite(there).all()
    # what a steep transform presses together, float64 tells apart no more
    size = np.abs(values).max()
    steep = np.ptp(there) > 1e-6
    assert (np.diff(there) >= 0).all()
    if steep and abs(exponent - 1) < 1.5 and size < 100:
        assert np.allclose(scale.inverse(there, np), values, atol=1e-6 * size)
    assert np.isfinite(scale.inverse(np.array([start, 1e6, -1e6]), np)).all()


def test_ops_and_numpy_agree_and_gradients_never_end(learned):
    import tensorflow as tf

    head = learned(Mean("y", transform="power"), pa.array(SKEWED))
    scale = TargetScale.of(head.state)
    for point in (-1e3, -3.0, 0.0, 3.0, 1e3):
        value = tf.constant([point], tf.float64)
        with tf.GradientTape() as tape:
            tape.watch(value)
            unit = scale.inverse(value)
            back = scale.forward(unit)
        assert unit.numpy() == pytest.approx(scale.inverse(np.array([point]), np), rel=1e-12)
        assert float(tape.gradient(back, value)[0]) == pytest.approx(1.0, rel=1e-5)


@pytest.mark.parametrize("transform", ["log", "power"])
def test_learns_a_product(learned, trained, transform):
    features = RANDOM.normal(size=(2000, 2)).astype("float32")
    noise = RANDOM.normal(size=2000) * 0.5
    median = np.exp(5 + features @ [1.0, -0.5])
    target = pa.array(median * np.exp(noise))
    model, history = trained(learned(Mean("y", transform=transform), target), features, target)
    predicted = np.asarray(model(features))
    # the median, which lies below the mean, as the docstring says
    assert np.median(np.abs(np.log(predicted / median))) < 0.1
    assert predicted.mean() < 0.97 * np.mean(target.to_numpy())
    assert history["loss"][-1] < 0.25


def test_several_targets_have_their_own_scale_and_metrics(learned, trained):
    features = RANDOM.normal(size=(1000, 3)).astype("float32")
    truth = np.stack([features @ [1.0, 2.0, 3.0] * 1e3 + 5e4, features @ [-1.0, 0.5, 0.0] * 1e-3], axis=1)
    target = pa.StructArray.from_arrays([pa.array(truth[:, 0]), pa.array(truth[:, 1])], ["a", "b"])
    head = learned(Mean(["a", "b"]), target)
    assert np.allclose(head.state["mean"], truth.mean(axis=0))
    assert np.allclose(head.state["scale"], truth.std(axis=0))
    model, history = trained(head, features, target)
    assert history["a_root_mean_squared_error"][-1] < 0.1 * truth[:, 0].std()
    predicted = head.answer(model(features))["prediction"].numpy()
    assert predicted.shape == (1000, 2)
    error = np.sqrt(((predicted - truth) ** 2).mean(axis=0))
    assert (error < 0.05 * truth.std(axis=0)).all()
    names = [metric.name for metric in head.default_metrics()]
    assert names[::2] == ["a_root_mean_squared_error", "b_root_mean_squared_error"]
    for metric, of_column in zip(head.default_metrics()[::2], error, strict=True):
        metric.update_state(truth, predicted)
        assert float(metric.result()) == pytest.approx(of_column, rel=1e-9)
    assert head.encoding == {"kind": "number", "target": ["a", "b"], "weight": None}


def test_a_row_needs_all_of_several_targets(learned):
    rows = pa.array([{"a": 1.0, "b": 2}, {"a": None, "b": 2}, {"a": 3.0, "b": None}, None, {"a": 5.0, "b": 1}])
    head = learned(Mean(("a", "b")), rows)
    encoded, usable = head.encode(rows)
    assert encoded.shape == (5, 2)
    assert usable.tolist() == [True, False, False, False, True]
    assert head.state["mean"].tolist() == [3.0, pytest.approx(5 / 3)]
    twin = Mean.from_config(
        keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(head)).get_config()
    )
    assert twin.targets == ("a", "b")
    assert twin.state["mean"].tolist() == head.state["mean"].tolist()


def test_errors_say_the_rule(learned):
    with pytest.raises(InvalidArgument, match=r"transform is one of standardize, log, power. Received: 'sqrt'"):
        Mean("y", transform="sqrt")
    with pytest.raises(BadTarget, match=r"logarithm is for targets that are not negative. Received: 'y' with -1"):
        learned(Mean("y", transform="log"), pa.array([3.0, -1.0]))
    with pytest.raises(BadTarget, match=r"target is a number. Received: column 'y' of type string"):
        learned(Mean("y"), pa.array(["3"]))
    with pytest.raises(BadTarget, match=r"Received: 'b', of whose 2 values none is finite"):
        learned(Mean(["a", "b"]), pa.array([{"a": 1.0, "b": None}, {"a": 2.0, "b": None}], MIXED))
    with pytest.raises(BadTarget, match=r"several columns is a struct that has 'c'. Received: struct"):
        learned(Mean(["c"]), pa.array([{"a": 1.0, "b": 1.0}], MIXED))
    for target in ([], ["a", "a"], ["a", 3]):
        with pytest.raises(InvalidArgument, match=r"name of a column, or distinct names"):
            Mean(target)


MIXED = pa.struct([("a", pa.float64()), ("b", pa.float64())])
