"""Duration against NumPy's timedelta64."""

import datetime

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from blocks.data.raw_arrays import to_raw
from blocks.data.raw_columns import MISSING_INT, RawColumn
from blocks.errors import InvalidArgument, SchemaMismatch
from blocks.preprocessors import Duration

ONE = {
    "week": (7, "D"),
    "day": (1, "D"),
    "hour": (1, "h"),
    "minute": (1, "m"),
    "s": (1, "s"),
    "ms": (1, "ms"),
    "us": (1, "us"),
}


@pytest.mark.parametrize("unit", ONE)
@given(
    st.lists(st.timedeltas(datetime.timedelta(days=-(10**6)), datetime.timedelta(days=10**6)), min_size=1, max_size=9)
)
@settings(max_examples=25)
def test_durations_are_numpys(unit, durations):
    column = pa.array(durations, pa.duration("us"))
    expected = (column.to_numpy() / np.timedelta64(*ONE[unit])).astype(np.float32)
    np.testing.assert_array_equal(Duration(unit)(to_raw(column, RawColumn("duration"))).numpy(), expected)


@pytest.mark.parametrize("type", [pa.time32("s"), pa.time32("ms"), pa.time64("us"), pa.time64("ns")])
def test_a_time_of_day_is_the_time_since_midnight(type):
    column = pa.array([datetime.time(0), datetime.time(7, 30), datetime.time(23, 59, 59), None]).cast(type)
    block = Duration("minute", missing=-1.0)
    assert block.raw_column(type, "x") == RawColumn("time")
    assert block(to_raw(column, RawColumn("time"))).numpy().tolist() == [0.0, 450.0, np.float32(1439 + 59 / 60), -1.0]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_durations_of_every_unit_are_one_kind(unit):
    column = pa.array([datetime.timedelta(days=2, seconds=1), None], pa.duration("us")).cast(pa.duration(unit))
    assert Duration().raw_column(column.type, "x") == RawColumn("duration")
    raw = to_raw(column, RawColumn("duration"))
    assert raw.tolist() == [172_801_000_000, MISSING_INT]
    assert np.isnan(Duration()(raw).numpy()[1])


def test_what_is_no_duration_is_refused():
    with pytest.raises(InvalidArgument, match=r"Duration's unit is one of 'us'.*Received: 'days'"):
        Duration("days")
    with pytest.raises(InvalidArgument, match="missing is 'keep' or a finite number"):
        Duration(missing="mean")
    for type in (pa.date32(), pa.timestamp("us", "UTC")):
        with pytest.raises(SchemaMismatch, match=r"column 'x'.*Use Elapsed\(\)"):
            Duration().raw_column(type, "x")
    for type in (pa.int64(), pa.float64(), pa.string()):
        with pytest.raises(SchemaMismatch, match="takes columns of time"):
            Duration().raw_column(type, "x")
    with pytest.raises(SchemaMismatch, match=r"int64 microseconds\. Received: float64"):
        Duration()(tf.constant([1.0], tf.float64))
