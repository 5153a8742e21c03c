"""Log1p against NumPy in float64, rounded once."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from blocks.preprocessors import Log1p

ANY = arrays(
    np.float64,
    st.integers(1, 40),
    elements=st.floats(allow_nan=True, allow_infinity=True, allow_subnormal=False).filter(
        lambda x: not 0 < abs(x) < 1e-37  # TensorFlow flushes subnormal float32 to zero
    ),
)


def steps(found, expected):
    """float32 steps between two arrays of equal NaNs."""
    assert np.array_equal(np.isnan(found), np.isnan(expected))
    there = ~np.isnan(found)
    found, expected = found[there], expected[there]
    equal = found == expected
    with np.errstate(invalid="ignore"):
        gap = np.abs(found.astype(np.float64) - expected) / np.spacing(np.abs(expected))
    return gap[~equal].max(initial=0)


@given(ANY)
@settings(max_examples=60, deadline=None)
def test_equals_numpy(values):
    with np.errstate(invalid="ignore", divide="ignore"):
        plain = np.log1p(values).astype(np.float32)
        signed = (np.sign(values) * np.log1p(np.abs(values))).astype(np.float32)
    # two libraries' float64 logarithms differ in the last digit, so their roundings may by one step
    assert steps(Log1p()(values).numpy(), plain) <= 1
    assert steps(Log1p(signed=True)(values).numpy(), signed) <= 1


def test_equals_numpy_nearly_always_bit_for_bit():
    values = np.random.default_rng(0).lognormal(2.0, 3.0, 100_000)
    assert np.mean(Log1p()(values).numpy() != np.log1p(values).astype(np.float32)) < 1e-6


def test_ends():
    found = Log1p()(np.array([np.nan, -np.inf, -2.0, -1.0, 0.0, np.inf])).numpy()
    assert np.isnan(found[:3]).all()
    assert found[3:].tolist() == [-np.inf, 0.0, np.inf]
    # one NaN for all, whatever the batch: the sign bit of a NaN is a bit too
    assert len(set(found[:3].view(np.int32).tolist())) == 1
    signed = Log1p(signed=True)(np.array([-np.inf, -3.0, np.inf])).numpy()
    assert signed.tolist() == [-np.inf, -np.log(4.0).astype("f4"), np.inf]


@pytest.mark.parametrize("signed", [False, True])
def test_nan_has_the_same_bits_at_every_batch_size(signed):
    values = np.tile([-5.0, np.nan, -np.nan, 3.0, -1e300], 20)
    block = Log1p(signed=signed)
    whole = block(values).numpy().view(np.int32)
    for size in (1, 2, 3, 7, 8, 9):
        parts = [block(values[start : start + size]).numpy() for start in range(0, len(values), size)]
        assert np.array_equal(np.concatenate(parts).view(np.int32), whole)


@pytest.mark.parametrize("signed", [False, True])
def test_inverse(signed):
    values = np.array([0.0, 0.5, 100.0, *([-3.0] if signed else [])])
    block = Log1p(signed=signed)
    assert np.allclose(block.inverse(block(values)), values, rtol=1e-6)


def test_learns_nothing():
    assert Log1p().adapted
    assert Log1p().state == {}
