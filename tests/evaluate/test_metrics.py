"""Metrics against scikit-learn's on real data, however the rows come in chunks; groups, intervals, odd cases."""

import warnings

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import sklearn.metrics as sk

from blocks.errors import BadTarget, BlocksWarning, EmptySource, InvalidArgument, SchemaMismatch
from blocks.evaluate import confusion, curves, metrics
from blocks.evaluate.scoring import classification

CLASSIFICATIONS = ("adult_census", "titanic", "mammography_imbalanced", "penguins")
REGRESSIONS = ("bike_sharing", "wine_quality", "mpg")


def values_of(table, group="all"):
    found = table.filter(pc.field("group") == group).to_pydict()
    return dict(zip(found["metric"], found["value"], strict=True))


def classified(table, classes, weight=None):
    truth = table["target"].to_numpy()
    p = np.stack(table["probabilities"].to_pylist())
    label, own = np.array(classes)[p.argmax(axis=1)], {"sample_weight": weight}
    expected = {
        "accuracy": sk.accuracy_score(truth, label, **own),
        "balanced_accuracy": sk.balanced_accuracy_score(truth, label, **own),
        "log_loss": sk.log_loss(truth, p, labels=classes, **own),
    }
    for name, score in (("precision", sk.precision_score), ("recall", sk.recall_score), ("f1", sk.f1_score)):
        for average in ("macro", "weighted"):
            expected[f"{name}_{average}"] = score(truth, label, average=average, zero_division=0, **own)
        each = score(truth, label, labels=classes, average=None, zero_division=0, **own)
        expected |= {f"{name}[{c}]": value for c, value in zip(classes, each, strict=True)}
        if len(classes) == 2:
            expected[name] = each[1]
    if len(classes) == 2:
        positive = truth == classes[1]
        expected["brier_score"] = sk.brier_score_loss(positive, p[:, 1], **own)
        expected["roc_auc"] = sk.roc_auc_score(positive, p[:, 1], **own)
        expected["average_precision"] = sk.average_precision_score(positive, p[:, 1], **own)
    else:
        expected["brier_score"] = sk.brier_score_loss(truth, p, labels=classes, **own)
        expected["top_2_accuracy"] = sk.top_k_accuracy_score(truth, p, k=2, labels=classes, **own)
        areas = {"multi_class": "ovr", "labels": classes, **own}
        expected["roc_auc_ovr"] = sk.roc_auc_score(truth, p, average="macro", **areas)
        expected["roc_auc_ovr_weighted"] = sk.roc_auc_score(truth, p, average="weighted", **areas)
        for average in ("macro", "weighted"):
            expected[f"average_precision_{average}"] = sk.average_precision_score(truth, p, average=average, **own)
        for c, name in enumerate(classes):
            expected[f"roc_auc[{name}]"] = sk.roc_auc_score(truth == name, p[:, c], **own)
            expected[f"average_precision[{name}]"] = sk.average_precision_score(truth == name, p[:, c], **own)
    return expected


def regressed(table, weight=None):
    truth, found, own = table["target"].to_numpy(), table["prediction"].to_numpy(), {"sample_weight": weight}
    inside = (truth >= table["low"].to_numpy()) & (truth <= table["high"].to_numpy())
    expected = {
        "mean_absolute_error": sk.mean_absolute_error(truth, found, **own),
        "mean_squared_error": sk.mean_squared_error(truth, found, **own),
        "root_mean_squared_error": sk.root_mean_squared_error(truth, found, **own),
        "r2": sk.r2_score(truth, found, **own),
        "mean_poisson_deviance": sk.mean_poisson_deviance(truth, found, **own),
        "coverage": np.average(inside, weights=weight),
        "mean_width": np.average(table["high"].to_numpy() - table["low"].to_numpy(), weights=weight),
    }
    if weight is None:
        expected["median_absolute_error"] = sk.median_absolute_error(truth, found)
    quantiles = np.stack(table["quantiles"].to_pylist())
    for i, level in enumerate((0.1, 0.5, 0.9)):
        loss = sk.mean_pinball_loss(truth, quantiles[:, i], alpha=level, **own)
        expected[f"mean_pinball_loss[{level}]"] = loss
    return expected


def described(table, levels=(0.1, 0.5, 0.9)):
    """The table with metadata, as predict_table writes it."""
    from blocks.evaluate.tables.table_description import METADATA, Description
    from blocks.targets.description import HeadDescription

    head = HeadDescription(targets=("target",), levels=levels)
    return table.replace_schema_metadata({METADATA: Description((head,)).to_bytes()})


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", CLASSIFICATIONS)
def test_classification_equals_scikit_learn(predicted, name, weighted):
    table, classes = predicted(name)
    weight = table["weight"].to_numpy() if weighted else None
    expected = classified(table, classes, weight)
    told = {"target": "target", "classes": classes, "sample_weight": "weight" if weighted else None}
    for rows in (1000, len(table)):
        found = values_of(metrics(table, **told, bootstrap=0, chunk_rows=rows))
        for metric, value in expected.items():
            assert found[metric] == pytest.approx(value, rel=1e-9), metric


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", REGRESSIONS)
def test_regression_equals_scikit_learn(predicted, name, weighted):
    table = described(predicted(name)[0])
    weight = table["weight"].to_numpy() if weighted else None
    expected = regressed(table, weight)
    for rows in (1000, len(table)):
        found = values_of(metrics(table, sample_weight="weight" if weighted else None, bootstrap=0, chunk_rows=rows))
        for metric, value in expected.items():
            assert found[metric] == pytest.approx(value, rel=1e-9), metric


@pytest.mark.parametrize("name", ["titanic", "penguins", "mpg"])
def test_a_row_at_a_time_changes_nothing(predicted, name):
    table, classes = predicted(name)
    table = table.slice(0, 300)
    told = {"target": "target", "classes": classes} if classes else {}
    table = table if classes else described(table)
    whole = metrics(table, by="part", **told, bootstrap=100)
    single = metrics(table, by="part", **told, bootstrap=100, chunk_rows=1)
    assert single.drop(["value", "low", "high"]).equals(whole.drop(["value", "low", "high"]))
    for name in ("value", "low", "high"):
        np.testing.assert_allclose(single[name].to_numpy(), whole[name].to_numpy(), rtol=1e-9, equal_nan=True)
    expected = classified(table, classes) if classes else regressed(table)
    found = values_of(single)
    for metric, value in expected.items():
        assert found[metric] == pytest.approx(value, rel=1e-9), metric


def test_groups_are_those_rows_alone(predicted):
    table, classes = predicted("adult_census")
    found = metrics(table, by=["part"], target="target", classes=classes, bootstrap=0)
    assert found["group"].unique().to_pylist() == ["all", "part=even", "part=odd"]
    odd = table.filter(pc.field("part") == "odd")
    for metric, value in classified(odd, classes).items():
        assert values_of(found, "part=odd")[metric] == pytest.approx(value, rel=1e-9), metric


def test_confusion_and_curves_equal_scikit_learn(predicted):
    table, classes = predicted("titanic")
    truth, p = table["target"].to_numpy(), np.stack(table["probabilities"].to_pylist())
    found = confusion(table, target="target", classes=classes)
    expected = sk.confusion_matrix(truth, np.array(classes)[p.argmax(axis=1)])
    assert found["rows"].to_numpy().reshape(2, 2).tolist() == expected.tolist()
    points = curves(table, target="target", classes=classes, points=0)
    roc = points.filter(pc.field("curve") == "roc")
    x, y, threshold = sk.roc_curve(truth, p[:, 1], drop_intermediate=False)
    np.testing.assert_allclose(roc["x"].to_numpy(), x)
    np.testing.assert_allclose(roc["y"].to_numpy(), y)
    np.testing.assert_array_equal(roc["threshold"].to_numpy(), threshold)
    curve = points.filter(pc.field("curve") == "precision_recall")
    precision, recall, _ = sk.precision_recall_curve(truth, p[:, 1])
    np.testing.assert_allclose(curve["x"].to_numpy(), recall[::-1])
    np.testing.assert_allclose(curve["y"].to_numpy()[1:], precision[::-1][1:])
    thin = curves(table, target="target", classes=classes, points=20).filter(pc.field("curve") == "roc")
    assert len(thin) <= 22
    assert {(0.0, 0.0), (1.0, 1.0)} <= set(zip(thin["x"].to_pylist(), thin["y"].to_pylist(), strict=True))


def synthetic(rows, seed=0):
    random = np.random.default_rng(seed)
    p = random.beta(0.5, 2.0, rows)
    return pa.table(
        {
            "target": np.where(random.random(rows) < p, "yes", "no"),
            "probabilities": pa.FixedSizeListArray.from_arrays(pa.array(np.stack([1 - p, p], 1).ravel()), 2),
        }
    )


TOLD = {"target": "target", "classes": ["no", "yes"]}


def test_areas_of_more_scores_than_are_held_keep_their_stated_error(monkeypatch):
    monkeypatch.setattr(classification, "MAX_SCORES", 1 << 16)
    table = synthetic(200_000)
    truth, p = table["target"].to_numpy() == "yes", np.stack(table["probabilities"].combine_chunks().to_numpy(False))
    found = metrics(table, **TOLD, metrics=["roc_auc", "average_precision"], bootstrap=0)
    scores = {"roc_auc": sk.roc_auc_score, "average_precision": sk.average_precision_score}
    exact = {name: score(truth, p[:, 1]) for name, score in scores.items()}
    for row in found.to_pylist():
        bound = float(row["note"].split()[1])
        assert 0 < bound < 1e-3
        assert abs(row["value"] - exact[row["metric"]]) <= bound


def test_intervals_hold_the_truth_as_often_as_they_say():
    whole = metrics(synthetic(400_000, seed=99), **TOLD, bootstrap=0)
    names = ("accuracy", "log_loss", "roc_auc", "average_precision", "f1")
    truth, held = values_of(whole), dict.fromkeys(names, 0)
    for seed in range(60):
        found = metrics(synthetic(500, seed), **TOLD, metrics=names, confidence=0.9, bootstrap=100)
        for row in found.filter(pc.field("metric").isin(names)).to_pylist():
            held[row["metric"]] += row["low"] <= truth[row["metric"]] <= row["high"]
    assert all(46 <= count <= 60 for count in held.values()), held


def test_intervals_of_the_roc_area_are_delongs():
    table = synthetic(60)
    truth, p = table["target"].to_numpy() == "yes", np.stack(table["probabilities"].to_pylist())[:, 1]
    own, others = p[truth], p[~truth]
    wins = (own[:, None] > others) + 0.5 * (own[:, None] == others)
    error = np.sqrt(wins.mean(1).var(ddof=1) / len(own) + wins.mean(0).var(ddof=1) / len(others))
    row = metrics(table, **TOLD, metrics=["roc_auc"]).to_pylist()[0]
    assert row["high"] - row["value"] == pytest.approx(1.959963984540054 * error, rel=1e-6)


def test_one_class_alone_leaves_the_area_undefined_and_says_so():
    table = pa.table({"target": ["no"] * 5, "probabilities": [[0.8, 0.2]] * 4 + [[0.1, 0.9]]})
    found = {row["metric"]: row for row in metrics(table, **TOLD).to_pylist()}
    assert found["roc_auc"]["value"] is None
    assert found["roc_auc"]["note"] == "no row is of class yes"
    assert found["recall[yes]"]["value"] is None
    assert found["accuracy"]["value"] == 0.8
    reverse = metrics(table, target="target", classes=["yes", "no"], metrics=["roc_auc"]).to_pylist()[0]
    assert reverse["note"] == "every row is of class no"


def test_few_rows_are_flagged():
    table = synthetic(100).append_column("city", pa.array(["a"] * 95 + ["b"] * 5))
    found = metrics(table, by="city", **TOLD, metrics=["accuracy"]).to_pylist()
    assert [(row["group"], row["few"]) for row in found] == [("all", False), ("city=a", False), ("city=b", True)]


def test_rows_that_cannot_be_judged_are_counted_and_named():
    table = pa.table({"price": [1.0, None, 3.0, 4.0], "prediction": [1.0, 2.0, np.nan, np.inf]})
    with pytest.warns(BlocksWarning, match=r"2 nonfinite_predictions\[prediction\], 1 unusable_targets"):
        found = metrics(table, target="price", metrics=["mean_absolute_error"])
    assert found["rows"].to_pylist() == [1]
    answers = pa.array([[0.5, 0.5], [0.5, 0.5], None], pa.list_(pa.float64(), 2))
    classes = pa.table({"target": ["no", "maybe", "yes"], "probabilities": answers})
    with pytest.warns(BlocksWarning, match=r"1 nonfinite_predictions\[probabilities\], 1 unusable_targets"):
        assert metrics(classes, **TOLD, metrics=["accuracy"])["rows"].to_pylist() == [1]


@pytest.mark.parametrize("bad", [[-0.01, 1.01], [np.nan, 0.1], [2.0, 0.5], [np.inf, 0.0], [-1e-5, 1.0], [3.2, -3.2]])
@pytest.mark.parametrize("by", [None, "target"])
def test_what_is_no_probability_is_refused(bad, by):
    table = pa.table({"target": ["no", "yes", "yes"], "probabilities": [[0.5, 0.5], [0.1, 0.9], bad]})
    with pytest.raises(InvalidArgument, match=r"are numbers in \[0, 1\].* among 1 such rows of 3\. Give probabilities"):
        metrics(table, **TOLD, by=by)


def test_a_softmax_that_rounds_beyond_one_is_a_probability():
    one = np.nextafter(np.float32(1), np.float32(2))
    table = pa.table(
        {"target": ["no", "yes"], "probabilities": pa.array([[one, -1e-8], [0.0, one]], pa.list_(pa.float32()))}
    )
    assert metrics(table, **TOLD, metrics=["accuracy"])["value"].to_pylist() == [1.0]


def test_times_make_groups():
    times = pa.array(["2024-01-31 23:59", "2024-02-01 00:00", None], pa.string()).cast(pa.timestamp("us"))
    table = pa.table({"when": times, "price": [1.0, 2.0, 3.0], "prediction": [1.0, 1.0, 1.0]})
    for by in ("when:month", ["when:month"], {"when": "month"}):
        found = metrics(table, by, target="price", metrics=["mean_absolute_error"], bootstrap=0)
        assert found["group"].to_pylist() == ["all", "when=2024-01", "when=2024-02", "when=null"]
        assert found["value"].to_pylist() == [1.0, 0.0, 1.0, 2.0]
    weeks = metrics(table, {"when": "week", "price": None}, target="price", metrics=["r2"])
    assert weeks["group"].to_pylist()[1] == "when=2024-W05, price=1.0"
    assert weeks["note"].to_pylist()[1] == "the target is constant"


def test_labels_that_were_decided_for_are_judged():
    table = synthetic(50).append_column("label", pa.array(["yes"] * 50))
    assert values_of(metrics(table, **TOLD))["recall"] == 1.0


def test_several_targets_are_judged_one_by_one():
    table = pa.table({"a": [1.0, 2.0], "b": [0.0, 0.0], "prediction": [[1.0, 1.0], [2.0, 3.0]]})
    found = values_of(metrics(table, target=["a", "b"]))
    assert found["mean_absolute_error[a]"] == 0.0
    assert found["mean_absolute_error[b]"] == 2.0


def test_far_from_zero_no_digit_is_lost():
    random = np.random.default_rng(0)
    target = 1e9 + random.normal(size=5000)
    prediction = target + 0.5 * random.normal(size=5000)
    found = values_of(metrics({"y": target, "prediction": prediction}, target="y", bootstrap=0, chunk_rows=97))
    assert found["r2"] == pytest.approx(1 - np.mean((target - prediction) ** 2) / target.var(), rel=1e-9)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda t: metrics(t), InvalidArgument, "does not say what its target is"),
        (lambda t: metrics(t, target="target"), InvalidArgument, "Give classes="),
        (lambda t: metrics(t, target="nothing", classes=["no", "yes"]), SchemaMismatch, "one without nothing"),
        (lambda t: metrics(t, target="target", classes=["a", "b", "c"]), SchemaMismatch, "for each of 3 classes"),
        (lambda t: metrics(t, **TOLD, metrics=["auc"]), InvalidArgument, "There is no metric 'auc'"),
        (lambda t: metrics(t, **TOLD, by="nothing"), SchemaMismatch, r"predict_table\(keys=.*no column 'nothing'"),
        (lambda t: metrics(t, **TOLD, by="target:month"), SchemaMismatch, "holds no times"),
        (lambda t: metrics(t, **TOLD, by="id", max_groups=9), InvalidArgument, "makes at most 9 groups. Received: 50"),
        (lambda t: metrics(t.slice(0, 0), **TOLD), EmptySource, "nothing to judge"),
        (lambda t: metrics(t.drop(["probabilities"]), **TOLD), SchemaMismatch, "has the column 'probabilities' or"),
        (lambda t: metrics(t, **TOLD, confidence=95), InvalidArgument, "between 0 and 1"),
        (lambda t: metrics(t, **TOLD, bootstrap=-1), InvalidArgument, "number of replicates"),
        (lambda t: metrics(t, **TOLD, sample_weight="bad"), BadTarget, "finite and not negative"),
        (lambda t: confusion(t, **TOLD, nonsense=1), InvalidArgument, "confusion takes .* Received: nonsense"),
    ],
)
def test_what_is_refused(call, error, message):
    table = synthetic(50).append_column("id", pa.array(range(50))).append_column("bad", pa.array([-1.0] * 50))
    with warnings.catch_warnings(), pytest.raises(error, match=message):
        call(table)
