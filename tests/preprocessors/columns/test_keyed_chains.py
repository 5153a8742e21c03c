"""Chains: several of one column keep their own outputs, and what stands before a block of several columns."""

import json
import re

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf

import blocks
from blocks.data.raw_arrays import to_raw
from blocks.data.raw_columns import RawColumn
from blocks.errors import InvalidArgument, SchemaMismatch
from blocks.offline.adapt import adapt, passes
from blocks.offline.transform import Transform
from blocks.preprocessors import Columns, Cross, Cyclical, MissingIndicator, Normalize, Round, Vocabulary
from blocks.preprocessors.columns.keyed_chains import key_of_config


def test_chains_that_end_alike_keep_their_own_outputs():
    instants = pa.array([0, 86_400_000_000 * 40, 3_600_000_000 * 5], pa.timestamp("us"))
    columns = Columns({"at": ([Cyclical("month")], [Cyclical("weekday")], [Cyclical("hour")])})
    adapt(columns, None, blocks.read({"at": instants}))
    assert len({lane.name for lane in columns.lanes}) == 3
    served = columns({"at": instants.cast(pa.int64()).to_numpy()})["numeric"].numpy()
    offline = Transform(columns)(pa.record_batch({"at": instants}))["numeric"]
    assert served.tobytes() == offline.tobytes()
    for place, part in enumerate(("month", "weekday", "hour")):
        alone = Cyclical(part)(instants.cast(pa.int64()).to_numpy()).numpy()
        assert np.array_equal(served[:, 2 * place : 2 * place + 2], alone)


def test_blocks_before_a_cross_work_on_each_column():
    table = pa.table({"a": ["Rome", "rome", "Oslo", None], "b": ["X", "x", "y", "y"]})
    columns = Columns({("a", "b"): ([Normalize(), Cross()], Cross(50))})
    assert passes(columns) == 1
    adapt(columns, None, blocks.read(table), verbose=False)
    assert columns["a", "b"][0][1].tokens == [b"4:rome1:x", b"4:oslo1:y"]
    raw = {name: to_raw(table[name], RawColumn("string")) for name in ("a", "b")}
    served = columns({name: tf.constant(values) for name, values in raw.items()})["categorical"].numpy()
    assert served[:, 0].tolist() == [2, 2, 3, 0]
    assert served[0, 1] != served[1, 1]
    assert Transform(columns)(table.to_batches()[0])["categorical"].tobytes() == served.tobytes()
    again = Columns.from_config(columns.get_config())
    again.restore(columns.state)
    assert again({name: tf.constant(values) for name, values in raw.items()})["categorical"].numpy().tolist() == (
        served.tolist()
    )


def test_what_cannot_stand_before_or_beside_a_cross_is_told():
    with pytest.raises(InvalidArgument, match=r"stand such as learn nothing.*Vocabulary > Cross"):
        Columns({("a", "b"): [Vocabulary(), Cross()]})
    with pytest.raises(InvalidArgument, match=r"take them together, or none does.*Vocabulary beside"):
        Columns({("a", "b"): (Cross(), Vocabulary())})
    columns = Columns({("a", "b"): [Round(), Cross()]})
    with pytest.raises(SchemaMismatch, match=r"Tokens are strings or integers. Received: float64. Bucketize"):
        adapt(columns, None, blocks.read({"a": [1.5, 2.5], "b": [1.0, 2.0]}), verbose=False)


def test_columns_alone_say_how_they_learn():
    table = pa.table({"a": ["x"]})
    with pytest.raises(InvalidArgument, match=r"blocks\.offline\.adapt\.adapt\(columns, None, blocks\.read\(data\)\)"):
        Columns({"a": Vocabulary()}).adapt(table)


TYPES = [
    *(pa.int8(), pa.uint64(), pa.float16(), pa.float64(), pa.bool_(), pa.null()),
    *(pa.decimal128(10, 2), pa.decimal256(60, 5), pa.date32(), pa.date64(), pa.time32("ms"), pa.time64("ns")),
    *(pa.timestamp("s"), pa.timestamp("us", "Europe/Rome"), pa.timestamp("ns", "+02:00"), pa.duration("ms")),
    *(pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.binary(7), pa.large_binary()),
    *(pa.list_(pa.string()), pa.list_(pa.float32(), 24), pa.large_list(pa.int64()), pa.map_(pa.string(), pa.int8())),
    *(pa.struct([pa.field("a\n", pa.int64(), nullable=False)]), pa.dictionary(pa.int8(), pa.string(), ordered=True)),
    *(pa.month_day_nano_interval(), pa.run_end_encoded(pa.int32(), pa.float32())),
]


@pytest.mark.parametrize("key", TYPES, ids=str)
def test_a_key_of_any_type_survives_its_configuration(key):
    stored = json.loads(json.dumps(Columns({key: MissingIndicator()}).get_config()))
    columns = Columns.from_config(stored)
    assert [found for found, _ in columns._keyed.selectors] == [key]


def test_types_of_older_files_are_read():
    assert key_of_config({"type": "timestamp[us]"}) == pa.timestamp("us")


@pytest.mark.parametrize(
    "key", [re.compile("age", re.IGNORECASE), re.compile("(?i)a.e"), re.compile("a # x\n.*", re.VERBOSE | re.DOTALL)]
)
def test_a_pattern_keeps_its_flags(key):
    columns = Columns.from_config(json.loads(json.dumps(Columns({key: MissingIndicator()}).get_config())))
    assert [found for found, _ in columns._keyed.selectors] == [key]
    assert key_of_config({"pattern": "age"}) == re.compile("age")
    with pytest.raises(InvalidArgument, match=r"one of text.*Received: re\.compile\(b'age'\)\. Compile it from a str"):
        Columns({re.compile(b"age"): MissingIndicator()})


def test_a_key_stands_for_columns_however_they_are_encoded():
    columns = Columns({pa.dictionary(pa.int32(), pa.string()): Vocabulary()})
    adapt(columns, None, blocks.read({"a": pa.array(["x", "y"])}), verbose=False)
    assert columns.columns == ["a"]
