"""Tables compared: paired differences against NumPy and textbook tests; joins by key; what is noise and what is not."""

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

import blocks
from blocks.errors import BlocksWarning, InvalidArgument
from blocks.evaluate import metrics
from blocks.evaluate.tables.table_description import METADATA, Description
from blocks.targets.description import HeadDescription

TOLD = {"target": "y", "classes": ["no", "yes"]}


def answered(noise, rows=1500, seed=0):
    """The same rows, answered by a model that is wrong by so much."""
    random, own = np.random.default_rng(0), np.random.default_rng(seed)
    logit = random.normal(0, 2, rows)
    truth = np.where(random.random(rows) < 1 / (1 + np.exp(-logit)), "yes", "no")
    p = 1 / (1 + np.exp(-logit - noise * own.normal(size=rows)))
    table = pa.table({"id": np.arange(rows), "part": np.resize(["a", "b", "b"], rows), "y": truth})
    return table.append_column("probabilities", pa.array(list(np.stack([1 - p, p], 1)))), p, truth == "yes"


def with_keys(table):
    head = HeadDescription(targets=("y",), classes=("no", "yes"))
    return table.replace_schema_metadata({METADATA: Description((head,), {"keys": ["id"]}).to_bytes()})


def delong(p, q, truth):
    def placements(score):
        own, others = score[truth], score[~truth]
        wins = (own[:, None] > others) + 0.5 * (own[:, None] == others)
        return wins.mean(1), wins.mean(0)

    gaps = [a - b for a, b in zip(placements(q), placements(p), strict=True)]
    return gaps[0].mean(), np.sqrt(sum(gap.var() / len(gap) for gap in gaps))


def test_differences_and_their_intervals():
    (one, p, truth), (two, q, _) = answered(1.0, seed=1), answered(0.1, seed=2)
    found = {row["metric"]: row for row in blocks.compare({"old": one, "new": two}, **TOLD, chunk_rows=400).to_pylist()}
    for name, table in (("baseline_value", one), ("other_value", two)):
        alone = {row["metric"]: row["value"] for row in metrics(table, **TOLD, bootstrap=0).to_pylist()}
        for metric, row in found.items():
            assert row[name] == pytest.approx(alone[metric], rel=1e-12), metric
    right = (p > 0.5) == truth, (q > 0.5) == truth
    one_alone, two_alone = (right[0] & ~right[1]).sum(), (right[1] & ~right[0]).sum()
    accuracy = found["accuracy"]
    assert accuracy["p_value"] == pytest.approx(stats.binomtest(one_alone, one_alone + two_alone).pvalue)
    gap = right[1].astype(float) - right[0]
    width = 2 * 1.96 * gap.std() / np.sqrt(len(gap))
    assert accuracy["high"] - accuracy["low"] == pytest.approx(width, rel=0.2)
    area, (difference, error) = found["roc_auc"], delong(p, q, truth)
    assert area["difference"] == pytest.approx(difference)
    assert area["high"] - area["difference"] == pytest.approx(1.95996 * error, rel=1e-3)
    assert area["verdict"] == found["log_loss"]["verdict"] == found["accuracy"]["verdict"] == "other is better"
    # paired intervals are narrower than those of the two alone
    alone = [{r["metric"]: r["high"] - r["low"] for r in metrics(t, **TOLD).to_pylist()} for t in (one, two)]
    assert area["high"] - area["low"] < min(widths["roc_auc"] for widths in alone)


def test_equals_are_within_noise():
    names = ["accuracy", "log_loss", "roc_auc", "average_precision", "f1"]
    noise = 0
    for seed in range(1, 25):
        one, two = answered(0.3, 400, seed)[0], answered(0.3, 400, seed + 100)[0]
        found = blocks.compare([one, two], metrics=names, **TOLD, bootstrap=200).filter(
            pa.compute.field("metric") != "f1[no]"
        )
        noise += sum(verdict == "within noise" for verdict in found["verdict"].to_pylist()) / len(found)
    assert 20 <= noise <= 24


def test_rows_are_joined_by_key():
    one, two = answered(1.0, seed=1)[0], answered(0.1, seed=2)[0]
    expected = blocks.compare([one, two], by="part", **TOLD)
    order = np.random.default_rng(0).permutation(len(two))
    found = blocks.compare([with_keys(one), with_keys(two.take(pa.array(order)))], by="part")
    assert found.equals(expected)
    with pytest.warns(BlocksWarning, match="1,000 rows are in both tables; 500 are in one alone"):
        fewer = blocks.compare([with_keys(one), with_keys(two.slice(0, 1000))], metrics=["accuracy"])
    assert fewer["rows"].to_pylist() == [1000]
    assert expected["group"].unique().to_pylist() == ["all", "part=a", "part=b"]
    few = blocks.compare([one.slice(0, 60), two.slice(0, 60)], by="part", metrics=["accuracy"], **TOLD)
    assert few["few"].to_pylist() == [False, True, False]


def test_regressors_are_compared():
    random = np.random.default_rng(0)
    y = random.normal(size=500)
    tables = [pa.table({"y": y, "prediction": y + noise * random.normal(size=500)}) for noise in (1.0, 0.5, 1.0)]
    found = blocks.compare(dict(zip("abc", tables, strict=True)), target="y", metrics=["root_mean_squared_error", "r2"])
    assert found["other"].to_pylist() == ["b", "b", "c", "c"]
    assert found["verdict"].to_pylist()[:2] == ["other is better"] * 2


def test_models_are_compared_on_rows(fitted, table):
    found = blocks.compare({"one": fitted, "two": fitted}, data=table, by="city", metrics=["accuracy", "roc_auc"])
    assert set(found["difference"].to_pylist()) <= {0.0, None}
    assert found["verdict"].to_pylist()[0] == "within noise"


def test_what_is_refused():
    one = answered(1.0, seed=1)[0]
    with pytest.raises(InvalidArgument, match="Two tables or more are compared"):
        blocks.compare([one], **TOLD)
    with pytest.raises(InvalidArgument, match=r"Tables without keys are compared row by row.*keys=\["):
        blocks.compare([one, one.slice(1)], **TOLD)
    with pytest.raises(InvalidArgument, match="no metric 'auc'"):
        blocks.compare([one, one], metrics=["auc"], **TOLD)
    with pytest.raises(InvalidArgument, match="share no row by id"):
        blocks.compare([with_keys(one.slice(0, 5)), with_keys(one.slice(5, 5))])
    twice = with_keys(pa.concat_tables([one.slice(0, 2), one.slice(0, 1)]))
    with pytest.raises(InvalidArgument, match="The keys id repeat"):
        blocks.compare([twice, with_keys(one.slice(0, 3))])
    other = one.set_column(2, "y", pa.array(np.where(one["y"].to_numpy() == "yes", "no", "yes")))
    with pytest.raises(InvalidArgument, match="Rows that are compared have one target"):
        blocks.compare([with_keys(one), with_keys(other)])
