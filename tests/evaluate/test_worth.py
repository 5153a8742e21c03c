"""Worth against NumPy over whole arrays: value, candidates, gains, thresholds that are judged on other rows."""

import numpy as np
import pyarrow as pa
import pytest

from blocks.errors import InvalidArgument
from blocks.evaluate import best_threshold, cost_matrix, gains, top_n, value
from blocks.evaluate.tables.table_description import METADATA, Description
from blocks.targets.description import HeadDescription

TOLD = {"target": "sold", "classes": ["no", "yes"]}
EARNED = {"yes": {"yes": 50.0, "no": -5.0}, "no": {"yes": -10.0, "no": 1.0}}


def offers(rows=3000, seed=0, first=0):
    random = np.random.default_rng(seed)
    p = random.beta(0.7, 2.0, rows)
    return pa.table(
        {
            "id": np.arange(first, first + rows),
            "city": random.choice(["rome", "oslo"], rows),
            "price": random.uniform(1, 9, rows),
            "sold": np.where(random.random(rows) < p, "yes", "no"),
            "probabilities": pa.FixedSizeListArray.from_arrays(pa.array(np.stack([1 - p, p], 1).ravel()), 2),
        }
    )


def arrays(table):
    p = np.stack(table["probabilities"].to_pylist())[:, 1]
    return p, table["sold"].to_numpy() == "yes"


def with_keys(table):
    head = HeadDescription(targets=("sold",), classes=("no", "yes"))
    return table.replace_schema_metadata({METADATA: Description((head,), {"keys": ["id"]}).to_bytes()})


def test_value_is_what_the_function_says():
    table = offers()
    p, truth = arrays(table)
    price = table["price"].to_numpy()

    def margin(target, answer, row):
        assert set(answer) == {"probabilities", "label"}
        return np.where(answer["label"] == "yes", np.where(target == "yes", row["price"].to_numpy(), -1.0), 0.0)

    money = np.where(p > 0.5, np.where(truth, price, -1.0), 0.0)
    found = value(table, margin, by="city", **TOLD, chunk_rows=701).to_pylist()
    city = table["city"].to_numpy()
    for group, inside in (("all", city != ""), ("city=oslo", city == "oslo"), ("city=rome", city == "rome")):
        total, mean = (row for row in found if row["group"] == group)
        assert total["value"] == pytest.approx(money[inside].sum())
        assert mean["value"] == pytest.approx(money[inside].mean())
        error = money[inside].std() / np.sqrt(inside.sum())
        assert mean["high"] - mean["low"] == pytest.approx(2 * 1.96 * error, rel=0.25)
        assert total["rows"] == inside.sum()
    by_matrix = value(table, cost_matrix(EARNED), **TOLD)["value"][0].as_py()
    label = np.where(p > 0.5, "yes", "no")
    expected = sum(EARNED[t][d] for t, d in zip(table["sold"].to_pylist(), label.tolist(), strict=True))
    assert by_matrix == pytest.approx(expected)


def test_candidates_are_the_highest_scores():
    table = offers()
    p, _ = arrays(table)
    found = top_n(table, 25, **TOLD, chunk_rows=100)
    assert found["id"].to_pylist() == np.argsort(-p, kind="stable")[:25].tolist()
    assert found.column_names == [*table.column_names, "score"]
    sure = top_n(table, 10_000, confidence=0.9, **TOLD)
    assert len(sure) == np.count_nonzero(p >= 0.9)
    others = top_n(table, 3, positive="no", **TOLD)
    assert others["id"].to_pylist() == np.argsort(-(1 - p), kind="stable")[:3].tolist()
    numbers = top_n(pa.table({"y": [1.0] * 3, "prediction": [1.0, 3.0, 2.0]}), 2, target="y")
    assert numbers["score"].to_pylist() == [3.0, 2.0]


def test_gains_are_cumulative():
    table = offers(500)
    p, truth = arrays(table)
    order = np.argsort(-p)
    acted = np.where(truth, 50.0 - -5.0, -10.0 - 1.0)[order]
    found = gains(table, cost_matrix(EARNED), points=10_000, **TOLD, chunk_rows=77)
    np.testing.assert_allclose(found["gain"].to_numpy(), np.cumsum(truth[order]) / truth.sum())
    np.testing.assert_allclose(found["profit"].to_numpy(), np.cumsum(acted))
    np.testing.assert_allclose(found["chosen"].to_numpy(), np.arange(1, 501) / 500)
    assert len(gains(table, points=20, **TOLD)) == 20
    assert gains(table, **TOLD)["profit"].null_count == 100


def test_the_best_threshold_is_that_of_a_search_and_judged_elsewhere():
    tune, judge = offers(2000), offers(2000, seed=1, first=2000)
    found = best_threshold(with_keys(tune), with_keys(judge), cost_matrix(EARNED), chunk_rows=333)

    held = {id(table): arrays(table) for table in (tune, judge)}

    def earned(table, threshold):
        p, truth = held[id(table)]
        acting = p >= threshold
        return np.where(truth, np.where(acting, 50.0, -5.0), np.where(acting, -10.0, 1.0)).mean()

    p, _ = arrays(tune)
    every = [earned(tune, threshold) for threshold in [*p, np.inf]]
    assert found.tuned == pytest.approx(max(every))
    assert found.judged == pytest.approx(earned(judge, found.threshold))
    assert found.at_half == pytest.approx(earned(judge, 0.5))
    assert found.judged > found.at_half
    assert found.low < found.judged < found.high
    assert found.rows == 2000


def test_tuning_and_judging_never_share_rows():
    tune = offers(100)
    with pytest.raises(InvalidArgument, match="Received: 50 rows in both, by id"):
        best_threshold(with_keys(tune), with_keys(offers(100, seed=1, first=50)), cost_matrix(EARNED))
    with pytest.raises(InvalidArgument, match="for both"):
        best_threshold(tune, tune, cost_matrix(EARNED), **TOLD)


def test_what_is_refused():
    table = offers(10)
    with pytest.raises(InvalidArgument, match=r"one finite number for each of the 10 rows .* shape \(\)"):
        value(table, lambda target, answer, row: 1.0, **TOLD)
    with pytest.raises(InvalidArgument, match="not all finite"):
        value(table, lambda target, answer, row: np.full(10, np.nan), **TOLD)
    with pytest.raises(InvalidArgument, match=r"cost matrix has the targets \['no'\]. Received: 'yes'"):
        value(table, cost_matrix({"no": {"no": 1.0, "yes": 1.0}}), **TOLD)
    with pytest.raises(InvalidArgument, match="money for every target and label"):
        value(table, cost_matrix({"no": {"no": 1.0}, "yes": {"yes": 1.0}}), **TOLD)
    with pytest.raises(InvalidArgument, match="positive names one of the classes"):
        top_n(table, 3, positive="maybe", **TOLD)
    with pytest.raises(InvalidArgument, match="n is a positive number of rows"):
        top_n(table, 0, **TOLD)
