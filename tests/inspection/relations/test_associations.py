"""Associations: each measure against pandas' or SciPy's on the same rows, pair by pair; nothing by chance; the cost."""

import json
import time

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy import stats

from blocks.inspection.relations.associations import associations

ROWS = 1_500


def mixed(rows=ROWS, seed=0):
    """Numbers and categories that go together, missing in different rows."""
    random = np.random.default_rng(seed)
    x = random.normal(size=rows)
    kind = random.choice(["a", "b", "c", "d"], rows, p=[0.5, 0.3, 0.15, 0.05])
    gaps = random.random((3, rows)) < 0.15
    table = {
        "x": x,
        "skewed": pa.array(np.exp(2 * x + random.normal(size=rows)), mask=gaps[0]),
        "ties": pa.array(np.round(random.normal(size=rows) + (kind == "a")), mask=gaps[1]),
        "whole": random.integers(0, 9, rows),
        "kind": pa.array(kind).dictionary_encode(),
        "similar": pa.array(np.where(random.random(rows) < 0.6, kind, "b"), mask=gaps[2]),
        "flag": pa.array(x + random.normal(size=rows) > 0, mask=gaps[0]),
        "day": pa.array((1e9 + 1e6 * x).astype(np.int64), pa.timestamp("s")),
        "label": pa.array((x + (kind == "b") > 0.3).astype(int)),
    }
    return pa.table(table)


def by_pair(found):
    return {(one.column, one.other, one.measure): one for one in found}


def kruskal(numbers, levels):
    both = numbers.notna() & levels.notna()
    groups = [part for _, part in numbers[both].groupby(levels[both].astype(str))]
    n, k = int(both.sum()), len(groups)
    return max(0.0, (stats.kruskal(*groups).statistic - k + 1) / (n - k)) ** 0.5, n


def cramer(one, other):
    both = one.notna() & other.notna()
    table = pd.crosstab(one[both].astype(str), other[both].astype(str)).to_numpy()
    n, (r, k) = table.sum(), table.shape
    phi = stats.chi2_contingency(table, correction=False).statistic / n
    phi = max(0, phi - (k - 1) * (r - 1) / (n - 1))
    r, k = r - (r - 1) ** 2 / (n - 1), k - (k - 1) ** 2 / (n - 1)
    return (phi / min(k - 1, r - 1)) ** 0.5, n


def test_each_pair_equals_pandas_and_scipy():
    table = mixed()
    frame = table.to_pandas()
    frame["day"] = frame["day"].astype("int64")
    found = associations(table, "label")
    pairs = by_pair([*found.among, *found.with_target])
    numbers, levels = ["x", "skewed", "ties", "whole", "day"], ["kind", "similar", "flag"]
    expected = frame[numbers].corr("spearman")
    for i, one in enumerate(numbers):
        for other in numbers[i + 1 :]:
            seen = pairs.get((one, other, "spearman")) or pairs[other, one, "spearman"]
            assert seen.value == pytest.approx(expected.loc[one, other], abs=1e-12)
            assert seen.rows == frame[[one, other]].dropna().shape[0]
        for other in [*levels, "label"]:
            value, rows = kruskal(frame[one], frame[other])
            seen = pairs[one, other, "correlation_ratio"]
            assert (seen.value, seen.rows) == (pytest.approx(value, abs=1e-9), rows)
    for one, other in [
        ("kind", "similar"),
        ("kind", "flag"),
        ("similar", "flag"),
        ("flag", "label"),
        ("kind", "label"),
    ]:
        value, rows = cramer(frame[one], frame[other])
        seen = pairs[one, other, "cramers_v"]
        assert (seen.value, seen.rows) == (pytest.approx(value, abs=1e-9), rows)
    missing = frame[["skewed", "ties", "similar", "flag"]].isna().astype(float).corr()
    assert pairs["skewed", "similar", "missing_together"].value == pytest.approx(missing.loc["skewed", "similar"])
    assert pairs["skewed", "flag", "missing_together"].value == pytest.approx(1.0)
    assert all(one.column != one.other for one in found.among)
    assert not any("label" in (one.column, one.other) for one in found.among)


def test_a_target_of_numbers_goes_with_everything():
    table = mixed()
    frame = table.to_pandas()
    found = by_pair(associations(table, "skewed").with_target)
    expected = frame["x"].corr(frame["skewed"], method="spearman")
    assert found["x", "skewed", "spearman"].value == pytest.approx(expected, abs=1e-12)
    value, rows = kruskal(frame["skewed"], frame["similar"])
    assert found["similar", "skewed", "correlation_ratio"][3:] == (pytest.approx(value), rows)


def test_that_a_value_is_missing_tells_the_target():
    random = np.random.default_rng(0)
    label = random.choice(["paid", "owes"], ROWS)
    table = pa.table({"settled": pa.array(random.normal(size=ROWS), mask=label == "owes"), "label": label})
    (found,) = (one for one in associations(table, "label").with_target if one.value > 0.9)
    assert found[:4] == ("settled", "label", "missing_cramers_v", pytest.approx(1.0, abs=1e-3))
    price = np.where(label == "owes", 1.0, random.normal(5, 1, ROWS))
    found = by_pair(associations(table.append_column("price", pa.array(price)), "price").with_target)
    seen = found["settled", "price", "missing_correlation_ratio"]
    indicator = table["settled"].to_pandas().isna()
    assert (seen.value, seen.rows) == (pytest.approx(kruskal(pd.Series(price), indicator)[0]), ROWS)


@pytest.mark.parametrize("rows", [300, 10_000])
def test_names_and_ids_are_associated_with_nothing(rows):
    """Pairs of random columns: what seems strongest is of the size of chance, 4 / sqrt(rows) or less."""
    random = np.random.default_rng(rows)
    table = {f"of {size}": random.integers(0, size, rows).astype(str) for size in (2, 10, 100, rows // 4, rows)}
    table |= {"id": [str(i) for i in range(rows)], "x": random.normal(size=rows), "y": random.integers(0, 2, rows)}
    found = associations(pa.table(table), "y")
    assert {one.column for one in found.with_target} >= {"of 2", "of 10", "x"}
    assert max(abs(one.value) for one in (*found.with_target, *found.among)) < 4 / rows**0.5
    assert "id" in found.left_out


def test_odd_columns_are_left_out_and_said():
    found = associations(
        pa.table(
            {
                "constant": [1] * 60,
                "nothing": pa.nulls(60),
                "empty": [""] * 60,
                "nan": [np.nan] * 60,
                "list": [[1]] * 60,
                "few": [1.0, 2.0] * 5 + [None] * 50,
                "infinite": [np.inf, -np.inf, 0.0] * 20,
                "big": [2**63 - 1, 2**63 - 2, 5] * 20,
            }
        ),
        "not there",
    )
    assert found.left_out == ("constant", "nothing", "empty", "nan", "list")
    assert (found.target, found.with_target) == (None, ())
    # two integers that are one float64 are told apart
    assert [one[:4] for one in found.among] == [("infinite", "big", "spearman", pytest.approx(0.5))]
    json.dumps(found.as_dict(), allow_nan=False)
    assert associations(pa.table({"x": pa.array([], pa.float64())})).among == ()


def test_wide_tables_are_compared_over_fewer_rows_in_bounded_time():
    random = np.random.default_rng(0)
    columns = {f"c{i}": random.normal(size=10_000) for i in range(450)}
    columns |= {f"t{i}": random.choice(["a", "b", "c"], 10_000) for i in range(20)}
    columns["c449"] = columns["c448"] + 0.0
    table = pa.table(columns)
    start = time.process_time()
    found = associations(table, "c448")
    assert time.process_time() - start < 20  # measured: 2.2
    assert (found.rows, len(found.alone), len(found.with_target)) == (2_000, 69, 469)
    assert len(found.among) == 400 * 399 // 2
    assert found.with_target[0][:4] == ("c449", "c448", "spearman", pytest.approx(1.0))
    assert "c449" not in found.alone


def test_the_table_holds_all_the_strongest_first():
    table = associations(mixed(), "label").to_table()
    of_target = table["other"].to_pylist().count("label")
    assert table["other"].to_pylist()[:of_target] == ["label"] * of_target
    values = np.abs(table["value"].to_numpy())
    assert (np.diff(values[:of_target]) <= 0).all()
    assert (np.diff(values[of_target:]) <= 0).all()
