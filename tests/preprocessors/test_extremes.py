"""Columns at the ends of float64: finite features, the right ones by exact arithmetic, and no silent saturation."""

from decimal import Context, Decimal
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blocks.data import read
from blocks.errors import InvalidArgument
from blocks.offline.adapt import adapt
from blocks.offline.transform import Transform
from blocks.preprocessors import (
    Bucketize,
    Clip,
    Columns,
    Impute,
    Log1p,
    MaxAbs,
    MinMax,
    PiecewiseLinear,
    PowerTransform,
    QuantileTransform,
    RobustScale,
    Round,
    Standardize,
)
from blocks.preprocessors.columns.stacking import stacked

MOST, LEAST = np.finfo(np.float64).max, np.finfo(np.float64).tiny
FLOAT32 = Fraction(float(np.finfo(np.float32).max))
EXTREMES = [
    *(0.0, 1.0, -1.5, MOST, -MOST, MOST / 2, -MOST / 3, 1e308, 1e300, -1e300, 1e160, 1e154, 1e39, 3.5e38, 1e16),
    *(1e-160, -1e-200, 1e-300, 1e-307, LEAST, 2 * LEAST, -LEAST, 5e-324, -5e-324, 1e-310, 1e9 + 1e-6),
]
numbers = st.one_of(
    st.sampled_from(EXTREMES),
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(-3, 3),
)
columns = st.one_of(
    st.lists(numbers, min_size=1, max_size=12),
    # one magnitude alone: what a small unit makes of all
    st.builds(
        lambda exponent, values: [float(np.ldexp(value, exponent)) for value in values],
        st.integers(-1020, 1020),
        st.lists(st.floats(-7, 7), min_size=1, max_size=12),
    ),
)

FINITE = {
    "Standardize": Standardize,
    "MinMax": MinMax,
    "MinMax of a range": lambda: MinMax((-1e30, 3e38)),
    "MinMax clipped": lambda: MinMax((-1, 1), clip=True),
    "MaxAbs": MaxAbs,
    "RobustScale": RobustScale,
    "RobustScale of variance": lambda: RobustScale(unit_variance=True, with_centering=False),
    "RobustScale unscaled": lambda: RobustScale(with_scaling=False),
    "QuantileTransform": lambda: QuantileTransform(9),
    "QuantileTransform normal": lambda: QuantileTransform(9, output_distribution="normal"),
    "PowerTransform": PowerTransform,
    "PowerTransform unscaled": lambda: PowerTransform(standardize=False),
    "PiecewiseLinear": lambda: PiecewiseLinear(4),
    "PiecewiseLinear by rows": lambda: PiecewiseLinear(4, strategy="quantile", clip=True),
    "Bucketize": lambda: Bucketize(num_bins=4, output_mode="one_hot"),
    "Bucketize uniform": lambda: Bucketize(num_bins=4, strategy="uniform"),
}
"""Blocks that give a finite feature for every number, missing and infinite ones too."""

MONOTONE = set(FINITE) - {"PiecewiseLinear", "PiecewiseLinear by rows", "Bucketize"}
ANY = [float("nan"), float("inf"), float("-inf"), *EXTREMES]


@pytest.mark.parametrize("name", FINITE)
@settings(max_examples=25)
@given(column=columns)
def test_every_feature_is_finite_and_rises_with_the_number(name, column) -> None:
    block = FINITE[name]().adapt(np.array(column))
    assert all(np.isfinite(value).all() for value in block.state.values())
    found = block(np.array([*column, *ANY])).numpy()
    assert np.isfinite(found).all()
    if name in MONOTONE:
        rising = found[: len(column)][np.argsort(column)].astype(np.float64)
        assert (np.diff(rising) >= -1e-6 * np.maximum(1, np.abs(rising[1:]))).all()


@settings(max_examples=25)
@given(column=columns)
def test_numbers_pass_what_learns_none_or_a_number(column) -> None:
    values = np.array(column)
    float32 = np.clip(values, -float(FLOAT32), float(FLOAT32)).astype(np.float32)
    for block in (Impute(), Impute("median"), Impute("most_frequent"), Clip(quantile_range=(0, 100)), Round(300)):
        found = (block.adapt(values) if block.learns else block)(values).numpy()
        np.testing.assert_allclose(found, float32, rtol=1e-6, atol=1e-37)
    for of in ("mean", "median"):
        assert min(column) <= Impute(of).adapt(values).state["fill"] <= max(column)
    expected = np.copysign(np.log1p(np.abs(values)), values)
    np.testing.assert_allclose(Log1p(signed=True)(values).numpy(), expected, rtol=1e-6, atol=1e-37)


def exact(values) -> list[Fraction]:
    return [Fraction(float(value)) for value in values]


def seen(values) -> list[Fraction]:
    """What TensorFlow sees of numbers: subnormal ones are 0."""
    return exact(np.where(np.abs(values) < LEAST, 0.0, values))


def divisor(scale: Fraction, column) -> Fraction:
    """1 for a constant, and for what only subnormal numbers tell from one."""
    small = LEAST <= max(map(abs, column)) < 1e-250
    return scale if scale >= Fraction(LEAST) or (small and scale) else Fraction(1)


def standardized(column) -> list[Fraction]:
    values = exact(column)
    mean = sum(values) / len(values)
    variance = sum((value - mean) ** 2 for value in values) / len(values)
    noise = Fraction(2) ** -52
    context = Context(prec=60, Emin=-999_999, Emax=999_999)
    root = Fraction(context.sqrt(context.divide(Decimal(variance.numerator), Decimal(variance.denominator))))
    constant = variance <= len(values) * noise * variance + (len(values) * mean * noise) ** 2
    return [(value - mean) / (1 if constant else divisor(root, column)) for value in seen(column)]


def between_ends(column) -> list[Fraction]:
    values = exact(column)
    return [(value - min(values)) / divisor(max(values) - min(values), column) for value in seen(column)]


def quantile(values, fraction) -> Fraction:
    place = Fraction(fraction) * (len(values) - 1)
    below = int(place)
    above = min(below + 1, len(values) - 1)
    return values[below] + (values[above] - values[below]) * (place - below)


def by_quartiles(column) -> list[Fraction]:
    values = sorted(exact(column))
    scale = divisor(quantile(values, 0.75) - quantile(values, 0.25), column)
    return [(value - quantile(values, 0.5)) / scale for value in seen(column)]


def by_largest(column) -> list[Fraction]:
    return [value / divisor(max(map(abs, exact(column))), column) for value in seen(column)]


ORACLES = {Standardize: standardized, MinMax: between_ends, RobustScale: by_quartiles, MaxAbs: by_largest}


@pytest.mark.parametrize("kind", ORACLES)
@settings(max_examples=60)
@given(column=columns, cut=st.integers(0, 12))
def test_equals_exact_arithmetic(kind, column, cut) -> None:
    chunks = [pa.array(part, pa.float64()) for part in (column[:cut], column[cut:])]
    found = kind().adapt(pa.chunked_array(chunks))(np.array(column)).numpy()
    expected = [float(max(min(value, FLOAT32), -FLOAT32)) for value in ORACLES[kind](column)]
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kind", [Standardize, MinMax, RobustScale, PowerTransform, QuantileTransform])
@pytest.mark.parametrize("size", [1e-300, 1e-160, 1e160, 1e300])
def test_what_is_scaled_comes_back(kind, size) -> None:
    column = size * np.array([1.0, -2.0, 3.0, 7.5, 0.5])
    block = kind().adapt(column)
    np.testing.assert_allclose(block.inverse(block(column).numpy()), column, rtol=1e-5, atol=1e-6 * size)


@pytest.mark.parametrize("name", FINITE)
def test_one_sentinel_does_not_take_the_rest(name) -> None:
    rest = np.random.default_rng(0).normal(size=400)
    block = FINITE[name]().adapt(np.r_[MOST, rest])
    found = block(rest).numpy()
    assert np.isfinite(found).all()
    if "Quantile" in name or "Robust" in name or name == "Bucketize":  # the others are told by scale, which it is
        assert len(np.unique(found, axis=0)) > 3


def test_a_range_that_float32_does_not_hold_is_refused() -> None:
    with pytest.raises(InvalidArgument, match=r"feature_range lies within 3\.4e\+38, float32's\. Received"):
        MinMax((0, 1e39))


@pytest.mark.parametrize("kind", [Standardize, MinMax, RobustScale])
def test_extreme_columns_are_stacked_apart_and_keep_their_bits(kind) -> None:
    """One sentinel neither keeps the other columns from being worked out together, nor changes them."""
    random = np.random.default_rng(0)
    rows = {f"x{n}": random.normal(size=50) for n in range(3)}
    rows |= {"far": np.r_[MOST, random.normal(size=49)], "near": 1e-300 * random.normal(size=50)}
    columns = Columns({name: kind() for name in rows})
    adapt(columns, None, read(rows), verbose=False)
    stacks, singles = stacked(columns.lanes, columns.inputs)
    assert sorted(sorted(stack.columns) for stack in stacks) == [["far", "near"], ["x0", "x1", "x2"]]
    assert not singles
    found = Transform(columns)(pa.record_batch(rows))["numeric"]
    for place, (name, values) in enumerate(rows.items()):
        np.testing.assert_array_equal(found[:, place], kind().adapt(values)(values).numpy(), err_msg=name)
