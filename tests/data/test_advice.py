"""Errors of reading: what each says to do, done, works."""

import pathlib

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import blocks.data
from blocks.errors import BlocksError, InvalidArgument, MalformedData, SchemaMismatch

ROWS = {"id": [1, 2, 3], "x": [0.5, None, 1.5]}


class Own:
    """An object with schema and chunks(rows), as a message calls it."""

    schema = pa.table(ROWS).schema

    def chunks(self, rows: int):
        yield from pa.table(ROWS).to_batches(max_chunksize=rows)


def stream() -> pa.RecordBatchReader:
    table = pa.table(ROWS)
    return pa.RecordBatchReader.from_batches(table.schema, table.to_batches())


def file(folder: pathlib.Path, name: str, table: pa.Table | None = None) -> str:
    pq.write_table(pa.table(ROWS) if table is None else table, folder / name)
    return str(folder / name)


def passes(source: blocks.data.Source) -> bool:
    """Whether rows come twice, and a fingerprint."""
    return (
        source.to_table().equals(source.to_table())
        and source.fingerprint() == source.fingerprint()
        and source.count() > 0
    )


def test_a_stream_that_is_used_up(tmp_path) -> None:
    source = blocks.data.read(stream())
    source.to_table()
    with pytest.raises(InvalidArgument, match=r"a file, a table \(reader.read_all\(\).*, an object with schema"):
        source.to_table()
    for advised in (file(tmp_path, "a.parquet"), stream().read_all(), Own()):
        assert passes(blocks.data.read(advised))


def test_rows_instead_of_columns() -> None:
    rows = [{"id": 1}, {"id": 2}]
    with pytest.raises(InvalidArgument, match=r"Use pyarrow.Table.from_pylist\(rows\)"):
        blocks.data.read(rows)
    assert passes(blocks.data.read(pa.Table.from_pylist(rows)))


def test_a_format_that_nothing_tells(tmp_path) -> None:
    (tmp_path / "rows.data").write_text("id,x\n1,2\n")
    with pytest.raises(InvalidArgument, match=r'Say it: read\(path, format="csv"\)'):
        blocks.data.read(tmp_path / "rows.data")
    assert passes(blocks.data.read(tmp_path / "rows.data", format="csv"))


def test_two_formats_in_a_folder(tmp_path) -> None:
    file(tmp_path, "a.parquet")
    (tmp_path / "b.csv").write_text("id,x\n1,2\n")
    with pytest.raises(InvalidArgument, match=r"Name a glob"):
        blocks.data.read(tmp_path)
    assert passes(blocks.data.read(tmp_path / "*.parquet"))


def test_files_of_two_types_or_without_a_column_in_common(tmp_path) -> None:
    one, other = file(tmp_path, "a.parquet"), file(tmp_path, "b.parquet", pa.table({"id": ["text"]}))
    with pytest.raises(SchemaMismatch, match=r"Convert the files, or read them apart"):
        blocks.data.read(tmp_path)
    assert passes(blocks.data.read(one))
    assert passes(blocks.data.read(other))
    file(tmp_path, "a.parquet", pa.table({"id": pa.array(ROWS["id"]).cast(pa.string())}))
    assert passes(blocks.data.read(tmp_path))
    file(tmp_path, "a.parquet", pa.table({"z": [1]}))
    with pytest.raises(SchemaMismatch, match=r"Read them apart"):
        blocks.data.read(tmp_path)
    assert passes(blocks.data.read(one))


def test_columns_and_splits() -> None:
    source = blocks.data.read(ROWS)
    with pytest.raises(InvalidArgument, match=r"Use select\(\['x'\]\)"):
        source.select("x")
    assert source.select(["x"]).schema.names == ["x"]
    with pytest.raises(SchemaMismatch, match=r"Did you mean 'id'"):
        source.select(["idd"])
    with pytest.raises(InvalidArgument, match=r"Add a part, say rest=0\.3"):
        source.split(train=0.7)
    assert set(source.split(train=0.7, rest=0.3)) == {"train", "rest"}
    with pytest.raises(InvalidArgument, match=r"Compare it with something"):
        source.filter(pc.field("x"))
    assert source.filter(pc.field("x") > 1).count() == 1
    with pytest.raises(SchemaMismatch, match=r"cast first \(pc.field\('x'\).cast\('string'\)\)"):
        source.filter(pc.match_substring(pc.field("id"), "1"))
    assert source.filter(pc.match_substring(pc.field("id").cast("string"), "1")).count() == 1


def test_arrays_of_the_wrong_shape() -> None:
    with pytest.raises(InvalidArgument, match=r"Give one value or as many a row"):
        blocks.data.read({"x": np.zeros((3, 0))})
    assert passes(blocks.data.read({"x": np.zeros((3, 2))}))
    assert passes(blocks.data.read({"x0": np.zeros(3), "x1": np.zeros(3)}))
    assert passes(blocks.data.read({"x": pa.array(np.zeros((3, 2)).tolist())}))


def test_a_file_that_changed(tmp_path) -> None:
    path = file(tmp_path, "a.parquet")
    source = blocks.data.read(path)
    file(tmp_path, "a.parquet", pa.table({**ROWS, "more": [1, 2, 3]}))
    with pytest.raises(MalformedData, match=r"Call blocks.read again"):
        source.to_table()
    assert passes(blocks.data.read(path))


def test_every_error_is_ours() -> None:
    for wrong in (5, None, b"path", object(), [], {}, [1, 2], {"x": 3}, {"x": "text"}, {1: [2]}, "no/such/file.csv"):
        with pytest.raises(BlocksError):
            blocks.data.read(wrong)
