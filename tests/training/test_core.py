"""The core: what fit and evaluate report is the weighted mean over rows, against NumPy and scikit-learn."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import xlogy
from scipy.stats import norm
from sklearn import metrics

from blocks.classifiers import Ordinal, Sigmoid, Softmax
from blocks.feature_extractors import MLP, Keras
from blocks.features.spec import Feature, FeatureSpec
from blocks.heads import Heads
from blocks.regressors import Gaussian, Mean, Poisson, Quantiles, Tweedie
from blocks.training.core import build_core

ROWS = 97
SPEC = FeatureSpec.pack([Feature("x", ("x",)), Feature("z", ("z",))])
RANDOM = np.random.default_rng(0)
FEATURES = {"numeric": RANDOM.normal(size=(ROWS, 2)).astype("float32")}
# the last rows are far harder than the others, and weigh more
WEIGHT = np.where(np.arange(ROWS) < 90, RANDOM.uniform(0, 1, ROWS), 7.0).astype("float32")
CLASS = np.where(np.arange(ROWS) < 90, RANDOM.integers(0, 2, ROWS), 2).astype("int32")
FLAGS = (RANDOM.random((ROWS, 2)) < np.where(np.arange(ROWS) < 90, 0.3, 0.9)[:, None]).astype("uint8")
NUMBER = np.where(np.arange(ROWS) < 90, RANDOM.gamma(2.0, 1.0, ROWS), 60.0)
PAIR = np.stack([NUMBER, NUMBER[::-1]], axis=1)
SCALED = {"mean": np.array(2.0), "scale": np.array(3.0)}


def adapted(head, state):
    head.restore(state)
    return head


def mean(values, weight):
    return np.average(np.asarray(values, np.float64), weights=weight)


def squared(y, p, w):
    return {"root_mean_squared_error": np.sqrt(metrics.mean_squared_error(y, p, sample_weight=w))}


def errors(y, p, w):
    return {"mean_absolute_error": metrics.mean_absolute_error(y, p, sample_weight=w), **squared(y, p, w)}


def of_classes(focal=0.0):
    def oracle(y, p, w):
        true = p[np.arange(len(y)), y].astype(np.float64)
        hit = {"accuracy": metrics.accuracy_score(y, p.argmax(1), sample_weight=w)}
        return {"loss": mean(-((1 - true) ** focal) * np.log(true), w), **hit}

    return oracle


def of_ranks(y, p, w):
    return {**of_classes()(y, p, w), "rank_error": mean(abs(p.argmax(1) - y), w)}


def of_labels(y, p, w):
    p = p.astype(np.float64)
    loss = -(y * np.log(p) + (1 - y) * np.log1p(-p)).mean(1)
    return {"loss": mean(loss, w), "accuracy": mean(((p > 0.5) == y).mean(1), w)}


def of_mean(y, p, w):
    return {"loss": metrics.mean_squared_error(y / 3, p / 3, sample_weight=w), **errors(y, p, w)}


def of_median(y, p, w):
    return {"loss": metrics.mean_absolute_error(y / 3, p / 3, sample_weight=w), **errors(y, p, w)}


def of_pair(y, p, w):
    found = {"loss": mean(((y - p) ** 2 / 9).mean(1), w)}
    for i, name in enumerate("ab"):
        found |= {f"{name}_{key}": value for key, value in errors(y[:, i], p[:, i], w).items()}
    return found


def of_quantiles(y, p, w):
    loss = np.mean(
        [metrics.mean_pinball_loss(y, p[:, i], alpha=a, sample_weight=w) / 3 for i, a in enumerate((0.1, 0.5, 0.9))]
    )
    return {"loss": loss, "coverage": mean((p[:, 0] <= y) & (y <= p[:, -1]), w), **errors(y, p[:, 1], w)}


def of_gaussian(y, p, w):
    return {"loss": mean(-norm.logpdf(y / 3, p[:, 0] / 3, p[:, 1] / 3), w), **errors(y, p[:, 0], w)}


def of_counts(y, p, w):
    deviance = metrics.mean_poisson_deviance(y, p, sample_weight=w)
    assert deviance == pytest.approx(mean(2 * (xlogy(y, y / p) - y + p), w))
    return {"loss": deviance / 2, "deviance": deviance, **errors(y, p, w)}


def of_costs(y, p, w):
    loss = metrics.mean_tweedie_deviance(y / 2, p / 2, power=1.5, sample_weight=w)
    return {
        "loss": loss,
        "deviance": metrics.mean_tweedie_deviance(y, p, power=1.5, sample_weight=w),
        **errors(y, p, w),
    }


HEADS = {
    "softmax": (Softmax("c", classes=[0, 1, 2]), CLASS, of_classes()),
    "focal": (Softmax("c", classes=[0, 1, 2], focal_gamma=2.0), CLASS, of_classes(2.0)),
    "ordinal": (Ordinal("c", classes=[0, 1, 2]), CLASS, of_ranks),
    "labels": (Sigmoid("t", classes=["a", "b"]), FLAGS, of_labels),
    "mean": (adapted(Mean("y"), SCALED), NUMBER, of_mean),
    "median": (adapted(Mean("y", loss="mae"), SCALED), NUMBER, of_median),
    "pair": (adapted(Mean(["a", "b"]), {name: np.repeat(v, 2) for name, v in SCALED.items()}), PAIR, of_pair),
    "quantiles": (adapted(Quantiles("y", (0.1, 0.5, 0.9)), SCALED), NUMBER, of_quantiles),
    "gaussian": (adapted(Gaussian("y"), SCALED), NUMBER, of_gaussian),
    "poisson": (adapted(Poisson("y"), SCALED), NUMBER, of_counts),
    "tweedie": (adapted(Tweedie("y", power=1.5), SCALED), NUMBER, of_costs),
}
TARGETS = {name: target for name, (_, target, _) in HEADS.items()}


def built(head, steps=1, **options):
    core = build_core(SPEC, MLP([4]), head, seed=0)
    core.compile(
        optimizer=keras.optimizers.SGD(0.0),
        loss=head.default_loss(),
        loss_weights=head.loss_weights,
        **{"weighted_metrics": head.default_metrics(), "steps_per_execution": steps, **options},
    )
    return core


def expected_of(core, weight, present=None):
    """By the names of all heads: what the oracles say, of the rows whose target is present."""
    predictions = {name: np.asarray(values) for name, values in core(FEATURES).items()}
    found = {}
    for name, (_, target, oracle) in HEADS.items():
        rows = np.ones(ROWS, bool) if present is None else present[name]
        values = oracle(target[rows], predictions[name][rows], weight[rows])
        found |= {f"{name}_{key}": value for key, value in values.items()}
    found["loss"] = sum(found[f"{name}_loss"] * (2.0 if name == "pair" else 1.0) for name in HEADS)
    return found


def agree(found, expected):
    assert set(found) == set(expected)
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=2e-6), name


@pytest.fixture(scope="module")
def every_head():
    keras.utils.set_random_seed(0)
    return built(Heads({name: head for name, (head, _, _) in HEADS.items()}, loss_weights={"pair": 2.0}))


@settings(max_examples=6)
@given(st.integers(1, ROWS), st.booleans())
def test_every_head_reports_the_weighted_mean_over_rows_at_any_batch_size(every_head, size, weighted):
    weight = WEIGHT if weighted else None
    found = every_head.evaluate(FEATURES, TARGETS, sample_weight=weight, batch_size=size, verbose=0, return_dict=True)
    agree(found, expected_of(every_head, np.ones(ROWS) if weight is None else WEIGHT))


def test_training_reports_the_same_with_several_steps_a_call():
    core = built(Heads({name: head for name, (head, _, _) in HEADS.items()}, loss_weights={"pair": 2.0}), steps=3)
    options = {"batch_size": 10, "epochs": 2, "verbose": 0, "sample_weight": WEIGHT}
    history = core.fit(FEATURES, TARGETS, validation_data=(FEATURES, TARGETS, WEIGHT), **options).history
    expected = expected_of(core, WEIGHT)
    for epoch in range(2):
        agree({name: values[epoch] for name, values in history.items() if not name.startswith("val_")}, expected)
        agree({n.removeprefix("val_"): v[epoch] for n, v in history.items() if n.startswith("val_")}, expected)


def test_a_row_counts_for_the_heads_whose_target_it_has(every_head):
    present = {name: np.random.default_rng(i).random(ROWS) < 0.6 for i, name in enumerate(HEADS)}
    holed = {}
    for name, (head, target, _) in HEADS.items():
        holed[name] = target.copy()
        holed[name][~present[name]] = head.gap
    found = every_head.evaluate(FEATURES, holed, sample_weight=WEIGHT, batch_size=10, verbose=0, return_dict=True)
    agree(found, expected_of(every_head, WEIGHT, present))


@pytest.mark.parametrize("name", ["softmax", "mean", "quantiles", "pair"])
def test_one_head_and_metrics_as_keras_takes_them(name):
    head, target, oracle = HEADS[name]
    core = built(head, metrics=["mae"] if name == "mean" else None)
    for weight in (None, WEIGHT):
        found = core.evaluate(FEATURES, target, sample_weight=weight, batch_size=40, verbose=0, return_dict=True)
        predicted = np.asarray(core(FEATURES))
        expected = oracle(target, predicted, np.ones(ROWS) if weight is None else weight)
        if name == "mean":
            expected["mae"] = np.abs(target - predicted).mean()  # a plain metric of compile knows no weights, as Keras'
        agree(found, expected)


@pytest.mark.parametrize(
    "loss",
    ["mse", keras.losses.MeanSquaredError(), lambda y, p: keras.ops.square(y - p)],
    ids=["name", "loss", "function"],
)
def test_a_loss_of_the_users(loss):
    head = HEADS["mean"][0]
    core = build_core(SPEC, MLP([4]), head, seed=0)
    core.compile(optimizer="sgd", loss=loss)
    found = core.evaluate(FEATURES, NUMBER, sample_weight=WEIGHT, batch_size=40, verbose=0, return_dict=True)
    error = np.asarray(core(FEATURES)) - NUMBER
    assert found["loss"] == pytest.approx(mean(error**2, WEIGHT), rel=2e-6)


def test_class_weights_shape_the_loss_of_training_alone():
    head, target, oracle = HEADS["softmax"]
    core = built(head)
    core.class_weights = {"": np.array([1, 2, 10], "float32")}
    history = core.fit(FEATURES, target, sample_weight=WEIGHT, batch_size=40, verbose=0).history
    predicted = np.asarray(core(FEATURES))
    plain = oracle(target, predicted, WEIGHT)
    assert history["loss"][0] == pytest.approx(
        oracle(target, predicted, WEIGHT * np.array([1, 2, 10])[target])["loss"], rel=2e-6
    )
    assert history["accuracy"][0] == pytest.approx(plain["accuracy"], rel=2e-6)
    agree(core.evaluate(FEATURES, target, sample_weight=WEIGHT, verbose=0, return_dict=True), plain)


def test_penalties_of_weights_are_added_to_the_loss():
    head, target, oracle = HEADS["softmax"]
    dense = keras.layers.Dense(4, name="penalised", kernel_regularizer=keras.regularizers.L2(0.5))
    core = build_core(SPEC, Keras(dense), head, seed=0)
    core.compile(optimizer="sgd", loss=head.default_loss())
    found = core.evaluate(FEATURES, target, sample_weight=WEIGHT, batch_size=40, verbose=0, return_dict=True)
    penalty = sum(float(0.5 * (np.asarray(w) ** 2).sum()) for w in core.weights if w.path.endswith("penalised/kernel"))
    assert penalty > 0
    assert found["loss"] == pytest.approx(
        oracle(target, np.asarray(core(FEATURES)), WEIGHT)["loss"] + penalty, rel=2e-6
    )
