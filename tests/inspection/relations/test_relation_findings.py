"""What is pointed out of columns taken together: a table with every kind of it, and one without any."""

import json

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from blocks.inspection.relations.associations import associations
from blocks.inspection.relations.duplicate_rows import DuplicateRows
from blocks.inspection.relations.relations import of_columns
from blocks.inspection.relations.row_findings import duplicate_findings
from blocks.inspection.relations.row_order import moving_columns, sorted_by

ROWS = 2_000


def found_in(table, target=None, key=()):
    return of_columns(pa.table(table), target, key)[1]


def kinds(table, *arguments):
    return [(one.severity, one.kind, one.columns) for one in found_in(table, *arguments)]


def clean_columns(random):
    x = random.normal(size=ROWS)
    return {
        "x": x,
        "half of it": x + random.normal(size=ROWS),
        "kind": random.choice(["a", "b", "c"], ROWS),
        "gaps": pa.array(random.normal(size=ROWS), mask=random.random(ROWS) < 0.3),
        "name": random.integers(0, 700, ROWS).astype(str),
        "label": np.where(x + random.normal(size=ROWS) > 0, "yes", "no"),
    }


def test_of_columns_that_are_as_they_should_be_nothing_is_said():
    assert kinds(clean_columns(np.random.default_rng(0)), "label") == []
    assert kinds(clean_columns(np.random.default_rng(0))) == []


def test_leaks_of_a_class():
    random = np.random.default_rng(1)
    table = clean_columns(random)
    yes = table["label"] == "yes"
    gaps = random.random(ROWS) < 0.2
    table |= {
        "alive": yes,
        "score": np.where(yes, 5, -5) + random.normal(size=ROWS),
        "closed on": pa.array(random.normal(size=ROWS), mask=yes),
        "city": pa.array(random.choice(["r", "o"], ROWS), mask=gaps),
        "country": pa.array(random.choice(["i", "n"], ROWS), mask=gaps),
        "x again": table["x"] * 2.54,
    }
    found = kinds(table, "label")
    assert found == [
        ("error", "copy of the target", ("alive",)),
        ("warning", "tells the target alone", ("closed on",)),
        ("warning", "tells the target alone", ("score",)),
        ("warning", "missing tells the target", ("closed on",)),
        ("note", "copy of a column", ("x again", "x")),
        ("note", "missing together", ("city", "country")),
    ]
    sentences = {one.kind: one for one in found_in(table, "label")}
    told = sentences["copy of the target"]
    assert told.sentence == "'alive' is another name for 'label' in 2,000 sampled rows."
    assert told.advice.endswith("(exclude=['alive']).")
    assert (
        sentences["copy of a column"].sentence
        == "'x again' is a straight line of 'x' (correlation 1) in 2,000 sampled rows."
    )
    assert "Cram\u00e9r's V 1.00 of 1" in sentences["missing tells the target"].sentence


def test_a_target_that_is_a_sum_of_its_parts():
    random = np.random.default_rng(2)
    casual, registered = random.poisson(20, ROWS), random.poisson(150, ROWS)
    table = {"casual": casual, "registered": registered, "day": np.arange(ROWS), "count": casual + registered}
    found = found_in(table, "count")
    assert ("error", "target is a sum", ("casual", "registered")) in kinds(table, "count")
    assert found[0].sentence == (
        "'count' is 'casual' + 'registered' in each of 2,000 sampled rows, to a thousandth of its standard deviation."
    )
    scaled = {**table, "count": 2 * casual - 0.5 * registered + 3}
    (found,) = (one for one in found_in(scaled, "count") if one.kind == "target is a sum")
    assert found.sentence.startswith("'count' is 2 * 'casual' + -0.5 * 'registered' + 3 in each")


def test_of_keys_nothing_is_said():
    table = {"id": np.arange(ROWS), "row": np.arange(ROWS), "y": np.arange(ROWS) * 2.0}
    assert {one[2] for one in kinds(table, "y", ["id"])} == {("row",)}
    assert kinds(table, None, ["id", "row"]) == []


ODD = {
    pa.float64(): [0.0, -0.0, 1e308, -1e308, 5e-324, np.nan, np.inf, -np.inf, None],
    pa.float16(): [np.float16(1), None],
    pa.int64(): [2**63 - 1, -(2**63), 0, None],
    pa.uint64(): [2**64 - 1, 0, None],
    pa.bool_(): [True, False, None],
    pa.string(): ["", "a", "\U0001f600", None],
    pa.binary(): [b"", b"\xff\x00", None],
    pa.dictionary(pa.int8(), pa.string()): ["a", "", None],
    pa.date32(): [0, -700_000, None],
    pa.timestamp("ns", "UTC"): [0, 1, 2**62, None],
    pa.duration("s"): [0, 5, None],
    pa.decimal128(38, 5): [0, 1, None],
    pa.null(): [None],
    pa.list_(pa.int8()): [[1], [], [None], None],
    pa.struct({"a": pa.int8()}): [{"a": 1}, {"a": None}, None],
}


@settings(max_examples=25)
@given(
    st.lists(st.sampled_from(list(ODD)), min_size=1, max_size=6),
    st.sampled_from([0, 1, 19, 59, 130]),
    st.integers(0, 2**32),
)
def test_odd_tables_are_looked_at_without_an_error_or_a_warning(kinds, rows, seed):
    random = np.random.default_rng(seed)
    columns = {
        f"c{i}": pa.array([ODD[kind][j] for j in random.integers(0, len(ODD[kind]), rows)], kind)
        for i, kind in enumerate(kinds)
    }
    table = pa.table(columns)
    for target in (None, "c0"):
        counted = DuplicateRows(key=["c0"] if seed % 2 else [], target=None if seed % 2 else target, most=16)
        for chunk in table.to_batches():
            counted.update("all", chunk)
            counted.update("again", chunk)
        found = [*found_in(table, target), *duplicate_findings(counted.result(), target)]
        said = [one.as_dict() for one in found]
        json.dumps([said, associations(table, target).as_dict(), counted.result().as_dict()], allow_nan=False)
    assert {one.column for one in moving_columns(table)} | set(sorted_by(table)) <= set(columns)
