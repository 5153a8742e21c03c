"""Rows of databases with values that do not fit: kept aside with their place, what they hold and every reason."""

import json
import sqlite3

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import blocks
from blocks.data.formats.sql.misfits import RowMask, misfits
from blocks.errors import InvalidArgument, MalformedData

DECLARED = "id INTEGER PRIMARY KEY, n INTEGER, r REAL, s TEXT, day DATE, number TEXT"


@pytest.fixture
def shop(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    connection = sqlite3.connect("shop.db")
    yield connection
    connection.close()


def fill(connection, rows, declared=DECLARED, name="t"):
    connection.execute(f"CREATE TABLE {name} ({declared})")
    connection.executemany(f"INSERT INTO {name} VALUES ({', '.join('?' * len(rows[0]))})", rows)
    connection.commit()


def good(n):
    return (n, n, n / 2, f"é{n}", "2024-02-29", f" {n}.5 ")


BAD = {
    3: {"n": "abc"},
    10: {"n": 2.5, "number": "4,5"},
    11: {"r": "x"},
    5_000: {"s": b"\xff\x00"},
    5_001: {"day": "yesterday"},
    9_000: {"number": "N/A"},
    9_999: {"r": b"q", "n": "12x"},
}


def filled(connection, name="t"):
    rows = []
    for n in range(10_000):
        row = dict(zip(("id", "n", "r", "s", "day", "number"), good(n), strict=True)) | BAD.get(n, {})
        rows.append(tuple(row.values()))
    fill(connection, rows, name=name)


OPTIONS = {"column_types": {"number": "float64"}, "on_bad_rows": "keep", "rejects": "rejects.parquet"}


@pytest.mark.parametrize("asked", [{"table": "t"}, {"table": "v"}, {"query": "SELECT * FROM t"}])
def test_rows_that_do_not_fit_are_kept_aside_and_the_others_read(shop, asked):
    filled(shop)
    shop.execute("CREATE VIEW v AS SELECT * FROM t")
    shop.commit()
    source = blocks.read("sqlite:///shop.db", **asked, **OPTIONS)
    assert source.schema.field("number").type == pa.float64()
    expected = [n for n in range(10_000) if n not in BAD]
    for size in (1_000, 65_536):
        table = pa.Table.from_batches(list(source.chunks(size)))
        assert table["id"].to_pylist() == expected
        assert table["number"].to_pylist() == [n + 0.5 for n in expected]
        assert table["s"].to_pylist() == [f"é{n}" for n in expected]
        assert table["n"].to_pylist() == expected
    # whichever columns are read, the same rows stay
    assert source.select(["s"]).to_table()["s"].to_pylist() == [f"é{n}" for n in expected]
    assert (source.rejected, source.count()) == (len(BAD), len(expected))
    found = pq.read_table("rejects.parquet")
    assert found.schema == blocks.data.REJECTS_SCHEMA
    assert found["line"].to_pylist() == [n + 1 for n in BAD]
    for row, (n, wrong) in zip(found.to_pylist(), BAD.items(), strict=True):
        assert "shop.db" in row["file"]
        text = json.loads(row["text"])
        assert text["id"] == n
        assert row["reason"].count(" is read as ") == len(wrong)
        for name, value in wrong.items():
            shown = value.decode(errors="backslashreplace") if isinstance(value, bytes) else str(value)
            assert text[name] == shown
            assert f"{name!r} is read as " in row["reason"]
            assert f"and holds {shown!r}" in row["reason"]


def test_text_that_is_no_utf8_goes_alone(shop):
    shop.execute("CREATE TABLE t (x TEXT)")
    shop.executemany("INSERT INTO t VALUES (?)", [("a",), ("b",)])
    shop.execute("INSERT INTO t VALUES (CAST(x'61ff' AS TEXT))")
    shop.commit()
    source = blocks.read("sqlite:///shop.db", table="t", on_bad_rows="keep", rejects="r.csv")
    assert source.to_table()["x"].to_pylist() == ["a", "b"]
    assert pacsv.read_csv("r.csv")["text"].to_pylist() == ['{"x": "a\\\\xff"}']


def test_nothing_is_kept_where_everything_fits_or_nothing_is_there(shop):
    fill(shop, [good(n) for n in range(10)])
    fill(shop, [good(0)], name="e")
    shop.execute("DELETE FROM e")
    shop.commit()
    for name, rows in (("t", 10), ("e", 0)):
        source = blocks.read("sqlite:///shop.db", table=name, **OPTIONS)
        assert (source.count(), source.rejected) == (rows, 0)
        assert pq.read_table("rejects.parquet").num_rows == 0
        plain = blocks.read("sqlite:///shop.db", table=name, column_types=OPTIONS["column_types"])
        assert source.to_table().equals(plain.to_table())
        assert source.fingerprint() != plain.fingerprint()


def test_every_row_may_be_bad(shop):
    fill(shop, [("x",)] * 3_000, "x TEXT")
    options = {"column_types": {"x": "float64"}, "on_bad_rows": "keep", "rejects": "r.csv"}
    source = blocks.read("sqlite:///shop.db", table="t", **options)
    assert (source.count(), source.rejected, source.to_table().num_rows) == (0, 3_000, 0)


def test_options_are_checked_and_errors_name_the_way_out(shop):
    filled(shop)
    with pytest.raises(MalformedData, match=r"'4,5' in row 11 of .*on_bad_rows=\"keep\", rejects=PATH"):
        blocks.read("sqlite:///shop.db", query="SELECT number FROM t", column_types={"number": "float64"}).to_table()
    with pytest.raises(MalformedData, match=r"holds 3 values of another kind.*on_bad_rows=\"keep\", rejects=PATH"):
        blocks.read("sqlite:///shop.db", table="t").to_table()
    with pytest.raises(InvalidArgument, match="go together"):
        blocks.read("sqlite:///shop.db", table="t", on_bad_rows="keep")
    with pytest.raises(InvalidArgument, match=r"rejects names a \.parquet"):
        blocks.read("sqlite:///shop.db", table="t", on_bad_rows="keep", rejects="shop.db")
    shop.execute("VACUUM INTO 'shop.csv'")
    with pytest.raises(InvalidArgument, match="is the database that is read"):
        blocks.read("sqlite:///shop.csv", table="t", on_bad_rows="keep", rejects="./shop.csv")
    pq.write_table(pa.table({"x": [1]}), "x.parquet")
    with pytest.raises(InvalidArgument, match="It is for CSV, databases, images and texts"):
        blocks.read("x.parquet", on_bad_rows="keep", rejects="r.csv")


def test_a_database_that_changes_after_the_look_is_refused(shop):
    filled(shop)
    source = blocks.read("sqlite:///shop.db", table="t", **OPTIONS)
    assert source.rejected == len(BAD)
    shop.execute("DELETE FROM t WHERE id = 0")
    shop.commit()
    with pytest.raises(MalformedData, match="has changed since it was read first"):
        source.to_table()


def test_duckdb_keeps_rows_aside(tmp_path):
    duckdb = pytest.importorskip("duckdb")
    with duckdb.connect(str(tmp_path / "x.db")) as connection:
        connection.execute("CREATE TABLE t AS SELECT i AS id, CASE i WHEN 7 THEN '4,5' ELSE i::VARCHAR END AS x "
                           "FROM range(5000) AS r(i)")  # fmt: skip
    assert_one_is_kept_aside(f"duckdb:///{tmp_path}/x.db", tmp_path)


def test_postgresql_keeps_rows_aside(postgresql, tmp_path):
    import adbc_driver_postgresql.dbapi as adbc

    with adbc.connect(postgresql, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS t")
        cursor.execute("CREATE TABLE t AS SELECT i AS id, CASE i WHEN 7 THEN '4,5' ELSE i::text END AS x "
                       "FROM generate_series(0, 4999) AS i")  # fmt: skip
    assert_one_is_kept_aside(postgresql, tmp_path)


def assert_one_is_kept_aside(uri, folder):
    rejects = str(folder / "r.parquet")
    source = blocks.read(uri, table="t", column_types={"x": "float64"}, on_bad_rows="keep", rejects=rejects)
    expected = [n for n in range(5_000) if n != 7]
    assert source.to_table().to_pydict() == {"id": expected, "x": expected}
    [row] = pq.read_table(rejects).to_pylist()
    assert (row["line"], json.loads(row["text"])) == (8, {"id": 7, "x": "4,5"})
    assert source.rejected == 1


KINDS = ["float64", "float32", "int64", "uint8", "bool", "date32", "timestamp[us]"]
ODD = ["inf", "-Infinity", "NaN", "nan(1)", "0x1F", "1e400", "+1", "1.", ".5", "999999999999999999999", "true", "256"]
TIMES = ["2024-02-29", "2024-02-30", "2024-02-29T12:30:00Z", "2024-02-29 12:30", "2024-02-29 12:30:00+02:00", "2024-02"]
TEXTS = st.text("12.-+eE xn,:", max_size=4) | st.sampled_from([*ODD, *TIMES])


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.none() | st.text("12.-+eE xn,", max_size=4), max_size=40), st.sampled_from(["float64", "int64", "bool"])
)
def test_misfits_are_the_values_that_cannot_be_cast_alone(values, kind):
    kind = pa.type_for_alias(kind)
    expected = []
    for value in values:
        try:
            pa.array([None if value is None else value.strip()], pa.string()).cast(kind)
            expected.append(False)
        except pa.ArrowInvalid:
            expected.append(True)
    assert misfits(pa.array(values, pa.string()), kind).tolist() == expected


@given(st.lists(st.lists(st.booleans(), max_size=30), min_size=1, max_size=8), st.data())
def test_a_mask_of_rows_gives_what_was_put_in(parts, data):
    mask, whole = RowMask(), np.array([bit for part in parts for bit in part], np.bool_)
    for part in parts:
        mask.append(np.array(part, np.bool_))
    begin = data.draw(st.integers(0, len(whole)))
    rows = data.draw(st.integers(0, len(whole) - begin))
    assert mask.of(begin, rows).tolist() == whole[begin : begin + rows].tolist()
    assert (mask.rows, mask.marked) == (len(whole), whole.sum())
