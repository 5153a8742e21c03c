"""Standardize against scikit-learn's StandardScaler in float64, rounded once."""

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import StandardScaler

from blocks.errors import EmptySource, InvalidArgument, NotAdapted, SchemaMismatch
from blocks.preprocessors import Standardize

ORDINARY = st.floats(-1e6, 1e6, allow_nan=False).map(lambda x: float(np.round(x, 6)))


def reference(train, values):
    scaler = StandardScaler().fit(np.asarray(train, np.float64)[:, None])
    with np.errstate(over="ignore"):
        return scaler.transform(np.asarray(values, np.float64)[:, None])[:, 0].astype(np.float32)


def ulps(a, b):
    """How many float32 steps apart, at most."""
    order = [np.where((i := x.view(np.int32).astype(np.int64)) < 0, -(1 << 31) - i, i) for x in (a, b)]
    return int(np.abs(order[0] - order[1]).max(initial=0))


@pytest.mark.parametrize("loc", [0.0, 40.0, -1e6, 1e9])
def test_equals_scikit_learn(loc):
    random = np.random.default_rng(1)
    train, test = random.normal(loc, 3.0, 5000), random.normal(loc, 30.0, 5000)
    found = Standardize().adapt(train)(test).numpy()
    # the learned mean and deviation may differ from scikit-learn's in their last float64 digit
    assert ulps(found, reference(train, test)) <= (1 if loc < 1e9 else 1 << 8)
    assert np.mean(found == reference(train, test)) > 0.99 or loc == 1e9


def test_equals_scikit_learn_bit_for_bit_with_its_own_statistics():
    random = np.random.default_rng(2)
    train, test = random.lognormal(3.0, 2.0, 3000), random.lognormal(3.0, 3.0, 3000)
    scaler = StandardScaler().fit(train[:, None])
    block = Standardize()
    state = {"mean": scaler.mean_[0], "scale": scaler.scale_[0], "low": train.min(), "high": train.max()}
    block.restore({name: np.float64(value) for name, value in state.items()})
    expected = scaler.transform(test[:, None])[:, 0].astype(np.float32)
    assert np.array_equal(block(test).numpy().view(np.int32), expected.view(np.int32))


def test_learned_numbers_are_those_of_a_mean_taken_exactly():
    from fractions import Fraction

    train = np.random.default_rng(3).normal(1e6, 1.0, 2000)
    exact = sum(map(Fraction, train.tolist())) / len(train)
    variance = sum((Fraction(x) - exact) ** 2 for x in train.tolist()) / len(train)
    state = Standardize().adapt(train).state
    assert abs(float(state["mean"]) - float(exact)) <= 1e-15 * 1e6
    assert abs(float(state["scale"]) - float(variance) ** 0.5) <= 1e-13


@given(st.lists(ORDINARY, min_size=2, max_size=50), st.lists(ORDINARY, min_size=1, max_size=20))
@settings(max_examples=40, deadline=None)
def test_agrees_with_scikit_learn_on_anything_finite(train, test):
    found = Standardize().adapt(np.array(train))(np.array(test)).numpy()
    scale = StandardScaler().fit(np.array(train)[:, None]).scale_[0]
    error = np.abs(found.astype(np.float64) - reference(train, test))
    assert (error <= 1e-6 * np.abs(found) + 1e-9 * np.abs(train).max() / scale + 1e-30).all()


@pytest.mark.parametrize("constant", [0.0, 7.0, 0.1, 1e9 + 0.1, -1e-8])
def test_a_constant_column_becomes_zero(constant):
    block = Standardize().adapt(np.full(1000, constant))
    assert block(np.array([constant])).numpy().tolist() == [0.0]
    assert float(block.state["scale"]) == 1.0
    assert block(np.array([constant + 1.0])).numpy()[0] == pytest.approx(1.0, abs=1e-6)


def test_missing_infinite_and_indicator():
    column = pa.array([1.0, 3.0, None, float("nan"), float("inf"), -float("inf")])
    block = Standardize(add_indicator=True).adapt(column)
    state = {name: float(value) for name, value in block.state.items()}
    assert state == {"mean": 2.0, "scale": 1.0, "low": 1.0, "high": 3.0}
    raw = np.array([np.nan, np.inf, -np.inf, 2.5])
    assert block(raw).numpy().tolist() == [[0.0, 1.0], [1.0, 0.0], [-1.0, 0.0], [0.5, 0.0]]
    kept = Standardize(missing="keep").adapt(column)(raw).numpy()
    assert np.isnan(kept[0])
    assert kept[1:].tolist() == [1.0, -1.0, 0.5]


def test_inverse_gives_the_values_back():
    random = np.random.default_rng(4)
    values = random.normal(5.0, 2.0, 100)
    block = Standardize().adapt(values)
    assert np.allclose(block.inverse(block(values)), values, rtol=1e-6)
    flagged = Standardize(add_indicator=True).adapt(values)
    back = flagged.inverse(flagged(np.array([np.nan, 5.0])))
    assert np.isnan(back[0])
    assert back[1] == pytest.approx(5.0)


def test_a_dataset_of_batches_is_taken():
    values = np.random.default_rng(5).normal(size=100)
    whole = Standardize().adapt(values)
    batched = Standardize().adapt(tf.data.Dataset.from_tensor_slices(values).batch(7))
    assert float(batched.state["mean"]) == pytest.approx(float(whole.state["mean"]), rel=1e-14)


def test_errors_say_the_rule():
    with pytest.raises(InvalidArgument, match=r"missing is 'mean' or 'keep'. Received: 'drop'"):
        Standardize(missing="drop")
    with pytest.raises(NotAdapted, match=r"Standardize 'age' has not been adapted. Call adapt\(source\)"):
        Standardize(name="age")(np.array([1.0]))
    with pytest.raises(EmptySource, match=r"a column with none"):
        Standardize().adapt(pa.array([None, float("nan"), float("inf")], pa.float64()))
    with pytest.raises(SchemaMismatch, match=r"takes columns of number. Received: .* of type string"):
        Standardize().adapt(["a"])
    with pytest.raises(SchemaMismatch, match=r"shape \(batch,\)"):
        Standardize().adapt(np.zeros((2, 2, 2)))
    with pytest.raises(InvalidArgument, match=r"adapt takes a column of values or an iterable of chunks"):
        Standardize().adapt(3)
