"""HDF5: groups of datasets and compound datasets as columns; what leaves the file or runs code is refused."""

import h5py
import numpy as np
import pyarrow as pa
import pytest

import blocks
from blocks.errors import InvalidArgument, MalformedData, SchemaMismatch

ROWS = 1_000


def make(path, **options):
    random = np.random.default_rng(0)
    values = {
        "a": random.normal(size=ROWS).astype(np.float32),
        "b": random.integers(-9, 9, ROWS).astype(">i4"),
        "ok": random.random(ROWS) > 0.5,
        "half": random.normal(size=ROWS).astype(np.float16),
        "window": random.normal(size=(ROWS, 4)),
        "image": random.integers(0, 255, (ROWS, 2, 3)).astype(np.uint8),
        "fixed": np.array([f"t{n % 7}".encode() for n in range(ROWS)]),
    }
    with h5py.File(path, "w") as file:
        group = file.create_group("features")
        for name, array in values.items():
            group.create_dataset(name, data=array, **options)
        group.create_dataset("text", data=[f"é{n}" for n in range(ROWS)], dtype=h5py.string_dtype())
        kinds = h5py.enum_dtype({"red": 1, "blue": 7})
        group.create_dataset("kind", data=np.where(values["ok"], 1, 7), dtype=kinds)
        listed = group.create_dataset("listed", (ROWS,), dtype=h5py.vlen_dtype(np.int16))
        for n in range(ROWS):
            listed[n] = np.arange(n % 4)
    return values


@pytest.mark.parametrize(
    "options", [{}, {"chunks": True}, {"chunks": True, "compression": "gzip", "shuffle": True}], ids=str
)
def test_a_groups_datasets_are_columns(tmp_path, options):
    values = make(tmp_path / "x.h5", **options)
    for source in (blocks.read(tmp_path / "x.h5"), blocks.read(tmp_path / "x.h5", group="/features")):
        assert source.count() == ROWS
        for size in (1, 333, 65_536) if source.schema.names else ():
            table = pa.Table.from_batches(list(source.chunks(size)))
            for name in ("a", "b", "ok", "half"):
                assert np.array_equal(table[name].to_numpy(), values[name])
            assert table["window"].to_pylist() == values["window"].tolist()
            assert table["image"].to_pylist() == values["image"].tolist()
            assert table["fixed"].to_pylist() == [text.decode() for text in values["fixed"]]
            assert table["text"].to_pylist() == [f"é{n}" for n in range(ROWS)]
            assert table["kind"].to_pylist() == ["red" if ok else "blue" for ok in values["ok"]]
            assert table["listed"].to_pylist() == [list(range(n % 4)) for n in range(ROWS)]
    assert source.schema.field("window").type == pa.list_(pa.float64(), 4)
    assert source.select(["kind"]).to_table()["kind"].to_pylist() == table["kind"].to_pylist()


def test_a_compound_dataset_is_a_table_and_files_are_read_together(tmp_path):
    kind = np.dtype([("id", "<i8"), ("x", ">f4"), ("name", "S3"), ("pair", "<f8", (2,))])
    rows = np.zeros(ROWS, kind)
    rows["id"], rows["x"], rows["name"], rows["pair"] = range(ROWS), 0.5, b"abc", [1, 2]
    for at in range(2):
        with h5py.File(tmp_path / f"part-{at}.h5", "w") as file:
            file["table"] = rows[at * 500 : at * 500 + 500]
    source = blocks.read(str(tmp_path / "part-*.h5"))
    assert source.count() == ROWS
    table = source.to_table()
    assert table["id"].to_pylist() == list(range(ROWS))
    assert table.slice(7, 1).to_pylist() == [{"id": 7, "x": 0.5, "name": "abc", "pair": [1.0, 2.0]}]


def test_which_group_is_asked_for_where_there_are_several(tmp_path):
    make(tmp_path / "x.h5")
    with h5py.File(tmp_path / "x.h5", "a") as file:
        file["other/y"] = np.arange(3)
        file["other/z"] = np.arange(4)
        file["scalar"] = 7
        file["alias"] = h5py.SoftLink("/features")
    with pytest.raises(InvalidArgument, match=r"/features, /other\. Say which: group='/features'"):
        blocks.read(tmp_path / "x.h5")
    assert blocks.read(tmp_path / "x.h5", group="alias").count() == ROWS
    with pytest.raises(InvalidArgument, match=r"y \(3\), z \(4\)"):
        blocks.read(tmp_path / "x.h5", group="other")
    with pytest.raises(InvalidArgument, match=r"has no group 'nobody'. Those that hold rows: /features, /other"):
        blocks.read(tmp_path / "x.h5", group="nobody")
    with pytest.raises(InvalidArgument, match=r"Name the group that it lies in: group='/features'"):
        blocks.read(tmp_path / "x.h5", group="features/a")
    with pytest.raises(InvalidArgument, match="no option 'table'"):
        blocks.read(tmp_path / "x.h5", table="features")


def test_what_leaves_the_file_or_runs_code_is_refused(tmp_path):
    make(tmp_path / "other.h5")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["g/link"] = h5py.ExternalLink("other.h5", "/features/a")
        layout = h5py.VirtualLayout((ROWS,), np.float32)
        layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "/features/a", (ROWS,))
        file.create_group("v").create_virtual_dataset("a", layout)
        file.create_group("e").create_dataset("a", (8,), "u1", external=[(str(tmp_path / "other.h5"), 0, 8)])
        file["r/a"] = np.array([file["e"].ref] * 3, h5py.ref_dtype)
        file["p/table/a"] = np.arange(3)
        file["p"].attrs["pandas_type"] = "frame"
        file["c/a"] = np.zeros(3, np.complex64)
        file["loop/self"] = h5py.SoftLink("/loop/self")
        file["loop/x"] = np.arange(3)
    for group, error, text in (
        ("g", MalformedData, "A link stays in its file"),
        ("g/link", MalformedData, "A link stays in its file"),
        ("v", MalformedData, "values lie in others"),
        ("e", MalformedData, "values lie in others"),
        ("r", SchemaMismatch, "references to objects"),
        ("p", MalformedData, "nothing is unpickled"),
        ("c", SchemaMismatch, "complex64"),
    ):
        with pytest.raises(error, match=text):
            blocks.read(tmp_path / "x.h5", group=group)
    assert blocks.read(tmp_path / "x.h5", group="loop").schema.names == ["x"]


@pytest.mark.parametrize("chunks", [None, (1 << 20,)])
def test_a_dataset_that_was_never_written_is_not_read_for_ever(tmp_path, chunks):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("g/a", (1 << 50,), "f8", chunks=chunks)
        file.create_dataset("few/a", (1 << 20,), "f8", chunks=chunks, fillvalue=7)
    with pytest.raises(MalformedData, match=r"'/g/a' of .* says sizes that no such file has"):
        blocks.read(tmp_path / "x.h5", group="g")
    assert blocks.read(tmp_path / "x.h5", group="few").to_table()["a"].to_numpy().min() == 7


def test_damaged_files_are_errors_by_name(tmp_path, damaged):
    make(tmp_path / "x.h5", chunks=True, compression="gzip", fletcher32=True)
    assert damaged(tmp_path / "x.h5") > 15
