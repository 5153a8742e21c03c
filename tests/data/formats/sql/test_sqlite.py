"""SQLite's tables and queries: types from the first row on, whatever these hold; the standard library as oracle."""

import datetime
import os
import sqlite3
import warnings
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import blocks
from blocks.errors import BlocksWarning, InvalidArgument, MalformedData, SchemaMismatch


@pytest.fixture
def shop(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    connection = sqlite3.connect("shop.db")
    yield connection
    connection.close()


def fill(connection, declared, rows, name="t"):
    name = name.replace('"', '""')
    connection.execute(f'CREATE TABLE "{name}" ({declared})')
    if rows:
        connection.executemany(f'INSERT INTO "{name}" VALUES ({", ".join("?" * len(rows[0]))})', rows)
    connection.commit()


def read(**options):
    return blocks.read("sqlite:///shop.db", **(options or {"table": "t"}))


DECLARED = "i INTEGER, r REAL, s TEXT, b BLOB, n NUMERIC, d DATE, at DATETIME, ok BOOLEAN, any"


def test_declared_types_hold_however_many_nulls_lead(shop):
    row = (7, 2, "x", b"\x00\xff", 1.5, "2024-02-29", "2024-02-29 12:30:00", 1, 3)
    fill(shop, DECLARED, [(None,) * 9] * 3_000 + [row])
    source = read()
    types = [pa.int64(), pa.float64(), pa.string(), pa.binary(), pa.float64(), pa.date32(), pa.timestamp("us")]
    assert source.schema.types == [*types, pa.bool_(), pa.int64()]
    for size in (1, 1_000, 65_536) if os.environ.get("BLOCKS_SLOW") else (1_000, 65_536):
        table = pa.Table.from_batches(list(source.chunks(size)))
        assert [column.null_count for column in table.columns] == [3_000] * 9
        found = list(table.slice(3_000).to_pylist()[0].values())
        at = datetime.datetime(2024, 2, 29, 12, 30)
        assert found == [7, 2.0, "x", b"\x00\xff", 1.5, datetime.date(2024, 2, 29), at, True, 3]


def test_an_empty_result_has_its_types(shop):
    fill(shop, DECLARED, [])
    assert read().count() == 0
    types = [pa.int64(), pa.float64(), pa.string(), pa.null(), pa.float64(), pa.date32(), pa.timestamp("us")]
    assert read().schema.types == [*types, pa.null(), pa.null()]
    assert read(query="SELECT i, s FROM t WHERE i > 3").to_table().schema.types == [pa.int64(), pa.string()]


VALUES = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(alphabet="ab 1.\n'\"é", max_size=5),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=40))
def test_columns_of_no_type_are_what_their_values_are(tmp_path_factory, rows):
    """As the standard library gives them: no digit is lost, numbers among texts are texts."""
    path = tmp_path_factory.mktemp("any") / "any.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE t (a, b)")
        connection.executemany("INSERT INTO t VALUES (?, ?)", rows)
    connection.close()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BlocksWarning)
        table = blocks.read(f"sqlite:///{path}", table="t").to_table()
    for at, name in enumerate("ab"):
        values = [row[at] for row in rows]
        kinds = {type(value) for value in values} - {type(None)}
        exact = all(abs(value) <= 2**53 for value in values if type(value) is int)
        found = table[name].to_pylist()
        if kinds <= {int} or kinds <= {str} or (kinds <= {int, float} and exact):
            assert found == values
            continue
        for value, text in zip(values, found, strict=True):
            assert text == value if value is None or type(value) is str else type(value)(text) == value


def test_numbers_stored_as_text_are_read_as_what_is_said(shop):
    fill(shop, "x TEXT, y TEXT", [("1.5", "2024-01-01 00:00:00"), (None, None), (" 2 ", "2024-01-01 01:00:00")])
    source = read(table="t", column_types={"x": "float64", "y": "timestamp[us]"})
    assert source.to_table()["x"].to_pylist() == [1.5, None, 2.0]
    assert source.schema.field("y").type == pa.timestamp("us")
    shop.executemany("INSERT INTO t VALUES (?, NULL)", [("3",)] * 5_000 + [("4,5",), ("5",)])
    shop.commit()
    with pytest.raises(MalformedData, match=r"'x' is read as double \(column_types\). Received: '4,5' in row 5,004"):
        read(table="t", column_types={"x": "float64"}).to_table()
    fixed = read(table="t", column_types={"x": "string"}).to_table()
    assert fixed["x"][5_003].as_py() == "4,5"
    with pytest.raises(SchemaMismatch, match="float46"):
        read(table="t", column_types={"x": "float46"})
    with pytest.raises(SchemaMismatch, match="nobody"):
        read(table="t", column_types={"nobody": "float64"})


@pytest.mark.parametrize("at", [0, 1, 5_000])
@pytest.mark.parametrize(
    ("declared", "bad"), [("x INTEGER", "abc"), ("x INTEGER", 2.5), ("x REAL", "abc"), ("x REAL", b"q")]
)
def test_a_value_of_another_kind_than_declared_is_an_error_by_name(shop, declared, bad, at):
    rows = [(1,)] * 6_000
    rows[at] = (bad,)
    fill(shop, declared, rows)
    with pytest.raises(MalformedData, match=rf"'x', declared \w+, holds 1 values of another kind, as \w+ {bad!r}"):
        read().to_table()
    assert read(table="t", column_types={"x": "string"}).count() == 6_000


def test_text_that_is_no_text_is_an_error_by_name(shop):
    shop.execute("CREATE TABLE t (x TEXT)")
    shop.execute("INSERT INTO t VALUES (CAST(x'ff' AS TEXT))")
    shop.commit()
    with pytest.raises(MalformedData, match="cannot be read"):
        read().to_table()


def test_a_query_is_one_select_and_has_names_of_its_own(shop):
    fill(shop, '"a b" INTEGER, "select" TEXT, "q""q" REAL', [(1, "x", 0.5)], name='odd "name"')
    assert read(table='odd "name"').to_table().to_pylist() == [{"a b": 1, "select": "x", 'q"q': 0.5}]
    found = read(query='SELECT "a b" + 1 AS n, upper("select") AS u FROM "odd ""name""";')
    assert found.to_table().to_pylist() == [{"n": 2, "u": "X"}]
    for query in ("SELECT 1 AS a; DROP TABLE t", "DELETE FROM t", "SELEC 1", "SELECT nobody FROM t"):
        with pytest.raises(InvalidArgument, match="A query is one SELECT"):
            read(query=query)
    with pytest.raises(SchemaMismatch, match=r"\['a'\] more than once. Use AS"):
        read(query="SELECT 1 AS a, 2 AS a")
    with pytest.raises(InvalidArgument, match="Its tables: odd"):
        read(table="nobody")
    for ask in ({}, {"table": "t", "query": "SELECT 1"}):
        with pytest.raises(InvalidArgument, match="table= or query="):
            blocks.read("sqlite:///shop.db", **ask)
    with pytest.raises(InvalidArgument, match="no option 'delimiter'"):
        blocks.read("sqlite:///shop.db", table="t", delimiter=";")


def test_a_database_that_changes_between_passes_is_refused(shop):
    fill(shop, "x INTEGER", [(1,), (2,)])
    source = read()
    assert source.count() == source.count() == 2
    before = source.fingerprint()
    shop.execute("INSERT INTO t VALUES (3)")
    shop.commit()
    with pytest.raises(MalformedData, match=r"has changed since it was read first\. Read it again"):
        source.count()
    assert read().fingerprint() != before
    assert read().count() == 3


def test_what_is_no_database_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("text.db").write_text("no database at all, but long enough to be looked at " * 30)
    with pytest.raises(MalformedData, match="Is it an SQLite database"):
        blocks.read("sqlite:///text.db", table="t")
    with pytest.raises(InvalidArgument, match="where there is none"):
        blocks.read("sqlite:///nobody.db", table="t")
    for uri in ("sqlite:///:memory:", "sqlite://", "sqlite:///"):
        with pytest.raises(InvalidArgument, match="names a database file"):
            blocks.read(uri, table="t")


def test_a_table_goes_the_whole_road(shop):
    random = np.random.default_rng(0)
    rows = [(int(n), float(x), "yes" if x > 0 else "no") for n, x in enumerate(random.normal(size=300))]
    fill(shop, "id INTEGER PRIMARY KEY, x REAL, label TEXT", rows)
    splits = read().split(train=0.7, test=0.3, key="id")
    columns = blocks.preprocessors.Columns({"x": blocks.preprocessors.Standardize()})
    model = blocks.Model(columns, blocks.feature_extractors.MLP([4]), blocks.classifiers.Softmax("label"), seed=0)
    model.adapt(splits["train"])
    mean = pc.mean(splits["train"].to_table()["x"]).as_py()
    block = model.preprocessor.lanes[0].blocks[0]
    assert np.isclose(block.state["mean"], mean)
    frame = splits["test"].to_table()
    answers = model.predict(splits["test"])["probabilities"]
    assert np.array_equal(answers, model.predict(frame)["probabilities"])


@pytest.mark.skipif("BLOCKS_DATA" not in os.environ, reason="BLOCKS_DATA does not name the folder of real data")
def test_real_databases_equal_the_standard_librarys():
    path = Path(os.environ["BLOCKS_DATA"]) / "fx_classify_demo" / "fx_classify_train_data.db"
    if not path.exists():
        path = next((Path(os.environ["BLOCKS_DATA"]) / "fx_classify_demo").glob("*train_data.db"))
    with sqlite3.connect(path) as connection:
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for name in tables:
            source = blocks.read(f"sqlite:///{path}", table=name)
            cursor = connection.execute(f'SELECT * FROM "{name}"')
            assert source.schema.names == [column[0] for column in cursor.description]
            found = source.to_table()
            assert list(zip(*(column.to_pylist() for column in found.columns), strict=True)) == cursor.fetchall()
            numbers = [n for n, kind in zip(found.schema.names, found.schema.types, strict=True) if n.endswith("_12")]
            typed = blocks.read(f"sqlite:///{path}", table=name, column_types=dict.fromkeys(numbers, "float64"))
            for column in numbers:
                expected = [None if value is None else float(value) for value in found[column].to_pylist()]
                assert typed.select([column]).to_table()[column].to_pylist() == expected
    connection.close()


@pytest.mark.parametrize("asked", [{"table": "t"}, {"table": "v"}, {"query": "SELECT * FROM t"}])
def test_rows_come_in_one_order_whichever_columns_are_read(shop, asked):
    shop.execute("CREATE TABLE t (day INTEGER, pair TEXT, x TEXT, PRIMARY KEY (day, pair))")
    shop.executemany("INSERT INTO t VALUES (?, 'EUR', ?)", [(day, str(day) * 40) for day in (3, 1, 2, 5, 4)])
    shop.execute("CREATE VIEW v AS SELECT * FROM t")
    shop.commit()
    source = blocks.read("sqlite:///shop.db", **asked)
    days = source.to_table()["day"].to_pylist()
    assert source.select(["day"]).to_table()["day"].to_pylist() == days
    assert [row["day"] for chunk in source.chunks(2, columns=["pair", "day"]) for row in chunk.to_pylist()] == days
