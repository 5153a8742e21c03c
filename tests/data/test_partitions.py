"""Columns in folders' names: the same rows through a folder, a glob, a list and one partition, as in pyarrow."""

import datetime
import pathlib

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.orc as paorc
import pyarrow.parquet as pq
import pytest

import blocks
import blocks.data
from blocks import classifiers, feature_extractors, preprocessors
from blocks.errors import SchemaMismatch

ROWS = 60


def rows() -> pa.Table:
    random = np.random.default_rng(0)
    return pa.table(
        {
            "x": random.normal(size=ROWS).round(6),
            "year": pa.array(([2020, 2021, None] * ROWS)[:ROWS], pa.int64()),
            "city": (["Oslo", "New York/é=1"] * ROWS)[:ROWS],
            "y": (["a", "b", "b"] * ROWS)[:ROWS],
        }
    )


@pytest.fixture(params=["parquet", "feather", "csv", "jsonl"])
def folder(request, tmp_path) -> str:
    root = tmp_path / "t"
    if request.param == "jsonl":
        ds.write_dataset(rows(), root, format="csv", partitioning=["year", "city"], partitioning_flavor="hive")
        for path in root.rglob("*.csv"):
            lines = [f'{{"x": {line.split(",")[0]}, "y": "{line[-2]}"}}' for line in path.read_text().splitlines()[1:]]
            path.with_suffix(".jsonl").write_text("\n".join(lines))
            path.unlink()
    else:
        ds.write_dataset(rows(), root, format=request.param, partitioning=["year", "city"], partitioning_flavor="hive")
    return str(root)


def sorted_rows(table: pa.Table) -> list:
    return table.select(["x", "year", "city", "y"]).sort_by("x").to_pylist()


def test_every_way_to_name_the_files_gives_the_same(folder, monkeypatch) -> None:
    files = sorted(str(path) for path in pathlib.Path(folder).rglob("part*"))
    monkeypatch.chdir(folder)
    ways = [folder, f"{folder}/*/*/*", f"{folder}/year=*", f"{folder}/**/part*", files, files[::-1], ".", "*/*/*"]
    for way in ways:
        source = blocks.data.read(way)
        assert source.schema.names == ["x", "y", "year", "city"]
        assert source.schema.field("year").type == pa.int64()
        assert sorted_rows(source.to_table()) == rows().sort_by("x").to_pylist()
        assert source.count() == ROWS
        assert source.select(["city"]).to_table()["city"].to_pylist() == source.to_table()["city"].to_pylist()
        assert source.filter(pc.field("year") == 2021).count() == ROWS // 3
        parts = source.split(a=0.5, b=0.5, key=["year", "city"])
        assert sum(part.count() for part in parts.values()) == ROWS


def test_one_partition_has_the_columns_and_types_of_the_whole(folder, monkeypatch) -> None:
    expected = [row for row in rows().sort_by("x").to_pylist() if row["year"] == 2020]
    monkeypatch.chdir(f"{folder}/year=2020/city=Oslo")
    for way in (f"{folder}/year=2020", f"{folder}/year=2020/*", f"{folder}/year=2020/*/*"):
        assert sorted_rows(blocks.data.read(way).to_table()) == expected
    of_oslo = [row for row in expected if row["city"] == "Oslo"]
    file = next(pathlib.Path(folder, "year=2020", "city=Oslo").iterdir())
    for way in (file, file.parent, ".", file.name, f"./{file.name}"):
        assert sorted_rows(blocks.data.read(way).to_table()) == of_oslo


def test_the_oracle_agrees(tmp_path) -> None:
    ds.write_dataset(rows(), tmp_path, format="parquet", partitioning=["year"], partitioning_flavor="hive")
    oracle = ds.dataset(tmp_path, partitioning="hive").to_table()
    found = blocks.data.read(tmp_path).to_table()
    for name in oracle.column_names:
        assert found[name].to_pylist() == oracle[name].to_pylist()


def test_types_of_folders_are_those_of_all_neighbours(tmp_path) -> None:
    kinds = {
        "n": (["-3", "0", "12"], pa.int64(), [-3, 0, 12]),
        "zip": (["00501", "10115"], pa.string(), ["00501", "10115"]),
        "day": (["2020-02-29", "2021-01-01"], pa.date32(), [datetime.date(2020, 2, 29), datetime.date(2021, 1, 1)]),
        "no_day": (["2020-02-30"], pa.string(), ["2020-02-30"]),
        "big": (["9223372036854775808"], pa.string(), ["9223372036854775808"]),
        "mixed": (["1", "a=b"], pa.string(), ["1", "a=b"]),
    }
    for name, (values, kind, expected) in kinds.items():
        root = tmp_path / name
        for value in values:
            (root / f"{name}={value}").mkdir(parents=True)
            pq.write_table(pa.table({"x": [1.5]}), root / f"{name}={value}" / "a.parquet")
        whole = blocks.data.read(root)
        assert whole.schema.field(name).type == kind
        assert whole.to_table()[name].to_pylist() == expected
        for value, want in zip(values, expected, strict=True):
            alone = blocks.data.read(root / f"{name}={value}" / "a.parquet")
            assert alone.schema == whole.schema
            assert alone.to_table()[name].to_pylist() == [want]


def test_columns_of_the_files_and_of_some_folders_alone(tmp_path) -> None:
    for name, table in (
        ("k=1/a", pa.table({"x": [1.0], "k": ["own"]})),
        ("k=2/b", pa.table({"x": [2.0], "k": ["own too"]})),
        ("plain/c", pa.table({"x": [3.0], "k": ["c"]})),
        ("of=7/d", pa.table({"x": [4.0], "k": ["d"]})),
    ):
        (tmp_path / name).parent.mkdir()
        pq.write_table(table, tmp_path / f"{name}.parquet")
    found = blocks.data.read(tmp_path).to_table().sort_by("x")
    assert found["k"].to_pylist() == ["own", "own too", "c", "d"]  # what the file holds, it knows better
    assert found["of"].to_pylist() == [None, None, None, 7]
    # a folder far above is none of the data's
    (tmp_path / "run=5" / "data").mkdir(parents=True)
    pq.write_table(pa.table({"x": [1.0]}), tmp_path / "run=5" / "data" / "a.parquet")
    assert blocks.data.read(tmp_path / "run=5" / "data" / "a.parquet").schema.names == ["x"]


def test_a_csv_keeps_its_options_over_partitions(tmp_path) -> None:
    for year, text in ((2020, "id;x\n1;1.5\n2;2.5;3\n"), (2021, "id;x\na;2.5\n")):
        (tmp_path / "t" / f"year={year}").mkdir(parents=True)
        (tmp_path / "t" / f"year={year}" / "a.csv").write_text(text)
    options = {"on_bad_rows": "keep", "rejects": tmp_path / "bad.parquet", "column_types": {"id": "string"}}
    source = blocks.data.read(tmp_path / "t", delimiter=";", **options)
    assert source.to_table().to_pylist() == [
        {"id": "1", "x": 1.5, "year": 2020},
        {"id": "a", "x": 2.5, "year": 2021},
    ]
    assert source.rejected == 1


def test_a_fingerprint_knows_the_folders(tmp_path) -> None:
    for name in ("k=1", "k=2"):
        (tmp_path / name).mkdir()
        paorc.write_table(pa.table({"x": [1.0]}), tmp_path / name / "a.orc")
    one, two = (blocks.data.read(tmp_path / name).fingerprint() for name in ("k=1", "k=2"))
    assert one["partitions"] == [{"k": "1"}]
    assert one["partitions"] != two["partitions"]


def road(source, tmp_path) -> None:
    splits = source.split(train=0.8, test=0.2)
    columns = preprocessors.Columns({"x": preprocessors.Standardize(), "year": preprocessors.Vocabulary()})
    model = blocks.Model(columns, feature_extractors.MLP([4]), classifiers.Softmax("y"), seed=0)
    model.adapt(splits["train"])
    store = model.precompute(splits, tmp_path / "store")
    assert store["train"].rows + store["test"].rows == ROWS
    assert not store.check()
    assert set(model.preprocessor.describe().split()) & {"Vocabulary"}


def test_the_whole_road_from_partitions_and_from_a_dataset(tmp_path) -> None:
    """The advice that a partitioned folder once ended in, and what replaced it."""
    ds.write_dataset(rows(), tmp_path / "t", format="parquet", partitioning=["year"], partitioning_flavor="hive")
    dataset = ds.dataset(tmp_path / "t", partitioning="hive")
    for name, data in (("folder", tmp_path / "t"), ("dataset", dataset)):
        (tmp_path / name).mkdir()
        road(blocks.data.read(data), tmp_path / name)


def test_a_dataset_is_read_again_and_again(tmp_path) -> None:
    ds.write_dataset(rows(), tmp_path / "t", format="parquet", partitioning=["year"], partitioning_flavor="hive")
    source = blocks.data.read(ds.dataset(tmp_path / "t", partitioning="hive"))
    assert source.count() == source.count() == ROWS
    assert source.to_table().equals(source.to_table())
    assert source.filter(pc.field("year") == 2020).select(["y"]).count() == ROWS // 3
    assert source.filter(pc.field("x") > 0).head(1).num_rows == 1
    assert source.fingerprint() == source.fingerprint()
    with pytest.raises(SchemaMismatch, match=r"no column 'yeer'. Did you mean 'year'"):
        source.select(["yeer"])
