"""Difference against NumPy's datetime64."""

import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import blocks
from blocks.data.raw_arrays import to_raw
from blocks.data.raw_columns import RawColumn
from blocks.errors import InvalidArgument, SchemaMismatch
from blocks.offline.adapt import adapt
from blocks.offline.transform import Transform
from blocks.preprocessors import Columns, Difference, Standardize, Timestamp

TIMES = st.lists(st.tuples(*[st.datetimes(datetime.datetime(1, 1, 1))] * 2), min_size=1, max_size=9)
NAIVE = pa.array([datetime.datetime(2020, 3, 29), None, datetime.datetime(2020, 1, 1)], pa.timestamp("us"))


def bound(key_block, columns):
    made = Columns({("a", "b"): key_block})
    adapt(made, None, blocks.read(pa.table(columns)), verbose=False)
    return Transform(made)(pa.record_batch(columns))["numeric"][:, 0]


@given(TIMES)
@settings(max_examples=50)
def test_differences_are_numpys(pairs):
    columns = [pa.array([pair[i] for pair in pairs], pa.timestamp("us")) for i in (0, 1)]
    begin, end = (np.array(column.cast(pa.int64())) for column in columns)
    for unit, size in (("us", 1), ("hour", 3_600_000_000), ("week", 604_800_000_000)):
        found = Difference(unit)(
            tuple(tf.constant(to_raw(column, RawColumn("timestamp"))) for column in columns)
        ).numpy()
        np.testing.assert_array_equal(found, ((end - begin).astype(np.float64) / size).astype(np.float32))


def test_in_columns_of_every_kind_and_before_another_block():
    day = datetime.timedelta(days=1)
    later = pc.add(NAIVE, pa.scalar(day))
    assert bound(Difference("hour"), {"a": NAIVE, "b": later}).tolist()[::2] == [24.0, 24.0]
    assert np.isnan(bound(Difference(), {"a": NAIVE, "b": later})[1])
    zoned = {name: pc.assume_timezone(values, "Europe/Rome") for name, values in (("a", NAIVE), ("b", later))}
    # the clocks go forward on 29 March 2020
    assert bound(Difference("hour"), zoned).tolist()[::2] == [23.0, 24.0]
    texts = {"a": NAIVE.cast(pa.string()), "b": later.cast(pa.string())}
    assert bound([Timestamp(), Difference()], texts).tolist()[::2] == [1.0, 1.0]
    dates = {"a": NAIVE.cast(pa.date32()), "b": later}
    assert bound(Difference(missing=-1.0), dates).tolist() == [1.0, -1.0, 1.0]
    clocks = {"a": pa.array([datetime.time(22), None]), "b": pa.array([datetime.time(1), datetime.time(2)])}
    assert bound(Difference("hour", missing=0), clocks).tolist() == [-21.0, 0.0]
    spans = {"a": pa.array([day, None]), "b": pa.array([3 * day, day])}
    assert bound([Difference(missing=4.0), Standardize()], spans).tolist() == [-1.0, 1.0]


def test_what_does_not_go_together_is_refused():
    zoned = pc.assume_timezone(NAIVE, "Europe/Rome")
    with pytest.raises(SchemaMismatch, match=r"times of one kind. Received: 'a' as timestamp, 'b' as timestamp_utc"):
        bound(Difference(), {"a": NAIVE, "b": zoned})
    with pytest.raises(SchemaMismatch, match="times of one kind"):
        bound([Timestamp(), Difference()], {"a": NAIVE, "b": zoned})
    # the message's fix
    assert bound(Difference(), {"a": pc.assume_timezone(NAIVE, "Europe/Rome"), "b": zoned}).tolist()[::2] == [0.0, 0.0]
    with pytest.raises(SchemaMismatch, match=r"two columns, with the key \(from, to\). Received: 1"):
        Difference()(tf.constant([1], tf.int64))
    with pytest.raises(InvalidArgument, match=r"Difference's unit is one of"):
        Difference("days")
