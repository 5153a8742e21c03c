"""No room, no right to write: every artefact gets our error, what was there stays, and the fix it names works.

A small tmpfs that is full, or read-only, where this process may mount one; a limit to the size of files anywhere.
"""

import errno
import importlib.util
import os
import resource
import subprocess
from pathlib import Path

import numpy as np
import pytest

import blocks
from blocks import Resume
from blocks.errors import BlocksError

SCRIPT = Path(__file__).with_name("artefact_to_kill.py")


@pytest.fixture(scope="module")
def artefact():
    spec = importlib.util.spec_from_file_location("artefact_to_kill", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Limit:
    """Files of at most 1,000 bytes."""

    codes = (errno.EFBIG, errno.EIO)

    def __init__(self, folder):
        self.folder = folder
        self.soft, self.hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def close(self):
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, self.hard))

    def open(self):
        resource.setrlimit(resource.RLIMIT_FSIZE, (self.soft, self.hard))


class FullDisk:
    """A file system of 4 MB that something else fills."""

    codes = (errno.ENOSPC,)

    def __init__(self, folder):
        self.folder, self.filler = folder, folder / "filler"
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)], capture_output=True)
        if done.returncode:
            pytest.skip("this process may not mount a tmpfs")

    def close(self):
        with self.filler.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(1024))
            except OSError as error:
                assert error.errno == errno.ENOSPC  # noqa: PT017

    def open(self):
        self.filler.unlink(missing_ok=True)

    def unmount(self):
        subprocess.run(["umount", "--lazy", str(self.folder)], check=True)


class ReadOnly(FullDisk):
    """The same, read-only."""

    codes = (errno.EROFS,)

    def close(self):
        subprocess.run(["mount", "-o", "remount,ro", str(self.folder)], check=True)

    def open(self):
        subprocess.run(["mount", "-o", "remount,rw", str(self.folder)], check=True)


@pytest.fixture(params=[Limit, FullDisk, ReadOnly])
def disk(request, tmp_path):
    (tmp_path / "disk").mkdir()
    made = request.param(tmp_path / "disk")
    yield made
    made.open()
    if isinstance(made, FullDisk):
        made.unmount()


@pytest.fixture(scope="module")
def model(artefact):
    return artefact.new_model(0)


def writers(model, rows, folder, bad):
    """What each artefact is written by, and where."""
    train = {"train": rows}
    made = {
        "model.keras": lambda path: model.save(path),
        "export": lambda path: model.export(path),
        "table.parquet": lambda path: model.predict_table(rows, path, keys=["x"], overwrite=True, verbose=False),
        "table.db": lambda path: model.predict_table(rows, path, keys=["x"], overwrite=True, verbose=False),
        "run": lambda path: model.fit(rows, epochs=1, verbose=0, callbacks=[Resume(path)]),
        "rejects.parquet": lambda path: list(blocks.read(bad, on_bad_rows="keep", rejects=str(path)).chunks(1000)),
    }
    for name, kind in {"rows.parquet": "f8", "rows.jsonl": "f8", "rows.tfrecord": "f4", "rows.npz": "f4"}.items():
        columns = {"x": rows["x"].astype(kind)}
        made[name] = lambda path, columns=columns: blocks.read(columns).write(path, overwrite=True)
    for name, options in {
        "plain": {},
        "gzip": {"compression": "gzip"},
        "lzf": {"compression": "lzf"},
        "chunk": {"format": "tfrecord"},
        "example": {"format": "tfrecord", "layout": "example"},
    }.items():
        made[f"store-{name}"] = lambda path, options=options: model.precompute(
            train, path, keys=["x"], verbose=False, **options
        )
    return {folder / name: write for name, write in made.items()}


def digest(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "filler")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_no_room_and_no_right_to_write(disk, model, artefact, tmp_path):
    rows = artefact.rows()
    rows["x"] = rows["x"] + np.random.default_rng(0).normal(size=len(rows["x"]))
    bad = tmp_path / "bad.csv"
    bad.write_text("a,b\n" + "".join(f"{i},{os.urandom(9).hex()},{i}\n" if i % 2 else f"{i},1\n" for i in range(400)))
    made = artefact.summary(200)
    every = writers(model, rows, disk.folder, bad) | {disk.folder / "summary.bin": made.save}
    old = {disk.folder / name for name in ("model.keras", "rejects.parquet", "summary.bin")}
    for path in old:
        every[path](path)
    before = digest(disk.folder)
    for path, write in every.items():
        disk.close()
        try:
            with pytest.raises(BlocksError) as caught:
                write(path)
        finally:
            disk.open()
        # TensorFlow tells of a size limit by no number, SQLite by that of any input and output
        number = caught.value.errno if isinstance(caught.value, OSError) else None
        said = "cannot be written", "disk I/O error"
        assert number in disk.codes or any(one in str(caught.value) for one in said), (path.name, caught.value)
        after = digest(disk.folder)
        assert {name: after[name] for name in before} == before, path.name
        if path.suffix in (".keras", ".bin") or path.name in ("export", "rejects.parquet") or path.stem == "rows":
            assert after.keys() == before.keys(), path.name
        write(path)
        before = digest(disk.folder)
