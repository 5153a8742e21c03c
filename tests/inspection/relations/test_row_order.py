"""Columns that move with the row number: by SciPy's test on the ends of a sample, and how often by chance."""

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from blocks.inspection.relations.row_order import moving_columns, sorted_by

ROWS = 3_000


def some_columns(random, rows=ROWS):
    return {
        "x": random.normal(size=rows),
        "skewed": random.lognormal(0, 2, rows),
        "kind": random.choice(["a", "b", "c"], rows),
        "flag": random.random(rows) < 0.1,
        "gaps": pa.array(random.normal(size=rows), mask=random.random(rows) < 0.2),
        "name": [f"n{i}" for i in range(rows)],
        "id": np.arange(rows),
        "day": pa.array(np.arange(rows, dtype=np.int32), pa.date32()),
        "list": [[1]] * rows,
    }


def test_each_way_of_moving_is_found():
    random = np.random.default_rng(0)
    late = np.arange(ROWS) / ROWS
    x = random.normal(size=ROWS) + 0.5 * late
    table = some_columns(random) | {
        "rising": x,
        "wider": random.normal(size=ROWS) * (1 + late),
        "other kinds": np.where(random.random(ROWS) < late, "new", "old"),
        "no more": pa.array(random.normal(size=ROWS), mask=random.random(ROWS) < 0.4 * late),
    }
    found = {one.column: one for one in moving_columns(pa.table(table))}
    assert found.keys() == {"rising", "wider", "other kinds", "no more"}
    expected = stats.ks_2samp(x[:1_000], x[2_000:], method="asymp")
    assert (found["rising"].statistic, found["rising"].rows) == ("kolmogorov_smirnov", 1_000)
    assert found["rising"].effect == pytest.approx(expected.statistic)
    assert found["rising"].p_value == pytest.approx(expected.pvalue, rel=1e-6)
    assert found["other kinds"].statistic == "chi_square"
    assert found["no more"].statistic == "missing"


def test_of_rows_in_no_order_hardly_one_table_in_a_hundred_has_a_moving_column():
    alarms = sum(bool(moving_columns(pa.table(some_columns(np.random.default_rng(seed), 600)))) for seed in range(25))
    assert alarms <= 2


def test_sorted_rows():
    x = np.sort(np.random.default_rng(0).integers(0, 9, 500))
    table = {
        "x": x,
        "falling": -x,
        "blocks": np.array(["b", "a", "c", "d"])[x // 3],
        "flag": x > 4,
        "binary": (x < 4).astype(int),
        "again": np.tile(["a", "b"], 250),
        "gaps": pa.array(x, mask=x % 2 == 0),
        "id": np.arange(500),
        "day": pa.array(np.arange(500, dtype=np.int32), pa.date32()),
        "constant": np.ones(500),
        "one off": np.append(x[1:], 0),
    }
    assert sorted_by(pa.table(table)) == ("x", "falling", "blocks", "flag", "binary", "gaps")
    assert sorted_by(pa.table({"x": x[:50]})) == ()
    assert moving_columns(pa.table({"x": x[:50]})) == ()
    assert moving_columns(pa.table({"name": ["a"] * 3})) == ()
