"""Every kind of head: its prediction table is judged by what scikit-learn and NumPy say of the same answers."""

import numpy as np
import pyarrow as pa
import pytest
import sklearn.metrics as sk

import blocks
from blocks import classifiers, preprocessors, regressors
from blocks.evaluate import calibration, confusion, metrics, quantile_coverage, residuals

ROWS = 240


def source():
    random = np.random.default_rng(0)
    x = random.normal(size=ROWS)
    tags = [[tag for tag, p in (("a", 0.7), ("b", 0.4)) if random.random() < p] for _ in range(ROWS)]
    return pa.table(
        {
            "id": np.arange(ROWS),
            "x": x,
            "price": np.exp(x),
            "cost": x + random.normal(size=ROWS),
            "sold": np.where(x > 0, "yes", "no"),
            "grade": np.clip(np.round(x + 2), 0, 4).astype(np.int64),
            "tags": tags,
            "text": ["|".join(part) for part in tags],
            "p": random.integers(0, 2, ROWS),
            "q": random.integers(0, 2, ROWS),
            "w": random.uniform(0.5, 2.0, ROWS),
        }
    )


def judged(head, tmp_path):
    """Metrics of a model that has learned nothing but its target's scale, and its answers."""
    model = blocks.Model(preprocessors.Columns({"x": preprocessors.Standardize()}), head=head, seed=0)
    rows = source()
    model.adapt(rows)
    table = model.predict_table(rows, tmp_path / "t.parquet", keys=["id"])
    found = metrics(table, bootstrap=0)
    return table, dict(zip(found["metric"].to_pylist(), found["value"].to_pylist(), strict=True)), model.predict(rows)


@pytest.mark.parametrize(
    "head",
    [
        lambda: classifiers.Sigmoid("tags"),
        lambda: classifiers.Sigmoid("text", separator="|"),
        lambda: classifiers.Sigmoid(["p", "q"]),
    ],
)
def test_labels(head, tmp_path):
    head, rows = head(), source()
    table, found, answers = judged(head, tmp_path)
    several = isinstance(head.target, tuple | list)
    names = ["p", "q"] if several else ["a", "b"]
    for i, name in enumerate(names):
        truth = rows[name].to_numpy() if several else np.array([name in tags for tags in rows["tags"].to_pylist()])
        score = answers["probabilities"][:, i].astype(float)
        assert found[f"roc_auc[{name}]"] == pytest.approx(sk.roc_auc_score(truth, score), rel=1e-9)
        assert found[f"accuracy[{name}]"] == pytest.approx(np.mean((score > 0.5) == truth))
        assert found[f"brier_score[{name}]"] == pytest.approx(np.mean((score - truth) ** 2), rel=1e-6)
    assert calibration(table, 3)["class"].unique().to_pylist() == names


def test_ordinal_grades(tmp_path):
    table, found, answers = judged(classifiers.Ordinal("grade"), tmp_path)
    truth = source()["grade"].to_numpy()
    assert found["accuracy"] == pytest.approx(np.mean(answers["probabilities"].argmax(1) == truth))
    assert confusion(table)["target"].unique().to_pylist() == ["0", "1", "2", "3", "4"]


def test_quantiles_of_several_targets(tmp_path):
    table, found, answers = judged(regressors.Quantiles(["price", "cost"], levels=(0.1, 0.5, 0.9)), tmp_path)
    for i, name in enumerate(("price", "cost")):
        truth = source()[name].to_numpy()
        assert found[f"mean_absolute_error[{name}]"] == pytest.approx(
            sk.mean_absolute_error(truth, answers["prediction"][:, i])
        )
        for j, level in enumerate((0.1, 0.5, 0.9)):
            loss = sk.mean_pinball_loss(truth, answers["quantiles"][:, i, j], alpha=level)
            assert found[f"mean_pinball_loss[{level}][{name}]"] == pytest.approx(loss)
    assert quantile_coverage(table)["level"].to_pylist() == [0.1, 0.5, 0.9]
    assert len(residuals(table, 4)) > 1


def test_gaussian_with_weights(tmp_path):
    _, found, answers = judged(regressors.Gaussian("cost", sample_weight="w"), tmp_path)
    truth, weight = source()["cost"].to_numpy(), source()["w"].to_numpy()
    mean, deviation = answers["prediction"], answers["standard_deviation"]
    expected = np.log(deviation * np.sqrt(2 * np.pi)) + ((truth - mean) / deviation) ** 2 / 2
    assert found["negative_log_likelihood"] == pytest.approx(np.average(expected, weights=weight), rel=1e-6)
    assert found["r2"] == pytest.approx(sk.r2_score(truth, mean, sample_weight=weight), rel=1e-6)


def test_several_heads(tmp_path):
    heads = {"money": regressors.Mean("price"), "deal": classifiers.Softmax("sold")}
    table, found, answers = judged(heads, tmp_path)
    truth = source()["price"].to_numpy()
    assert found["money_mean_absolute_error"] == pytest.approx(
        sk.mean_absolute_error(truth, answers["money_prediction"]), rel=1e-6
    )
    sold = source()["sold"].to_numpy()
    assert found["deal_accuracy"] == np.mean((answers["deal_probabilities"][:, 1] > 0.5) == (sold == "yes"))
    assert len(confusion(table, head="deal")) == 4
    with pytest.raises(blocks.errors.InvalidArgument, match="is of the heads money, deal; name one"):
        confusion(table)
    assert set(blocks.compare([table, table], head="deal", metrics=["accuracy"])["difference"].to_pylist()) == {0.0}
