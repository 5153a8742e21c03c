"""What is written: whole, in order, resumable, the same bytes every time, and refused with a reason."""

import errno
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from importlib.resources import files
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from blocks.errors import (
    CorruptShard,
    EmptySource,
    IncompleteStore,
    InvalidArgument,
    SchemaMismatch,
    StoreError,
    StoreLocked,
    StoreMismatch,
)
from blocks.files.lock import locked
from blocks.files.place import Remote
from blocks.store import Rows, SplitPlan, check, open_store, write
from blocks.store.writing.write import repair

KILLS = int(os.environ.get("BLOCKS_KILLS", "4"))
SCRIPT = Path(__file__).parents[1] / "small_store.py"


def same(found: Rows, expected: Rows) -> None:
    ours, theirs = found.flat(), expected.flat()
    assert ours.keys() == theirs.keys()
    for name in ours:
        np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)


def test_rows_come_back_in_order(small, stored):
    assert stored.check() == []
    assert stored.rows == {"train": 1000, "valid": 25}
    same(stored["train"].read(), small.rows_between(0, 1000))
    same(stored["valid"].read(), small.rows_between(0, 25))
    assert [shard.rows for shard in stored.manifest.splits["train"]] == [300, 300, 300, 100]


def test_same_bytes_every_time(small, stored, kind, tmp_path):
    small.make(tmp_path / "again", workers=1, **kind)
    assert small.digests(tmp_path / "again") == small.digests(stored.path)


def test_same_bytes_whatever_the_chunks_of_the_source(small, stored, kind, tmp_path):
    plans = {"train": small.plan(1000, chunk=1000), "valid": small.plan(25, chunk=3)}
    arguments = {"rows_per_shard": 300, "rows_per_chunk": 40, "columns": small.COLUMNS, "verbose": 0}
    write(tmp_path / "again", plans, fingerprint=stored.fingerprint, **arguments, **kind)
    assert small.digests(tmp_path / "again") == small.digests(stored.path)


def test_a_finished_store_is_reused(small, tmp_path):
    first = small.make(tmp_path / "s")
    before = {file: file.stat().st_mtime_ns for file in first.path.iterdir()}
    again = small.make(tmp_path / "s", rows_per_shard=None, rows_per_chunk=None)
    assert (first.reused, again.reused) == (False, True)
    assert {file: file.stat().st_mtime_ns for file in first.path.iterdir()} == before


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (
            {"fingerprint": {"source": {"train": 9, "valid": 2}, "preprocessor": "p", "target": "t"}},
            "source/train differs",
        ),
        (
            {"fingerprint": {"source": {"train": 1, "valid": 2}, "preprocessor": "q", "target": "t"}},
            "preprocessor differs",
        ),
        ({"format": "tfrecord"}, "format differs"),
        ({"rows_per_shard": 301}, "rows_per_shard differs"),
        ({"compression": "gzip"}, "compression differs"),
        ({"metadata": {"classes": 2}}, "metadata differs"),
    ],
)
def test_another_store_is_refused_by_name(small, tmp_path, change, part):
    store = small.make(tmp_path / "s")
    before = small.digests(store.path)
    with pytest.raises(StoreMismatch, match=part):
        small.make(tmp_path / "s", **change)
    assert small.digests(store.path) == before
    small.make(tmp_path / "s", overwrite=True, **change)
    small.make(tmp_path / "fresh", **change)
    assert small.digests(tmp_path / "s") == small.digests(tmp_path / "fresh")


def interrupted(small, path: Path, after: int, **arguments: object) -> None:
    def chunks(skip):
        for rows in small.plan(1000).chunks(skip):
            if rows.target[0] > after:
                raise RuntimeError("pulled the plug")
            yield rows

    given = {"rows_per_shard": 300, "rows_per_chunk": 40, "columns": small.COLUMNS, "verbose": 0} | arguments
    given.setdefault("fingerprint", {"source": {"train": 1, "valid": 2}, "preprocessor": "p", "target": "t"})
    with pytest.raises(RuntimeError, match="plug"):
        write(path, {"train": SplitPlan(chunks), "valid": small.plan(25)}, **given)


def test_an_interrupted_write_resumes(small, stored, kind, tmp_path):
    path = tmp_path / "s"
    interrupted(small, path, 700, **kind)
    with pytest.raises(IncompleteStore, match="repeat the call"):
        open_store(path)
    assert not any(file.name.startswith(".") for file in path.iterdir())
    (path / ".tmp-train-00002").write_bytes(b"left by a killed process")
    skipped = []

    def chunks(skip):
        skipped.append(skip)
        return small.plan(1000).chunks(skip)

    arguments = {"rows_per_shard": 300, "rows_per_chunk": 40, "columns": small.COLUMNS, "verbose": 0}
    plans = {"train": SplitPlan(chunks), "valid": small.plan(25)}
    write(path, plans, fingerprint=stored.fingerprint, **arguments, **kind)
    assert skipped == [600]
    assert small.digests(path) == small.digests(stored.path)


def test_a_hole_among_finished_shards_is_filled_alone(small, stored, kind, tmp_path):
    path = tmp_path / "s"
    interrupted(small, path, 960, **kind)
    hole = next(path.glob("train-00001.*"))
    hole.unlink()
    asked = []

    def chunks(skip):
        for rows in small.plan(1000).chunks(skip):
            asked.append(int(rows.target[0]))
            yield rows

    arguments = {"rows_per_shard": 300, "rows_per_chunk": 40, "columns": small.COLUMNS, "verbose": 0}
    plans = {"train": SplitPlan(chunks), "valid": small.plan(25)}
    write(path, plans, fingerprint=stored.fingerprint, **arguments, **kind)
    assert asked[0] == 300
    assert not any(600 <= row < 900 for row in asked[1:] if row not in range(591, 692))
    assert small.digests(path) == small.digests(stored.path)


def test_a_source_that_changed_is_refused_and_the_rest_stays(small, tmp_path):
    path = tmp_path / "s"
    interrupted(small, path, 700)
    before = small.digests(path)
    changed = {"source": {"train": 9, "valid": 2}, "preprocessor": "p", "target": "t"}
    with pytest.raises(StoreMismatch, match=r"unfinished store .* source/train differs"):
        small.make(path, fingerprint=changed)
    assert small.digests(path) == before
    small.make(path)
    assert check(path) == []


def test_a_write_that_finished_no_shard_may_start_over_otherwise(small, tmp_path):
    path = tmp_path / "s"
    interrupted(small, path, 100)
    assert small.make(path, "tfrecord", rows_per_shard=np.int64(200)).check() == []


def test_overwrite_replaces_what_holds_one_wrong_bit(small, kind, tmp_path):
    store = small.make(tmp_path / "s", **kind)
    before = small.digests(store.path)
    file = store.path / store.manifest.splits["train"][1].file
    raw = bytearray(file.read_bytes())
    raw[len(raw) // 2] ^= 8
    file.write_bytes(raw)
    assert small.make(tmp_path / "s", overwrite=True, **kind).reused is False
    assert small.digests(store.path) == before
    assert small.make(tmp_path / "s", overwrite=True, **kind).reused


def test_a_store_stays_where_it_is_when_the_process_goes_elsewhere(small, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stores = small.make("s"), open_store("s")
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    for store in stores:
        assert store.check() == []
        assert sum(len(batch[1]) for batch in store["train"].stream(64)) == 1000


@pytest.mark.parametrize("path", [None, b"bytes", 3])
def test_what_is_no_path_is_refused(small, path):
    with pytest.raises(InvalidArgument, match=r"or pathlib\.Path, or at a URL"):
        small.make(path)
    with pytest.raises(InvalidArgument, match=r"or pathlib\.Path, or at a URL"):
        open_store(path)


def test_a_source_that_shrank_is_noticed(small, tmp_path):
    path = tmp_path / "s"
    interrupted(small, path, 960)
    next(path.glob("train-00001.*")).unlink()
    with pytest.raises(StoreMismatch, match="fewer rows"):
        small.make(path, count=200)


@pytest.mark.proof
@pytest.mark.parametrize(("format", "scheme"), [("hdf5", ""), ("tfrecord", ""), ("tfrecord", "file://")])
def test_sigkill_at_any_moment(small, tmp_path, format, scheme):
    count, rng = 3000, random.Random(7)
    expected = small.make(tmp_path / "whole", format, count=count)
    path = tmp_path / "killed"
    written = Remote(f"{scheme}{path}") if scheme else path
    command = [sys.executable, str(SCRIPT), str(written), format, str(count)]
    killed = 0
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as process:

        def run(seconds: float) -> int:
            process.stdin.write(f"{seconds}\n")
            return int(process.stdout.readline())

        assert run(-1) == 0  # and the import of what it needs
        shutil.rmtree(path)
        begin = time.monotonic()
        assert run(-1) == 0
        duration = time.monotonic() - begin
        begin = time.monotonic()
        assert run(-1) == 0  # a finished store: what starting takes
        start = min(time.monotonic() - begin, duration / 2)
        while killed < KILLS:
            status = run(rng.uniform(start / 2, duration))
            if status:
                assert os.WTERMSIG(status) == signal.SIGKILL
                killed += 1
            if not status or check(path) == []:
                assert small.make(written, format, count=count).check() == []
                assert small.digests(path) == small.digests(expected.path)
                shutil.rmtree(path)
        process.stdin.close()
    small.make(written, format, count=count)
    assert small.digests(path) == small.digests(expected.path)


def test_a_second_writer_is_refused_with_the_owner_named(small, tmp_path):
    path = tmp_path / "s"
    path.mkdir()
    with locked(path), pytest.raises(StoreLocked, match=f"process {os.getpid()} on .*, since "):
        small.make(path)
    assert small.make(path).check() == []


def test_the_lock_of_a_dead_process_is_taken_over(small, tmp_path):
    path = tmp_path / "s"
    path.mkdir()
    # The writer dies; a child that it forked lives on and shares the open, locked file.
    code = (
        "import os, pathlib, sys, time; from blocks.files.lock import locked\n"
        "context = locked(pathlib.Path(sys.argv[1])); context.__enter__()\n"
        "child = os.fork()\n"
        "if child: print(child, flush=True); os._exit(0)\n"
        "time.sleep(60)\n"
    )
    done = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE)
    child = int(done.stdout.readline())
    done.wait()
    try:
        assert (path / ".lock").exists()
        assert small.make(path).check() == []
    finally:
        os.kill(child, signal.SIGKILL)
        done.stdout.close()


@pytest.mark.parametrize("format", ["hdf5", "tfrecord"])
def test_a_full_disk_is_told_and_the_write_resumes(small, tmp_path, monkeypatch, format):
    real = os.fsync
    left = [6]

    def fsync(handle):
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(StoreError, match="disk is full; free space and repeat the same call") as caught:
        small.make(tmp_path / "s", format)
    assert caught.value.errno == errno.ENOSPC
    assert not list((tmp_path / "s").glob(".*"))
    monkeypatch.undo()
    small.make(tmp_path / "s", format)
    small.make(tmp_path / "whole", format)
    assert small.digests(tmp_path / "s") == small.digests(tmp_path / "whole")


def test_a_file_size_limit_is_told(small, tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(StoreError, match=r"writing the store .* failed"):
            small.make(tmp_path / "s")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert small.make(tmp_path / "s").check() == []


def test_a_folder_that_cannot_be_written_is_told(small, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StoreError, match="a store is a folder"):
        small.make(tmp_path / "file")
    if os.geteuid():
        (tmp_path / "closed").mkdir(mode=0o500)
    else:
        # Permissions do not bind root.
        real = os.open

        def refuse(path, flags, *rest, **named):
            if "closed" in str(path) and flags & (os.O_WRONLY | os.O_RDWR):
                raise PermissionError(errno.EACCES, "Permission denied", str(path))
            return real(path, flags, *rest, **named)

        monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(StoreError, match=r"cannot be written; choose another path") as caught:
        small.make(tmp_path / "closed")
    assert caught.value.errno == errno.EACCES


def test_files_of_others_are_left_alone(small, tmp_path):
    (tmp_path / "train-00000.tfrecord").write_bytes(b"somebody's")
    with pytest.raises(StoreMismatch, match="neither a manifest nor a journal"):
        small.make(tmp_path)
    assert (tmp_path / "train-00000.tfrecord").read_bytes() == b"somebody's"


def test_repair_redoes_the_bad_shards_alone(small, kind, tmp_path):
    store = small.make(tmp_path / "s", **kind)
    before = small.digests(store.path)
    bad, gone = (store.manifest.splits["train"][i].file for i in (1, 3))
    raw = bytearray((store.path / bad).read_bytes())
    raw[len(raw) // 2] ^= 8
    (store.path / bad).write_bytes(raw)
    (store.path / gone).unlink()
    plans = {"train": small.plan(1000), "valid": small.plan(25)}
    with pytest.raises(StoreMismatch, match="not those that shard"):
        repair(store.path, {"train": small.plan(310)})
    assert repair(store.path, plans) == [bad, gone]
    assert store.check() == []
    assert small.digests(store.path) == before
    (store.path / gone).unlink()
    with pytest.raises(InvalidArgument, match="every damaged split"):
        repair(store.path, {})


def test_repair_of_one_split_takes_its_source(small, tmp_path):
    store = write(tmp_path / "one", {"train": small.plan(100)}, fingerprint={}, verbose=0)
    (store.path / "train-00000.h5").unlink()
    assert store.repair(small.plan(100), planner=lambda plan, keys: plan) == ["train-00000.h5"]
    assert store.check() == []
    two = small.make(tmp_path / "two")
    with pytest.raises(InvalidArgument, match=r"takes their sources by name: .'train': ...\}. Received: SplitPlan"):
        two.repair(small.plan(100), planner=lambda plan, keys: plan)


def test_a_damaged_manifest_is_told_and_can_be_overwritten(small, tmp_path):
    store = small.make(tmp_path / "s")
    before = small.digests(store.path)
    text = (store.path / "manifest.json").read_text()
    (store.path / "manifest.json").write_text(text.replace('"rows": 25', '"rows": 26'))
    with pytest.raises(CorruptShard, match="overwrite=True"):
        small.make(tmp_path / "s")
    assert small.make(tmp_path / "s", overwrite=True).check() == []
    assert small.digests(store.path) == before


def test_every_manifest_is_what_the_schema_says(stored):
    schema = json.loads(files("blocks.store").joinpath("manifest.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    content = json.loads((stored.path / "manifest.json").read_bytes())
    jsonschema.validate(content, schema)
    assert set(schema["properties"]) == set(content), "every field is documented, and no other"
    for change in ({"version": 2}, {"format": 1}, {"host": "here"}, {"splits": {"train": {"rows": -1}}}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(content | change, schema)


def test_the_manifest_is_json(small, tmp_path):
    store = small.make(
        tmp_path / "s", spec={"any": ["thing"]}, metadata={"classes": ["a", "b"], "priors": [0.25, 0.75]}
    )
    content = json.loads((store.path / "manifest.json").read_bytes())
    assert content["version"] == 1
    assert content["splits"]["train"]["rows"] == 1000
    assert content["spec"] == store.spec == {"any": ["thing"]}
    assert content["metadata"] == store["train"].metadata
    numeric = next(entry for entry in content["entries"] if entry["name"] == "features/numeric")
    assert numeric == {"name": "features/numeric", "dtype": "<f4", "shape": [3], "columns": ["a", "b", "c"]}
    store.require(preprocessor="p")
    with pytest.raises(StoreMismatch, match="another preprocessor and source/valid"):
        store.require(preprocessor="q", source={"train": 1, "valid": 3})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"format": "csv"}, "format must be"),
        ({"layout": "example"}, "layout must be"),
        ({"format": "tfrecord", "compression": "gzip"}, "compression must be"),
        ({"rows_per_shard": 0}, "rows_per_shard must be a whole number, at least 1, or None"),
        ({"rows_per_chunk": 1e3}, r"rows_per_chunk must be a whole number, at least 1, or None\. Received: 1000\.0"),
        ({"rows_per_shard": "9"}, "rows_per_shard must be a whole number"),
        ({"workers": 0}, "workers must be a whole number, at least 1"),
        ({"fingerprint": {"x": float("nan")}}, "must be JSON"),
        ({"columns": {"features/numeric": ["one", "two"]}}, "one name per column"),
    ],
)
def test_bad_arguments(small, tmp_path, arguments, message):
    with pytest.raises(InvalidArgument, match=message):
        small.make(tmp_path / "s", **arguments)


@pytest.mark.parametrize(
    ("second", "error", "message"),
    [
        (Rows({"numeric": np.zeros((2, 2), "f4")}), SchemaMismatch, "'target' should be .* Received: nothing"),
        (Rows({"numeric": np.zeros((2, 3), "f4")}, np.zeros(2, "i4")), SchemaMismatch, "'features/numeric' should be"),
        (Rows({"numeric": np.zeros((2, 2), "f4")}, np.zeros(3, "i4")), SchemaMismatch, "same number of rows"),
        (Rows({"numeric": np.zeros((2, 2), "O")}, np.zeros(2, "i4")), InvalidArgument, "Only a key may hold strings"),
    ],
)
def test_chunks_that_do_not_fit(tmp_path, second, error, message):
    first = Rows({"numeric": np.zeros((2, 2), "f4")}, np.zeros(2, "i4"))
    with pytest.raises(error, match=message):
        write(tmp_path, {"train": SplitPlan(lambda skip: iter([first, second]))}, fingerprint={}, verbose=0)


def test_no_rows_at_all(tmp_path):
    with pytest.raises(EmptySource, match="at least one row"):
        write(tmp_path, {"train": SplitPlan(lambda skip: iter(()))}, fingerprint={}, verbose=0)


def test_a_bad_split_name(small, tmp_path):
    with pytest.raises(InvalidArgument, match="A split is named by"):
        write(tmp_path, {"../up": small.plan(3)}, fingerprint={}, verbose=0)
