"""Requests against a schema: what is found is what `Schema.validate` finds, of arrays as of Arrow batches."""

import datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import blocks
from blocks.errors import InvalidArgument
from blocks.inspection.schema.request_check import RequestAnomaly, RequestCheck

RANDOM = np.random.default_rng(0)
TRAINED = pa.table(
    {
        "age": RANDOM.integers(18, 90, 200),
        "height": RANDOM.normal(1.7, 0.1, 200),
        "gap": pa.array(RANDOM.normal(size=200), mask=np.arange(200) % 3 == 0),
        "city": RANDOM.choice(["rome", "oslo"], 200),
        "often": [f"word{i % 4}" if i % 20 else f"rare{i}" for i in range(200)],
        "when": pa.array(np.arange(200), pa.timestamp("s")),
        "yes": RANDOM.random(200) < 0.5,
        "tags": [["a", "b"][: 1 + i % 2] for i in range(200)],
        "window": pa.FixedSizeListArray.from_arrays(pa.array(RANDOM.normal(size=600)), 3),
    }
)
SCHEMA = blocks.Schema.infer(TRAINED)


def found_by(check, request):
    return {(one.column, one.kind): one.rows for one in check(request)}


def request(**columns):
    rows = {name: TRAINED[name].slice(0, 3) for name in TRAINED.column_names}
    return {**rows, **columns}


def test_rows_like_those_of_training_are_as_expected():
    check = RequestCheck(SCHEMA)
    assert check(TRAINED) == []
    arrays = {name: TRAINED[name].combine_chunks().to_numpy(zero_copy_only=False) for name in TRAINED.column_names}
    assert check(arrays) == []
    assert check(TRAINED, count=False) == []
    assert check.rows == 400
    assert check.counters == {"gap": {"MISSING_VALUE": 134}, "often": {"ENUM_TYPE_UNEXPECTED_STRING_VALUES": 20}}


@settings(max_examples=150)
@given(
    st.lists(
        st.tuples(
            st.one_of(st.none(), st.integers(-(1 << 62), 1 << 62)),
            st.one_of(st.none(), st.floats()),
            st.one_of(st.none(), st.sampled_from(["rome", "oslo", "bonn", "x"])),
            st.one_of(st.none(), st.lists(st.sampled_from(["a", "b", "c"]), max_size=6)),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_it_finds_what_validate_does(rows):
    names = ["age", "height", "city", "tags"]
    schema = blocks.Schema({name: SCHEMA[name] for name in names})
    types = [pa.int64(), pa.float64(), pa.string(), pa.list_(pa.string())]
    columns = zip(names, zip(*rows, strict=True), types, strict=True)
    batch = pa.record_batch({name: pa.array(values, kind) for name, values, kind in columns})
    expected = {
        (row["column"], row["kind"].replace("FEATURE_TYPE_LOW_FRACTION_PRESENT", "MISSING_VALUE")): row["rows"]
        for row in schema.validate(pa.table(batch)).to_pylist()
    }
    assert found_by(RequestCheck(schema), batch) == expected


@pytest.mark.parametrize("arrow", [True, False])
@pytest.mark.parametrize(
    ("column", "values", "expected"),
    [
        ("age", pa.array([20, 30, 1 << 60]), ("INT_TYPE_BIG_INT", 1)),
        ("age", pa.array([-5, 30, -6], pa.int8()), ("INT_TYPE_SMALL_INT", 2)),
        ("age", pa.array([20.0, 30.5, 40.0]), ("UNEXPECTED_DATA_TYPE", 1)),
        ("age", pa.array(["20", "30", "40"]), ("UNEXPECTED_DATA_TYPE", 3)),
        ("height", pa.array([1.7, np.inf, 1.8]), ("FLOAT_TYPE_HAS_INF", 1)),
        ("height", pa.array([1.7, None, 1.8]), ("MISSING_VALUE", 1)),
        ("city", pa.array(["rome", "bonn", "oslo"]), ("ENUM_TYPE_UNEXPECTED_STRING_VALUES", 1)),
        ("city", pa.array([b"rome", b"", b"oslo"]), ("MISSING_VALUE", 1)),
        ("city", pa.array([1, 2, 3]), ("UNEXPECTED_DATA_TYPE", 3)),
        ("when", pa.array(["now", "then", "never"]), ("UNEXPECTED_DATA_TYPE", 3)),
        ("yes", pa.array(["y", "n", "y"]), ("UNEXPECTED_DATA_TYPE", 3)),
        ("tags", pa.array([["a"], ["c", "c"], []]), ("ENUM_TYPE_UNEXPECTED_STRING_VALUES", 1)),
        ("tags", pa.array([["a"], ["a"] * 9, ["b"]]), ("FEATURE_TYPE_HIGH_NUMBER_VALUES", 1)),
        ("window", pa.array([[0.0] * 3, [1e9] * 3, [0.1] * 3], pa.list_(pa.float64(), 3)), ("FLOAT_TYPE_BIG_FLOAT", 1)),
    ],
)
def test_what_is_wrong_is_told(column, values, expected, arrow):
    rows = pa.table(request(**{column: values}))
    if not arrow:
        rows = {name: rows[name].combine_chunks().to_numpy(zero_copy_only=False) for name in rows.column_names}
    found = found_by(RequestCheck(SCHEMA), rows)
    assert found[column, expected[0]] == expected[1]
    assert {name for name, _ in found} == {column}


def test_columns_that_are_not_there_and_raw_forms():
    schema = blocks.Schema({name: SCHEMA[name] for name in ("age", "when", "tags")})
    check = RequestCheck(schema)
    raw = {"when": np.array([10**15, np.iinfo(np.int64).min]), "tags": np.array([b"\x1fa\x1fb", b"\x1fzz"], object)}
    assert check(raw) == [
        RequestAnomaly("age", "SCHEMA_MISSING_COLUMN", 2),
        RequestAnomaly("when", "MISSING_VALUE", 1),
        RequestAnomaly("tags", "ENUM_TYPE_UNEXPECTED_STRING_VALUES", 1),
    ]
    whole = {"age": np.array([20.0]), "when": np.array([datetime.datetime(2020, 1, 1)]), "tags": [["a"]], "new": [1]}
    assert check(whole) == []
    assert check({"age": np.zeros(0), "when": np.zeros(0, "M8[us]"), "tags": np.zeros(0, object)}) == []
    assert check.counters["age"] == {"SCHEMA_MISSING_COLUMN": 2}


def test_integers_are_compared_beyond_what_floats_tell_apart():
    schema = blocks.Schema.infer({"x": [0, 1]})
    schema["x"].max = (1 << 60) + 1
    check = RequestCheck(schema)
    assert check({"x": np.array([(1 << 60) + 1])}) == []
    assert check({"x": np.array([(1 << 60) + 2])}) == [RequestAnomaly("x", "INT_TYPE_BIG_INT", 1)]
    assert check({"x": np.array([(1 << 63) + 2], np.uint64)}) == [RequestAnomaly("x", "INT_TYPE_BIG_INT", 1)]


def test_an_export_without_a_schema_says_so(tmp_path):
    with pytest.raises(InvalidArgument, match=r"Set model\.schema"):
        RequestCheck.of_export(tmp_path)
