"""Clip against NumPy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blocks.errors import InvalidArgument
from blocks.preprocessors.numeric.clip import Clip
from blocks.preprocessors.numeric.standardize import Standardize

RNG = np.random.default_rng(0)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(width=32, allow_subnormal=False), min_size=1),
    st.floats(-1e6, 0, width=32, allow_subnormal=False),
    st.floats(0, 1e6, width=32, allow_subnormal=False),
)
def test_bits_of_numpy(values, low, high) -> None:
    data = np.array(values, np.float64)
    np.testing.assert_array_equal(Clip(low, high)(data), np.clip(data, low, high).astype(np.float32))
    np.testing.assert_array_equal(Clip(low)(data), np.clip(data, low, None).astype(np.float32))
    np.testing.assert_array_equal(Clip(max_value=high)(data), np.clip(data, None, high).astype(np.float32))


def test_learned_ends_are_quantiles() -> None:
    data = RNG.lognormal(size=3000)
    low, high = np.percentile(data, [1, 90])
    block = Clip(quantile_range=(1, 90)).adapt(np.append(data, np.nan))
    np.testing.assert_array_equal(block(data), np.clip(data, low, high).astype(np.float32))


def test_missing_stays_for_the_next_block_or_becomes_a_number() -> None:
    rows = np.array([np.nan, 5.0])
    np.testing.assert_array_equal(Clip(0, 1)(rows), np.array([np.nan, 1], np.float32))
    assert Clip(0, 1, missing=-7)(rows).numpy().tolist() == [-7, 1]
    clip = Clip(0, 4)
    after = Standardize(add_indicator=True).adapt(clip.compute(np.array([2.0, 9.0, np.nan])).numpy())
    assert after.call(clip.compute(rows)).numpy()[0].tolist() == [0, 1]


def test_integers_to_2_53_and_float64_beyond_float32() -> None:
    block = Clip(0.0)
    assert block.compute(np.array([2.0**53 - 1])).numpy() == 2.0**53 - 1
    assert block(np.array([1e300, -1e300])).numpy().tolist() == [float(np.finfo(np.float32).max), 0]
    assert block(np.array([np.inf])).numpy() == np.inf


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "takes min_value or max_value or both, or else quantile_range"),
        ({"min_value": 1, "quantile_range": (1, 2)}, "or else quantile_range"),
        ({"min_value": 2, "max_value": 1}, "min_value is at most its max_value"),
        ({"min_value": np.nan}, "min_value is at most its max_value"),
        ({"quantile_range": (9, 1)}, "two rising percentages"),
        ({"min_value": 0, "missing": "mean"}, "missing is 'keep' or a finite number"),
        ({"min_value": 0, "missing": np.nan}, "missing is 'keep' or a finite number"),
    ],
)
def test_arguments_are_checked(arguments, message) -> None:
    with pytest.raises(InvalidArgument, match=message):
        Clip(**arguments)
