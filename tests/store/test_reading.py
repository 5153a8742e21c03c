"""What others read from a store, and that damage anywhere is found and never read as rows."""

import errno
import gc
import json
import os
import random
import subprocess
import sys

import numpy as np
import pytest

from blocks.errors import CorruptShard, StoreError, StoreMismatch
from blocks.store import Rows, SplitPlan, check, open_store, write

FLIPS = int(os.environ.get("BLOCKS_FLIPS", "20"))


def test_plain_h5py_reads_it(small, tmp_path):
    store = small.make(tmp_path / "s")
    code = """
import sys, h5py, numpy as np
assert not any(name.split(".")[0] in ("blocks", "tensorflow", "keras") for name in sys.modules)
with h5py.File(sys.argv[1]) as file:
    numeric = file["features/numeric"]
    assert numeric.shape == (300, 3) and numeric.dtype == np.float32, numeric
    assert [name.decode() for name in numeric.attrs["columns"]] == ["a", "b", "c"]
    for name, column in (("features/categorical", "d"), ("target", "number"), ("keys/na%2Eme%2Fx", "na.me/x")):
        assert file[name].attrs["columns"].tolist() == [column.encode()], name
    i = np.arange(300, 600)
    assert np.array_equal(numeric[:, 2], -i) and np.array_equal(file["target"][:], i)
    assert np.array_equal(file["weight"][:], (i / 3).astype("f4")) and np.array_equal(file["keys/id"][:], i)
    assert file["keys"]["na%2Eme%2Fx"][0] == b"r300"
"""
    subprocess.run([sys.executable, "-c", code, str(store.path / "train-00001.h5")], check=True)


def test_column_names_beyond_an_attribute(small, tmp_path):
    import h5py

    from blocks.store import Rows, SplitPlan, write

    names = [f"column number {i} of a very wide table" for i in range(3000)]
    plan = SplitPlan(lambda skip: iter([Rows({"numeric": np.ones((4 - skip, 3000), "f4")})]))
    write(tmp_path, {"train": plan}, fingerprint={}, columns={"features/numeric": names}, verbose=0)
    with h5py.File(tmp_path / "train-00000.h5") as file:
        where = file["features/numeric"].attrs["columns"]
        assert [name.decode() for name in file[where.decode()][:]] == names


def test_reading_imports_no_framework(small, stored, kind):
    if kind.get("layout") == "example":
        pytest.skip("example records are parsed by TensorFlow")
    code = """
import sys
from blocks.store import open_store
split = open_store(sys.argv[1])["train"]
assert sum(len(batch[1]) for batch in split.stream(64)) == 1000
assert open_store(sys.argv[1]).check() == []
loaded = {name.split(".")[0] for name in sys.modules} & {"tensorflow", "keras", "pyarrow", "jax", "torch"}
assert not loaded, loaded
"""
    subprocess.run([sys.executable, "-c", code, str(stored.path)], check=True)


def test_example_records_parse(small, tmp_path):
    import tensorflow as tf

    store = small.make(tmp_path / "s", "tfrecord", layout="example")
    spec = {
        "features/numeric": tf.io.FixedLenFeature([3], tf.float32),
        "features/categorical": tf.io.FixedLenFeature([1], tf.int64),
        "target": tf.io.FixedLenFeature([], tf.int64),
        "weight": tf.io.FixedLenFeature([], tf.float32),
        "keys/id": tf.io.FixedLenFeature([], tf.int64),
        "keys/na.me/x": tf.io.FixedLenFeature([], tf.string),
    }
    files = sorted(map(str, store.path.glob("train-*.tfrecord")))
    parsed = tf.io.parse_example(list(tf.data.TFRecordDataset(files).as_numpy_iterator()), spec)
    expected = small.rows_between(0, 1000).flat()
    for name, array in expected.items():
        np.testing.assert_array_equal(parsed[name].numpy().astype(array.dtype), array)


def test_chunk_records_are_framed_and_headed_as_documented(small, tmp_path):
    import tensorflow as tf

    from blocks.store.formats.tfrecord import read_payload

    store = small.make(tmp_path / "s", "tfrecord")
    records = list(tf.data.TFRecordDataset(str(store.path / "train-00001.tfrecord")).as_numpy_iterator())
    assert len(records) == 8
    chunks = [read_payload(record) for record in records]
    for name, array in small.rows_between(300, 600).flat().items():
        np.testing.assert_array_equal(np.concatenate([chunk[name] for chunk in chunks]), array)


@pytest.mark.parametrize("dtype", ["?", "i1", "u1", "i2", "i8", "u8", "f2", "f4", "f8"])
def test_every_dtype_and_rank(tmp_path, kind, dtype):
    from blocks.store import Rows, SplitPlan, write

    raw = np.random.default_rng(0).integers(0, 256, 50 * 2 * 3 * 8, dtype="u1")
    values = raw.view(dtype)[: 50 * 6].reshape(50, 2, 3) if dtype != "?" else (raw[:300] > 99).reshape(50, 2, 3)
    if np.dtype(dtype).kind == "f":
        values = np.nan_to_num(values)
    target = {"price": values[:, 0, 0].copy(), "size": values[:, 0, 1].copy()}
    plan = SplitPlan(lambda skip: iter([Rows({"x": values[skip:]}, {n: t[skip:] for n, t in target.items()})]))
    split = write(tmp_path, {"train": plan}, fingerprint={}, rows_per_chunk=16, verbose=0, **kind)["train"]
    rows = split.read()
    np.testing.assert_array_equal(rows.features["x"], values)
    assert rows.features["x"].dtype == values.dtype
    features, targets = next(iter(split.stream(50, shuffle=False)))
    np.testing.assert_array_equal(targets["size"], target["size"])
    np.testing.assert_array_equal(features["x"], values)


def flip(path, rng) -> int:
    """Flip one bit of a file, chosen evenly; return its byte."""
    size = path.stat().st_size
    bit = rng.randrange(8 * size)
    with path.open("r+b") as file:
        file.seek(bit // 8)
        value = file.read(1)[0]
        file.seek(bit // 8)
        file.write(bytes([value ^ (1 << bit % 8)]))
    return bit


@pytest.mark.proof
def test_every_flipped_bit_is_found_and_none_is_read(small, kind, tmp_path):
    store = small.make(tmp_path / "s", **kind)
    files = sorted(store.path.iterdir())
    expected = {name: small.rows_between(0, count).flat() for name, count in store.rows.items()}
    rng = random.Random(json.dumps(kind))
    for _ in range(FLIPS):
        path = rng.choices(files, [file.stat().st_size for file in files])[0]
        before = path.read_bytes()
        flip(path, rng)
        problems = check(store.path)
        assert problems, path
        assert all(problem.startswith(path.name) for problem in problems)
        try:
            opened = open_store(store.path)
            for name in opened.splits:
                found = opened[name].read().flat()
                assert all(np.array_equal(found[entry], array) for entry, array in expected[name].items())
                targets = np.concatenate([batch[1] for batch in opened[name].stream(64, window=2)])
                assert np.array_equal(np.sort(targets), expected[name]["target"])
        except StoreError as error:
            assert path.name in str(error)  # noqa: PT017  # wrong rows without an error are what must not be
        path.write_bytes(before)
    assert check(store.path) == []


def test_a_missing_file_is_told_at_opening(small, tmp_path):
    store = small.make(tmp_path / "s")
    (store.path / "train-00002.h5").unlink()
    with pytest.raises(CorruptShard, match=r"train-00002.h5: cannot be found"):
        open_store(store.path)


def test_a_file_is_no_store(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StoreMismatch, match="a store is a folder, this is a file"):
        open_store(tmp_path / "file")


@pytest.mark.parametrize("compression", [None, "gzip"])
def test_an_entry_without_columns(tmp_path, compression):
    def chunks(skip):
        yield Rows({"none": np.zeros((10 - skip, 0), "f4"), "numeric": np.arange(skip, 10, dtype="f4")[:, None]})

    plan = {"train": SplitPlan(chunks)}
    store = write(tmp_path / "s", plan, fingerprint={}, rows_per_chunk=3, compression=compression, verbose=0)
    assert store.check() == []
    assert store["train"].read().features["none"].shape == (10, 0)


def test_splits_share_a_bounded_number_of_open_files(small, tmp_path, monkeypatch):
    monkeypatch.setattr("blocks.store.reading.chunk_reader._OPEN_FILES", 5)
    store = small.make(tmp_path / "s", count=1000, rows_per_shard=80)
    before = len(os.listdir("/proc/self/fd"))
    kept = [store["train"].shard(i, 2) for i in range(2)] + [store["train"], store["valid"]]
    rows = [len(part.read(["target"]).target) for part in kept]
    assert rows == [520, 480, 1000, 25]
    assert len(os.listdir("/proc/self/fd")) <= before + 5
    del store, kept
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) <= before


def test_too_many_open_files_is_no_damage(small, tmp_path, monkeypatch):
    store = small.make(tmp_path / "s", count=1000, rows_per_shard=80)
    expected = store["train"].read(["target"]).target
    real, allowed = os.open, [3]

    def few(path, *arguments, **named):
        if "train-" in str(path):
            allowed[0] -= 1
            if allowed[0] < 0:
                allowed[0] = refused[0]
                raise OSError(errno.EMFILE, "Too many open files")
        return real(path, *arguments, **named)

    again = open_store(store.path)
    monkeypatch.setattr(os, "open", few)
    refused = [3]
    np.testing.assert_array_equal(again["train"].read(["target"]).target, expected)
    refused = [-1]
    with pytest.raises(StoreError, match=r"Too many open files.*limit of open files") as caught:
        open_store(store.path)["train"].read()
    assert not isinstance(caught.value, CorruptShard)
