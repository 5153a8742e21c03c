"""Types that are declared for JSON lines and TFRecords, of which the files know nothing."""

import datetime

import pyarrow as pa
import pytest
import tensorflow as tf

import blocks
from blocks.errors import InvalidArgument, MalformedData, SchemaMismatch

DAYS = [datetime.date(1900, 2, 28), None, datetime.date(2024, 2, 29)]


@pytest.mark.parametrize("texts", [True, False])
def test_dates_of_json_are_texts_or_days(texts, tmp_path):
    days = ['"1900-02-28"', "null", '"2024-02-29"'] if texts else ["-25509", "null", "19782"]
    (tmp_path / "t.jsonl").write_text("".join(f'{{"day": {day}}}\n' for day in days))
    found = blocks.read(tmp_path / "t.jsonl", column_types={"day": "date32"}).to_table()
    assert found == pa.table({"day": pa.array(DAYS, pa.date32())})


def test_lists_of_json_have_the_length_that_is_declared(tmp_path):
    (tmp_path / "t.jsonl").write_text('{"w": [1, null]}\n{"w": null}\n')
    kind = pa.list_(pa.float16(), 2)
    found = blocks.read(tmp_path / "t.jsonl", column_types={"w": kind}).to_table()
    assert found == pa.table({"w": pa.array([[1, None], None], kind)})
    with pytest.raises(MalformedData, match="from line 1"):
        blocks.read(tmp_path / "t.jsonl", column_types={"w": pa.list_(pa.float16(), 3)}).to_table()


def test_no_lines_have_the_columns_that_are_declared(tmp_path):
    (tmp_path / "t.jsonl").write_text("")
    assert blocks.read(tmp_path / "t.jsonl", column_types={"x": "int8"}).to_table() == pa.table(
        {"x": pa.array([], pa.int8())}
    )
    with pytest.raises(MalformedData, match="holds no JSON object"):
        blocks.read(tmp_path / "t.jsonl").to_table()


@pytest.fixture
def records(tmp_path):
    feature = tf.train.Feature(int64_list=tf.train.Int64List(value=[3]))
    text = tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"12"]))
    example = tf.train.Example(features=tf.train.Features(feature={"b": feature, "a": text}))
    with tf.io.TFRecordWriter(str(tmp_path / "t.tfrecord")) as file:
        file.write(example.SerializeToString())
    return tmp_path / "t.tfrecord"


def test_values_of_records_become_what_is_declared(records):
    found = blocks.read(records, column_types={"b": pa.date32()})
    assert found.to_table() == pa.table({"a": ["12"], "b": pa.array([3], pa.date32())})
    assert found.fingerprint() != blocks.read(records).fingerprint()
    found = blocks.read(records, column_types={"b": pa.list_(pa.float64()), "a": pa.binary()})
    assert found.to_table() == pa.table({"b": [[3.0]], "a": [b"12"]})
    assert blocks.read(records, column_types={"a": "uint8"}).to_table()["a"].to_pylist() == [12]


@pytest.mark.parametrize(
    ("types", "error", "message"),
    [
        ({"c": "int64"}, SchemaMismatch, "'c'"),
        ({"b": pa.list_(pa.int64(), 2)}, SchemaMismatch, "declared to have 2 value.*1 values in record 1"),
        ({"a": "bool"}, SchemaMismatch, "'a' of .* was declared as bool"),
        ({"a": pa.duration("s")}, InvalidArgument, "column_types={'a': duration"),
    ],
)
def test_what_fits_no_record_is_refused(types, error, message, records):
    with pytest.raises(error, match=message):
        blocks.read(records, column_types=types).to_table()
