"""Power: merge laws, and the exponent against the derivative's zero over all rows."""

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize

from blocks.errors import InvalidArgument
from blocks.statistics import Statistic
from blocks.statistics.power_exponents import Power, _bin, _center

RNG = np.random.default_rng(0)
METHODS = pytest.mark.parametrize("method", ["yeo-johnson", "box-cox"])
COLUMN = st.lists(st.none() | st.floats(width=64), max_size=20).map(lambda v: pa.array(v, pa.float64()))


def power(method, *chunks, weights=None) -> Power:
    statistic = Power(method)
    for chunk in chunks:
        statistic.update(pa.array(chunk, pa.float64()), weights)
    return statistic


def log_coordinate(method, x) -> np.ndarray:
    return np.log(x) if method == "box-cox" else np.copysign(np.log1p(np.abs(x)), x)


def derivative(method, x, exponent) -> float:
    """Of the likelihood, a row, by its formula."""
    v = log_coordinate(method, x)
    b = np.where((v < 0) & (method == "yeo-johnson"), exponent - 2, exponent)
    origin = v.mean() if method == "box-cox" or (v > 0).all() or (v < 0).all() else 0.0
    w = v - origin
    y = np.expm1(b * w) / b
    slope = (w * np.exp(b * w) - y) / b
    centered = y - y.mean()
    return v.mean() - origin - (centered * slope).mean() / (centered**2).mean()


def assert_same(left: Power, right: Power) -> None:
    a, b = left.result(), right.result()
    for name in ("rows", "count", "missing", "negative_infinite", "positive_infinite", "outside", "linear"):
        assert getattr(a, name) == getattr(b, name)
    assert (left._low, left._high, len(left._sums)) == (right._low, right._high, len(right._sums))
    if len(left._sums):
        assert left._first == right._first
        width = 2.0**-6 * np.maximum(1, np.abs(_center(left._first + np.arange(len(left._sums)))))
        scale = left._sums[:, :1] * width[:, None] ** np.arange(left._sums.shape[1])
        assert (np.abs(left._sums - right._sums) <= 1e-12 * scale).all()


@METHODS
@settings(max_examples=25, deadline=None)
@given(a=COLUMN, b=COLUMN, c=COLUMN)
def test_merge_laws(method, a, b, c) -> None:
    def merged(*parts: Power) -> Power:
        total = Power(method)
        for part in parts:
            total.merge(part)
        return total

    x, y, z = (power(method, part) for part in (a, b, c))
    assert_same(merged(merged(x, y), z), merged(x, merged(y, z)))
    assert_same(merged(x, y), merged(y, x))
    assert_same(merged(x, Power(method)), x)
    assert_same(merged(x, y, z), power(method, a, b, c))
    assert_same(power(method, pa.concat_arrays([a, b, c])), power(method, c, a, b))
    restored = Statistic.from_bytes(x.to_bytes())
    assert restored.to_bytes() == x.to_bytes()
    restored.merge(y)
    assert_same(restored, merged(x, y))


@settings(max_examples=200, deadline=None)
@given(st.floats(-709, 709))
def test_a_bin_is_no_wider_than_said(v) -> None:
    values = np.array([v])
    center = _center(_bin(values))[0]
    assert abs(v - center) <= max(2.0**-64, min(abs(v), 1.0) / 128, 0.0 if abs(v) < 1 else 1 / 128) * (1 + 1e-9)
    assert _bin(np.array([center]))[0] == _bin(values)[0]


@pytest.mark.parametrize(
    ("method", "data"),
    [
        ("yeo-johnson", RNG.normal(size=3000)),
        ("yeo-johnson", RNG.lognormal(10, 1, 3000)),
        ("yeo-johnson", -RNG.lognormal(1, 1, 3000)),
        ("yeo-johnson", np.where(RNG.random(3000) < 0.9, 0, RNG.lognormal(8, 1, 3000))),
        ("yeo-johnson", 1900 + 120 * RNG.beta(5, 2, 3000)),
        ("yeo-johnson", RNG.standard_t(2, 3000)),
        ("yeo-johnson", 1e200 * RNG.lognormal(size=3000)),
        ("box-cox", RNG.gamma(2, 1, 3000)),
        ("box-cox", 1900 + 120 * RNG.beta(5, 2, 3000)),
        ("box-cox", 1e-200 * RNG.lognormal(size=3000)),
        ("box-cox", np.array([1.0, 2.0, 7.0])),
    ],
)
def test_the_exponent_is_the_derivatives_zero(method, data) -> None:
    result = power(method, *np.array_split(data, 3)).result()
    exponent, reach = result.exponent, 1e-2 * (1 + abs(result.exponent))
    exact = optimize.brentq(
        lambda at: derivative(method, data, at), exponent - reach, exponent + reach, xtol=1e-13, rtol=1e-14
    )
    assert abs(exponent - exact) < 1e-6 * (1 + abs(exact))
    v = log_coordinate(method, data)
    b = np.where((v < 0) & (method == "yeo-johnson"), exponent - 2, exponent)
    y = np.expm1(b * (v - result.origin)) / b
    assert abs(result.mean - y.mean()) < 1e-8 * y.std()
    assert result.std == pytest.approx(y.std(), rel=1e-8)


def test_weights_are_rows_repeated() -> None:
    data, weights = RNG.lognormal(size=200), RNG.integers(0, 4, 200)
    weighted, repeated = (
        power("box-cox", data, weights=weights.astype(float)),
        power("box-cox", np.repeat(data, weights)),
    )
    assert weighted.result().exponent == pytest.approx(repeated.result().exponent, rel=1e-9)


def test_constants_and_nothing_are_linear() -> None:
    for data in ([], [3.0] * 5, [np.nan, np.inf], [1e9, 1e9 + 1e-6], [1e-300, 2e-300]):
        result = power("yeo-johnson", data).result()
        assert result.linear
        assert result.exponent == 1
    assert math.isnan(power("yeo-johnson", []).result().mean)


def test_what_is_outside_the_domain_is_counted() -> None:
    result = power("box-cox", [0.0, -1.0, 2.0, 3.0, None]).result()
    assert (result.rows, result.count, result.outside, result.missing) == (5, 2, 2, 1)


def test_a_method_is_one_of_two() -> None:
    with pytest.raises(InvalidArgument, match="method is 'yeo-johnson' or 'box-cox'"):
        Power("log")
