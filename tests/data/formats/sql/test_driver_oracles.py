"""Tables that mislead readers of databases: led by nulls, empty, all null, mixed, numbers as text; other drivers' rows.

The oracles are psycopg for PostgreSQL and the standard library for SQLite, which give each value as it is stored.
"""

import sqlite3
import uuid
import warnings

import pyarrow as pa
import pytest

import blocks
from blocks.errors import BlocksWarning, MalformedData

LED = 2_500
"""Nulls before the first value: more than any driver looks at."""

VALUES = {
    "bigint": ["9007199254740993", "-1", None],
    "double precision": ["0.1", None, "1e300"],
    "real": ["0.5", "-2.25", None],
    "numeric(30,4)": ["12345678901234567890.1234", None, "-0.0001"],
    "boolean": ["true", None, "false"],
    "text": ["1", "", None],
    "varchar(9)": [None, "é", "1"],
    "bytea": [r"\x00ff", None, r"\x"],
    "date": ["2024-02-29", None, "0099-12-31"],
    "timestamp": ["2024-02-29 12:30:00.123456", None, "1066-10-14 00:00:00"],
    "timestamptz": ["2024-02-29 12:30:00+05:30", None, "1969-12-31 23:59:59.999999+00"],
    "time": ["23:59:59.999999", None, "00:00"],
    "int[]": ["{1,2,NULL}", None, "{}"],
    "text[]": ["{a,NULL}", "{}", None],
    "uuid": ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", None, None],
}
KINDS = ("led", "empty", "null", "plain")


@pytest.fixture(scope="module")
def psycopg(postgresql):
    psycopg = pytest.importorskip("psycopg", reason="the oracle of PostgreSQL is not installed")
    with psycopg.connect(postgresql, autocommit=True, prepare_threshold=None) as connection:
        connection.execute("SET timezone TO 'UTC'")
        yield connection


@pytest.mark.parametrize("how", KINDS)
def test_postgresqls_values_are_psycopgs(postgresql, psycopg, how):
    psycopg.execute("DROP TABLE IF EXISTS t")
    names = {kind: f"x{at}" for at, kind in enumerate(VALUES)}
    psycopg.execute(f"CREATE TABLE t (id int, {', '.join(f'{name} {kind}' for kind, name in names.items())})")
    if how in ("led", "null"):
        psycopg.execute(f"INSERT INTO t (id) SELECT n FROM generate_series(1, {LED}) AS n")
    if how in ("led", "plain"):
        for row in zip(*VALUES.values(), strict=True):
            cast = ", ".join(f"%s::text::{kind}" for kind in VALUES)
            psycopg.execute(f"INSERT INTO t VALUES (0, {cast})", row)
    found = blocks.read(postgresql, table="t").to_table()
    cursor = psycopg.execute("SELECT * FROM t")
    assert found.schema.names == [column.name for column in cursor.description]
    expected = [[str(value) if isinstance(value, uuid.UUID) else value for value in row] for row in cursor]
    assert [list(row.values()) for row in found.to_pylist()] == expected
    # the types are the table's, whatever its rows hold
    psycopg.execute("TRUNCATE t")
    assert blocks.read(postgresql, table="t").schema == found.schema


def test_postgresqls_numbers_as_text_are_those_that_the_server_casts(postgresql, psycopg):
    psycopg.execute("DROP TABLE IF EXISTS t")
    psycopg.execute("CREATE TABLE t (f text, i text, d text)")
    rows = [(None, None, None)] * LED
    rows += [(repr(n / 7), str(n * 10**12), f"2024-01-{n % 28 + 1:02}") for n in range(500)]
    with psycopg.cursor() as cursor, cursor.copy("COPY t FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)
    found = blocks.read(postgresql, table="t", column_types={"f": "float64", "i": "int64", "d": "date32"}).to_table()
    expected = psycopg.execute("SELECT f::float8, i::int8, d::date FROM t").fetchall()
    assert list(zip(*(column.to_pylist() for column in found.columns), strict=True)) == expected


MIXED = {
    "INTEGER": [3, "abc"],
    "REAL": [0.5, "abc"],
    "TEXT": ["x", b"\x00"],
    "": [1, "abc", None, 0.5],
    "NUMERIC": [1, 0.5, "abc"],
}


@pytest.mark.parametrize("how", KINDS)
@pytest.mark.parametrize("declared", ["INTEGER", "REAL", "TEXT", "BLOB", "NUMERIC", "DATE", "DATETIME", "BOOLEAN", ""])
def test_sqlites_values_are_the_standard_librarys(tmp_path, declared, how):
    values = {
        "REAL": [0.1, None, 1e300],
        "TEXT": ["1", "", None],
        "BLOB": [b"\x00", None, b""],
        "NUMERIC": [1, 0.5, None],
    }
    of = {"DATE": ["2024-02-29", None], "DATETIME": ["2024-02-29 12:30:00", None], "BOOLEAN": [1, 0, None]}
    given = (values | of).get(declared, [2**53 + 1, None, -1])
    rows = [None] * LED if how in ("led", "null") else []
    rows += given if how in ("led", "plain") else []
    with sqlite3.connect(tmp_path / "x.db") as connection:
        connection.execute(f"CREATE TABLE t (x {declared})")
        connection.executemany("INSERT INTO t VALUES (?)", [(value,) for value in rows])
        expected = [row[0] for row in connection.execute("SELECT x FROM t")]
    connection.close()
    found = blocks.read(f"sqlite:///{tmp_path}/x.db", table="t").to_table()["x"]
    if declared in of and how in ("led", "plain"):
        kind = {"DATE": pa.date32(), "DATETIME": pa.timestamp("us"), "BOOLEAN": pa.bool_()}[declared]
        assert found.type == kind
        expected = pa.array(expected).cast(kind).to_pylist()
    assert found.to_pylist() == expected


@pytest.mark.parametrize(("declared", "values"), MIXED.items(), ids=[name or "nothing" for name in MIXED])
@pytest.mark.parametrize("led", [0, LED])
def test_sqlites_mixed_columns_are_text_or_errors_by_name_and_rows_kept_aside(tmp_path, declared, values, led):
    uri = f"sqlite:///{tmp_path}/x.db"
    with sqlite3.connect(tmp_path / "x.db") as connection:
        connection.execute(f"CREATE TABLE t (x {declared})")
        connection.executemany("INSERT INTO t VALUES (?)", [(value,) for value in [None] * led + values])
    connection.close()
    if declared in ("", "NUMERIC"):
        with pytest.warns(BlocksWarning, match="numbers among 1 texts: it is read as text"):
            found = blocks.read(uri, table="t").to_table()["x"].to_pylist()
        assert found == [None] * led + [None if value is None else str(value) for value in values]
        return
    with pytest.raises(MalformedData, match=rf"'x', declared {declared}, holds 1 values of another kind"):
        blocks.read(uri, table="t").to_table()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        source = blocks.read(uri, table="t", on_bad_rows="keep", rejects=str(tmp_path / "r.csv"))
        assert source.to_table()["x"].to_pylist() == [None] * led + values[:1]
    assert source.rejected == 1
