import numpy as np
import pyarrow as pa
import pytest

import blocks.evaluate
from blocks.errors import InvalidArgument, SchemaMismatch
from blocks.evaluate.explanations.importance import permutation_importance


class Linear:
    def __init__(self, **slopes):
        self.slopes = slopes

    def predict(self, rows):
        return {"prediction": sum(slope * rows[name].to_numpy() for name, slope in self.slopes.items())}


@pytest.fixture
def data():
    random = np.random.default_rng(0)
    columns = {name: random.normal(size=4000) for name in ("a", "b", "unused")}
    return pa.table({**columns, "y": 3 * columns["a"] + columns["b"] + random.normal(0, 0.1, 4000)})


def test_importance_of_a_linear_model_is_what_theory_says(data):
    """Shuffling a independent column of slope s adds 2 s^2 to the mean squared error."""
    found = permutation_importance(Linear(a=3, b=1), data, metric="mean_squared_error", target="y").to_pylist()
    assert [row["column"] for row in found] == ["a", "b", "unused"]
    assert found[0]["importance"] == pytest.approx(18, rel=0.1)
    assert found[1]["importance"] == pytest.approx(2, rel=0.1)
    assert abs(found[2]["importance"]) < 1e-12
    assert found[2]["standard_deviation"] < 1e-12
    assert found[0]["baseline"] == pytest.approx(0.01, rel=0.1)
    for row in found:
        assert row["low"] <= row["importance"] <= row["high"]


def test_agrees_with_scikit_learn(data):
    from sklearn.inspection import permutation_importance as peer
    from sklearn.linear_model import LinearRegression

    names = ["a", "b", "unused"]
    values, target = np.stack([data[name] for name in names], axis=1), data["y"].to_numpy()
    fitted = LinearRegression().fit(values, target)
    theirs = peer(fitted, values, target, scoring="r2", n_repeats=20, random_state=0)
    model = Linear(**dict(zip(names, fitted.coef_, strict=True)))
    found = permutation_importance(model, data, metric="r2", target="y", repeats=20)
    ours = dict(zip(found["column"].to_pylist(), found["importance"].to_pylist(), strict=True))
    for name, mean in zip(names, theirs.importances_mean, strict=True):
        assert ours[name] == pytest.approx(mean, rel=0.05, abs=1e-4)


def test_grouped_columns_are_shuffled_together(data):
    twins = data.append_column("c", data["a"])
    model = Linear(a=2, c=-2, b=1)
    alone = permutation_importance(model, twins, metric="r2", target="y")
    together = permutation_importance(model, twins, metric="r2", target="y", groups={"both": ["a", "c"]})
    assert set(together["column"].to_pylist()) == {"both", "b", "unused"}
    both = dict(zip(together["column"].to_pylist(), together["importance"].to_pylist(), strict=True))
    assert both["both"] == pytest.approx(0, abs=1e-9)
    assert alone["importance"][0].as_py() > 1


def test_a_model_and_its_savedmodel(fitted, exported, table):
    settings = {"repeats": 2, "seed": 3, "rows": 300}
    found = permutation_importance(fitted, table, **settings)
    assert set(found["column"].to_pylist()) == set(fitted.preprocessor.inputs)
    assert set(found["metric"].to_pylist()) == {"log_loss"}
    assert found["importance"][0].as_py() > 0
    assert found.equals(permutation_importance(fitted, table, **settings))
    from_file = permutation_importance(str(exported), table, **settings)
    assert from_file["importance"][0].as_py() == pytest.approx(found["importance"][0].as_py(), abs=1e-4)
    by_accuracy = permutation_importance(fitted, table, metric="accuracy", **settings)
    assert by_accuracy["column"][0].as_py() in ("age", "city")


def test_errors(data, fitted, table):
    assert blocks.evaluate.permutation_importance is permutation_importance
    model = Linear(a=1)
    with pytest.raises(InvalidArgument, match=r"A column is shuffled once at least. Received: repeats=0"):
        permutation_importance(model, data, repeats=0, target="y")
    with pytest.raises(InvalidArgument, match=r"A column is in one group at most.* 'a' twice"):
        permutation_importance(model, data, target="y", groups={"one": ["a", "b"], "two": ["a"]})
    with pytest.raises(SchemaMismatch, match="no column 'zzz'"):
        permutation_importance(model, data, target="y", groups={"one": ["zzz"]})
    with pytest.raises(InvalidArgument, match="no metric 'nonsense'"):
        permutation_importance(model, data, target="y", metric="nonsense")
    one_class = table.filter(pa.compute.equal(table["label"], "yes"))
    with pytest.raises(InvalidArgument, match=r"defined for these rows. Received: 'roc_auc', which is every row is of"):
        permutation_importance(fitted, one_class, metric="roc_auc")
