"""Schemas: anomalies against a validator that looks at one row after the other, and the file against hostile ones."""

import datetime
import json
import math
from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import blocks
from blocks import Schema
from blocks.errors import EmptySource, InvalidArgument, MalformedData, NewerFormat, SchemaMismatch
from blocks.inspection.schema.column_schema import ColumnSchema
from blocks.inspection.schema.schema_file import JSON_SCHEMA, from_json, to_json

NUMBERS = st.one_of(
    st.none(), st.integers(-5, 5).map(float), st.sampled_from([0.5, -9.0, 1e300, math.inf, -math.inf, math.nan])
)
INTEGERS = st.one_of(st.none(), st.integers(-9, 9), st.sampled_from([2**63 - 1, -(2**63), 2**53 + 1]))
TEXTS = st.one_of(st.none(), st.sampled_from(["", "a", "b", "c", "ä", "long" * 30]))
COLUMNS = {
    "integer": (INTEGERS, pa.int64()),
    "number": (NUMBERS, pa.float64()),
    "text": (TEXTS, pa.string()),
    "lists": (
        st.one_of(st.none(), st.lists(st.one_of(st.none(), st.integers(-9, 9)), max_size=4)),
        pa.list_(pa.int64()),
    ),
    "tags": (st.one_of(st.none(), st.lists(TEXTS, max_size=3)), pa.large_list(pa.string())),
    "truth": (st.one_of(st.none(), st.booleans()), pa.bool_()),
}


@st.composite
def tables(draw, least=0, types=COLUMNS):
    rows = draw(st.integers(least, 12))
    return pa.table(
        {
            name: pa.array(draw(st.lists(values, min_size=rows, max_size=rows)), type)
            for name, (values, type) in types.items()
        }
    )


@st.composite
def expectations(draw):
    ends = st.one_of(st.none(), st.integers(-4, 0)), st.one_of(st.none(), st.integers(0, 2**53 + 1))
    share = st.sampled_from([0.0, 0.5, 1.0])
    lengths = st.one_of(st.none(), st.integers(0, 1)), st.one_of(st.none(), st.integers(1, 2))
    domain = st.one_of(st.none(), st.just(["a", "ä"]), st.just([]))
    made = {
        "integer": ColumnSchema("integer", min=draw(ends[0]), max=draw(ends[1])),
        "number": ColumnSchema("number", min=draw(ends[0]), max=draw(ends[1]), allow_infinite=draw(st.booleans())),
        "text": ColumnSchema("text", domain=draw(domain), min_domain_mass=draw(share)),
        "lists": ColumnSchema("integer", True, min_values=draw(lengths[0]), max_values=draw(lengths[1]), max=3),
        "tags": ColumnSchema("text", True, domain=draw(domain)),
        "truth": ColumnSchema("boolean"),
    }
    for one in made.values():
        one.min_fraction = draw(share)
    return Schema(made)


def missing(value):
    return value is None or value in ("", b"") or (isinstance(value, float) and math.isnan(value))


def brute_force(schema, table):
    """(column, kind) to the positions of its rows, a row and a value at a time."""
    found = {}
    for name in table.column_names:
        one, rows = schema[name], table[name].to_pylist()
        gone = [at for at, value in enumerate(rows) if missing(value)]
        if (len(rows) - len(gone)) / len(rows) < one.min_fraction:
            found[name, "FEATURE_TYPE_LOW_FRACTION_PRESENT"] = gone
        broken = {}
        strange = texts = 0
        for at, row in enumerate(rows):
            if one.is_list and row is not None:
                if one.min_values is not None and len(row) < one.min_values:
                    broken.setdefault("FEATURE_TYPE_LOW_NUMBER_VALUES", set()).add(at)
                if one.max_values is not None and len(row) > one.max_values:
                    broken.setdefault("FEATURE_TYPE_HIGH_NUMBER_VALUES", set()).add(at)
            for value in (row or []) if one.is_list else [row]:
                if missing(value):
                    continue
                if one.kind in ("integer", "number"):
                    word = "INT" if one.kind == "integer" else "FLOAT"
                    if isinstance(value, float) and math.isinf(value):
                        if not one.allow_infinite:
                            broken.setdefault("FLOAT_TYPE_HAS_INF", set()).add(at)
                    elif one.min is not None and value < one.min:
                        broken.setdefault(f"{word}_TYPE_SMALL_{word}", set()).add(at)
                    elif one.max is not None and value > one.max:
                        broken.setdefault(f"{word}_TYPE_BIG_{word}", set()).add(at)
                if one.domain is not None:
                    texts += 1
                    if value not in one.domain:
                        strange += 1
                        broken.setdefault("ENUM_TYPE_UNEXPECTED_STRING_VALUES", set()).add(at)
        if texts - strange >= one.min_domain_mass * texts:
            broken.pop("ENUM_TYPE_UNEXPECTED_STRING_VALUES", None)
        found |= {(name, kind): sorted(at) for kind, at in broken.items()}
    return found


@settings(max_examples=150)
@given(expectations(), tables(least=1), st.sampled_from([1, 2, 5, 100]))
def test_anomalies_are_those_of_looking_at_every_row(schema, table, chunk_rows):
    found = schema.validate(table, chunk_rows=chunk_rows, examples=2)
    expected = brute_force(schema, table)
    assert {(row["column"], row["kind"]): row["rows"] for row in found.to_pylist()} == {
        key: len(rows) for key, rows in expected.items()
    }
    for row in found.to_pylist():
        assert row["examples"] == [str(at) for at in expected[row["column"], row["kind"]][:2]]
    assert found.equals(schema.validate(table, examples=2))


@settings(max_examples=100)
@given(tables(least=1), st.integers(1, 6))
def test_what_a_schema_was_inferred_from_fits_it_and_its_file(table, min_count):
    schema = Schema.infer(table, min_count=min_count)
    assert schema.validate(table).num_rows == 0
    assert Schema(from_json(to_json(schema), "here")) == schema
    for name, column in schema.items():
        rows = table[name].to_pylist()
        tokens = Counter(rows if not column.is_list else [token for row in rows for token in row or []])
        assert all(tokens[token] >= min_count for token in column.domain or ())


def people(rows=200, **changed):
    random = np.random.default_rng(0)
    return {
        "age": random.integers(18, 90, rows),
        "height": random.normal(1.7, 0.1, rows),
        "city": random.choice(["rome", "oslo", "bern"], rows),
        "born": pa.array([datetime.date(1990, 1, 1)] * rows),
    } | changed


def kinds(table):
    return {(row["column"], row["kind"]): row for row in table.to_pylist()}


def test_equal_rows_have_no_anomaly_and_others_have_theirs():
    schema = Schema.infer(people())
    assert schema.validate(people(50)).num_rows == 0
    odd = people(50)
    del odd["born"]
    odd |= {"extra": [1] * 50, "height": [None, 170.0, math.inf, *odd["height"][3:]]}
    odd["age"] = [-1, 999, *odd["age"][2:].tolist()]
    odd["city"] = ["Roma", "Roma", "paris", *odd["city"][3:].tolist()]
    found = kinds(schema.validate(odd))
    assert {key: row["rows"] for key, row in found.items()} == {
        ("age", "INT_TYPE_SMALL_INT"): 1,
        ("age", "INT_TYPE_BIG_INT"): 1,
        ("height", "FEATURE_TYPE_LOW_FRACTION_PRESENT"): 1,
        ("height", "FLOAT_TYPE_BIG_FLOAT"): 1,
        ("height", "FLOAT_TYPE_HAS_INF"): 1,
        ("city", "ENUM_TYPE_UNEXPECTED_STRING_VALUES"): 3,
        ("born", "SCHEMA_MISSING_COLUMN"): 50,
        ("extra", "SCHEMA_NEW_COLUMN"): 50,
    }
    strange = found["city", "ENUM_TYPE_UNEXPECTED_STRING_VALUES"]
    assert strange["found"] == "'Roma' (2), 'paris' (1)"
    assert strange["examples"] == ["0", "1", "2"]
    assert found["age", "INT_TYPE_BIG_INT"]["found"] == "999"
    assert found["height", "FLOAT_TYPE_HAS_INF"]["examples"] == ["2"]


def test_examples_are_named_by_a_key():
    schema = Schema.infer(people(id=[f"p{i}" for i in range(200)]))
    found = schema.validate(people(3, age=[20, 1000, 2000], id=["x", "y", "z"]), key="id", chunk_rows=1)
    assert found["examples"].to_pylist() == [["y", "z"]]
    with pytest.raises(SchemaMismatch, match="nobody"):
        schema.validate(people(3), key="nobody")


@pytest.mark.parametrize(
    ("trained", "given", "anomalies"),
    [
        (
            [1, 2, 3],
            [1.0, 2.0, None, 3.0],
            {"FEATURE_TYPE_LOW_FRACTION_PRESENT": 1},
        ),  # as pandas has integers with gaps
        ([1, 2, 3], [1.5, 2.0, math.inf], {"UNEXPECTED_DATA_TYPE": 2}),
        ([1.5, 2.5], [1, 2], {}),
        ([1.5, 2.5], ["1.5", None, "n/a"], {"FEATURE_TYPE_LOW_FRACTION_PRESENT": 1, "UNEXPECTED_DATA_TYPE": 2}),
        ([1.5, 2.5], pa.array([None, ""], pa.string()), {"FEATURE_TYPE_LOW_FRACTION_PRESENT": 2}),
        ([True, False], [1, 0], {"UNEXPECTED_DATA_TYPE": 2}),
        (["a"] * 9, [b"a", b"\xff"], {"ENUM_TYPE_UNEXPECTED_STRING_VALUES": 1}),
        (["a"] * 9, [["a"], ["a"]], {"UNEXPECTED_DATA_TYPE": 2}),
        ([None, None], ["anything", "goes"], {}),
        (["a"] * 9, [None, None], {"FEATURE_TYPE_LOW_FRACTION_PRESENT": 2}),
        ([datetime.date(2020, 1, 1)], [datetime.datetime(2021, 1, 1)], {}),
        ([{"a": 1}], [{"b": 2}], {}),
    ],
)
def test_types_are_judged_by_what_values_are(trained, given, anomalies):
    found = Schema.infer({"x": pa.array(trained)}).validate({"x": pa.array(given)})
    assert {row["kind"]: row["rows"] for row in found.to_pylist()} == anomalies


@pytest.mark.parametrize(
    "column",
    [
        pa.array([1, None], pa.float16()),
        pa.array([1, None], pa.decimal128(9, 2)),
        pa.array([1, None], pa.decimal256(70, 2)),
        pa.array([1, None], pa.time32("s")),
        pa.array([1, None], pa.duration("ns")),
        pa.array([1, None], pa.timestamp("us", "Europe/Oslo")),
        pa.array([b"ab", None], pa.binary(2)),
        pa.array([b"ab", b""], pa.binary_view()),
        pa.array(["ab", None], pa.string_view()),
        pa.array(["ab", None]).dictionary_encode(),
        pa.array([["ab"], None, [], [None]]),
        pa.array([["ab"], None], pa.list_(pa.dictionary(pa.int8(), pa.string()))),
        pa.array([[1.5, None], None], pa.list_(pa.float32(), 2)),
        pa.array([[None], None], pa.list_(pa.null())),
        pa.array([[[1]], None]),
        pa.array([{"a": 1}, None]),
        pa.array([[("a", 1)], None], pa.map_(pa.string(), pa.int8())),
        pa.array([(1, 2, 3), None], pa.month_day_nano_interval()),
        pa.nulls(2),
    ],
    ids=lambda column: str(column.type),
)
def test_columns_of_every_type_fit_themselves(column, tmp_path):
    table = pa.table({"x": column})
    schema = Schema.infer(table)
    assert schema.validate(table).num_rows == 0
    assert schema.validate(table.slice(1)).column_names == schema.validate(table).column_names
    schema.save(tmp_path / "schema.json")
    assert Schema.load(tmp_path / "schema.json") == schema
    assert not any(blocks.evaluate.drift(table, table)["alarm"].to_pylist())


def test_a_text_among_numbers_is_named():
    schema = Schema({"x": ColumnSchema("number")})
    found = schema.validate({"x": ["1.5", None, "n/a", "-2e3", " .5 ", "n/a", "1,5"]})
    assert found.select(["found", "rows", "examples"]).to_pylist() == [
        {"found": "BYTES (text), no number: 'n/a' (2), '1,5' (1)", "rows": 6, "examples": ["2", "5", "6"]}
    ]


def test_rare_texts_are_in_no_domain_and_allowed():
    texts = ["common"] * 96 + ["Ms Smith"] * 4
    schema = Schema.infer({"x": texts})
    assert schema["x"].domain == ["common"]
    assert "Smith" not in to_json(schema)
    assert "Smith" not in repr(schema)
    assert schema.validate({"x": texts}).num_rows == 0
    assert schema.validate({"x": ["common"] * 50 + ["other"] * 50})["rows"].to_pylist() == [50]
    assert Schema.infer({"x": [f"name {i}" for i in range(60)]})["x"].domain is None


@pytest.mark.parametrize(
    ("values", "ends"),
    [
        ([2**53 + 1, 2**53 + 3], None),
        ([-(2**63), 2**63 - 1], None),
        ([1e308, -1e308], None),
        ([5e-324, 0.0], None),
        ([7, 7], (7, 7)),
        ([10, 20], (0, 30)),
        ([-1.25, 1.0], (-3.5, 3.3)),
        ([-20, -10], (-30, 0)),
    ],
)
def test_ranges_hold_what_they_were_inferred_from(values, ends):
    schema = Schema.infer({"x": values})
    assert schema.validate({"x": values}).num_rows == 0
    assert math.isfinite(schema["x"].min)
    if ends:
        assert (schema["x"].min, schema["x"].max) == ends


def test_unsigned_integers_are_compared_as_such():
    big = pa.array([2**64 - 1], pa.uint64())
    schema = Schema({"x": ColumnSchema("integer", min=-5, max=2**64 - 2)})
    assert schema.validate({"x": big})["kind"].to_pylist() == ["INT_TYPE_BIG_INT"]
    schema["x"].max = 2**64 - 1
    assert schema.validate({"x": big}).num_rows == 0


def test_a_share_that_is_just_met_is_met():
    for present in range(1, 100):
        table = pa.table({"x": [1] * present + [None] * (100 - present)})
        assert Schema({"x": ColumnSchema("integer", min_fraction=present / 100)}).validate(table).num_rows == 0
        table = pa.table({"x": ["a"] * present + ["b"] * (100 - present)})
        schema = Schema({"x": ColumnSchema("text", domain=["a"], min_domain_mass=present / 100)})
        assert schema.validate(table).num_rows == 0


def test_an_empty_table_is_an_anomaly_and_none_to_learn_from():
    schema = Schema.infer({"x": [1.0]})
    found = schema.validate(pa.table({"x": pa.array([], pa.float64())})).to_pylist()
    assert [(row["column"], row["kind"]) for row in found] == [(None, "DATASET_LOW_NUM_EXAMPLES")]
    with pytest.raises(EmptySource, match="nothing to infer"):
        Schema.infer(pa.table({"x": pa.array([], pa.float64())}))


def test_editing_saving_and_loading(tmp_path):
    schema = Schema.infer(people())
    schema["age"].max = 120
    schema["city"].domain += ["größe \u2028"]
    schema["born"].min_fraction = 0.0
    del schema["height"]
    schema.save(tmp_path / "schema.json")
    (tmp_path / "link.json").symlink_to(tmp_path / "schema.json")
    loaded = Schema.load(tmp_path / "link.json")
    assert loaded == schema
    assert loaded.validate(people(2, age=[121, 3])).to_pylist()[0]["rows"] == 1
    without = people(9)
    del without["born"], without["height"]
    assert loaded.validate(without).num_rows == 0
    words = json.loads((tmp_path / "schema.json").read_text())["feature"]
    assert words[0] == {
        "name": "age",
        "type": "INT",
        "presence": {"min_fraction": 1.0},
        "int_domain": {"min": 0, "max": 120},
        "annotation": {"tag": ["integer"]},
    }


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("min", 500, "min is at most max"),
        ("min", "0", "min is a finite number"),
        ("max", math.nan, "max is a finite number"),
        ("min_fraction", 2, "min_fraction is from 0 to 1"),
        ("domain", ["a"], "domain is of text alone"),
        ("kind", "decimal", "kind is one of text"),
        ("kind", ["text"], "kind is one of text"),
        ("max_values", 3, "max_values is of lists alone"),
        ("allow_infinite", 1, "allow_infinite is True or False"),
    ],
)
def test_edits_that_make_no_sense_are_refused(tmp_path, name, value, said):
    schema = Schema.infer(people())
    setattr(schema["age"], name, value)
    for use in (lambda: schema.validate(people()), lambda: schema.save(tmp_path / "schema.json")):
        with pytest.raises(InvalidArgument, match=f"column 'age' makes no sense: {said}"):
            use()
    assert not (tmp_path / "schema.json").exists()
    assert f"makes no sense: {said}" in repr(schema)
    assert "makes no sense" in schema._repr_html_()


def changed(**values):
    content = json.loads(to_json(Schema.infer(people())))
    content["feature"][0] |= values
    return json.dumps(content)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it is no JSON"),
        ("[" * 100_000, "it is no JSON"),
        ("[]", "must be of type object"),
        ("{}", "must have feature, format, version"),
        (changed(type="STRING"), "must be one of"),
        (changed(type="FLOAT"), "are of type INT, received FLOAT"),
        (changed(name=3), "must be of type string"),
        (changed(name="city"), "stands there twice"),
        (changed(int_domain={"min": 9, "max": 1}), "min is at most max"),
        (changed(int_domain={"min": "9"}), "must be of type number"),
        (changed(int_domain={"low": 9}), "is unknown"),
        (changed(int_domain={"min": math.nan}), "it is no JSON"),
        (changed(string_domain={"value": ["a"]}), "domain is of text alone"),
        (changed(float_domain={"min": 1}), "is of kind 'number' alone"),
        (changed(annotation={"tag": ["integer", "set"]}), "its tags are a kind"),
        (changed(annotation={"tag": ["whole"]}), "kind is one of"),
        (changed(presence={"min_fraction": 1.5}), "must be at most 1"),
        (changed(value_count={"min": 2, "max": 1}), "min_values is of lists alone"),
    ],
)
def test_files_that_make_no_sense_are_refused(tmp_path, text, said):
    (tmp_path / "schema.json").write_text(text)
    with pytest.raises(MalformedData, match=r"schema\.json' is damaged") as error:
        Schema.load(tmp_path / "schema.json")
    assert said in str(error.value)


def test_files_of_the_future_and_none_are_refused(tmp_path):
    content = json.loads(to_json(Schema.infer(people()))) | {"version": 2, "news": 1}
    (tmp_path / "schema.json").write_text(json.dumps(content))
    with pytest.raises(NewerFormat, match="version 2"):
        Schema.load(tmp_path / "schema.json")
    with pytest.raises(InvalidArgument, match=r"Schema\.load reads a file"):
        Schema.load(tmp_path / "none.json")
    with pytest.raises(InvalidArgument, match="regular file"):
        Schema.load(tmp_path)


def test_every_prefix_and_flip_of_a_file_is_refused_or_makes_sense(tmp_path):
    text = to_json(Schema.infer(people())).encode()
    random = np.random.default_rng(0)
    for at in random.integers(0, len(text), 300).tolist():
        flipped = bytearray(text)
        flipped[at] ^= 1 << int(random.integers(8))
        for damaged in (text[:at], bytes(flipped)):
            try:
                found = Schema(from_json(damaged, "here"))
            except (MalformedData, NewerFormat):
                continue
            assert found.validate(people(2)).column_names[0] == "column"


def test_our_words_are_a_json_schema():
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator.check_schema(JSON_SCHEMA)
    jsonschema.validate(json.loads(to_json(Schema.infer(people()))), JSON_SCHEMA)


def test_it_can_be_read_by_people():
    schema = Schema.infer(people(**{"<b>": ["x"] * 200}))
    assert "  age: <INT (integer), min_fraction 1, 0 to 160>" in repr(schema)
    assert "'bern', 'oslo', 'rome'" in repr(schema)
    assert "&lt;b&gt;" in schema._repr_html_()
    assert "<b>" not in schema._repr_html_()


def test_the_program_of_the_design(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pa.csv.write_csv(pa.table(people()), tmp_path / "old.csv")
    pa.csv.write_csv(pa.table(people(city=["rome"] * 199 + ["lyon"])), tmp_path / "new.csv")
    splits = blocks.read("old.csv").split(train=0.5, test=0.5)
    schema = blocks.Schema.infer(splits["train"])
    schema.save("schema.json")
    schema = blocks.Schema.load("schema.json")
    problems = schema.validate(blocks.read("new.csv"))
    assert [(row["column"], row["rows"], row["examples"]) for row in problems.to_pylist()] == [("city", 1, ["199"])]
    drift = blocks.evaluate.drift(splits["train"], blocks.read("new.csv"))
    assert {row["column"] for row in drift.to_pylist() if row["alarm"]} == {"city"}
