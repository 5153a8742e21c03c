"""What one column tells of the target: against pandas and a tree on held-out rows; sums of columns."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.metrics import r2_score
from sklearn.tree import DecisionTreeRegressor

from blocks.inspection.relations.predictive_power import linear_sum, predictive_power

ROWS = 4_000


def halves(rows, seed=0):
    first = np.random.default_rng(seed).permutation(rows) < rows // 2
    return (first, ~first), (~first, first)


def by_column(table, target, **arguments):
    return {one.column: one for one in predictive_power(pa.table(table), target, **arguments)}


def test_categories_are_predicted_as_pandas_groups_are():
    random = np.random.default_rng(0)
    kind = random.choice(list("abcdef"), ROWS)
    label = np.where(random.random(ROWS) < 0.2 + 0.1 * (kind < "c") + 0.4 * (kind == "f"), "yes", "no")
    gaps = random.random(ROWS) < 0.1
    found = by_column({"kind": pa.array(kind, mask=gaps), "label": label}, "label")["kind"]
    frame = pd.DataFrame({"kind": np.where(gaps, "", kind), "yes": (label == "yes").astype(float)})
    error = naive = 0.0
    for learned, judged in halves(ROWS):
        base = frame["yes"][learned].mean()
        groups = frame[learned].groupby("kind")["yes"]
        means = (groups.sum() + 2 * base) / (groups.count() + 2)
        error += ((frame["yes"][judged] - frame["kind"][judged].map(means)) ** 2).sum()
        naive += ((frame["yes"][judged] - base) ** 2).sum()
    assert (found.value, found.rows) == (pytest.approx(1 - error / naive), ROWS)


@pytest.mark.parametrize("shape", ["rising", "valley", "spike"])
def test_numbers_are_predicted_about_as_well_as_by_a_tree(shape):
    random = np.random.default_rng(1)
    x = random.lognormal(0, 2, ROWS)
    signal = {"rising": np.log(x), "valley": np.abs(np.log(x)), "spike": 9.0 * ((x > 0.5) & (x < 0.7))}[shape]
    y = signal + random.normal(size=ROWS)
    found = by_column({"x": x, "y": y}, "y")["x"]
    ranks = pd.Series(y).rank().to_numpy()
    scores = []
    for learned, judged in halves(ROWS):
        tree = DecisionTreeRegressor(max_leaf_nodes=24, min_samples_leaf=20, random_state=0)
        tree.fit(x[learned, None], ranks[learned])
        scores.append(r2_score(ranks[judged], tree.predict(x[judged, None])))
    assert found.value == pytest.approx(np.mean(scores), abs=0.03)
    assert found.value > 0.1


def test_leaks_are_found_and_noise_is_nothing():
    random = np.random.default_rng(2)
    label = random.choice(["no", "yes", "perhaps"], ROWS)
    table = {
        "label": label,
        "same": np.char.upper(label),
        "settled": np.where(label == "yes", random.random(ROWS), -1.0),
        "only then": pa.array(random.random(ROWS), mask=label != "yes"),
        "noise": random.normal(size=ROWS),
        "names": random.integers(0, 1_000, ROWS).astype(str),
        "unique": np.arange(ROWS).astype(str),
        "constant": np.zeros(ROWS),
        "list": [[1]] * ROWS,
    }
    found = by_column(table, "label")
    assert next(iter(found)) == "same"
    assert found["same"].value > 0.99
    assert found["settled"].value == pytest.approx(found["only then"].value, abs=0.02)
    assert found["settled"].value > 0.4
    assert max(found[name].value for name in ("noise", "names", "unique")) < 0.01
    assert "constant" not in found
    assert "list" not in found


def test_a_target_that_is_missing_or_constant_or_small_tells_nothing():
    x = np.arange(200.0)
    assert predictive_power(pa.table({"x": x, "y": np.ones(200)}), "y") == ()
    assert predictive_power(pa.table({"x": x, "y": pa.nulls(200)}), "y") == ()
    assert predictive_power(pa.table({"x": x[:99], "y": x[:99]}), "y") == ()
    assert predictive_power(pa.table({"x": x}), "y") == ()
    half = pa.array(x, mask=x < 100)
    (found,) = predictive_power(pa.table({"x": x, "y": half}), "y")
    assert found.rows == 100


def test_the_seed_decides_the_halves():
    random = np.random.default_rng(3)
    x = random.normal(size=500)
    table = {"x": x, "y": x + random.normal(size=500)}
    assert by_column(table, "y") == by_column(table, "y", seed=0) != by_column(table, "y", seed=1)


def test_columns_that_add_up_to_the_target():
    random = np.random.default_rng(4)
    a, b, c = random.poisson(30, (3, 900)).astype(float)
    gaps = random.random(900) < 0.1
    table = pa.table(
        {"a": pa.array(a, mask=gaps), "b": b, "c": c, "noise": random.normal(size=900), "constant": np.ones(900)}
    )
    total = table.append_column("total", pa.array(2 * a + b - 7))
    found = linear_sum(total, "total")
    assert (found.columns, found.weights) == (("a", "b"), pytest.approx((2.0, 1.0)))
    assert (found.constant, found.rows) == (-7.0, 900 - gaps.sum())
    assert linear_sum(table.append_column("near", pa.array(a + b + 0.01 * random.normal(size=900))), "near") is None
    # what was rounded to cents is a sum still
    cents = table.append_column("net", pa.array(np.round(0.837 * a + b, 2)))
    assert linear_sum(cents, "net")[:2] == (("a", "b"), pytest.approx((0.837, 1.0), abs=2e-4))
    # one column alone is a copy, and no sum
    assert linear_sum(table.append_column("twice", pa.array(2 * b)), "twice") is None
    assert linear_sum(table, "not there") is None
    wide = pa.table({f"c{i}": random.normal(size=300) for i in range(100)} | {"y": random.normal(size=300)})
    assert linear_sum(wide, "y") is None
