"""NumPy's files: arrays as columns, piece by piece; nothing is unpickled, and headers that lie allocate nothing."""

import io
import tracemalloc
import zipfile

import numpy as np
import pyarrow as pa
import pytest

import blocks
from blocks.errors import MalformedData, SchemaMismatch

ROWS = 1_000


def arrays():
    random = np.random.default_rng(0)
    return {
        "x": random.normal(size=ROWS),
        "big": random.integers(0, 9, ROWS).astype(">i2"),
        "ok": random.random(ROWS) > 0.5,
        "at": np.datetime64("2024-01-01", "us") + np.arange(ROWS),
        "name": np.array([f"é{n % 5}" for n in range(ROWS)]),
        "raw": np.array([b"ab"] * ROWS),
        "window": random.normal(size=(ROWS, 3, 2)).astype(np.float32),
    }


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_of_a_file_are_columns(tmp_path, save):
    values = arrays()
    save(tmp_path / "x.npz", **values)
    source = blocks.read(tmp_path / "x.npz")
    assert source.count() == ROWS
    assert source.schema.names == list(values)
    for size in (7, 65_536):
        table = pa.Table.from_batches(list(source.chunks(size)))
        for name in ("x", "big", "ok", "at"):
            assert np.array_equal(table[name].to_numpy(), values[name])
        assert table["name"].to_pylist() == values["name"].tolist()
        assert table["raw"].to_pylist() == ["ab"] * ROWS
        assert table["window"].to_pylist() == values["window"].tolist()
    assert source.select(["ok", "x"]).head(3).schema.names == ["ok", "x"]


def test_one_array_and_named_fields(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(5))
    assert blocks.read(tmp_path / "a.npy").to_table().to_pydict() == {"array": [0, 1, 2, 3, 4]}
    rows = np.zeros(4, [("id", "i4"), ("xy", "f4", (2,))])
    np.save(tmp_path / "b.npy", rows)
    assert blocks.read(tmp_path / "b.npy").schema == pa.schema([("id", pa.int32()), ("xy", pa.list_(pa.float32(), 2))])
    np.save(tmp_path / "none.npy", np.zeros((0, 2)))
    assert blocks.read(tmp_path / "none.npy").count() == 0


def test_what_is_no_table_is_refused(tmp_path):
    np.save(tmp_path / "o.npy", np.array([{}, 1], object), allow_pickle=True)
    np.save(tmp_path / "s.npy", np.float64(3))
    np.save(tmp_path / "f.npy", np.asfortranarray(np.zeros((3, 2))))
    np.save(tmp_path / "c.npy", np.zeros(3, complex))
    for name, text in (("o", "Nothing is unpickled"), ("s", "rows after rows"), ("f", "Fortran"), ("c", "complex128")):
        with pytest.raises(SchemaMismatch, match=text):
            blocks.read(tmp_path / f"{name}.npy")
    np.savez(tmp_path / "x.npz", a=np.arange(3), b=np.arange(4))
    with pytest.raises(MalformedData, match=r"a \(3\), b \(4\)"):
        blocks.read(tmp_path / "x.npz")


def test_a_header_that_lies_takes_no_memory(tmp_path):
    raw = io.BytesIO()
    np.lib.format.write_array_header_1_0(raw, {"descr": "<f8", "fortran_order": False, "shape": (10**12,)})
    (tmp_path / "x.npy").write_bytes(raw.getvalue() + b"\0" * 800)
    tracemalloc.start()
    with pytest.raises(MalformedData, match="ends before its last row"):
        for _ in blocks.read(tmp_path / "x.npy").chunks(10**8):
            pass
    assert tracemalloc.get_traced_memory()[1] < 1 << 25
    tracemalloc.stop()


def test_damaged_files_are_errors_by_name(tmp_path, damaged):
    np.savez_compressed(tmp_path / "x.npz", **arrays())
    assert damaged(tmp_path / "x.npz", from_byte=4) > 40
    with zipfile.ZipFile(tmp_path / "empty.npz", "w"):
        pass
    with pytest.raises(MalformedData, match=r"empty\.npz cannot be read|no array"):
        blocks.read(tmp_path / "empty.npz")
