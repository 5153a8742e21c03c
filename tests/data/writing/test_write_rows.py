"""Files of every format: what is written is read again, whole or not at all, or refused by name with what helps."""

import datetime
import importlib.util
import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import blocks
from blocks.data.formats import EXTENSIONS, FORMATS
from blocks.data.writing import WRITERS
from blocks.errors import InvalidArgument, SchemaMismatch, WriteError

SCRIPT = Path(__file__).with_name("rows_to_kill.py")
_spec = importlib.util.spec_from_file_location("hard_table", Path(__file__).with_name("hard_table.py"))
hard_table = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(hard_table)
HARD, Interrupted, same, what_is_held, written = (
    getattr(hard_table, name) for name in ("HARD", "Interrupted", "same", "what_is_held", "written")
)

REFUSED = {
    "t.parquet": {"d64"},
    "t.arrow": set(),
    "t.arrows": set(),
    "t.feather": set(),
    "t.csv": {"f16", "wide", "bytes", "list", "pair", "struct", "map", "none"},
    "t.orc": {
        *("f16", "u8", "u64", "d64", "at", "zone", "time", "took", "wide", "large", "pair", "none"),
    },
    "t.jsonl": {"d64", "time", "took", "bytes", "map"},
    "t.tfrecord": {
        *("f", "u64", "d64", "time", "took", "price", "wide", "list", "pair", "struct", "map", "none"),
    },
    "t.npz": {
        *("s", "zip", "i", "u8", "u64", "yes", "d64", "zone", "time", "price", "wide", "large", "bytes", "list"),
        *("pair", "struct", "map", "words", "none"),
    },
    "t.h5": {
        *("i", "u8", "u64", "yes", "day", "d64", "at", "ns", "zone", "time", "took", "price", "wide", "large"),
        *("bytes", "list", "pair", "struct", "map", "none"),
    },
}
REFUSED["t.npy"] = REFUSED["t.npz"]
REFUSED |= dict.fromkeys(("t.tsv", "t.csv.gz", "t.csv.zst", "t.csv.xz"), REFUSED["t.csv"])
REFUSED["t.jsonl.gz"] = REFUSED["t.jsonl"]


@pytest.mark.parametrize("name", REFUSED)
def test_a_hard_table_comes_back_or_is_refused_by_column(name, tmp_path):
    source = blocks.read(HARD)
    refused, held, made, _ = what_is_held(source, tmp_path / name)
    assert refused == REFUSED[name]
    expected = held.to_table()
    if name in ("t.h5", "t.npy", "t.npz"):  # which have no nulls
        filled = {column: "" if "s" in str(held.schema.field(column).type) else np.nan for column in held.schema.names}
        for at, column in enumerate(expected.column_names):
            fill = pa.scalar(filled[column], pa.float64()) if filled[column] != "" else pa.scalar("")
            kind = expected.schema.field(column).type
            if pa.types.is_floating(kind) or pa.types.is_string(kind):
                expected = expected.set_column(at, column, pc.fill_null(expected[column], fill.cast(kind)))
    assert made.count() == 6
    assert made.schema.equals(held.schema)
    assert same(made.to_table(), expected)
    assert not list(tmp_path.glob(".tmp*"))


def test_every_format_that_is_written_is_read():
    assert {EXTENSIONS.get(name, name) for name in WRITERS} <= set(FORMATS)


@pytest.mark.parametrize("name", ["t.csv", "t.tsv.gz"])
def test_what_csv_loses_is_said_with_the_call_that_reads_it(name, tmp_path):
    source = blocks.read(HARD).select(["s", "zip", "f32", "u8", "zone", "price", "day"])
    path = tmp_path / name
    made, said = written(source, path)
    call = re.search(r"blocks.read\(\.\.\., (.*)\)\.", *said)[1]
    again = blocks.read(path, **eval(f"dict({call})", {"pyarrow": pa}))
    assert same(again.to_table(), source.to_table())
    assert same(made.to_table(), source.to_table())
    plain = blocks.read({"s": ["a", None], "x": [0.5, None]})
    made, said = written(plain, tmp_path / f"plain-{name}")
    assert said == []
    assert same(blocks.read(tmp_path / f"plain-{name}").to_table(), plain.to_table())


def test_a_row_of_nothing_is_a_row_of_csv(tmp_path):
    source = blocks.read({"x": [1, None, None, 2, None]})
    made, said = written(source, tmp_path / "t.csv")
    assert made.to_table()["x"].to_pylist() == [1, None, None, 2, None]
    assert "ignore_empty_lines=False" in said[0]


@pytest.mark.parametrize("name", [*REFUSED])
def test_no_rows_keep_their_columns(name, tmp_path):
    kind = pa.float64() if name in ("t.npy", "t.npz") else pa.string()
    source = blocks.read(pa.table({"a": pa.array([], pa.int64()), "b": pa.array([], kind)}))
    made, _ = written(source, tmp_path / name)
    assert made.count() == 0
    assert made.to_table().equals(source.to_table())


def test_what_a_source_selects_is_what_is_written(tmp_path):
    source = blocks.read({"id": list(range(1000)), "x": [i % 7 for i in range(1000)]})
    part = source.filter(pc.field("x") == 3).select(["id"]).split(a=0.5, b=0.5)["a"]
    made = part.write(tmp_path / "t.parquet")
    assert made.to_table().equals(part.to_table())
    assert 0 < made.count() < 143


KINDS = {
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.uint16(): st.integers(0, 2**16 - 1),
    pa.float64(): st.floats(allow_nan=False),
    pa.float32(): st.floats(allow_nan=False, width=32),
    pa.bool_(): st.booleans(),
    pa.string(): st.text(st.characters(exclude_categories=["Cs"])),
    pa.date32(): st.dates(datetime.date(1, 1, 1)),
    pa.timestamp("us"): st.datetimes(datetime.datetime(1600, 1, 1)),
    pa.timestamp("ms", "America/New_York"): st.datetimes(
        datetime.datetime(1900, 1, 1), datetime.datetime(2100, 1, 1), timezones=st.just(datetime.UTC)
    ).map(lambda one: one.replace(microsecond=one.microsecond // 1000 * 1000)),
    pa.decimal128(20, 5): st.decimals(-(10**14), 10**14, places=5, allow_nan=False),
}
NESTED = {
    pa.list_(pa.string()): st.lists(st.none() | st.text(max_size=3)),
    pa.struct([("a", pa.int64()), ("b", pa.binary())]): st.fixed_dictionaries(
        {"a": st.none() | st.integers(-9, 9), "b": st.none() | st.binary(max_size=3)}
    ),
    pa.duration("ns"): st.integers(-(2**60), 2**60),
}


@st.composite
def tables(draw, kinds):
    rows = draw(st.integers(0, 6))
    names = draw(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=1, unique=True))
    columns = {}
    for name in names[:5]:
        kind = draw(st.sampled_from(list(kinds)))
        columns[name] = pa.array(draw(st.lists(st.none() | kinds[kind], min_size=rows, max_size=rows)), kind)
    return pa.table(columns)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data(), st.sampled_from(["t.parquet", "t.arrow", "t.csv", "t.tsv", "t.jsonl"]))
def test_any_table_comes_back(tmp_path, data, name):
    text = name in ("t.csv", "t.tsv", "t.jsonl")
    table = data.draw(tables(KINDS if text else KINDS | NESTED))
    source = blocks.read(table)
    made, _ = written(source, tmp_path / name, overwrite=True)
    assert same(made.to_table(), source.to_table())


def test_what_is_there_is_replaced_only_when_asked(tmp_path):
    path, source = tmp_path / "t.parquet", blocks.read({"x": [1, 2]})
    path.write_text("mine")
    with pytest.raises(InvalidArgument, match=r"t.parquet', which is there. .* overwrite=True"):
        source.write(path)
    assert path.read_text() == "mine"
    assert source.write(path, overwrite=True).count() == 2
    again = blocks.read(path).filter(pc.field("x") > 1).write(path, overwrite=True)
    assert again.to_table()["x"].to_pylist() == [2]


@pytest.mark.parametrize(
    ("target", "arguments", "message"),
    [
        ("t.xlsx", {}, "The extension says what is written: .csv"),
        ("t", {}, "The extension says what is written"),
        ("t.parquet.gz", {}, "Text alone is compressed as a whole"),
        ("t.parquet", {"table": "t"}, "A file holds one table"),
        ("ram://folder/t.parquet", {}, "What is written can be read again, by pyarrow"),
        ("", {}, "write takes a path"),
        (3, {}, "write takes a path"),
        ("sqlite:///t.db", {}, "A database is written by the name of a table"),
        ("sqlite://t.db", {"table": "t"}, "names a database file"),
    ],
)
def test_targets_that_say_nothing_are_refused(target, arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidArgument, match=message):
        blocks.read({"x": [1]}).write(target, **arguments)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"a/b": [1]}, "without '/' and NUL"),
        ({"t": ["a\0"]}, "ends at NUL.*column 't'"),
        ({"n": [1, None]}, "In HDF5 nothing but a float or a text is missing.*column 'n'"),
        ({"l": pa.array([[1, None]], pa.large_list(pa.int64()))}, "column 'l'.*a list has nulls"),
    ],
)
def test_what_hdf5_has_no_place_for_is_refused(columns, message, tmp_path):
    with pytest.raises(SchemaMismatch, match=message):
        blocks.read(columns).write(tmp_path / "t.h5")
    assert os.listdir(tmp_path) == []


def test_hdf5_holds_lists_of_numbers(tmp_path):
    pair = pa.array([[[1, 2, 3], [4, 5, 6]], [[7, 8, 9], [0, 0, 0]]], pa.list_(pa.list_(pa.int16(), 3), 2))
    table = pa.table({"z": pair, "a": pa.array([[], [1.5, 2.5]], pa.large_list(pa.float64())), "b": [True, False]})
    made = blocks.read(table).write(tmp_path / "t.h5")
    assert made.to_table().equals(blocks.read(table).to_table())


def test_progress_is_shown_where_it_is_asked_for(tmp_path, capsys):
    blocks.read({"x": list(range(1234))}).write(tmp_path / "t.parquet", verbose=2)
    assert "write: 1,234 rows" in capsys.readouterr().err


@pytest.mark.parametrize(
    "name", ["t.parquet", "t.csv.gz", "t.jsonl", "t.tfrecord", "t.npy", "t.npz", "t.arrow", "t.orc", "t.h5"]
)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_leaves_the_old_file(name, tmp_path):
    path = tmp_path / name
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt):
        blocks.read(Interrupted()).write(path, overwrite=True)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize(
    "name", ["t.parquet", "t.csv", "t.csv.zst", "t.jsonl", "t.tfrecord", "t.npy", "t.npz", "t.arrow", "t.orc", "t.h5"]
)
def test_no_room_leaves_the_old_file(name, tmp_path):
    path = tmp_path / name
    path.write_text("old")
    values = np.random.default_rng(0).normal(size=200_000).astype("f4")  # which an Example holds
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(WriteError, match=r"writing '.*' failed"):
            blocks.read({"x": values}).write(path, overwrite=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == [name]
    with pytest.raises(WriteError, match="its folder does not exist; make it"):
        blocks.read({"x": values}).write(tmp_path / "no" / name)


@pytest.mark.parametrize("name", ["t.parquet", "t.csv"])
def test_a_kill_leaves_the_old_file_and_the_next_call_writes_it(name, tmp_path):
    path = tmp_path / name
    path.write_text("old")
    done = subprocess.run([sys.executable, str(SCRIPT), str(path), "100000"], env={**os.environ}, capture_output=True)
    assert done.returncode == -9
    assert path.read_text() == "old"
    source = blocks.read({"x": [0.5, 1.5]})
    assert source.write(path, overwrite=True).count() == 2
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize("name", ["t.parquet", "t.csv", "t.arrow", "t.orc"])
def test_more_rows_take_no_more_memory(name, tmp_path, monkeypatch):
    monkeypatch.setattr("blocks.data.writing.arrow_writers.GROUP_BYTES", 1 << 22)
    values = np.random.default_rng(0).normal(size=(8, 10_000))

    class Many:
        schema = pa.schema([(f"x{i}", pa.float64()) for i in range(8)])

        def __init__(self, batches):
            self.batches, self.most = batches, 0

        def chunks(self, rows):
            before = pa.total_allocated_bytes()
            for _ in range(self.batches):
                arrays = [pa.array(memoryview(column)) for column in values]  # copied, so that Arrow counts it
                yield pa.RecordBatch.from_arrays([pa.concat_arrays([a, a]) for a in arrays], schema=self.schema)
                self.most = max(self.most, pa.total_allocated_bytes() - before)

    def peak(batches):
        rows = Many(batches)
        assert blocks.read(rows).write(tmp_path / name, overwrite=True).count() == batches * 20_000
        return rows.most

    short = peak(10)
    assert short < 16 << 20
    assert peak(30) < short + (8 << 20)
