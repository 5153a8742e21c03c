"""TFRecords of Examples: features inferred from the first records, checked while the rest is read."""

import gzip
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf

import blocks
from blocks.errors import BlocksError, MalformedData, SchemaMismatch


def example(**values):
    features = {}
    for name, value in values.items():
        value = value if isinstance(value, list) else [value]
        if isinstance((value or [0])[0], int):
            features[name] = tf.train.Feature(int64_list=tf.train.Int64List(value=value))
        elif isinstance(value[0], float):
            features[name] = tf.train.Feature(float_list=tf.train.FloatList(value=value))
        else:
            raw = [v.encode() if isinstance(v, str) else v for v in value]
            features[name] = tf.train.Feature(bytes_list=tf.train.BytesList(value=raw))
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


def write(path, records, options=None):
    with tf.io.TFRecordWriter(str(path), options) as writer:
        for record in records:
            writer.write(record)


def rows(count=500):
    for n in range(count):
        row = {
            "id": n,
            "x": n / 8,
            "name": f"é{n}",
            "raw": b"\xff\x00",
            "window": [float(n), 1.0],
            "tags": ["a"] * (n % 3),
        }
        if n % 5 == 0:
            del row["x"]
        yield row


@pytest.mark.parametrize("zipped", [False, True])
def test_examples_are_rows(tmp_path, zipped):
    path = tmp_path / "part.tfrecord"
    made = [{k: v for k, v in row.items() if v != []} for row in rows()]
    write(path, [example(**row) for row in made], "GZIP" if zipped else None)
    source = blocks.read(path)
    types = {"id": pa.int64(), "name": pa.string(), "raw": pa.binary(), "tags": pa.list_(pa.string())}
    types |= {"window": pa.list_(pa.float32(), 2), "x": pa.float32()}
    assert source.schema == pa.schema(types)
    for size in (7, 65_536):
        table = pa.Table.from_batches(list(source.chunks(size)))
        expected = [{**dict.fromkeys(types), "tags": [], **row} for row in made]
        assert table.to_pylist() == [{name: row[name] for name in types} for row in expected]
    assert source.select(["x", "id"]).head(2).to_pylist() == [{"x": None, "id": 0}, {"x": 0.125, "id": 1}]
    assert source.count() == 500


def test_files_are_read_together(tmp_path):
    write(tmp_path / "a.tfrecord", [example(x=1, y=2.0)])
    write(tmp_path / "b.tfrecord", [example(x=[1, 2], z="t")])
    table = blocks.read(str(tmp_path / "*.tfrecord")).to_table()
    assert table.to_pylist() == [{"x": [1], "y": 2.0, "z": None}, {"x": [1, 2], "y": None, "z": "t"}]


def test_what_differs_later_is_an_error_with_a_fix_that_works(tmp_path):
    base = [example(x=1, t="a")] * 50
    for last, text in ((example(x=[1, 2], t="a"), "2 values in record 51"), (example(x=1, t=b"\xff"), "no UTF-8")):
        write(tmp_path / "x.tfrecord", [*base, last])
        source = blocks.read(tmp_path / "x.tfrecord", infer_records=10)
        with pytest.raises(SchemaMismatch, match=text) as error:
            source.to_table()
        fix = int(str(error.value).rpartition("infer_records=")[2].rstrip("."))
        assert blocks.read(tmp_path / "x.tfrecord", infer_records=fix).count() == 51
    write(tmp_path / "x.tfrecord", [*base, example(x=1, new=2), *base])
    source = blocks.read(tmp_path / "x.tfrecord", infer_records=10)
    for size in (1, 50, 65_536):
        with pytest.raises(SchemaMismatch, match=r"'new' in record 51.*infer_records=102"):
            list(source._reader.chunks(size, ["x"]))
    assert blocks.read(tmp_path / "x.tfrecord", infer_records=102).to_table()["new"].drop_null().to_pylist() == [2]
    write(tmp_path / "x.tfrecord", [*base, example(x="text")])
    with pytest.raises(SchemaMismatch, match="'x' with int64_list and bytes_list"):
        blocks.read(tmp_path / "x.tfrecord")
    with pytest.raises(MalformedData, match="no Examples like those before"):
        blocks.read(tmp_path / "x.tfrecord", infer_records=10).to_table()


def test_what_is_no_example_is_refused(tmp_path):
    write(tmp_path / "x.tfrecord", [b"\xff" * 30])
    with pytest.raises(MalformedData, match=r"is no tf\.train\.Example|holds no"):
        blocks.read(tmp_path / "x.tfrecord")
    write(tmp_path / "x.tfrecord", [])
    with pytest.raises(MalformedData, match=r"holds no tf\.train\.Example"):
        blocks.read(tmp_path / "x.tfrecord")


def test_our_own_layout_of_examples_is_read_again(tmp_path):
    table = pa.table({"x": np.arange(20.0), "label": ["a", "b"] * 10})
    columns = blocks.preprocessors.Columns({"x": blocks.preprocessors.Standardize()})
    model = blocks.Model(columns, blocks.feature_extractors.MLP([2]), blocks.classifiers.Softmax("label"), seed=0)
    model.adapt(table)
    model.precompute({"train": table}, tmp_path / "store", format="tfrecord", layout="example")
    shard = next((tmp_path / "store").rglob("*.tfrecord"))
    found = blocks.read(shard).to_table()
    assert found.num_rows == 20
    assert set(found["target"].to_pylist()) == {0, 1}


def test_a_file_cut_off_within_the_length_of_a_record_is_refused(tmp_path):
    write(tmp_path / "x.tfrecord", [example(i=n) for n in range(9)])
    whole = (tmp_path / "x.tfrecord").read_bytes()
    for left in range(1, len(whole) // 9):
        (tmp_path / "cut.tfrecord").write_bytes(whole[: len(whole) // 9 * 8 + left])
        with pytest.raises(MalformedData, match=r"cut\.tfrecord cannot be read"):
            blocks.read(tmp_path / "cut.tfrecord").to_table()


def test_damaged_files_are_errors_by_name(tmp_path):
    write(tmp_path / "x.tfrecord", [example(**{k: v for k, v in row.items() if v != []}) for row in rows(200)])
    whole = (tmp_path / "x.tfrecord").read_bytes()
    random = np.random.default_rng(1)
    refused = 0
    for n in range(40):
        content = bytearray(whole[: random.integers(13, len(whole) - 1)] if n % 2 else whole)
        for _ in range(2):
            content[random.integers(0, len(content))] ^= 1 << random.integers(0, 8)
        path = tmp_path / f"{n}.tfrecord"
        path.write_bytes(gzip.compress(bytes(content)) if n % 4 == 0 else content)
        with pytest.raises(BlocksError, match=rf"/{n}\.tfrecord"):
            blocks.read(path).to_table()
        refused += 1
    assert refused == 40


@pytest.mark.skipif("BLOCKS_DATA" not in os.environ, reason="BLOCKS_DATA does not name the folder of real data")
def test_real_records():
    folder = Path(os.environ["BLOCKS_DATA"]) / "tfrecord_samples"
    found = [blocks.read(path, format="tfrecord").to_table() for path in sorted(folder.glob("*tfrecord*"))]
    assert found
    assert all(table.num_rows for table in found)
