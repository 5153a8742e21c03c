"""TFRecords: TensorFlow reads what was written; what an Example cannot say is refused by the column's name."""

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf

import blocks
from blocks.data.writing import tfrecord_writer
from blocks.errors import BlocksWarning, SchemaMismatch


def test_tensorflow_reads_what_was_written(tmp_path, monkeypatch):
    monkeypatch.setattr(tfrecord_writer, "_MOST_ITEMS", 64)  # so that batches are halved
    monkeypatch.setattr(tfrecord_writer, "_PART_BYTES", 100)
    rows = 50
    source = blocks.read(
        {
            "id": np.arange(rows),
            "x": np.arange(rows, dtype="f4") / 8,
            "s": [None if i % 7 == 0 else "é" * (i % 3) for i in range(rows)],
            "words": [["a"] * (i % 4) for i in range(rows)],
            "window": pa.array([[i, i + 0.5] for i in range(rows)], pa.list_(pa.float32(), 2)),
        }
    )
    made = source.write(tmp_path / "t.tfrecord")
    records = list(tf.data.TFRecordDataset(str(tmp_path / "t.tfrecord")).as_numpy_iterator())
    parsed = [tf.train.Example.FromString(record).features.feature for record in records]
    expected = source.to_table().to_pylist()
    assert [one["id"].int64_list.value[0] for one in parsed] == [row["id"] for row in expected]
    assert [one["x"].float_list.value[0] for one in parsed] == [row["x"] for row in expected]
    texts = [[] if row["s"] is None else [row["s"].encode()] for row in expected]
    assert [list(one["s"].bytes_list.value) for one in parsed] == texts
    assert [len(one["words"].bytes_list.value) for one in parsed] == [i % 4 for i in range(rows)]
    assert [list(one["window"].float_list.value) for one in parsed] == [row["window"] for row in expected]
    assert made.to_table().equals(source.to_table())


def test_other_types_are_said_and_come_back(tmp_path):
    source = blocks.read(
        {
            "at": pa.array([0, None, 2], pa.timestamp("us", "Europe/Oslo")),
            "day": pa.array([1, None, 2], pa.date32()),
            "yes": [True, None, False],
            "wide": [0.5, None, float("nan")],
            "one": pa.array([[1], [2], [3]], pa.list_(pa.float64())),
            "none": pa.array([None] * 3, pa.int8()),
        }
    )
    with pytest.warns(BlocksWarning, match=r"column_types={'at': pyarrow.timestamp\('us', 'Europe/Oslo'\), 'day'"):
        made = source.write(tmp_path / "t.tfrecord")
    assert made.schema == source.schema
    assert repr(made.to_table().to_pylist()) == repr(source.to_table().to_pylist())


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ([1.5, 0.1], r"column 'x', double, with 0.1 after row 0, which float32 rounds"),
        ([1e300], r"column 'x', double, with 1e\+300 after row 0"),
        ([[1], None], "tells no missing list from an empty one.*column 'x'"),
        ([[1, None]], "tells no missing list from an empty one.*column 'x'"),
        (pa.array([1], pa.uint64()), "column 'x', uint64, which it does not hold"),
        (pa.array([[[1]]]), "column 'x', list<.*>, which it does not hold"),
    ],
)
def test_what_an_example_cannot_say_is_refused(column, message, tmp_path):
    with pytest.raises(SchemaMismatch, match=message):
        blocks.read({"x": column}).write(tmp_path / "t.tfrecord")
    assert not list(tmp_path.iterdir())
