"""PowerTransform against SciPy and scikit-learn: the exponent's likelihood, the formula, the columns that break it."""

import os
import pathlib

import numpy as np
import pytest
from scipy import stats
from sklearn.preprocessing import PowerTransformer

import blocks.data
from blocks.errors import InvalidArgument
from blocks.preprocessors.numeric.power_transform import PowerTransform

RNG = np.random.default_rng(0)
COLUMNS = {
    "normal": RNG.normal(size=5000),
    "lognormal": RNG.lognormal(size=5000),
    "income": RNG.lognormal(10, 1, 5000),
    "negative": -RNG.lognormal(3, 1, 5000),
    "years": 1900 + 120 * RNG.beta(5, 2, 5000),
    "zeros": np.where(RNG.random(5000) < 0.9, 0.0, RNG.lognormal(8, 1, 5000)),
    "t": RNG.standard_t(3, 5000),
    "integers": RNG.poisson(3, 5000).astype(float),
    "small": 1e-3 * RNG.lognormal(size=5000),
}
METHODS = [(name, method) for name in COLUMNS for method in ("yeo-johnson", "box-cox")]


@pytest.mark.parametrize(("name", "method"), [(n, m) for n, m in METHODS if m == "yeo-johnson" or COLUMNS[n].min() > 0])
def test_features_of_scikit_learn(name, method) -> None:
    data = COLUMNS[name]
    reference = PowerTransformer(method=method).fit(data[:, None])
    block = PowerTransform(method).adapt(data)
    exponent, theirs = float(block.state["exponent"]), reference.lambdas_[0]
    assert abs(exponent - theirs) < 1e-6 * (1 + abs(theirs))
    np.testing.assert_allclose(block(data), reference.transform(data[:, None])[:, 0], rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("name", ["normal", "lognormal", "zeros", "negative"])
def test_the_formula_is_scikit_learns_for_its_exponent(name) -> None:
    data = COLUMNS[name]
    reference = PowerTransformer(standardize=False).fit(data[:, None])
    block = PowerTransform(standardize=False).adapt(data)
    block.restore({**block.state, "exponent": np.float64(reference.lambdas_[0])})
    expected = reference.transform(data[:, None])[:, 0]
    np.testing.assert_allclose(block.compute(data).numpy(), expected, rtol=1e-13, atol=1e-15)
    assert (block(data).numpy() == expected.astype(np.float32)).mean() > 0.9999


def test_digits_that_scikit_learn_loses_are_kept() -> None:
    """Far from 0 the best exponent is so low that x ** exponent is rounding beside the 1 of the formula."""
    data = 1e4 + 100 * RNG.exponential(size=3000)
    out = PowerTransform().adapt(data)(data).numpy().astype(float)
    assert abs(stats.skew(out)) < 0.3 < stats.skew(data)
    assert abs(out.mean()) < 1e-5
    assert out.std() == pytest.approx(1, abs=1e-5)
    assert (np.diff(out[np.argsort(data)]) >= 0).all()
    assert len(np.unique(out)) > 0.99 * len(data)


@pytest.mark.parametrize("sign", [1, -1])
def test_the_two_signs_join_at_zero_though_one_was_never_seen(sign) -> None:
    block = PowerTransform().adapt(sign * RNG.lognormal(1, 1, 1000))
    out = block.compute(np.linspace(-1e-3, 1e-3, 201)).numpy()
    assert (np.diff(out) > 0).all()
    assert np.diff(out).max() < 1.1 * np.diff(out).min()
    back = block.inverse(block.compute(np.array([-2.0, -0.5, 0.0, 0.5, 2.0])).numpy())
    np.testing.assert_allclose(back, [-2, -0.5, 0, 0.5, 2], rtol=1e-9, atol=1e-12)


def test_constants_infinities_and_numbers_outside_the_domain() -> None:
    block = PowerTransform().adapt(np.full(9, 7.0))
    assert float(block.state["exponent"]) == 1
    assert block(np.array([7.0, 8.0, np.nan])).numpy().tolist() == [0, 1, 0]
    block = PowerTransform("box-cox").adapt(np.array([1.0, 2.0, 8.0]))
    out = block(np.array([0.0, -3.0, -np.inf, 1.0, np.inf, 8.0])).numpy()
    assert (out[:3] == out[3]).all()
    assert out[4] == out[5]


def test_integers_to_2_53_are_exact_when_nothing_is_bent() -> None:
    data = 2.0**53 - np.arange(4.0)
    block = PowerTransform(standardize=False).adapt(data)
    assert float(block.state["exponent"]) == 1
    assert (block.compute(data).numpy() == data).all()


def test_missing_is_the_mean() -> None:
    data = COLUMNS["lognormal"]
    assert PowerTransform().adapt(data)(np.array([np.nan])).numpy() == 0
    plain = PowerTransform(standardize=False).adapt(data)
    assert plain(np.array([np.nan])).numpy()[0] == pytest.approx(plain.compute(data).numpy().mean(), rel=1e-6)


def test_box_cox_refuses_what_is_not_positive() -> None:
    with pytest.raises(InvalidArgument, match=r"positive numbers.*2 numbers of 0 or below.*yeo-johnson"):
        PowerTransform("box-cox").adapt(np.array([0.0, -1.0, 5.0]))
    with pytest.raises(InvalidArgument, match=r"method is one of 'yeo-johnson', 'box-cox'\. Received: 'log'"):
        PowerTransform("log")


@pytest.mark.skipif("BLOCKS_DATA" not in os.environ, reason="BLOCKS_DATA does not name the folder of real data")
@pytest.mark.parametrize(
    ("file", "column"),
    [
        ("titanic/titanic.csv", "age"),
        ("titanic/titanic.csv", "fare"),
        ("nycflights13/flights.parquet", "distance"),
        ("nycflights13/flights.parquet", "arr_delay"),
        ("bike_sharing/bike_sharing_dataset_clean.csv", "users"),
    ],
)
def test_exponents_of_scipy_on_real_columns(file, column) -> None:
    data = blocks.data.read(pathlib.Path(os.environ["BLOCKS_DATA"]) / file).to_table()[column].to_numpy().astype(float)
    data = data[np.isfinite(data)]
    theirs = stats.yeojohnson_normmax(data)
    assert abs(float(PowerTransform().adapt(data).state["exponent"]) - theirs) < 1e-6 * (1 + abs(theirs))
