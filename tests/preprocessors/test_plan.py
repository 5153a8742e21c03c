"""Chains: several of one column keep their own outputs, and what stands before a block of several columns."""

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf

import blocks
from blocks.adapt import adapt, passes
from blocks.data.raw import to_raw
from blocks.errors import InvalidArgument, SchemaMismatch
from blocks.preprocessors import Columns, Cross, Cyclical, Normalize, Round, Vocabulary
from blocks.transform import Transform


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
    raw = {name: to_raw(table[name], "string") for name in ("a", "b")}
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
    with pytest.raises(InvalidArgument, match=r"blocks\.adapt\.adapt\(columns, None, blocks\.read\(data\)\)"):
        Columns({"a": Vocabulary()}).adapt(table)
