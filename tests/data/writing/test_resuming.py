"""A write that was killed goes on where it was: the same rows, in any format, or a refusal that says why.

BLOCKS_KILLS says how often processes are killed; `make proof` asks for many.
"""

import importlib.util
import os
import random
import resource
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import blocks
from blocks.data.writing import checkpoints, write_rows
from blocks.errors import SchemaMismatch, StoreMismatch, WriteError

KILLS = int(os.environ.get("BLOCKS_KILLS", "2"))
SCRIPT = Path(__file__).with_name("file_to_kill.py")
NAMES = ["t.parquet", "t.arrow", "t.arrows", "t.csv", "t.tsv.gz", "t.jsonl", "t.npy", "t.tfrecord"]
COMPRESSED = ["t.csv.bz2", "t.csv.zst", "t.csv.lz4", "t.csv.xz", "t.jsonl.gz", "t.jsonl.zst"]
ANEW = ["t.orc", "t.h5", "t.npz"]

_spec = importlib.util.spec_from_file_location("file_to_kill", SCRIPT)
file_to_kill = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(file_to_kill)


class Stopped(Exception):
    """What ends a pass."""


class Rows:
    """Rows that end, once, after so many; and how many were given."""

    def __init__(self, name, most=None, seed=0, sameness="same"):
        self.table, self.most, self.sameness = file_to_kill.table(name, 20_000, seed), most, sameness
        self.schema = self.table.schema

    def fingerprint(self):
        return {"rows": self.sameness}

    def chunks(self, rows):
        for batch in self.table.to_batches(max_chunksize=1_500):
            yield batch
            if self.most is not None:
                self.most -= len(batch)
                if self.most <= 0:
                    raise Stopped


@pytest.fixture(autouse=True)
def often(monkeypatch):
    """Rows are made safe often, and what writers write is counted."""
    monkeypatch.setattr(checkpoints, "CHECKPOINT_BYTES", 50_000)
    counted = Counter()
    kept = write_rows._writer

    def counting(format, extension):
        kind = kept(format, extension)

        class Counting(kind):
            def write_batch(self, batch):
                counted["written"] += len(batch)
                super().write_batch(batch)

            write_batch.__wrapped__ = kind.write_batch

        return Counting

    monkeypatch.setattr(write_rows, "_writer", counting)
    return counted


def stop(rows, path, **options):
    with pytest.raises(Stopped):
        blocks.read(rows).write(path, **options)


@pytest.mark.filterwarnings("ignore:.*CSV holds text alone", "ignore:.*JSON has texts", "ignore:.*An Example has")
@pytest.mark.parametrize("name", NAMES + COMPRESSED)
def test_the_same_call_goes_on(name, tmp_path, often):
    path = tmp_path / name
    whole = blocks.read(Rows(name)).write(tmp_path / f"whole-{name}")
    assert whole.to_table().equals(blocks.read(Rows(name)).to_table())
    often.clear()
    for most in (9_000, 15_000):
        stop(Rows(name, most), path)
        assert sorted(os.listdir(tmp_path)) == [f".journal.tmp-{name}", f".tmp-{name}", f"whole-{name}"]
    made = blocks.read(Rows(name)).write(path)
    assert made.to_table().equals(whole.to_table())
    assert made.count() == 20_000
    # Arrow's own batches are handed to its writer again
    assert often["written"] < 34_000 or name.startswith("t.arrow")
    assert sorted(os.listdir(tmp_path)) == [name, f"whole-{name}"]
    if name == "t.parquet":
        assert pq.ParquetFile(path).metadata.num_row_groups > 2
        assert pq.read_table(path, filters=pc.field("id") == 19_999)["id"].to_pylist() == [19_999]
    if "." not in name.removeprefix("t.") and name != "t.parquet":
        assert path.read_bytes() == (tmp_path / f"whole-{name}").read_bytes()


def sources(folder):
    rows = 9_000
    columns = {"id": np.arange(rows), "of": np.arange(rows) // 100, "x": np.random.default_rng(0).normal(size=rows)}
    columns["at"] = pa.array(np.arange(rows) * 3_600_000_000, pa.timestamp("us"))
    source = blocks.read(columns)
    file = source.write(folder / "rows.parquet")
    yield "memory", source
    yield "part", file.filter(pc.field("x") > -2).split(a=0.9, b=0.1, key="id")["a"]
    yield "sqlite", source.write(f"sqlite:///{folder}/rows.db", table="t")
    yield "duckdb", source.write(f"duckdb:///{folder}/rows.duckdb", table="t")
    yield "windows", blocks.windows(file, length=3, by="of", order="at", every="1h", columns=["x"], target="x")
    yield "clean", blocks.clean({"a": file}, keys=["id"], rules={"a": {"low": pc.field("x") < -1}})["a"]


def test_a_source_of_any_kind_is_known_again(tmp_path, monkeypatch, often):
    kept = checkpoints.Checkpoints._save

    def save_and_stop(self, *given):
        kept(self, *given)
        raise Stopped

    for kind, source in sources(tmp_path):
        path = tmp_path / f"{kind}.arrows"
        monkeypatch.setattr(checkpoints.Checkpoints, "_save", save_and_stop)
        stop(source, path)
        monkeypatch.setattr(checkpoints.Checkpoints, "_save", kept)
        assert path.with_name(f".journal.tmp-{path.name}").exists(), kind
        assert source.write(path).to_table().equals(source.to_table()), kind


@pytest.mark.parametrize("name", ANEW)
def test_other_formats_begin_anew_and_leave_nothing(name, tmp_path, often):
    stop(Rows(name, 16_000), tmp_path / name)
    assert os.listdir(tmp_path) == []
    assert blocks.read(Rows(name)).write(tmp_path / name).count() == 20_000


def test_another_source_is_refused_or_begins_anew(tmp_path):
    path = tmp_path / "t.parquet"
    path.write_text("old")
    stop(Rows("t.parquet", 12_000), path, overwrite=True)
    assert path.read_text() == "old"
    path.unlink()
    with pytest.raises(StoreMismatch, match=r"another source than that of the [\d,]+ rows of .* overwrite=True"):
        blocks.read(Rows("t.parquet", sameness="other")).write(path)
    with pytest.raises(StoreMismatch, match="another source"):
        blocks.read(Rows("t.parquet")).select(["id"]).write(path)
    # nothing is lost by that
    assert blocks.read(Rows("t.parquet")).write(path).to_table().equals(Rows("t.parquet").table)
    path.unlink()
    stop(Rows("t.parquet", 12_000), path)
    other = Rows("t.parquet", seed=1, sameness="other")
    assert blocks.read(other).write(path, overwrite=True).to_table().equals(other.table)
    assert os.listdir(tmp_path) == ["t.parquet"]


@pytest.mark.parametrize("rows", [20_000, 2_000])
def test_rows_that_come_otherwise_are_noticed(rows, tmp_path):
    path = tmp_path / "t.csv"
    stop(Rows("t.csv", 12_000), path)
    other = Rows("t.csv", seed=1)
    other.table = other.table.slice(0, rows)
    with pytest.raises(StoreMismatch, match=r"other rows than the [\d,]+ of .*says that it is the same"):
        blocks.read(other).write(path)
    assert os.listdir(tmp_path) == []
    assert blocks.read(other).write(path).count() == rows


def test_what_no_name_identifies_is_written_without_a_journal(tmp_path):
    class Once(Rows):
        fingerprint = None

    stop(Once("t.parquet", 16_000), tmp_path / "t.parquet")
    assert os.listdir(tmp_path) == []
    assert blocks.read(Once("t.parquet")).write(tmp_path / "t.parquet").count() == 20_000
    batches = iter(Once("t.parquet").table.to_batches(max_chunksize=1_500))
    stream = pa.RecordBatchReader.from_batches(Once("t.parquet").schema, batches)
    assert blocks.read(stream).write(tmp_path / "stream.parquet").count() == 20_000


@pytest.mark.parametrize("name", ["t.parquet", "t.arrow", "t.csv.gz", "t.npy"])
def test_a_full_disk_loses_nothing(name, tmp_path, often):
    blocks.read(Rows(name)).write(tmp_path / name)
    room = int(0.6 * (tmp_path / name).stat().st_size)
    (tmp_path / name).unlink()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        with pytest.raises(WriteError, match=r"writing '.*' failed"):
            blocks.read(Rows(name)).write(tmp_path / name)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert sorted(os.listdir(tmp_path)) == [f".journal.tmp-{name}", f".tmp-{name}"]
    often.clear()
    assert blocks.read(Rows(name)).write(tmp_path / name).to_table().equals(Rows(name).table)
    assert os.listdir(tmp_path) == [name]
    assert often["written"] < 20_000 or name == "t.arrow"


@pytest.mark.parametrize("damage", ["journal cut", "journal garbage", "file cut", "file gone", "bytes behind"])
def test_what_is_damaged_begins_anew_or_earlier(damage, tmp_path, often):
    path = tmp_path / "t.csv"
    stop(Rows("t.csv", 16_000), path)
    journal, aside = tmp_path / ".journal.tmp-t.csv", tmp_path / ".tmp-t.csv"
    if damage == "journal cut":
        journal.write_bytes(journal.read_bytes()[:-5])
    elif damage == "journal garbage":
        journal.write_bytes(b"garbage")
    elif damage == "file cut":
        aside.write_bytes(aside.read_bytes()[:1000])
    elif damage == "file gone":
        aside.unlink()
    else:
        with aside.open("ab") as file:
            file.write(b"half a line, or ten of them\n" * 10)
    often.clear()
    assert blocks.read(Rows("t.csv")).write(path).to_table().equals(Rows("t.csv").table)
    assert (often["written"] < 20_000) == (damage in ("journal cut", "bytes behind"))
    assert os.listdir(tmp_path) == ["t.csv"]


def test_what_the_format_cannot_hold_leaves_nothing(tmp_path):
    values = np.arange(20_000, dtype="f8")
    values[-1] = 0.1
    with pytest.raises(SchemaMismatch, match="float32 rounds"):
        blocks.read({"x": values}).write(tmp_path / "t.tfrecord")
    assert os.listdir(tmp_path) == []


@pytest.mark.proof
@pytest.mark.parametrize("name", ["t.parquet", "t.arrow", "t.csv.gz"])
def test_a_write_that_is_killed_again_and_again_ends_with_the_same_rows(name, tmp_path):
    """Each call is killed after a random number of rows more than the last one had, in the middle of what it does."""
    path, rng = tmp_path / name, random.Random(3)
    source = tmp_path / "source.parquet"
    pq.write_table(file_to_kill.table(name, file_to_kill.ROWS, 0), source)
    killed = 0
    while killed < KILLS:
        seconds = str(rng.uniform(0, 0.4))
        done = subprocess.run([sys.executable, str(SCRIPT), str(source), str(path), seconds], capture_output=True)
        assert done.returncode in (0, -9), done.stderr
        killed += done.returncode != 0
        if not done.returncode:
            path.unlink()
    made = blocks.read(source).write(path)
    assert made.to_table().equals(blocks.read(source).to_table())
    assert sorted(os.listdir(tmp_path)) == sorted(["source.parquet", name])
