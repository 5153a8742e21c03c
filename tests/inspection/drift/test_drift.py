"""Drift: each test against SciPy's on the raw values, and how often alarms are false and shifts are found.

BLOCKS_DRIFT_PAIRS says on how many pairs of tables; a twentieth of them large, but all of the 1,000 of `make proof`.
"""

import os

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import blocks
from blocks.errors import EmptySource, InvalidArgument, SchemaMismatch
from blocks.evaluate import drift
from blocks.inspection.drift.difference_tests import TokenCounts, discovery_level, distributions, shares
from blocks.statistics import Counts, Quantiles

PAIRS = int(os.environ.get("BLOCKS_DRIFT_PAIRS", "40"))
WORDS = np.array(["a", "b", "c", "d", "e", "f"])


def rows_of(table, column):
    return {row["statistic"]: row for row in table.to_pylist() if row["column"] == column}


def lists(lengths):
    return pa.ListArray.from_arrays(np.append(0, np.cumsum(lengths)), np.ones(lengths.sum(), np.int64))


def ten_columns(random, rows):
    """Numbers, skewed and rounded and missing in part; tokens few, many and all different; booleans."""
    few = random.choice(WORDS, rows, p=[0.5, 0.2, 0.15, 0.1, 0.04, 0.01])
    return pa.table(
        {
            "normal": random.normal(size=rows),
            "skewed": random.lognormal(0, 2, rows),
            "heavy": random.standard_cauchy(rows),
            "whole": random.poisson(3, rows),
            "gaps": pa.array(random.normal(size=rows), mask=random.random(rows) < 0.1),
            "yes": random.random(rows) < 0.01,
            "few": few,
            "many": random.zipf(1.3, rows).astype(str),
            "id": random.integers(0, 1 << 62, rows).astype(str),
            "list": lists(random.poisson(1, rows)),
        }
    )


@pytest.mark.parametrize("chunk_rows", [7, 1000, 100_000])
def test_numbers_are_tested_as_scipy_does(chunk_rows):
    random = np.random.default_rng(1)
    one, other = random.gamma(2, size=4000), random.gamma(2.1, size=3000)
    found = rows_of(drift({"x": one}, {"x": other}, chunk_rows=chunk_rows), "x")
    welch, student = (stats.ttest_ind(one, other, equal_var=equal).pvalue for equal in (False, True))
    np.testing.assert_allclose(found["mean"]["p_value"], max(welch, student), rtol=1e-9)
    np.testing.assert_allclose(found["mean"]["value"], other.mean() - one.mean(), rtol=1e-9)
    expected = stats.ks_2samp(one, other, method="asymp")
    np.testing.assert_allclose(found["kolmogorov_smirnov"]["value"], expected.statistic, rtol=1e-12)
    np.testing.assert_allclose(found["kolmogorov_smirnov"]["p_value"], expected.pvalue, rtol=1e-9)


@pytest.mark.parametrize("chunk_rows", [7, 100_000])
def test_tokens_are_tested_as_scipy_does(chunk_rows):
    random = np.random.default_rng(2)
    one, other = random.choice(WORDS, 2000), random.choice(WORDS, 1500, p=[0.2, 0.2, 0.2, 0.2, 0.1, 0.1])
    found = rows_of(drift({"x": one}, {"x": other}, chunk_rows=chunk_rows), "x")["chi_square"]
    observed = [[(side == word).sum() for word in WORDS] for side in (one, other)]
    expected = stats.chi2_contingency(observed, correction=False)
    np.testing.assert_allclose([found["value"], found["p_value"]], [expected.statistic, expected.pvalue], rtol=1e-9)
    ends = [np.array(side) / sum(side) for side in observed]
    np.testing.assert_allclose(found["effect"], np.abs(ends[0] - ends[1]).sum() / 2, rtol=1e-9)


@settings(max_examples=200)
@given(st.integers(1, 35), st.integers(1, 35), st.data())
def test_few_rows_shares_are_fishers(n, m, data):
    reference, current = data.draw(st.integers(0, n)), data.draw(st.integers(0, m))
    found = shares(reference, n, current, m)
    table = [[reference, n - reference], [current, m - current]]
    tails = [stats.fisher_exact(table, alternative=side).pvalue for side in ("less", "greater")]
    assert found.p_value == pytest.approx(min(1, 2 * min(tails)))
    assert found.effect == pytest.approx(abs(current / m - reference / n))


def test_many_rows_shares_are_the_chi_square_with_yates_correction():
    found = shares(1000, 50_000, 1200, 50_000)
    expected = stats.chi2_contingency([[1000, 49_000], [1200, 48_800]], correction=True)
    np.testing.assert_allclose(found.p_value, expected.pvalue, rtol=1e-3)


def test_a_new_token_is_told_from_names_that_are_new_by_chance():
    random = np.random.default_rng(3)
    ids = [random.integers(0, 1 << 62, 2000).astype(str) for _ in range(2)]
    assert not rows_of(drift({"x": ids[0]}, {"x": ids[1]}), "x")["new_tokens"]["alarm"]
    words = random.choice(WORDS, 2000)
    odd = np.where(random.random(2000) < 0.03, "new", words)
    found = rows_of(drift({"x": words}, {"x": odd}), "x")["new_tokens"]
    assert found["alarm"]
    assert found["value"] == (odd == "new").sum()
    assert found["effect"] == pytest.approx((odd == "new").mean())


def test_new_tokens_are_as_rare_by_chance_as_their_p_value_says():
    random = np.random.default_rng(4)
    p_values = []
    for _ in range(300):
        sides = []
        for rows in (300, 200):
            counts = Counts()
            counts.update(pa.array(random.zipf(1.5, rows).astype(str)))
            sides.append(counts.result())
        p_values.append(TokenCounts(*sides).new_tokens().p_value)
    for level in (0.01, 0.05, 0.2):
        assert np.mean(np.array(p_values) <= level) <= level + 2 * np.sqrt(level / 300)


def test_sketches_never_tell_more_than_they_know():
    random = np.random.default_rng(5)
    one, other = random.normal(size=20_000), random.normal(0.3, size=20_000)
    results = []
    for values in (one, other):
        quantiles = Quantiles(200, exact=0)
        quantiles.update(pa.array(values))
        results.append(quantiles.result())
    assert results[0].error > 0
    found, exact = distributions(*results), stats.ks_2samp(one, other)
    assert found.effect <= exact.statistic
    assert found.p_value >= exact.pvalue
    assert abs(found.value - exact.statistic) <= 1.5 * (results[0].error + results[1].error)
    assert distributions(results[0], results[0]).p_value == 1.0


@given(st.lists(st.floats(0, 1), max_size=12), st.sampled_from([0.01, 0.05, 0.5]))
def test_discoveries_are_those_of_scipys_adjustment(p_values, level):
    found = np.array(p_values) <= discovery_level(np.array([*p_values, np.nan]), level)
    expected = stats.false_discovery_control(p_values, method="by") if p_values else np.zeros(0)
    close = np.abs(expected - level) < 1e-12
    assert (close | (found == (expected <= level))).all()


def false_alarms(rows, pairs):
    random = np.random.default_rng(rows)
    return sum(
        drift(ten_columns(random, rows), ten_columns(random, rows))["alarm"].to_pylist().count(True) > 0
        for _ in range(pairs)
    )


@pytest.mark.proof
def test_equal_tables_give_no_alarm_but_seldom():
    assert false_alarms(1000, PAIRS) <= max(1, 0.05 * PAIRS)


@pytest.mark.proof
def test_equal_large_tables_give_no_alarm_but_seldom():
    pairs = PAIRS if PAIRS >= 1000 else max(2, PAIRS // 20)
    assert false_alarms(100_000, pairs) <= max(1, 0.05 * pairs)


@pytest.mark.parametrize(("n", "m"), [(10_000, 60), (40, 3000)])
def test_tables_of_very_different_lengths_give_no_alarm_but_seldom(n, m):
    random = np.random.default_rng(6)
    alarms = [
        any(drift(ten_columns(random, n), ten_columns(random, m))["alarm"].to_pylist()) for _ in range(PAIRS // 2)
    ]
    assert sum(alarms) <= max(1, 0.05 * PAIRS / 2)


def test_a_tenth_of_a_standard_deviation_is_found():
    random = np.random.default_rng(7)
    found = false = 0
    for _ in range(PAIRS):
        one, other = ({f"x{i}": random.normal(size=10_000) for i in range(10)} for _ in range(2))
        other["x3"] = other["x3"] + 0.1
        table = drift(one, other)
        found += rows_of(table, "x3")["mean"]["alarm"]
        false += any(row["alarm"] for row in table.to_pylist() if row["column"] != "x3")
    assert found >= 0.95 * PAIRS
    assert false <= 0.05 * PAIRS


def test_what_matters_little_is_no_alarm_however_sure():
    random = np.random.default_rng(8)
    one, other = random.normal(size=200_000), random.normal(0.03, size=200_000)
    found = rows_of(drift({"x": one}, {"x": other}), "x")
    assert found["mean"]["p_value"] < 1e-9
    assert not any(row["alarm"] for row in found.values())
    assert rows_of(drift({"x": one}, {"x": other}, least_shift=0.01), "x")["mean"]["alarm"]


def test_missing_infinite_and_spread_are_seen():
    random = np.random.default_rng(9)
    values = random.normal(size=5000)
    gaps, ends = values.copy(), values.copy()
    gaps[:300], ends[:300] = np.nan, np.inf
    assert rows_of(drift({"x": values}, {"x": gaps}), "x")["missing"]["alarm"]
    assert rows_of(drift({"x": values}, {"x": ends}), "x")["infinite"]["alarm"]
    wider = rows_of(drift({"x": values}, {"x": 1.5 * random.normal(size=5000)}), "x")
    assert wider["kolmogorov_smirnov"]["alarm"]
    assert not wider["mean"]["alarm"]


def test_columns_that_are_gone_or_of_another_kind_are_alarms():
    table = drift({"a": [1.0, 2.0], "b": [1, 2], "c": ["x", "y"]}, {"b": ["1", "2"], "c": [b"x", b"y"]})
    found = {(row["column"], row["statistic"]): row["alarm"] for row in table.to_pylist()}
    assert found["a", "column"]
    assert found["b", "type"]
    assert not found["c", "chi_square"]
    assert not found["c", "new_tokens"]
    assert set(drift({"a": [1.0], "b": [2]}, {"b": [2]}, columns=["b"])["column"].to_pylist()) == {"b"}


def test_values_of_one_row_are_not_taken_for_many():
    random = np.random.default_rng(10)
    alarms = 0
    for _ in range(PAIRS // 2):
        tables = []
        for _ in range(2):
            words = [
                [word] * length for word, length in zip(random.choice(WORDS, 300), random.poisson(9, 300), strict=True)
            ]
            numbers = [[x] * 20 for x in random.normal(size=300)]
            tables.append(pa.table({"words": words, "numbers": numbers}))
        alarms += any(drift(*tables)["alarm"].to_pylist())
    assert alarms <= 1
    moved = pa.table({"words": [["a"] * 9] * 300, "numbers": [[1.0] * 20] * 300})
    found = drift(tables[0], moved)
    assert rows_of(found, "words")["chi_square"]["alarm"]
    assert rows_of(found, "numbers")["mean"]["alarm"]


@pytest.mark.parametrize("share", [0.2, 0.3])
def test_tokens_that_do_not_fit_in_memory_are_judged_by_the_frequent_ones(share):
    random = np.random.default_rng(11)
    tables = []
    for part in (0.2, share):
        ids = random.integers(0, 1 << 62, 60_000).astype(str)
        tables.append({"x": np.where(random.random(60_000) < part, "often", ids)})
    found = rows_of(drift(*tables, memory="1MiB"), "x")
    assert found["chi_square"]["alarm"] == (share > 0.2)
    assert found["chi_square"]["effect"] == pytest.approx(share - 0.2, abs=0.01)
    assert found["new_tokens"]["p_value"] is None


def test_times_go_on():
    before = pa.array(np.arange(1000), pa.timestamp("s"))
    table = drift({"when": before}, {"when": pa.array(np.arange(1000, 2000), pa.timestamp("s"))})
    assert table["statistic"].to_pylist() == ["missing"]


@pytest.mark.parametrize(
    "values",
    [[5.0] * 100, [None] * 100, [np.inf] * 100, [1e308, -1e308] * 50, [{"a": 1}] * 100, [[]] * 100, [""] * 100],
)
def test_odd_columns_against_themselves_are_no_alarm(values):
    table = drift(pa.table({"x": values}), pa.table({"x": values}))
    assert not any(table["alarm"].to_pylist())


def test_a_constant_that_changed_is_an_alarm():
    assert any(drift({"x": [5.0] * 100}, {"x": [6.0] * 100})["alarm"].to_pylist())


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(EmptySource, match="The current has no row"):
        drift({"x": [1.0]}, pa.table({"x": pa.array([], pa.float64())}))
    with pytest.raises(SchemaMismatch, match="y"):
        drift({"x": [1.0]}, {"x": [1.0]}, columns=["y"])
    with pytest.raises(InvalidArgument, match="columns is a list"):
        drift({"x": [1.0]}, {"x": [1.0]}, columns="x")
    with pytest.raises(InvalidArgument, match="false_alarms is from 0 to 1"):
        drift({"x": [1.0]}, {"x": [1.0]}, false_alarms=2)


def test_it_is_of_the_program():
    assert blocks.evaluate.drift({"x": [1.0]}, {"x": [1.0]}).column_names == [
        *("column", "statistic", "value", "p_value", "effect", "alarm")
    ]
