"""Columns: packing, inference, editing, keys; and its fast path, Transform."""

import datetime

import numpy as np
import pyarrow as pa
import pytest

from blocks.data import read
from blocks.data.raw_columns import RawColumn
from blocks.errors import BlocksWarning, EmptySource, InvalidArgument, NotAdapted, SchemaMismatch
from blocks.offline.adapt import adapt
from blocks.offline.transform import Transform
from blocks.preprocessors import Columns, Cross, Impute, Log1p, Standardize, Vocabulary

TABLE = pa.table(
    {
        "age": [20.0, 30.0, None, 50.0],
        "city": ["rome", "oslo", None, "rome"],
        "shop": pa.array([3, 3, None, 9], pa.int32()),
        "income": pa.array([0.0, 10.0, 1e6, 5.0], pa.float32()),
    }
)


def make():
    return Columns(
        {
            "city": Vocabulary(),
            "age": (Standardize(add_indicator=True), [Impute("median"), Log1p()]),
            "shop": Vocabulary(),
            "income": [Log1p(), Standardize()],
        }
    )


@pytest.fixture(scope="module")
def adapted():
    columns = make()
    adapt(columns, None, read(TABLE))
    return columns


def test_packing_follows_the_order_of_columns(adapted):
    spec = adapted.spec
    assert list(spec) == ["numeric", "categorical"]
    assert spec["numeric"].names == ("age", "age_missing", "age_log1p", "income")
    assert spec["categorical"].names == ("city", "shop")
    assert [feature.cardinality for feature in spec["categorical"].features] == [4, 4]
    assert adapted.get_feature_names_out() == ["age", "age_missing", "age_log1p", "income", "city", "shop"]
    kinds = {name: column.kind for name, column in adapted.inputs.items()}
    assert kinds == {"city": "string", "age": "float64", "shop": "int64", "income": "float32"}


def test_values_are_those_of_the_blocks_alone(adapted):
    raw = {"age": [20.0, np.nan], "city": np.array(["", "rome"], object), "shop": np.array([9, 7]),
           "income": np.array([0.0, 5.0], "float32")}  # fmt: skip
    packed = adapted({name: np.asarray(values) for name, values in raw.items()})
    age = Standardize(add_indicator=True).adapt(TABLE["age"])(np.array([20.0, np.nan])).numpy()
    assert np.array_equal(packed["numeric"][:, :2], age)
    assert np.array_equal(packed["numeric"][:, 2], np.log1p([20.0, 30.0]).astype("float32"))
    assert packed["categorical"].numpy().tolist() == [[0, 3], [2, 1]]


def test_an_entry_without_columns_is_absent():
    columns = Columns({"age": Standardize()})
    adapt(columns, None, read(TABLE))
    assert list(columns.spec) == ["numeric"]
    assert list(columns({"age": np.array([1.0])})) == ["numeric"]


def test_transform_takes_any_chunk_and_looks_at_no_other_column(adapted):
    transform = Transform(adapted)
    wide = TABLE.append_column("unused", pa.array([[1], [], None, [2]]))
    whole = transform(wide.to_batches()[0])
    parts = [transform(batch) for batch in wide.to_batches(max_chunksize=1)]
    for entry, values in whole.items():
        assert values.flags["C_CONTIGUOUS"]
        assert np.array_equal(np.concatenate([part[entry] for part in parts]).view("int32"), values.view("int32"))
    empty = transform(pa.RecordBatch.from_pylist([], schema=TABLE.schema))
    assert {entry: values.shape for entry, values in empty.items()} == {"numeric": (0, 4), "categorical": (0, 2)}


def test_transform_follows_changing_dictionaries(adapted):
    transform = Transform(adapted)
    columns = {name: TABLE[name].slice(0, 1).combine_chunks() for name in ("age", "shop", "income")}
    for words in (["rome", "oslo"], ["oslo", "rome"], ["rome", "oslo"], ["a", "b"]):
        city = pa.DictionaryArray.from_arrays(pa.array([1], pa.int32()), pa.array(words))
        found = transform(pa.record_batch({**columns, "city": city}))["categorical"][0, 0]
        assert found == {"rome": 2, "oslo": 3}.get(words[1], 1)


def test_errors_of_keys_name_them(adapted):
    good = {"age": np.array([1.0]), "city": np.array(["a"], object), "shop": np.array([1]), "income": np.zeros(1, "f4")}
    with pytest.raises(SchemaMismatch, match=r"exactly the model's columns: .* Received: missing 'age'\."):
        adapted({name: value for name, value in good.items() if name != "age"})
    with pytest.raises(SchemaMismatch, match=r"extra 'aeg' \(did you mean 'age'\?\)"):
        adapted({"aeg" if name == "age" else name: value for name, value in good.items()})
    with pytest.raises(SchemaMismatch, match=r"Rows, of what the model reads: there is no column 'city'"):
        Transform(adapted)(TABLE.drop(["city"]).to_batches()[0])
    with pytest.raises(SchemaMismatch, match=r"Column 'age' enters the model as float64"):
        Transform(adapted)(TABLE.set_column(0, "age", pa.array(["x"] * 4)).to_batches()[0])


def test_errors_of_construction_say_the_rule():
    with pytest.raises(InvalidArgument, match=r"Columns takes a dict of column names to blocks"):
        Columns({})
    with pytest.raises(InvalidArgument, match=r"A column goes through preprocessors"):
        Columns({"age": "standardize"})
    with pytest.raises(InvalidArgument, match=r"A column goes through preprocessors"):
        Columns({"age": []})
    with pytest.raises(InvalidArgument, match=r"A key of Columns is a column's name"):
        Columns({3: Standardize()})
    with pytest.raises(InvalidArgument, match=r"Only the last block of a chain emits several features"):
        Columns({"age": [Impute(add_indicator=True), Standardize()]})
    with pytest.raises(NotAdapted, match=r"does not know its columns' types yet"):
        _ = make().inputs
    with pytest.raises(NotAdapted, match=r"has not been adapted"):
        _ = make().spec


def test_errors_of_binding_name_column_and_type():
    with pytest.raises(SchemaMismatch, match=r"there is no column 'cty'. Did you mean 'city'"):
        Columns({"cty": Vocabulary()}).bind(TABLE.schema)
    with pytest.raises(SchemaMismatch, match=r"column 'city' of type string. Choose another block"):
        Columns({"city": Standardize()}).bind(TABLE.schema)
    with pytest.raises(SchemaMismatch, match=r"All blocks of a column read it alike.*'shop'"):
        Columns({"shop": (Vocabulary(), Standardize())}).bind(TABLE.schema)
    with pytest.raises(SchemaMismatch, match=r"takes columns of number. Received: column 'day'"):
        Columns({"day": Standardize()}).bind(pa.schema([("day", pa.date32())]))


# -- infer -------------------------------------------------------------------------------------------------------------


def wide():
    random = np.random.default_rng(0)
    rows = 400
    return pa.table(
        {
            "plain": random.normal(size=rows),
            "gaps": pa.array([None if i % 5 == 0 else float(i) for i in range(rows)]),
            "heavy": np.append(random.lognormal(0.0, 1.0, rows - 1), 1e6),
            "constant": np.full(rows, 3.0),
            "sometimes": pa.array([None, 3.0] * (rows // 2)),
            "empty": pa.nulls(rows, pa.float64()),
            "flag": pa.array([True, False] * (rows // 2)),
            "city": pa.array(["rome", "oslo", "nice", None] * (rows // 4)),
            "same": pa.array(["x"] * rows),
            "blank": pa.array([""] * rows),
            "name": pa.array([f"person {i}" for i in range(rows)]),
            "day": pa.array([datetime.date(2020, 1, 1)] * rows),
            "label": pa.array(["a", "b"] * (rows // 2)),
        }
    )


def test_infer_chooses_by_type_and_statistics():
    columns = Columns.infer(wide(), exclude=["label"])
    chosen = {name: [type(block).__name__ for block in chain] for name, (chain,) in
              ((name, columns[name]) for name in columns.columns)}  # fmt: skip
    assert chosen == {
        "plain": ["Standardize"],
        "gaps": ["Standardize"],
        "heavy": ["Log1p", "Standardize"],
        "sometimes": ["Standardize"],
        "flag": ["Standardize"],
        "city": ["Vocabulary"],
    }
    assert columns["gaps"][0][0].add_indicator
    assert columns["sometimes"][0][0].add_indicator
    assert not columns["plain"][0][0].add_indicator
    text = str(columns)
    for name, reason in (
        ("constant", "constant 3"),
        ("empty", "all 400 values missing"),
        ("same", "text, constant"),
        ("blank", "all 400 values missing"),
        ("name", "an identifier"),
        ("day", "constant"),
        ("label", "excluded by name"),
    ):
        line = next(line for line in text.splitlines() if line.startswith(name))
        assert "(left out)" in line
        assert reason in line


def test_what_is_inferred_can_be_edited_and_adapted():
    columns = Columns.infer(wide(), exclude=["label", "name"])
    columns["gaps"] = Impute("median")
    del columns["heavy"]
    assert "heavy" not in str(columns)
    adapt(columns, None, read(wide()))
    assert columns.spec["numeric"].names == ("plain", "gaps", "sometimes", "sometimes_missing", "flag")
    with pytest.raises(InvalidArgument, match=r"can be edited until it is adapted"):
        columns["plain"] = Log1p()
    with pytest.raises(InvalidArgument, match=r"can be edited until it is adapted"):
        del columns["plain"]


def test_infer_looks_at_the_first_rows_only():
    table = pa.table({"x": [1.0] * 100 + [2.0] * 100, "y": [float(i) for i in range(200)]})
    assert Columns.infer(table, rows=100).columns == ["y"]
    assert Columns.infer(table).columns == ["x", "y"]


def test_infer_leaves_out_numbers_of_rows_and_keeps_measures():
    random = np.random.default_rng(0)
    rows = {
        "row": np.arange(2000),
        "part": np.sort(random.choice(4000, 2000, replace=False)) + 10**6,
        "measure": random.integers(0, 6000, 2000),
        "amount": random.choice(10**6, 2000, replace=False),
        "year": np.repeat(np.arange(20), 100),
        "float": np.arange(2000.0),
    }
    with pytest.warns(BlocksWarning, match=r"Left out, as no features: 'row' .*, 'part' .*exclude=\['row', 'part'\]"):
        columns = Columns.infer(rows)
    assert columns.columns == ["measure", "amount", "year", "float"]
    assert Columns.infer({name: values[:100] for name, values in rows.items()}).columns[0] == "row"


def test_infer_chooses_for_durations_and_times_of_day():
    seconds = np.arange(60)
    rows = {
        "took": pa.array([None, *seconds[1:]]).cast(pa.duration("s")),
        "at": pa.array(seconds * 1_000, pa.int32()).cast(pa.time32("s")),
        "same": pa.array([5] * 60).cast(pa.duration("s")),
    }
    columns = Columns.infer(rows)
    adapt(columns, None, read(rows), verbose=False)
    assert columns.inputs == {"took": RawColumn("duration"), "at": RawColumn("time")}
    assert columns.get_feature_names_out() == [
        "took",
        "took_missing",
        "at",
        "at_cyclical_day_sin",
        "at_cyclical_day_cos",
    ]
    assert "same  (left out)" in str(columns)


def test_infer_errors():
    with pytest.raises(SchemaMismatch, match=r"exclude: there is no column 'lable'"):
        Columns.infer(wide(), exclude=["lable"])
    with pytest.raises(EmptySource, match=r"needs rows to look at"):
        Columns.infer(wide().slice(0, 0))
    with pytest.raises(SchemaMismatch, match=r"No column is of use: constant: "):
        Columns.infer(wide().select(["constant", "empty"]))
    columns = Columns({"a": Standardize()})
    with pytest.raises(InvalidArgument, match=r"keeps one column at least"):
        del columns["a"]


def test_derived_names_step_aside_from_columns():
    columns = Columns(
        {
            ("a", "b"): Cross(10),
            "age": (Standardize(add_indicator=True), Standardize()),
            "age_missing": Standardize(),
            "age_standardize": Standardize(add_indicator=True),
            "a_x_b": Vocabulary(),
        }
    )
    rows = {name: [1.0, 2.0] for name in ("age", "age_missing", "age_standardize")}
    adapt(columns, None, read({**rows, "a": ["x", "y"], "b": ["x", "y"], "a_x_b": ["p", "q"]}))
    assert columns.get_feature_names_out() == [
        "age", "age_missing_2", "age_standardize_2", "age_missing", "age_standardize", "age_standardize_missing",
        "a_x_b_2", "a_x_b",
    ]  # fmt: skip
    assert [feature.columns for feature in columns.spec["categorical"].features] == [("a", "b"), ("a_x_b",)]


def test_a_name_that_no_file_can_hold_is_refused():
    for name in ("a\0b", "half \ud800"):
        with pytest.raises(InvalidArgument, match=r"text without NUL that UTF-8 can hold. Received: '.*another name"):
            Columns({name: Standardize()})
    with pytest.raises(InvalidArgument, match="a type or pattern in Columns stands for is a column's name: text"):
        adapt(Columns({pa.float64(): Standardize()}), None, read({"a\0b": [1.0, 2.0]}))
