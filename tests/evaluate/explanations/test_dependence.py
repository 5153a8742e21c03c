import numpy as np
import pyarrow as pa
import pytest

import blocks.evaluate
from blocks.errors import InvalidArgument, SchemaMismatch
from blocks.evaluate.explanations.dependence import partial_dependence


class Model:
    classes = ("no", "yes")

    def predict(self, rows):
        x = rows["x"].to_numpy() + 2.0 * np.array([city == "Rome" for city in rows["city"].to_pylist()])
        p = 1 / (1 + np.exp(-x))
        return {"probabilities": np.stack([1 - p, p], axis=1)}


@pytest.fixture
def data():
    random = np.random.default_rng(0)
    city = random.choice(["Oslo", "Rome", ""], 500, p=[0.6, 0.3, 0.1])
    return pa.table({"x": random.normal(size=500), "city": pa.array(city, mask=city == "")})


def test_one_column_against_numpy(data):
    found = partial_dependence(Model(), data, "x", grid={"x": [-1.0, 0.0, 2.0]}, target="yes")
    shift = np.array([2.0 if city == "Rome" else 0.0 for city in data["city"].to_pylist()])
    for row, x in zip(found.to_pylist(), (-1.0, 0.0, 2.0), strict=True):
        answers = 1 / (1 + np.exp(-(x + shift)))
        assert (row["x"], row["class"]) == (x, "yes")
        assert row["mean"] == pytest.approx(answers.mean())
        assert (row["low"], row["high"]) == pytest.approx(tuple(np.quantile(answers, [0.1, 0.9])))


def test_agrees_with_scikit_learn():
    from sklearn.inspection import partial_dependence as peer
    from sklearn.linear_model import LinearRegression

    random = np.random.default_rng(1)
    values = random.normal(size=(300, 2))
    fitted = LinearRegression().fit(values, values[:, 0] * 2 - values[:, 1])

    class Fitted:
        def predict(self, rows):
            return {"prediction": fitted.predict(np.stack([rows["a"], rows["b"]], axis=1))}

    theirs = peer(fitted, values, [0], grid_resolution=10)
    grid = {"a": theirs["grid_values"][0]}
    found = partial_dependence(Fitted(), {"a": values[:, 0], "b": values[:, 1]}, "a", grid=grid)
    np.testing.assert_allclose(found["mean"].to_numpy(), theirs["average"][0], rtol=1e-9)


def test_two_columns_every_class_and_the_missing_value(data):
    found = partial_dependence(Model(), data, ["city", "x"], grid=5)
    assert found.schema.names == ["city", "x", "class", "mean", "low", "high"]
    assert len(found) == 3 * 5 * 2
    assert set(found["city"].to_pylist()) == {"Oslo", "Rome", None}
    assert found["city"].to_pylist()[0] == "Oslo", "the most frequent first"
    both = found["mean"].to_numpy().reshape(-1, 2).sum(axis=1)
    np.testing.assert_allclose(both, 1.0)


def test_the_grid_of_numbers_goes_from_end_to_end(data):
    found = partial_dependence(Model(), data, "x", grid=7, target="no")
    values = found["x"].to_numpy()
    assert len(values) == 7
    assert (values[0], values[-1]) == (min(data["x"].to_pylist()), max(data["x"].to_pylist()))
    assert (np.diff(values) > 0).all()
    assert (np.diff(found["mean"].to_numpy()) < 0).all()


def test_a_model_with_a_column_called_class(fitted, exported, table):
    found = partial_dependence(fitted, table, "class", grid=4, target="yes", rows=100)
    assert found.schema.names == ["raw_class", "class", "mean", "low", "high"]
    from_file = partial_dependence(str(exported), table, "class", grid=4, target="yes", rows=100)
    np.testing.assert_allclose(found["mean"].to_numpy(), from_file["mean"].to_numpy(), atol=1e-5)


def test_two_columns_called_as_results_are():
    class Sum:
        def predict(self, rows):
            return {"prediction": rows["mean"].to_numpy() + rows["raw_mean"].to_numpy()}

    rows = {"mean": [1.0, 2.0], "raw_mean": [10.0, 20.0]}
    found = partial_dependence(Sum(), rows, ["mean", "raw_mean"])
    assert found.schema.names == ["raw_mean_2", "raw_mean", "class", "mean", "low", "high"]
    assert [row["raw_mean_2"] + row["raw_mean"] for row in found.to_pylist()] == found["mean"].to_pylist()


def test_errors(data):
    assert blocks.evaluate.partial_dependence is partial_dependence
    with pytest.raises(InvalidArgument, match="one column or two"):
        partial_dependence(Model(), data, ["x", "x"])
    with pytest.raises(SchemaMismatch, match="no column 'z'"):
        partial_dependence(Model(), data, "z")
    with pytest.raises(InvalidArgument, match=r"grid has the values of each column. Received: none for 'x'"):
        partial_dependence(Model(), data, "x", grid={"city": ["Rome"]})
    with pytest.raises(SchemaMismatch, match="grid holds values of 'x', which is double"):
        partial_dependence(Model(), data, "x", grid={"x": ["high"]})
    with pytest.raises(InvalidArgument, match=r"target is a class of probabilities: 'no', 'yes'. Received: 'maybe'"):
        partial_dependence(Model(), data, "x", target="maybe")
