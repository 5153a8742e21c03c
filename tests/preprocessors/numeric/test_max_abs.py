"""MaxAbs against scikit-learn in float64, rounded once."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import MaxAbsScaler

from blocks.preprocessors.numeric.max_abs import MaxAbs

RNG = np.random.default_rng(0)


def oracle(data, rows, clip=False) -> np.ndarray:
    out = MaxAbsScaler().fit(data[:, None]).transform(rows[:, None])[:, 0]
    return (np.clip(out, -1, 1) if clip else out).astype(np.float32)


@pytest.mark.parametrize("clip", [False, True])
@pytest.mark.parametrize("data", [RNG.normal(1e6, 3, 4000), -RNG.lognormal(0, 4, 4000), RNG.integers(-5, 9, 400)])
def test_bits_of_scikit_learn(data, clip) -> None:
    data = data.astype(np.float64)
    rows = np.concatenate([data, data * 1.7 - 3])
    np.testing.assert_array_equal(MaxAbs(clip=clip).adapt(data)(rows), oracle(data, rows, clip))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=20).filter(lambda v: max(map(abs, v)) > 1e-12))
def test_bits_of_scikit_learn_for_any_numbers(values) -> None:
    data = np.array(values)
    expected = oracle(data, data)
    expected[np.abs(expected) < np.finfo(np.float32).tiny] = 0  # TensorFlow's floats have no subnormals
    np.testing.assert_array_equal(MaxAbs().adapt(data)(data), expected)


def test_integers_to_2_53_and_the_largest_float64() -> None:
    assert MaxAbs().adapt(np.array([2.0**53]))(np.array([2.0**52, -(2.0**53)])).numpy().tolist() == [0.5, -1]
    assert MaxAbs().adapt(np.array([1.7e308]))(np.array([-0.85e308, np.inf, -np.inf])).numpy().tolist() == [-0.5, 1, 1]


def test_zeros_and_missing() -> None:
    assert MaxAbs().adapt(np.zeros(3))(np.array([0.0, 2.0, np.nan])).numpy().tolist() == [0, 2, 0]
    assert MaxAbs().adapt(np.array([1.0, -4.0, np.nan]))(np.array([np.nan])).numpy().tolist() == [-0.375]
