"""ReversibleNorm: predictions follow a window's level and spread, whatever stands before and behind."""

import keras
import numpy as np
import pyarrow as pa
import pytest

import blocks
from blocks import classifiers, preprocessors, regressors
from blocks.errors import InvalidArgument
from blocks.feature_extractors import MLP, TCN, DLinear, Ensemble, Joined, ReversibleNorm, TabM
from blocks.feature_extractors.window_level import level_and_spread
from blocks.features.spec import Feature, FeatureSpec

RANDOM = np.random.default_rng(0)
ROWS, LENGTH = 64, 8
CLOSE = np.cumsum(RANDOM.normal(size=(ROWS, LENGTH)), axis=1) * RANDOM.uniform(0.5, 3, (ROWS, 1)) + 50
DATA = {"close": CLOSE, "close_ahead": CLOSE[:, -3:] + 1, "next_ahead": CLOSE[:, -1], "up": CLOSE[:, 0] < 50}


RAW = {"close": CLOSE}


def made(extractor, head=None, chain=None):
    columns = preprocessors.Columns({"close": chain or preprocessors.Standardize()})
    model = blocks.Model(columns, extractor, head or regressors.Horizons("close_ahead"), seed=0)
    model.adapt(DATA, verbose=0)
    return model


def drawn(model):
    for weight in model.core.trainable_variables:
        weight.assign(RANDOM.normal(0, 0.3, weight.shape))
    return model


def zeroed(model):
    for weight in model.core.trainable_variables:
        weight.assign(keras.ops.zeros_like(weight))
    return model


@pytest.mark.parametrize(
    "chain",
    [
        preprocessors.Standardize(),
        preprocessors.MinMax(),
        preprocessors.RobustScale(),
        [preprocessors.Impute("median"), preprocessors.MaxAbs()],
        preprocessors.Standardize(missing="keep", add_indicator=True),
    ],
)
def test_a_network_that_says_nothing_foretells_the_level_in_the_columns_unit(chain):
    head = regressors.Horizons("close_ahead", quantiles=None)
    last = zeroed(made(ReversibleNorm(DLinear(None), "close", centre="last", scale=False), head, chain))
    np.testing.assert_allclose(last.predict(RAW)["prediction"], CLOSE[:, -1:].repeat(3, axis=1), rtol=1e-6)
    mean = zeroed(made(ReversibleNorm(DLinear(None), "close"), head, chain))
    np.testing.assert_allclose(mean.predict(RAW)["prediction"][:, 0], CLOSE.mean(axis=1), rtol=1e-6)


@pytest.mark.parametrize(
    ("extractor", "head"),
    [
        (ReversibleNorm(TCN(4, dilations=[1, 2]), "close"), regressors.Horizons("close_ahead")),
        (ReversibleNorm(MLP([8]), "close"), regressors.Mean("next_ahead")),
        (ReversibleNorm(TabM([8], k=3), "close"), regressors.Gaussian("next_ahead")),
        (Ensemble(ReversibleNorm(MLP([4]), "close"), 2), regressors.Quantiles("next_ahead")),
        (Joined({"close": ReversibleNorm(MLP([4]), "close")}), regressors.Horizons("close_ahead", quantiles=None)),
    ],
    ids=["Horizons", "Mean", "Gaussian with members", "Quantiles of an ensemble", "joined"],
)
def test_what_is_predicted_moves_and_stretches_with_the_window(extractor, head, tmp_path):
    norm = extractor.copy() if isinstance(extractor, ReversibleNorm) else extractor
    norm.reversible_norm().target = head.target
    model = drawn(made(norm, head))
    found = model.predict(RAW)
    for size, offset in ((1.0, 500.0), (20.0, -3.0)):
        moved = model.predict({"close": CLOSE * size + offset})
        for name, values in found.items():
            expected = values * size + (0 if name == "standard_deviation" else offset)
            np.testing.assert_allclose(moved[name], expected, atol=1e-3 * size * CLOSE.std())
    model.save(tmp_path / "model.keras")
    again = blocks.load(tmp_path / "model.keras").predict(RAW)
    assert all(np.array_equal(values, again[name]) for name, values in found.items())


def test_small_moves_far_from_zero_are_foretold():
    steps = CLOSE - 50 + 1e6
    rows = {"close": steps, "close_ahead": steps[:, -3:]}
    columns = preprocessors.Columns({"close": preprocessors.Standardize()})
    model = blocks.Model(
        columns, ReversibleNorm(DLinear(None), "close", centre="last"), regressors.Horizons("close_ahead")
    )
    model.adapt(rows, verbose=0)
    found = zeroed(model).predict(rows)["prediction"]
    assert np.abs(found - steps[:, -1:]).max() < 1e-5 * steps.std()


def test_missing_steps_do_not_count_and_windows_that_do_not_move_have_the_floor():
    values = np.array([[1.0, np.nan, 3.0, np.nan], [5.0, 5.0, 5.0, 5.0], [np.nan] * 4], "float32")
    for centre, levels in (("mean", [2.0, 5.0, 0.0]), ("last", [3.0, 5.0, 0.0])):
        level, spread = level_and_spread(values, centre, True, 1e-3)
        np.testing.assert_allclose(np.asarray(level)[:, 0], levels)
        np.testing.assert_allclose(np.asarray(spread)[:, 0], [1.0, 1e-3, 1e-3], rtol=1e-5)
    extractor = ReversibleNorm(DLinear(None), "close")
    np.testing.assert_allclose(extractor(values).numpy(), [[-1, 0, 1, 0], [0] * 4, [0] * 4], atol=1e-6)
    model = made(ReversibleNorm(MLP([4]), "close"))
    found = model.predict({"close": np.full((1, LENGTH), 51.0)})["prediction"]
    assert np.abs(found - 51).max() < 0.1


def test_of_several_heads_the_one_that_comes_next_is_brought_back():
    heads = {"next": regressors.Horizons("close_ahead"), "up": classifiers.Softmax("up")}
    model = drawn(made(ReversibleNorm(MLP([4]), "close"), heads))
    found, moved = model.predict(RAW), model.predict({"close": CLOSE + 100})
    np.testing.assert_allclose(moved["next_prediction"], found["next_prediction"] + 100, atol=1e-2)
    np.testing.assert_allclose(moved["up_probabilities"], found["up_probabilities"], atol=1e-4)
    alone = made(ReversibleNorm(MLP([4]), "close"), classifiers.Softmax("up"))
    assert alone.predict(RAW)["probabilities"].shape == (ROWS, 2)


def test_what_cannot_be_undone_is_refused():
    with pytest.raises(InvalidArgument, match=r"predictions of 'close_ahead'.*heads of 'next_ahead'.*target="):
        made(ReversibleNorm(MLP([4]), "close"), regressors.Mean("next_ahead"))
    with pytest.raises(InvalidArgument, match="a target that is standardised"):
        made(ReversibleNorm(MLP([4]), "close", target="next_ahead"), regressors.Poisson("next_ahead"))
    with pytest.raises(InvalidArgument, match=r"a straight line of the raw numbers.*Log1p > Standardize"):
        made(ReversibleNorm(MLP([4]), "close"), chain=[preprocessors.Log1p(), preprocessors.Standardize()])
    with pytest.raises(InvalidArgument, match=r"a column of windows of numbers: close.*'age'"):
        made(ReversibleNorm(MLP([4]), "age", target="close_ahead"))
    with pytest.raises(InvalidArgument, match="around one extractor"):
        ReversibleNorm(ReversibleNorm(MLP([4]), "close"), "close")
    spec = FeatureSpec.pack([Feature("age", ("age",))])
    with pytest.raises(InvalidArgument, match="extractor over time reads windows"):
        DLinear(spec=spec)({"numeric": np.zeros((2, 1), "float32")})
    assert pa.types.is_fixed_size_list(blocks.read(DATA).schema.field("close").type)
