"""Drift by what a model keeps, against the same by the rows; of answers; and a classifier that tells tables apart.

BLOCKS_DRIFT_PAIRS says on how many pairs of tables, as in tests/inspection/test_drift.py.
"""

import os

import numpy as np
import pyarrow as pa
import pytest

import blocks
from blocks import classifiers, feature_extractors, postprocessors, preprocessors
from blocks.errors import EmptySource, InvalidArgument, SchemaMismatch
from blocks.evaluate import drift
from blocks.inspection.drift.drift_reference import DriftReference
from blocks.inspection.observed_columns import ObservedColumns

PAIRS = int(os.environ.get("BLOCKS_DRIFT_PAIRS", "40"))


def ten_columns(random, rows):
    return pa.table(
        {
            "normal": random.normal(size=rows),
            "skewed": random.lognormal(0, 2, rows),
            "heavy": random.standard_cauchy(rows),
            "whole": random.poisson(3, rows),
            "gaps": pa.array(random.normal(size=rows), mask=random.random(rows) < 0.1),
            "yes": random.random(rows) < 0.01,
            "few": random.choice(np.array(["a", "b", "c", "d"]), rows, p=[0.5, 0.2, 0.15, 0.15]),
            "rare": random.choice(np.array(["a", "b", "c", "d"]), rows, p=[0.897, 0.1, 0.002, 0.001]),
            "many": random.zipf(1.3, rows).astype(str),
            "id": random.integers(0, 1 << 62, rows).astype(str),
        }
    )


def reference_of(table, chunk=65_536):
    observed, first = ObservedColumns(table.schema, table.column_names, {}, 1 << 29), 0
    for batch in table.to_batches(max_chunksize=chunk):
        for update in observed.updates(batch, first):
            update()
        first += len(batch)
    return DriftReference.from_bytes(DriftReference.of(observed).to_bytes())


def by_test(table):
    return {(row["column"], row["statistic"]): row for row in table.to_pylist()}


@pytest.mark.parametrize(("n", "m", "moved"), [(1000, 700, 0.0), (30_000, 5000, 0.2), (150_000, 40_000, 0.02)])
def test_what_is_kept_tells_what_the_rows_do(n, m, moved):
    random = np.random.default_rng(n)
    before, now = ten_columns(random, n), ten_columns(random, m)
    numbers = [name for name in now.column_names if pa.types.is_floating(now[name].type)]
    for name in numbers:
        column = pa.compute.add(now[name], moved)
        now = now.set_column(now.column_names.index(name), name, column)
    expected, found = by_test(drift(before, now)), by_test(drift(reference_of(before), now))
    # 150,000 ids that no block counts are more than is counted for drift alone
    beyond = {("id", "chi_square"), ("id", "new_tokens")} if n > 100_000 else set()
    assert expected.keys() - beyond == found.keys()
    for (column, test), other in found.items():
        row = expected[column, test]
        if test in ("mean", "missing", "infinite") or (
            test in ("chi_square", "new_tokens") and column in ("few", "yes")
        ):
            assert [other[k] for k in ("value", "p_value")] == pytest.approx([row[k] for k in ("value", "p_value")])
        if test == "kolmogorov_smirnov":
            # what lies between two edges, and, of more rows than are drawn, what 99 in 100 samples are off by
            off = max(5 / n, 1 / 384) + (1.63 / np.sqrt(65_536) if n > 65_536 else 0)
            assert other["value"] == pytest.approx(row["value"], abs=off)
        assert other["alarm"] == row["alarm"], (column, test)


def test_few_different_numbers_are_compared_as_exactly_as_by_the_rows():
    random = np.random.default_rng(1)
    for now in (random.poisson(3.2, 900), random.poisson(3, 900) + 0.5, random.poisson(3, 900) - 1e-9):
        before = random.integers(0, 6, 2000)
        tables = {"x": before}, {"x": now}
        one = by_test(drift(*tables))["x", "kolmogorov_smirnov"]
        other = by_test(drift(reference_of(pa.table(tables[0])), tables[1]))["x", "kolmogorov_smirnov"]
        assert other["value"] == pytest.approx(one["value"], abs=1e-12)
        assert other["p_value"] == pytest.approx(one["p_value"])


@pytest.mark.parametrize("rows", [1000, pytest.param(100_000, marks=pytest.mark.proof)])
def test_equal_tables_give_no_alarm_but_seldom(rows):
    random, pairs = np.random.default_rng(rows), max(2, PAIRS // (2 if rows == 1000 else 40))
    alarms = [
        any(drift(reference_of(ten_columns(random, rows)), ten_columns(random, rows))["alarm"].to_pylist())
        for _ in range(pairs)
    ]
    assert sum(alarms) <= max(1, 0.05 * pairs)


@pytest.mark.parametrize(("n", "m"), [(20_000, 60), (60, 3000)])
def test_tables_of_very_different_lengths_give_no_alarm_but_seldom(n, m):
    random = np.random.default_rng(6)
    alarms = [
        any(drift(reference_of(ten_columns(random, n)), ten_columns(random, m))["alarm"].to_pylist())
        for _ in range(PAIRS // 4)
    ]
    assert sum(alarms) <= max(1, 0.05 * PAIRS / 4)


def test_a_tenth_of_a_standard_deviation_and_new_words_are_found():
    random, pairs = np.random.default_rng(7), PAIRS // 2
    found = new = 0
    for _ in range(pairs):
        one, other = ({f"x{i}": random.normal(size=10_000) for i in range(10)} for _ in range(2))
        words = np.where(random.random(10_000) < 0.001, "seldom", random.zipf(1.5, 10_000).astype(str))
        one["word"], other["word"] = words, np.where(random.random(10_000) < 0.05, "new", words)
        other["x3"] = other["x3"] + 0.1
        table = by_test(drift(reference_of(pa.table(one)), other))
        found += table["x3", "mean"]["alarm"]
        new += table["word", "new_tokens"]["alarm"]
    assert found >= 0.95 * pairs
    assert new >= 0.95 * pairs


# -- of models ---------------------------------------------------------------------------------------------------------


def rows(number, seed, moved=0.0):
    random = np.random.default_rng(seed)
    x = random.normal(moved, size=number)
    city = random.choice(["rome", "oslo", "bonn"], number)
    label = np.where(x + random.normal(0, 0.5, number) > 0, "yes", "no")
    return pa.table({"x": x, "city": city, "id": np.arange(number), "label": label})


@pytest.fixture(scope="module")
def model():
    columns = preprocessors.Columns({"x": preprocessors.Standardize(), "city": preprocessors.Vocabulary()})
    chain = [postprocessors.Temperature(), postprocessors.Labels()]
    made = blocks.Model(columns, feature_extractors.MLP([4]), classifiers.Softmax("label"), chain, seed=0)
    made.adapt(rows(3000, 0), verbose=0)
    made.fit(rows(3000, 0), epochs=2, batch_size=64, verbose=0)
    made.calibrate(rows(2000, 1), verbose=0)
    return made


@pytest.fixture(scope="module")
def exported(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("exported") / "1"
    model.export(path)
    return path


def test_models_files_and_exports_tell_the_same(model, exported, tmp_path):
    now = rows(2500, 2, moved=0.5)
    expected = drift(model, now)
    model.save(tmp_path / "model.keras")
    assert drift(blocks.load(tmp_path / "model.keras"), now) == expected
    assert drift(str(exported), now).drop_columns(["value", "p_value", "effect"]) == expected.drop_columns(
        ["value", "p_value", "effect"]
    )
    of_rows = by_test(drift(rows(3000, 0), now, columns=["x", "city", "label"]))
    found = by_test(expected)
    assert all(found[key]["alarm"] == row["alarm"] for key, row in of_rows.items())
    answers = {column for column, _ in found if column.startswith("prediction: ")}
    assert answers > {f"prediction: {name}" for name in ("probabilities[no]", "probabilities[yes]", "label")}
    assert found["prediction: probabilities[yes]", "mean"]["alarm"]
    assert found["prediction: label", "chi_square"]["alarm"]


def test_equal_rows_are_answered_alike(model):
    assert not any(drift(model, rows(2500, 3))["alarm"].to_pylist())
    without = drift(model, rows(2500, 3).drop_columns(["label"]))
    assert "label" not in without["column"].to_pylist()


def test_answers_of_a_model_that_changed_are_left_out(model, tmp_path):
    changed = model.replace(postprocessors=[postprocessors.Labels()])
    assert model.drift_reference.answers
    assert not changed.drift_reference.answers
    assert changed.drift_reference.columns.keys() == {"x", "city", "label"}
    changed.keep_answers(rows(500, 4))
    assert changed.drift_reference.answers
    changed.fit(rows(300, 0), epochs=1, verbose=0)
    assert not changed.drift_reference.answers


def test_rows_that_cannot_be_answered_are_judged_by_their_columns(model):
    text = rows(200, 5).set_column(0, "x", pa.array(["1.5"] * 200))
    for now, test in ((text, "type"), (rows(200, 5).drop_columns(["x"]), "column")):
        found = by_test(drift(model, now))
        assert found["x", test]["alarm"]
        assert found["prediction: label", "mean"]["p_value"] is None
        assert not found["city", "chi_square"]["alarm"]


def test_odd_rows_of_today(model):
    empty = rows(0, 0)
    with pytest.raises(EmptySource, match="The current has no row"):
        drift(model, empty)
    with pytest.raises(SchemaMismatch, match="height"):
        drift(model, rows(10, 0), columns=["height"])
    assert not any(drift(model, rows(1, 0))["alarm"].to_pylist())
    nulls = pa.table({"x": pa.nulls(500, pa.float64()), "city": pa.nulls(500, pa.string())})
    assert {column for column, test in by_test(drift(model, nulls)) if test == "missing"} >= {"x", "city"}
    assert by_test(drift(model, nulls))["x", "missing"]["alarm"]


def test_what_keeps_nothing_says_so(model, tmp_path):
    silent = model.replace()
    silent.drift_reference = None
    with pytest.raises(InvalidArgument, match="Give the training rows"):
        drift(silent, rows(10, 0))
    with pytest.raises(InvalidArgument, match="learns from the rows of both"):
        drift(model, rows(10, 0), classifier=True)


@pytest.mark.parametrize(
    "values",
    [
        [(1 << 60) + i for i in range(60)],
        [None] * 60,
        [5.0] * 60,
        [np.inf] * 60,
        [[1.0, 2.0, 3.0]] * 60,
        [["a", "b"], []] * 30,
        [{"a": 1}] * 60,
        [b"x"] * 60,
        np.arange(60).astype("M8[D]"),
        [1e308, -1e308] * 30,
        [""] * 60,
    ],
)
def test_odd_columns_against_themselves_are_no_alarm(values):
    table = pa.table({"x": values})
    found = drift(reference_of(table), table)
    assert not any(found["alarm"].to_pylist())
    assert len(found)


def test_windows_are_compared_by_the_rows_they_are_of():
    random = np.random.default_rng(8)
    before, now = (pa.FixedSizeListArray.from_arrays(pa.array(random.normal(size=24 * 800)), 24) for _ in range(2))
    moved = pa.FixedSizeListArray.from_arrays(pa.array(random.normal(0.6, size=24 * 800)), 24)
    reference = reference_of(pa.table({"x": before}))
    assert not any(drift(reference, pa.table({"x": now}))["alarm"].to_pylist())
    found = by_test(drift(reference, pa.table({"x": moved})))
    assert found["x", "mean"]["alarm"]
    assert found["x", "kolmogorov_smirnov"]["alarm"]


# -- a classifier ------------------------------------------------------------------------------------------------------


def together(random, number, correlation):
    x = random.normal(size=number)
    y = correlation * x + np.sqrt(1 - correlation**2) * random.normal(size=number)
    when = pa.array(random.integers(0, 10**9, number), pa.timestamp("s"))
    word = random.choice(np.array(["a", "b", "c"]), number)
    return pa.table({"x": x, "y": y, "z": random.normal(size=number), "word": word, "when": when})


def test_what_goes_together_otherwise_is_seen_by_a_classifier_alone():
    random = np.random.default_rng(9)
    before, now = together(random, 2500, 0.8), together(random, 2500, -0.8)
    assert not any(drift(before, now)["alarm"].to_pylist())
    found = by_test(drift(before, now, classifier=True))
    area = found[None, "classifier_area"]
    assert area["alarm"]
    assert (
        0.7 < found[None, "classifier_area_low"]["value"] < area["value"] < found[None, "classifier_area_high"]["value"]
    )
    assert area["effect"] == pytest.approx(2 * area["value"] - 1)
    named = {column for (column, test), row in found.items() if test == "classifier_importance" and row["alarm"]}
    assert named == {"x", "y"}
    assert drift(before, now, classifier=True) == drift(before, now, classifier=True)


def test_equal_rows_are_seldom_told_apart():
    random, pairs = np.random.default_rng(10), max(6, PAIRS // 5)
    tables = [drift(together(random, 300, 0.5), together(random, 250, 0.5), classifier=True) for _ in range(pairs)]
    assert sum(any(table["alarm"].to_pylist()) for table in tables) <= max(1, 0.05 * pairs)


def test_a_classifier_of_too_little_cannot_tell():
    random = np.random.default_rng(11)
    odd = {"x": [{"a": 1}] * 200, "when": pa.array(np.arange(200), pa.timestamp("s"))}
    for table in (together(random, 50, 0.5), pa.table(odd)):
        area = by_test(drift(table, table, classifier=True))[None, "classifier_area"]
        assert (area["p_value"], area["alarm"]) == (None, False)


def test_a_classifier_takes_columns_of_every_kind():
    random = np.random.default_rng(12)
    kinds = {
        "big": random.integers(1 << 60, 1 << 62, 300),
        "infinite": np.where(random.random(300) < 0.5, np.inf, 1.0),
        "nothing": pa.nulls(300),
        "list": [[1.0] * int(n) for n in random.integers(0, 4, 300)],
        "words": [["a"] * int(n) for n in random.integers(0, 4, 300)],
        "window": pa.FixedSizeListArray.from_arrays(pa.array(random.normal(size=900)), 3),
        "yes": pa.array(random.random(300) < 0.5),
        "coded": pa.array(random.choice(["a", "b"], 300)).dictionary_encode(),
        "id": random.integers(0, 1 << 62, 300).astype(str),
        "long": pa.array(random.integers(0, 1000, 300), pa.duration("s")),
        "bytes": [b"x"] * 300,
    }
    table = pa.table(kinds)
    found = by_test(drift(table, table, classifier=True))
    assert found[None, "classifier_area"]["p_value"] > 0.01
    named = {column for column, test in found if test == "classifier_importance"}
    assert named == kinds.keys() - {"nothing", "bytes"}
