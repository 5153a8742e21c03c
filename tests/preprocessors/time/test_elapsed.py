"""Elapsed against NumPy's timedelta64."""

import os
import pathlib
from datetime import date, datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import blocks.data
from blocks.data.raw_columns import MISSING_INT
from blocks.errors import EmptySource, InvalidArgument, SchemaMismatch
from blocks.offline.adapt import adapt
from blocks.preprocessors.columns.columns import Columns
from blocks.preprocessors.numeric.standardize import Standardize
from blocks.preprocessors.time.elapsed import Elapsed
from blocks.preprocessors.time.timestamp import Timestamp
from blocks.testing import check_block

RNG = np.random.default_rng(2)
INSTANTS = RNG.integers(-8_520_336_000_000_000, 7_289_654_400_000_000, 3000)
PER_DAY = {"week": 1 / 7, "day": 1, "hour": 24, "minute": 1440, "s": 86_400, "ms": 86_400_000, "us": 86_400_000_000}


@pytest.mark.parametrize("unit", PER_DAY)
def test_units_are_numpys(unit):
    reference = np.datetime64("1899-12-31T05:30:00.000007", "us")
    elapsed = INSTANTS.astype("datetime64[us]") - reference
    one = np.timedelta64(round(86_400_000_000 / PER_DAY[unit]), "us")
    expected = (elapsed / one).astype(np.float32)
    found = Elapsed("1899-12-31T05:30:00.000007", unit=unit)(tf.constant(INSTANTS)).numpy()
    np.testing.assert_array_equal(found, expected)


@given(st.datetimes(datetime(1700, 1, 1), datetime(2200, 12, 31)), st.integers(-1439, 1439))
@settings(max_examples=50, deadline=None)
def test_a_reference_is_any_date_or_time(when, minutes):
    aware = when.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    expected = np.datetime64(when, "us").astype(np.int64) - minutes * 60_000_000
    for since in (aware, aware.isoformat()):
        assert Elapsed(since).state["reference"] == expected
    assert Elapsed(when.date()).state["reference"] == np.datetime64(when.date(), "us").astype(np.int64)
    assert Elapsed(since=date(2000, 1, 1)).get_config()["since"] == "2000-01-01"


@pytest.mark.parametrize("since", ["min", "max"])
def test_the_first_or_last_instant_seen_is_learned_alone_and_in_a_chain(since):
    times = pa.array([None, 7, -(10**15), 8_000_000_000_000_001, None], pa.timestamp("us"))
    expected = {"min": -(10**15), "max": 8_000_000_000_000_001}[since]
    block = Elapsed(since, unit="us").adapt(times)
    assert int(block.state["reference"]) == expected
    assert int(Elapsed(since).adapt(iter([times[:2], times[2:]])).state["reference"]) == expected
    texts = [None if value is None else value.isoformat() for value in times.to_pylist()]
    columns = Columns({"t": times_chain(since), "u": Elapsed(since)})
    adapt(columns, None, blocks.data.read(pa.table({"t": texts, "u": times})), verbose=False)
    assert [int(lane.blocks[-1].state["reference"]) for lane in columns.lanes] == [expected, expected]


def times_chain(since):
    return [Timestamp(), Elapsed(since)]


def test_missing_instants_are_nan_or_a_number_and_spoil_nothing():
    values = tf.constant([MISSING_INT, np.iinfo(np.int64).max, 86_400_000_000], tf.int64)
    kept = Elapsed("1970-01-01")(values).numpy()
    assert np.isnan(kept).tolist() == [True, True, False]
    assert Elapsed("1970-01-01", missing=-9)(values).numpy().tolist() == [-9, -9, 1]
    with pytest.raises(EmptySource, match="Elapsed learns from values that are there"):
        Elapsed("min").adapt(pa.nulls(3, pa.timestamp("us")))


def test_the_contract_holds():
    times = pa.array([0, None, -86_400_000_001, 951_782_400_000_000], pa.timestamp("us", "UTC"))
    check_block(Elapsed("max", unit="hour", missing=0.0), times)
    check_block(Elapsed("2000-01-01"), times.cast(pa.date32()), finite=False)
    check_block(
        Columns({"t": [Timestamp(), Elapsed("min"), Standardize()]}),
        pa.table({"t": ["2013-01-01", None, "2014-01-01"]}),
    )


@pytest.mark.parametrize("since", ["now", "today", "2013-02-29", "", "1 January", 7, None])
def test_there_is_no_now(since):
    with pytest.raises(InvalidArgument, match="never since now"):
        Elapsed(since)


def test_what_does_not_fit_is_refused():
    with pytest.raises(InvalidArgument, match=r"Elapsed's unit is one of 'us'.*Received: 'month'"):
        Elapsed(unit="month")
    with pytest.raises(SchemaMismatch, match="Elapsed takes columns of time"):
        Elapsed().adapt([1.0])
    with pytest.raises(SchemaMismatch, match=r"Put Timestamp before it: \[Timestamp\(\), Elapsed"):
        Elapsed("2000-01-01")(tf.constant(["2013-01-01"]))


@pytest.mark.skipif("BLOCKS_DATA" not in os.environ, reason="BLOCKS_DATA does not name the folder of real data")
def test_bird_strikes_are_counted_from_the_first():
    path = pathlib.Path(os.environ["BLOCKS_DATA"]) / "birdstrikes/birdstrikes.csv"
    source = blocks.data.read(path, column_types={"Flight Date": "string"}).select(["Flight Date"])
    columns = Columns({"Flight Date": [Timestamp(), Elapsed("min")]})
    adapt(columns, None, source, verbose=False)
    texts = source.to_table().column(0).combine_chunks()
    days = pd.to_datetime(texts.to_pandas())
    expected = (days - days.min()).dt.days.to_numpy(np.float32)
    found = columns({"Flight Date": tf.constant(texts.to_pylist())})["numeric"].numpy()[:, 0]
    np.testing.assert_array_equal(found, expected)
