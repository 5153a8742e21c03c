"""Tables of SQLite, DuckDB and PostgreSQL: all rows in one transaction, and a database that is otherwise as it was."""

import importlib.util
import os
import re
import resource
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import blocks
from blocks.errors import InvalidArgument, MalformedData, SchemaMismatch, WriteError

_spec = importlib.util.spec_from_file_location("hard_table", Path(__file__).parents[1] / "hard_table.py")
hard_table = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(hard_table)
HARD, Interrupted, same, what_is_held, written = (
    getattr(hard_table, name) for name in ("HARD", "Interrupted", "same", "what_is_held", "written")
)
SCRIPT = Path(__file__).parents[1] / "rows_to_kill.py"

REFUSED = {
    "sqlite": {"u64", "time", "took", "list", "pair", "struct", "map", "none"},
    "duckdb": {"took", "wide", "none"},
    "postgresql": {"u64", "ns", "took", "wide", "pair", "struct", "map", "none"},
}


@pytest.fixture(params=list(REFUSED))
def kind(request):
    return request.param


@pytest.fixture
def uri(kind, tmp_path, request):
    if kind == "postgresql":
        return request.getfixturevalue("postgresql")
    if kind == "duckdb":
        pytest.importorskip("duckdb")
    return f"{kind}:///{tmp_path}/rows.{kind}"


def tables(uri):
    """Names of the tables that are there."""
    if uri.startswith("sqlite"):
        query = "SELECT name FROM sqlite_master WHERE type = 'table'"
    elif uri.startswith("duckdb"):
        query = "SELECT table_name AS name FROM duckdb_tables()"
    else:
        query = (
            "SELECT relname::text AS name FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        )
    return set(blocks.read(uri, query=query).to_table()["name"].to_pylist())


def test_a_hard_table_comes_back_or_is_refused_by_column(kind, uri):
    source = blocks.read(HARD)
    refused, held, made, said = what_is_held(source, uri, table="the 'hard' table")
    assert refused == REFUSED[kind]
    expected = held.to_table()
    if kind == "sqlite":  # whose zero has no sign
        expected = expected.set_column(expected.column_names.index("f"), "f", pc.add(expected["f"], 0.0))
    assert made.count() == 6
    assert same(made.to_table(), expected)
    # what is said is what reads it elsewhere
    call = re.search(r"blocks.read\(\.\.\., (.*)\)\.", *said)[1]
    again = blocks.read(uri, table="the 'hard' table", **eval(f"dict({call})", {"pyarrow": pa}))
    assert same(again.to_table(), expected)


def test_no_rows_and_no_values_keep_their_columns(kind, uri):
    rows = pa.table({"a": pa.array([], pa.int64()), "b": pa.array([], pa.string()), "c": pa.array([], pa.float64())})
    made, _ = written(blocks.read(rows), uri, table="empty")
    assert made.to_table().equals(rows)
    rows = pa.table({field.name: pa.nulls(3, field.type) for field in HARD.schema if field.name not in REFUSED[kind]})
    made, _ = written(blocks.read(rows), uri, table="missing")
    assert same(made.to_table(), blocks.read(rows).to_table())


def test_what_is_there_is_replaced_only_when_asked_and_nothing_else_changes(uri):
    first, second = blocks.read({"x": [1, 2]}), blocks.read({"x": ["a"]})
    first.write(uri, table="kept")
    first.write(uri, table="rows")
    with pytest.raises(InvalidArgument, match=r"table 'rows' of .*, which is there\. .* overwrite=True"):
        second.write(uri, table="rows")
    assert blocks.read(uri, table="rows").count() == 2
    assert second.write(uri, table="rows", overwrite=True).to_table()["x"].to_pylist() == ["a"]
    assert blocks.read(uri, table="kept").to_table()["x"].to_pylist() == [1, 2]
    assert {"kept", "rows"} <= tables(uri)
    assert not [name for name in tables(uri) if name.startswith("blocks_staging")]


@pytest.mark.parametrize("new", [True, False])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_leaves_the_database_as_it_was(kind, uri, new, tmp_path):
    if not new:
        blocks.read({"x": [7]}).write(uri, table="rows_of_before", overwrite=True)
    before = None if new and kind != "postgresql" else tables(uri)
    with pytest.raises(KeyboardInterrupt):
        blocks.read(Interrupted()).write(uri, table="rows_of_before", overwrite=True)
    if before is None:
        assert os.listdir(tmp_path) == []
    else:
        assert tables(uri) == before
    if not new:
        assert blocks.read(uri, table="rows_of_before").to_table()["x"].to_pylist() == [7]


@pytest.mark.parametrize("new", [True, False])
def test_a_kill_leaves_the_database_as_it_was(kind, uri, new, tmp_path):
    if not new:
        blocks.read({"x": [7]}).write(uri, table="killed", overwrite=True)
    command = [sys.executable, str(SCRIPT), uri, "100000", "killed"]
    assert subprocess.run(command, capture_output=True).returncode == -9
    if not new:
        if kind == "sqlite":  # what it was is in its journal
            with pytest.raises(MalformedData, match="A process was killed that wrote to it") as error:
                blocks.read(uri, table="killed")
            path = re.search(r"connect\('(.*?)'\)", str(error.value))[1]
            with closing(sqlite3.connect(path)) as connection:
                connection.execute("SELECT 1 FROM sqlite_master")
        assert blocks.read(uri, table="killed").to_table()["x"].to_pylist() == [7]
    elif kind != "postgresql":
        assert not (tmp_path / f"rows.{kind}").exists()
    assert blocks.read({"x": [8, 9]}).write(uri, table="killed", overwrite=True).count() == 2
    assert not [name for name in tables(uri) if name.startswith("blocks_staging")]
    if kind != "postgresql":
        assert os.listdir(tmp_path) == [f"rows.{kind}"]


@pytest.mark.parametrize("new", [True, False])
def test_no_room_leaves_sqlite_as_it_was(new, tmp_path):
    uri = f"sqlite:///{tmp_path}/rows.db"
    if not new:
        blocks.read({"x": [7]}).write(uri, table="rows")
    values = np.random.default_rng(0).normal(size=300_000)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(WriteError, match=r"writing table 'rows' of sqlite:.* failed .* The database is as it was"):
            blocks.read({"x": values}).write(uri, table="rows", overwrite=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert os.listdir(tmp_path) == ([] if new else ["rows.db"])
    if not new:
        assert blocks.read(uri, table="rows").to_table()["x"].to_pylist() == [7]


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(WriteError, match="its folder does not exist; make it"):
        blocks.read({"x": [1]}).write(f"sqlite:///{tmp_path}/no/rows.db", table="t")


def test_what_a_database_has_no_place_for_is_refused(kind, uri, tmp_path):
    def refused(columns, message, table="t"):
        with pytest.raises(SchemaMismatch, match=message):
            blocks.read(columns).write(uri, table=table, overwrite=True)

    refused({"a\0b": [1]}, "without NUL")
    refused({"": [1]}, "Rename it")
    if kind == "postgresql":
        refused({"x" * 64: [1]}, "1 to 63 bytes")
        refused({"x": [1]}, "1 to 63 bytes", table="é" * 32)
        refused({"text": ["a\0b"]}, "Received: column 'text' with one")
        made = blocks.read({"a": [1], "A": [2]}).write(uri, table="cases", overwrite=True)
        assert made.schema.names == ["a", "A"]
    else:
        refused({"a": [1], "A": [2]}, "one whatever their case.* columns 'a' and 'A'")
    if kind != "duckdb":
        refused({"u": pa.array([2**64 - 1], pa.uint64())}, "column 'u', uint64")
        made, _ = written(blocks.read({"u": pa.array([7], pa.uint64())}), uri, table="small", overwrite=True)
        assert made.to_table() == pa.table({"u": pa.array([7], pa.uint64())})


def test_sqlite_has_no_nan_which_is_said(tmp_path):
    source = blocks.read({"x": [1.5, float("nan"), None]})
    made, said = written(source, f"sqlite:///{tmp_path}/rows.db", table="t")
    assert "1 of 'x'" in said[0]
    assert made.to_table()["x"].to_pylist() == [1.5, None, None]


def test_another_program_reads_what_was_written(tmp_path):
    blocks.read(HARD).select(["s", "i", "day", "at"]).write(f"sqlite:///{tmp_path}/rows.db", table="t")
    with closing(sqlite3.connect(tmp_path / "rows.db")) as connection:
        rows = connection.execute("SELECT * FROM t").fetchall()
    assert rows[0] == ("", 1, "1900-02-28", "2024-02-29 12:30:00.000005")
    assert rows[1] == (None, None, None, None)


def test_a_table_can_be_written_to_the_database_that_it_is_read_from(kind, uri):
    if kind == "duckdb":
        pytest.skip("DuckDB opens a file once, to be read or to be written")
    source = blocks.read({"id": list(range(100_000)), "text": ["text"] * 100_000}).write(uri, table="all_rows")
    part = source.filter(pc.field("id") < 50_000).write(uri, table="some_rows")
    assert part.count() == 50_000


def test_no_password_is_shown(postgresql):
    secret = postgresql.replace("tester@", "tester:hunter2@")
    source = blocks.read({"x": [1], "u": pa.array([1], pa.uint8())})
    _, said = written(source, secret, table="secret", overwrite=True)
    assert "hunter2" not in said[0]
    with pytest.raises(InvalidArgument) as error:
        source.write(secret, table="secret")
    assert "hunter2" not in str(error.value)
