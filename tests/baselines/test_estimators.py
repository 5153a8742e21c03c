"""Baselines against scikit-learn fitted by hand on the same features, and judged by the same metrics as models."""

import numpy as np
import pyarrow as pa
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import Ridge
from sklearn.metrics import accuracy_score, log_loss

import blocks
from blocks import baselines, classifiers, feature_extractors, preprocessors, regressors
from blocks.baselines.estimators import _sampled
from blocks.errors import InvalidArgument
from blocks.store import Rows


def rows(count=240, seed=0):
    random = np.random.default_rng(seed)
    x, color = random.normal(0, 1, count), random.choice(["red", "blue", "green"], count)
    noise = random.normal(0, 0.3, count)
    return pa.table(
        {
            "x": x,
            "color": color,
            "weight": random.uniform(0.5, 2, count),
            "price": 3 * x + 2 * (color == "red") + noise,
            "label": np.where(x + (color == "red") + noise > 0.5, "yes", "no"),
        }
    )


COLUMNS = {"x": preprocessors.Standardize(), "color": preprocessors.Vocabulary()}


def columns():
    return preprocessors.Columns({name: block.copy() for name, block in COLUMNS.items()})


@pytest.fixture(scope="module")
def model():
    made = blocks.Model(columns(), feature_extractors.MLP([4]), classifiers.Softmax("label"), seed=0)
    made.adapt(rows())
    return made


@pytest.fixture(scope="module")
def store(model, tmp_path_factory):
    splits = blocks.read(rows()).split(train=0.7, test=0.3)
    return model.precompute(splits, tmp_path_factory.mktemp("store"))


def test_boosted_is_scikit_learns_on_the_packed_features(model, store):
    found = baselines.boosted(store["train"], model.head, seed=3)
    train, test = store["train"].read(), store["test"].read()

    def matrix(part):
        return np.hstack([part.features["numeric"], part.features["categorical"].astype(np.float32)])

    theirs = HistGradientBoostingClassifier(categorical_features=[False, True], random_state=3)
    theirs.fit(matrix(train), train.target)
    wanted = theirs.predict_proba(matrix(test))
    np.testing.assert_allclose(found.predict(store["test"])["probabilities"], wanted, atol=1e-6)
    metrics = found.evaluate(store["test"])
    assert metrics["accuracy"] == pytest.approx(accuracy_score(test.target, wanted.argmax(1)))
    assert metrics["loss"] == pytest.approx(log_loss(test.target, wanted), rel=1e-4)
    assert set(metrics) == set(model.evaluate(store["test"]))


def test_linear_is_ridge_regression_on_indicators():
    table = rows()
    found = baselines.linear(table, regressors.Mean("price"), preprocessor=columns())
    x = table["x"].to_numpy()
    color = table["color"].to_numpy(zero_copy_only=False)
    by_hand = np.column_stack([(x - x.mean()) / x.std(), *(color == name for name in ("red", "blue", "green"))])
    wanted = Ridge().fit(by_hand, table["price"].to_numpy()).predict(by_hand)
    np.testing.assert_allclose(found.predict(table.select(["x", "color"]))["prediction"], wanted, rtol=1e-4, atol=1e-4)


def test_constant_is_the_shares_or_the_mean():
    table = rows()
    label = baselines.constant(table, classifiers.Softmax("label"))
    share = np.mean(table["label"].to_numpy(zero_copy_only=False) == "yes")
    np.testing.assert_allclose(label.predict(table)["probabilities"], np.tile([1 - share, share], (240, 1)), rtol=1e-6)
    price = baselines.constant(table, regressors.Mean("price")).evaluate(table)
    assert price["root_mean_squared_error"] == pytest.approx(np.std(table["price"].to_numpy()))


def test_weights_count_in_learning_and_in_judging():
    table = rows()
    found = baselines.constant(table, regressors.Mean("price", sample_weight="weight"), preprocessor=columns())
    price, weight = table["price"].to_numpy(), table["weight"].to_numpy()
    wanted = np.average(price, weights=weight)
    np.testing.assert_allclose(found.predict(table)["prediction"], wanted, rtol=1e-6)
    error = np.average(np.abs(price - wanted), weights=weight)
    head = regressors.Mean("price", sample_weight="weight")
    model = blocks.Model(columns(), feature_extractors.MLP([4]), head, seed=0)
    model.adapt(table)
    assert set(found.evaluate(table)) == set(model.evaluate(table))
    assert baselines.linear(table, head).evaluate(table)["mean_absolute_error"] < error


def test_a_class_that_the_sample_lacks_has_probability_zero():
    table = rows()
    head = classifiers.Softmax("label", classes=["maybe", "no", "yes"])
    found = baselines.boosted(table, head).predict(table)["probabilities"]
    assert found.shape == (240, 3)
    assert not found[:, 0].any()


def test_more_rows_than_fit_are_sampled_by_the_seed(store):
    head = classifiers.Softmax("label")

    def shares(seed, most):
        return baselines.constant(store["train"], head, seed=seed, max_rows=most).predict(store["test"])[
            "probabilities"
        ][0]

    np.testing.assert_array_equal(shares(0, 40), shares(0, 40))
    assert any(not np.array_equal(shares(0, 40), shares(seed, 40)) for seed in (1, 2, 3))
    np.testing.assert_array_equal(shares(0, 10_000), shares(1, 10_000))


def test_what_baselines_cannot_do_is_refused(model, store):
    with pytest.raises(InvalidArgument, match=r"one Softmax or Mean. Received: Poisson"):
        baselines.linear(rows(), regressors.Poisson("price"))
    found = baselines.constant(store["train"], model.head)
    with pytest.raises(InvalidArgument, match=r"fitted on a store's features. Received: rows"):
        found.predict(rows())
    with_preprocessor = baselines.constant(store["train"], model.head, preprocessor=model.preprocessor)
    assert with_preprocessor.predict(rows())["probabilities"].shape == (240, 2)


@pytest.mark.parametrize("size", [7, 64, 1000])
def test_the_sample_does_not_depend_on_the_chunks(size):
    numbers = np.arange(1000.0)
    chunks = (Rows({"x": numbers[start : start + size]}) for start in range(0, 1000, size))
    drawn = np.random.default_rng(3).random(1000)
    expected = np.sort(np.argsort(drawn)[:100])
    np.testing.assert_array_equal(_sampled(chunks, 100, 3).features["x"], expected)


def test_a_baseline_answers_rows_wherever_a_model_does(model, tmp_path):
    prior = baselines.constant(rows(), classifiers.Softmax("label"))
    others = rows(seed=1)
    found = blocks.compare({"prior": prior, "model": model}, data=others, metrics=["log_loss"])
    assert found["baseline_value"].to_pylist() == [pytest.approx(prior.evaluate(others)["loss"], rel=1e-6)]
    table = blocks.evaluate.predict_table(prior, others, tmp_path / "prior.parquet", keys=["x"])
    written = np.array(table.to_table()["probabilities"].to_pylist())
    assert written == pytest.approx(prior.predict(others)["probabilities"])
    again = baselines.constant(rows(), classifiers.Softmax("label"))
    assert again.describe() == prior.describe()
    assert baselines.constant(others, classifiers.Softmax("label")).describe() != prior.describe()
    with pytest.raises(InvalidArgument, match="fitted on a store's features"):
        blocks.evaluate.metrics(baselines.constant(store_of(model, tmp_path), model.head), data=others)


def store_of(model, folder):
    return model.precompute({"train": rows()}, folder / "own")["train"]
