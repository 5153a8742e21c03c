"""Round against NumPy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blocks.errors import InvalidArgument
from blocks.preprocessors.numeric.round import Round


@settings(max_examples=80, deadline=None)
@given(st.lists(st.floats(-1e9, 1e9, allow_subnormal=False), min_size=1), st.integers(-4, 5))
def test_bits_of_numpy(values, decimals) -> None:
    data = np.array(values)
    expected = np.round(data, decimals).astype(np.float32)
    np.testing.assert_array_equal(Round(decimals)(data), expected)


def test_halves_go_to_the_even_neighbour() -> None:
    assert Round()(np.array([0.5, 1.5, 2.5, -1.5])).numpy().tolist() == [0, 2, 2, -2]


@settings(max_examples=40, deadline=None)
@given(st.integers(-(2**53), 2**53), st.integers(0, 20))
def test_integers_to_2_53_stay(integer, decimals) -> None:
    assert int(Round(decimals).compute(np.array([float(integer)])).numpy()[0]) == integer


def test_infinities_pass_and_huge_numbers_are_finite() -> None:
    largest = float(np.finfo(np.float32).max)
    rows = np.array([np.inf, -np.inf, 1e308, -1e308, 1e-320])
    assert Round(3)(rows).numpy().tolist() == [np.inf, -np.inf, largest, -largest, 0]
    assert Round(-300)(np.array([4e299, 6e299])).numpy().tolist() == [0, largest]


def test_missing_stays_or_becomes_a_number() -> None:
    assert np.isnan(Round()(np.array([np.nan])).numpy()).all()
    assert Round(missing=3)(np.array([np.nan])).numpy().tolist() == [3]


@pytest.mark.parametrize("decimals", [1.5, True, 301, None])
def test_decimals_are_a_whole_number(decimals) -> None:
    with pytest.raises(InvalidArgument, match="decimals must be a whole number, from -300 to 300"):
        Round(decimals)
