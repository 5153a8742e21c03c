"""DateParts against pandas and zoneinfo, 1700 to 2200 and the years 1 to 9999."""

import os
import pathlib
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import blocks.data
from blocks.data.raw_arrays import to_raw
from blocks.data.raw_columns import MISSING_INT, RawColumn
from blocks.errors import InvalidArgument, SchemaMismatch
from blocks.preprocessors.columns.columns import Columns
from blocks.preprocessors.time.calendar import FIRST, LAST, civil_from_days, days_from_civil, days_in_month
from blocks.preprocessors.time.date_parts import PARTS, DateParts
from blocks.preprocessors.time.timestamp import Timestamp
from blocks.preprocessors.time.zones import Zone
from blocks.testing import check_block

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EDGES = pd.to_datetime(
    ["1700-01-01", "1700-02-28T23:59:59.999999", "1900-02-28", "1900-03-01", "2000-02-29", "2100-02-28", "2199-12-31"]
    + [f"{year}-{day}" for year in range(1700, 2201, 7) for day in ("01-01", "12-31", "01-03", "12-29")],
    format="ISO8601",
)
INSTANTS = np.concatenate(
    [
        EDGES.values.astype("datetime64[us]").astype(np.int64),
        np.arange(-8_520_336_000_000_000, 7_289_654_400_000_000, 86_400_000_000 * 3 + 3_599_999_999),
        [-1, 0, 1],
    ]
)


def by_pandas(times: pd.DatetimeIndex) -> np.ndarray:
    parts = [getattr(times, {"weekday": "day_of_week"}.get(part, part), None) for part in PARTS]
    parts[PARTS.index("week")] = times.isocalendar().week
    parts[PARTS.index("is_weekend")] = times.day_of_week >= 5
    return np.stack([np.asarray(part, np.float32) for part in parts], axis=1)


def test_all_parts_are_pandas_from_1700_to_2200():
    expected = by_pandas(pd.DatetimeIndex(INSTANTS.astype("datetime64[us]")))
    np.testing.assert_array_equal(DateParts(PARTS)(tf.constant(INSTANTS)).numpy(), expected)


@pytest.mark.parametrize("zone", ["Europe/Paris", "America/New_York", "Africa/Casablanca", "Australia/Lord_Howe"])
def test_the_clocks_of_a_zone_are_read(zone):
    times = pd.DatetimeIndex(INSTANTS.astype("datetime64[us]")).tz_localize("UTC").tz_convert(ZoneInfo(zone))
    np.testing.assert_array_equal(DateParts(PARTS, timezone=zone)(tf.constant(INSTANTS)), by_pandas(times))


def test_every_day_of_the_years_1_to_9999_has_its_date():
    days = np.arange(date.min.toordinal(), date.max.toordinal() + 1) - date(1970, 1, 1).toordinal()
    months = days.astype("datetime64[D]").astype("datetime64[M]")
    years = months.astype("datetime64[Y]").astype(np.int64) + 1970
    expected = years, months.astype(np.int64) % 12 + 1, (days.astype("datetime64[D]") - months).astype(np.int64) + 1
    found = civil_from_days(tf.constant(days))
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(days_from_civil(*found), days)
    lengths = ((months + 1).astype("datetime64[D]") - months.astype("datetime64[D]")).astype(np.int64)
    np.testing.assert_array_equal(days_in_month(*found[:2]), lengths)


@given(st.datetimes(datetime(1700, 1, 1), datetime(2200, 12, 31)), st.sampled_from(["UTC", "Europe/London", "-03:30"]))
@settings(max_examples=80, deadline=None)
def test_any_instant_reads_as_datetime_does(when, zone):
    micros = (when.replace(tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)
    shift = ZoneInfo(zone) if zone != "-03:30" else timedelta(hours=-3, minutes=-30)
    local = when + shift if isinstance(shift, timedelta) else when.replace(tzinfo=UTC).astimezone(shift)
    values = parts(micros, zone)
    iso = local.isocalendar()
    expected = [local.year, local.month, local.day, local.hour, local.minute, local.weekday()]
    expected += [local.timetuple().tm_yday, iso.week, (local.month + 2) // 3, local.weekday() >= 5]
    assert values == expected


BY_ZONE = {zone: DateParts(PARTS, timezone=zone) for zone in ("UTC", "Europe/London", "-03:30")}


def parts(micros, zone):
    return BY_ZONE[zone](tf.constant([micros], tf.int64)).numpy()[0].tolist()


@pytest.mark.parametrize("name", ["Europe/Paris", "America/Sao_Paulo", "Asia/Kathmandu", "Pacific/Apia", "Asia/Tehran"])
def test_zones_shift_as_zoneinfo_does_both_ways(name):
    zone, python = Zone.named(name), ZoneInfo(name)
    table = zone.config()
    edges = np.array(table["transitions"], np.int64)
    seconds = np.concatenate([edges + shift for shift in (-3601, -3600, -1, 0, 1, 1799, 3599, 3600)])
    seconds = np.concatenate([seconds, RNG.integers(-8_520_336_000, 7_257_000_000, 500)])
    utc = [EPOCH + timedelta(seconds=int(second)) for second in seconds]
    local = [(when.astimezone(python).replace(tzinfo=UTC) - EPOCH) // timedelta(microseconds=1) for when in utc]
    np.testing.assert_array_equal(zone.to_local(tf.constant(seconds * 1_000_000)), local)
    walls = [EPOCH.replace(tzinfo=None) + timedelta(seconds=int(second)) for second in seconds]
    meant = [(wall.replace(tzinfo=python).astimezone(UTC) - EPOCH) // timedelta(microseconds=1) for wall in walls]
    np.testing.assert_array_equal(zone.to_utc(tf.constant(seconds * 1_000_000)), meant)
    again = Zone.named(table)
    assert again.config() == table


RNG = np.random.default_rng(3)


def test_a_zone_travels_with_the_configuration_rather_than_being_asked_again(monkeypatch):
    config = DateParts(timezone="Europe/Paris").get_config()
    monkeypatch.setattr("blocks.preprocessors.time.zones.ZoneInfo", None)
    assert DateParts.from_config(config).get_config() == config


def test_missing_and_out_of_range_instants_are_missing():
    values = tf.constant([MISSING_INT, FIRST - 1, LAST + 1, np.iinfo(np.int64).max, FIRST, LAST], tf.int64)
    found = DateParts(["year", "month"], add_indicator=True)(values).numpy()
    assert found.tolist() == [[-1, -1, 1]] * 4 + [[1, 1, 0], [9999, 12, 0]]
    kept = DateParts("year", missing="keep")(values).numpy()
    assert np.isnan(kept[:4]).all()
    assert kept[4:].tolist() == [1, 9999]


def test_features_are_named_after_parts():
    names = [
        feature.name for feature in DateParts(["year", "is_weekend"], add_indicator=True).outputs("when", ("when",))
    ]
    assert names == ["when_year", "when_is_weekend", "when_missing"]


def test_the_contract_holds_for_timestamps_dates_and_a_chain():
    times = pa.array([0, None, -86_400_000_001, 951_782_400_000_000], pa.timestamp("us", "UTC"))
    check_block(DateParts(PARTS, timezone="Europe/Paris"), times)
    check_block(DateParts(["week"], missing="keep"), times.cast(pa.date32()), finite=False)
    chain = Columns({"at": [Timestamp(timezone="Asia/Tokyo"), DateParts(["year", "hour"])], "d": DateParts()})
    table = {"at": ["2013-01-01T05:00Z", "1969-12-31 23:30", None, "?"], "d": times}
    check_block(chain, pa.table(table))


def test_what_is_no_instant_is_refused():
    with pytest.raises(InvalidArgument, match=r"DateParts takes one or more of 'year'.*Received: \['hours'\]"):
        DateParts(["hours"])
    with pytest.raises(InvalidArgument, match="each once"):
        DateParts(["hour", "hour"])
    with pytest.raises(InvalidArgument, match=r"Received: 'Europe/Atlantis'.*tzdata"):
        DateParts(timezone="Europe/Atlantis")
    for zone in ("../etc/passwd", "", "+25:00", 7):
        with pytest.raises(InvalidArgument, match="timezone is a name"):
            DateParts(timezone=zone)
    for type in (pa.string(), pa.int64(), pa.float64()):
        with pytest.raises(SchemaMismatch, match="DateParts takes columns of time"):
            DateParts().raw_column(type, "x")
    for type in (pa.time64("us"), pa.duration("s")):
        with pytest.raises(SchemaMismatch, match=r"takes dates and timestamps.*column 'x'"):
            DateParts().raw_column(type, "x")
    with pytest.raises(SchemaMismatch, match=r"Put Timestamp before it: \[Timestamp\(\), DateParts"):
        DateParts()(tf.constant(["2013-01-01"]))


@pytest.mark.skipif("BLOCKS_DATA" not in os.environ, reason="BLOCKS_DATA does not name the folder of real data")
def test_departures_from_new_york_read_as_pyarrow_reads_them():
    source = blocks.data.read(pathlib.Path(os.environ["BLOCKS_DATA"]) / "nycflights13/flights.parquet")
    column = source.select(["dep_datetime"]).to_table().column(0).combine_chunks()
    found = DateParts(["month", "day", "weekday", "hour"], missing="keep")(
        to_raw(column, RawColumn("timestamp"))
    ).numpy()
    times = pd.DatetimeIndex(column.to_pandas())
    expected = np.stack([times.month, times.day, times.day_of_week, times.hour], axis=1).astype(np.float32)
    np.testing.assert_array_equal(found, expected)
    assert np.isnan(found).any()
