"""Cyclical against sine and cosine in extended precision, and pandas' parts."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from blocks.data.raw_arrays import to_raw
from blocks.data.raw_columns import MISSING_INT, RawColumn
from blocks.errors import InvalidArgument, SchemaMismatch
from blocks.preprocessors.columns.columns import Columns
from blocks.preprocessors.time.cyclical import PARTS, PERIODS, Cyclical
from blocks.preprocessors.time.timestamp import Timestamp
from blocks.testing import check_block

RNG = np.random.default_rng(11)
INSTANTS = RNG.integers(-8_520_336_000_000_000, 7_289_654_400_000_000, 4000)
TIMES = pd.DatetimeIndex(INSTANTS.astype("datetime64[us]"))
PI = 4 * np.arctan(np.longdouble(1))


def circle(place, length):
    """In extended precision, rounded once."""
    turn = 2 * PI * np.asarray(place, np.longdouble) / np.asarray(length, np.longdouble)
    return np.stack([np.sin(turn), np.cos(turn)], axis=-1).astype(np.float32)


def close(found, expected):
    # what float32 rounds to, but for cardinal points, where pi itself is rounded in the oracle
    np.testing.assert_allclose(found, expected, rtol=2e-7, atol=2e-16)


def weeks_of(year):
    return pd.to_datetime(pd.Series(year).astype(str) + "-12-28").dt.isocalendar().week.to_numpy()


@pytest.mark.parametrize("part", PARTS)
def test_parts_turn_in_whole_steps(part):
    iso = TIMES.isocalendar()
    place, length = {
        "month": lambda: (TIMES.month - 1, 12),
        "day": lambda: (TIMES.day - 1, TIMES.days_in_month),
        "hour": lambda: (TIMES.hour, 24),
        "minute": lambda: (TIMES.minute, 60),
        "weekday": lambda: (TIMES.day_of_week, 7),
        "day_of_year": lambda: (TIMES.day_of_year - 1, 365 + TIMES.is_leap_year),
        "week": lambda: (iso.week.to_numpy(np.int64) - 1, weeks_of(iso.year.to_numpy()).astype(np.int64)),
        "quarter": lambda: (TIMES.quarter - 1, 4),
    }[part]()
    close(Cyclical(part)(tf.constant(INSTANTS)).numpy(), circle(place, length))


@pytest.mark.parametrize("period", PERIODS)
def test_calendar_periods_turn_with_every_microsecond(period):
    if period in ("minute", "hour", "day"):
        length = {"minute": 60, "hour": 3600, "day": 86_400}[period] * 10**6
        place = INSTANTS % length
    else:
        frequency = {"week": "W-SUN", "month": "M", "quarter": "Q", "year": "Y"}[period]
        periods = TIMES.to_period(frequency)
        start, after = ((p.start_time.values.astype("datetime64[us]")).astype(np.int64) for p in (periods, periods + 1))
        place, length = INSTANTS - start, after - start
    close(Cyclical(period=period)(tf.constant(INSTANTS)).numpy(), circle(place, length))


def test_cardinal_points_are_exact_and_have_no_negative_zeros():
    quarters = np.arange(-8, 9)
    expected = np.array([[0, 1], [1, 0], [0, -1], [-1, 0]], np.float32)[quarters % 4]
    for period in (360.0, 24.0, 1.0, 7.0):
        found = Cyclical(period=period)(tf.constant(quarters * period / 4)).numpy()
        np.testing.assert_array_equal(found.view(np.uint32), expected.view(np.uint32))
    hours = tf.constant(np.arange(0, 24, 6) * 3_600_000_000)
    np.testing.assert_array_equal(Cyclical("hour")(hours), expected[:4])
    np.testing.assert_array_equal(Cyclical(period=1, unit="day")(hours), expected[:4])


@given(st.floats(-1e6, 1e6), st.floats(0.25, 1e4))
@settings(max_examples=60, deadline=None)
def test_numbers_turn_in_any_period(value, period):
    found = Cyclical(period=period)(tf.constant([value], tf.float64)).numpy()[0]
    place = np.fmod(np.longdouble(value), np.longdouble(period))
    np.testing.assert_allclose(found, circle(place, period), rtol=0, atol=1e-7)
    assert np.hypot(*found) == pytest.approx(1.0, abs=1e-6)


def test_the_ends_of_a_cycle_lie_beside_each_other():
    ends = pd.to_datetime(["2012-12-31T23:59:59.999999", "2013-01-01", "2012-02-29", "2013-07-01"], format="ISO8601")
    found = Cyclical(period="year")(tf.constant(ends.values.astype("datetime64[us]").astype(np.int64))).numpy()
    assert np.abs(found[0] - found[1]).max() < 1e-6
    assert np.abs(found[1] - found[3]).max() > 1


def test_missing_and_infinite_values_are_the_centre_or_nan_and_flagged():
    values = tf.constant([np.nan, np.inf, -np.inf, 90.0], tf.float64)
    found = Cyclical(period=360, add_indicator=True)(values).numpy().tolist()
    assert found == [[0, 0, 1]] * 3 + [[1, 0, 0]]
    kept = Cyclical("hour", missing="keep")(tf.constant([MISSING_INT, 0], tf.int64)).numpy()
    assert np.isnan(kept[0]).all()
    assert kept[1].tolist() == [0, 1]


def test_a_zone_turns_the_clock_and_features_are_named():
    noon = tf.constant([12 * 3_600_000_000], tf.int64)
    assert Cyclical("hour", timezone="+06:00")(noon).numpy().tolist() == [[-1, 0]]
    names = [[f.name for f in block.outputs("at", ("at",))] for block in (Cyclical("hour"), Cyclical(period=360))]
    assert names == [["at_hour_sin", "at_hour_cos"], ["at_sin", "at_cos"]]


def test_the_contract_holds():
    times = pa.array([0, None, -86_400_000_001, 951_782_400_000_000], pa.timestamp("us"))
    check_block(Cyclical("week", timezone="America/New_York", add_indicator=True), times)
    check_block(Cyclical(period="quarter"), times)
    check_block(Cyclical(period=360), [0.0, 90.0, None, -45.5])
    check_block(Columns({"at": [Timestamp(), Cyclical(period="day")]}), pa.table({"at": ["2013-01-01T06:00", None]}))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "one of part and period"),
        ({"part": "hour", "period": "day"}, "one of part and period"),
        ({"part": "year"}, r"part is one of 'month'.*Received: 'year'"),
        ({"part": "is_weekend"}, r"part is one of"),
        ({"period": "decade"}, r"period is a positive number or one of.*Received: 'decade'"),
        ({"period": 0}, r"Received: 0"),
        ({"period": -1.0}, r"Received: -1.0"),
        ({"period": float("nan")}, r"Received: nan"),
        ({"period": True}, r"Received: True"),
        ({"period": 7, "unit": "days"}, r"unit is one of 'us'.*Received: 'days'"),
        ({"period": "day", "unit": "day"}, "unit goes with a period that is a number"),
        ({"period": 7, "timezone": "UTC"}, "timezone goes with dates and times"),
        ({"period": 7, "missing": "mean"}, "missing is 'keep' or a finite number"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(arguments, message):
    with pytest.raises(InvalidArgument, match=message):
        Cyclical(**arguments)


@pytest.mark.parametrize("arguments", [{"part": "hour"}, {"period": "day"}, {"period": 12, "unit": "hour"}])
def test_times_of_day_are_those_of_any_day(arguments):
    seconds = np.array([0, 1, 3_599, 43_200, 86_399])
    block = Cyclical(**arguments)
    times = pa.array(seconds, pa.int32()).cast(pa.time32("s"))
    assert block.raw_column(times.type, "x") == RawColumn("time")
    found = block(to_raw(times, RawColumn("time"))).numpy()
    np.testing.assert_array_equal(found, block(tf.constant(seconds * 1_000_000)).numpy())


def test_columns_that_do_not_fit_are_refused():
    with pytest.raises(SchemaMismatch, match="takes columns of time"):
        Cyclical("hour").raw_column(pa.int64(), "x")
    with pytest.raises(SchemaMismatch, match="takes columns of number"):
        Cyclical(period=360).raw_column(pa.timestamp("s"), "x")
    with pytest.raises(SchemaMismatch, match="takes dates and timestamps"):
        Cyclical("hour").raw_column(pa.duration("s"), "x")
    for block in (Cyclical("weekday"), Cyclical(period="week"), Cyclical("hour", timezone="Europe/Rome")):
        with pytest.raises(SchemaMismatch, match="of a time of day the hour or minute alone"):
            block.raw_column(pa.time32("s"), "x")
    with pytest.raises(SchemaMismatch, match="Put Timestamp before it"):
        Cyclical("hour")(tf.constant([1.0], tf.float64))
