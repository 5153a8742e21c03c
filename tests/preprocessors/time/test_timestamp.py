"""Timestamp against datetime, pandas and pyarrow; hostile texts; numbers in every unit."""

import os
import pathlib
import time
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st

import blocks.data
from blocks.data.raw_arrays import to_raw
from blocks.data.raw_columns import MISSING_INT, RawColumn
from blocks.errors import InvalidArgument, SchemaMismatch
from blocks.preprocessors.columns.columns import Columns
from blocks.preprocessors.time.elapsed import Elapsed
from blocks.preprocessors.time.formats import _ISO, _parse_any, parse
from blocks.preprocessors.time.iso_8601 import parse_usual
from blocks.preprocessors.time.timestamp import Timestamp
from blocks.testing import check_block

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ISO = Timestamp()
PARIS = Timestamp(timezone="Europe/Paris")


def micros(when: datetime) -> int:
    return (when - EPOCH) // timedelta(microseconds=1)


def read(block, texts):
    return block(tf.constant(texts, tf.string)).numpy().tolist()


@given(
    st.datetimes(datetime(1700, 1, 1), datetime(2200, 12, 31)),
    st.sampled_from(["auto", "hours", "minutes", "seconds", "milliseconds", "microseconds"]),
    st.sampled_from("T t"),
    st.one_of(st.none(), st.integers(-1439, 1439)),
)
@settings(max_examples=150, deadline=None)
def test_iso_texts_read_as_datetime_reads_them(when, precision, separator, offset):
    zone = None if offset is None else timezone(timedelta(minutes=offset))
    text = when.replace(tzinfo=zone).isoformat(separator, precision)
    there = datetime.fromisoformat(text)
    expected = micros(there if zone else there.replace(tzinfo=UTC))
    basic = text.replace(":", "")
    basic = basic[:10].replace("-", "") + basic[10:]
    assert read(ISO, [text, f" {text}\n", basic, when.date().isoformat()]) == [
        expected,
        expected,
        expected,
        micros(datetime(when.year, when.month, when.day, tzinfo=UTC)),
    ]
    local = there if zone else there.replace(tzinfo=ZoneInfo("Europe/Paris"))
    assert read(PARIS, [text]) == [micros(local.astimezone(UTC))]


@given(st.text(alphabet="0123456789-:TZ+., \x00é", max_size=30))
@example("2013-02-29")
@example("0000-01-01")
@example("9999-12-31T23:59:59.999999Z")
@example("0001-01-01T00:00+00:01")
@example("9999-12-31T23:59:59-00:01")
@example("2013-01-01T24:00")
@example("2013-01-01T10:1112")
@example("2013-0101")
@settings(max_examples=150, deadline=None)
def test_hostile_texts_are_read_rightly_or_missing(text):
    (found,) = read(ISO, [text])
    if found == MISSING_INT:
        return
    there = datetime.fromisoformat(text.strip(" \t\n").replace(" +", "+").replace(" -", "-").replace(" Z", "Z"))
    assert found == micros(there if there.tzinfo else there.replace(tzinfo=UTC))


UNREADABLE = [
    "", " ", "unseen", "2013", "2013-1-1", "2013-13-01", "2013-02-29", "1900-02-29", "2013-00-10", "2013-01-00",
    "2013-01-01T24:00", "2013-01-01T23:60", "2013-01-01T23:59:60", "2013-01-01T1", "2013-01-01T", "2013-01-01Z",
    "2013-01-01T10:1112", "2013-0101", "20130101T10:11", "2013-01-01T10:11+24:00", "2013-01-01T10:11+01:60",
    "2013-W01-1", "0000-01-01", "10000-01-01", "-2013-01-01", "2013-01-01T10:11:12.", "2013-01-01T10:11 PST",
    "\uff12013-01-01", "2013-01-01\x00", "2013-01-01|1", "0001-01-01T00:00+00:01", "x" * 1_000_000, "1" * 1_000_000,
]  # fmt: skip


def test_what_cannot_be_read_is_missing():
    assert read(ISO, UNREADABLE) == [MISSING_INT] * len(UNREADABLE)
    invalid = tf.constant([b"\xff2013-01-01", b"2013-01-01\xff", b"2013-01-01"])
    assert (ISO(invalid).numpy() == MISSING_INT).tolist() == [True, True, False]


def test_unparsable_lists_what_would_be_lost():
    assert ISO.unparsable(["2013-01-01", None, "", "soon", "2013-02-29", "soon"]) == ["soon", "2013-02-29"]
    assert Timestamp(unit="s").unparsable([1.0, None, 1e300]) == [1e300]


def test_digits_beyond_the_microsecond_are_cut_and_all_offsets_are_read():
    day = micros(datetime(1969, 12, 31, tzinfo=UTC))
    assert read(ISO, ["1969-12-31T00:00:00.1", "1969-12-31 00:00:00,1234569999", "19691231T000000.000001Z"]) == [
        day + 100_000,
        day + 123_456,
        day + 1,
    ]
    offsets = ["Z", "z", " UTC", "UTC", "+00", "-00:00", "+0130", " +01:30", "-0130"]
    shifts = [0, 0, 0, 0, 0, 0, -90, -90, 90]
    found = read(ISO, [f"1969-12-31T00:00{offset}" for offset in offsets])
    assert found == [day + minutes * 60_000_000 for minutes in shifts]


FORMATS = [
    "%Y-%m-%d %H:%M:%S",
    "%d/%m/%y",
    "%m/%d/%Y %I:%M %p",
    "%a, %d %b %Y %H:%M:%S %z",
    "%A %d. %B %Y",
    "%Y%j",
    "%d.%m.%Y, %H:%M:%S.%f",
    "100%% %Y\t%m (%d)*",
    "%Y",
]


@pytest.mark.parametrize("text", FORMATS)
def test_formats_read_as_strptime_reads_them(text):
    block = Timestamp(text)
    random = np.random.default_rng(1)
    seconds = random.integers(-8_520_336_000, 7_257_000_000, 300)
    if "%y" in text:
        seconds = random.integers(-31_500_000, 3_000_000_000, 300)
    written = [(EPOCH + timedelta(seconds=int(second), microseconds=7)).strftime(text) for second in seconds]
    written += [value.upper() for value in written[:20]] + [value.removeprefix("0") for value in written[:20]]
    expected = []
    for value in written:
        there = datetime.strptime(value, text)
        expected.append(micros(there if there.tzinfo else there.replace(tzinfo=UTC)))
    assert read(block, written) == expected
    hostile = ["", "x", "31/02/13", "02/29/2013 12:00 AM", "00/00/0000 00:00 PM", *UNREADABLE[:8]]
    for value, found in zip(hostile, read(block, hostile), strict=True):
        try:
            there = datetime.strptime(value, text)
        except ValueError:
            assert found == MISSING_INT, value
        else:
            assert found == micros(there.replace(tzinfo=UTC))


def test_the_first_format_that_fits_reads_the_text():
    block = Timestamp(["%d/%m/%Y", "%m/%d/%Y", "iso8601"])
    days = pd.to_datetime(["2013-02-01", "2013-12-25", "2013-05-06"]).values.astype("datetime64[us]").astype(np.int64)
    assert read(block, ["01/02/2013", "12/25/2013", "2013-05-06", "25/25/2013"]) == [*days.tolist(), MISSING_INT]


def test_a_wall_clock_time_that_comes_twice_or_never_is_read_as_datetime_reads_it():
    texts = [
        "2013-10-27T02:30",
        "2013-03-31T02:30",
        "2013-03-31T03:00",
        "2013-10-27T02:30+01:00",
        "1850-01-01",
        "2150-07-01",
    ]
    expected = [
        micros((there if there.tzinfo else there.replace(tzinfo=ZoneInfo("Europe/Paris"))).astimezone(UTC))
        for there in map(datetime.fromisoformat, texts)
    ]
    assert read(PARIS, texts) == expected
    naive = pa.array([datetime.fromisoformat(text) for text in texts[:3]], pa.timestamp("us"))
    assert PARIS(to_raw(naive, RawColumn("timestamp"))).numpy().tolist() == expected[:3]
    oracle = pc.assume_timezone(naive[2:], "Europe/Paris").cast(pa.int64()).to_pylist()
    assert expected[2:3] == oracle


@pytest.mark.parametrize(("unit", "per_second"), [("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9)])
def test_numbers_count_since_1970_in_any_unit(unit, per_second):
    seconds = np.array([0, 1, -1, 1_357_034_400, -8_520_336_000, 7_257_000_000])
    block = Timestamp(unit=unit)
    expected = seconds * 1_000_000
    assert block(tf.constant(seconds * per_second)).numpy().tolist() == expected.tolist()
    if unit != "ns":
        assert block(tf.constant(seconds * per_second, tf.float64)).numpy().tolist() == expected.tolist()
    assert block.raw_column(pa.int32(), "x") == RawColumn("int64")
    assert block.raw_column(pa.float64(), "x") == RawColumn("float64")
    odd = [np.nan, np.inf, -np.inf, 1e300, -1e300, 2.0**63]
    assert (block(tf.constant(odd, tf.float64)).numpy()[:5] == MISSING_INT).all()
    far = np.array([MISSING_INT, np.iinfo(np.int64).max, MISSING_INT + 1], np.int64)
    found = block(tf.constant(far)).numpy()
    assert found[0] == MISSING_INT
    if unit != "ns":
        assert (found == MISSING_INT).all()


def test_fractions_are_rounded_and_nanoseconds_cut_downwards():
    assert Timestamp(unit="s")(tf.constant([0.1, -0.1, 1.5e9 + 0.25], tf.float64)).numpy().tolist() == [
        100_000,
        -100_000,
        1_500_000_000_250_000,
    ]
    assert Timestamp(unit="ns")(tf.constant([999, 1000, -1, -1001], tf.int64)).numpy().tolist() == [0, 1, -1, -2]
    assert Timestamp(unit="day")(tf.constant([0.5, -1.0], tf.float64)).numpy().tolist() == [
        43_200_000_000,
        -86_400_000_000,
    ]


def test_the_contract_holds_in_chains():
    texts = ["2013-01-01", "1969-12-31T23:59:59Z", None, "?", "2013-07-01 12:00"]
    when = pa.array([1, None, -(10**15), 0, 5], pa.timestamp("us"))
    columns = Columns(
        {
            "text": [Timestamp(timezone="Europe/Paris"), Elapsed("2000-01-01", missing=0.0)],
            "epoch": [Timestamp(unit="s"), Elapsed("min", missing=0.0)],
            "fraction": [Timestamp(unit="day"), Elapsed("max", unit="week", missing=0.0)],
            "when": [Timestamp(timezone="+02:00"), Elapsed("2000-01-01", missing=0.0)],
        }
    )
    epochs = [10**9, None, -1, 0, 7]
    check_block(
        columns, pa.table({"text": texts, "epoch": epochs, "fraction": [0.5, None, 1.0, -3.25, 9.0], "when": when})
    )


def test_a_column_and_arguments_that_do_not_fit_are_refused():
    for bad in ("%Q", "%H:%M", "%Y %y", "%Y %j %d", "%Y %", "", [7]):
        with pytest.raises(InvalidArgument, match=r"[Aa] format"):
            Timestamp(bad)
    with pytest.raises(InvalidArgument, match="one format at least"):
        Timestamp([])
    with pytest.raises(InvalidArgument, match=r"unit is one of 'ns', 'us'.*Received: 'seconds'"):
        Timestamp(unit="seconds")
    with pytest.raises(InvalidArgument, match="Numbers count since 1970 UTC"):
        Timestamp(unit="s", timezone="UTC")
    with pytest.raises(SchemaMismatch, match=r"reads numbers by their unit.*'x' of type int64 and unit=None"):
        Timestamp().raw_column(pa.int64(), "x")
    with pytest.raises(SchemaMismatch, match="and text and timestamps without one"):
        Timestamp(unit="s").raw_column(pa.string(), "x")
    with pytest.raises(SchemaMismatch, match=r"needs no other.*Europe/Paris"):
        PARIS.raw_column(pa.timestamp("us", "UTC"), "x")
    with pytest.raises(SchemaMismatch, match="takes dates and timestamps"):
        ISO.raw_column(pa.time32("s"), "x")
    with pytest.raises(SchemaMismatch, match="takes columns of text or number or time"):
        ISO.raw_column(pa.list_(pa.string()), "x")
    with pytest.raises(SchemaMismatch, match="Received: float64"):
        ISO(tf.constant([1.0], tf.float64))


def test_examples_are_of_their_formats():
    for text in ["iso8601", *FORMATS]:
        block = Timestamp(text)
        assert read(block, block.examples("string")[:1]) != [MISSING_INT], text


REAL = pytest.mark.skipif("BLOCKS_DATA" not in os.environ, reason="BLOCKS_DATA does not name the folder of real data")


@REAL
@pytest.mark.parametrize(
    ("file", "column"),
    [
        ("bike_sharing/bike_sharing_dataset_clean.csv", "date_time"),
        ("birdstrikes/birdstrikes.csv", "Flight Date"),
        ("nycflights13/weather.csv", "time_hour"),
    ],
)
def test_real_dates_read_as_pandas_reads_them(file, column):
    path = pathlib.Path(os.environ["BLOCKS_DATA"]) / file
    source = blocks.data.read(path, column_types={column: "string"}).select([column])
    texts = source.to_table().column(0).combine_chunks()
    expected = pd.to_datetime(texts.to_pandas(), utc=True).to_numpy("datetime64[us]").astype(np.int64)
    np.testing.assert_array_equal(ISO(tf.constant(to_raw(texts, RawColumn("string")))), expected)
    assert ISO.unparsable(texts) == []


@REAL
def test_departures_enter_as_arrow_counts_them():
    path = pathlib.Path(os.environ["BLOCKS_DATA"]) / "nycflights13/flights.parquet"
    column = blocks.data.read(path).select(["dep_datetime"]).to_table().column(0).combine_chunks()
    block = Timestamp(timezone="America/New_York")
    raw = to_raw(column, block.raw_column(column.type, "dep_datetime"))
    there = pc.assume_timezone(column, "America/New_York", ambiguous="earliest", nonexistent="latest")
    np.testing.assert_array_equal(block(tf.constant(raw)), to_raw(there, RawColumn("timestamp_utc")))


def test_parsing_needs_no_locale():
    assert time.tzname  # the machine's own zone and locale play no part: names are English, naive texts are UTC
    assert read(Timestamp("%d %B %Y"), ["1 MAI 2013", "1 may 2013"])[0] == MISSING_INT


def test_bytes_and_regular_expressions_read_the_same():
    random = np.random.default_rng(0)
    parts = [
        ["2013-01-01", "2013-02-29", "2012-02-29", "0000-01-01", "9999-12-31", "20130101"],
        ["T", "t", " ", "x", ""],
        ["05:17:36", "24:00:00", "23:59:59", "05:17", "0517", "5:17:36", "05:60:00", ""],
        ["", ".1", ",123", ".123456", ".1234567", ".", "x"],
        ["", "Z", "z", "+01:00", "-23:59", "+24:00", "+0100", " +01:00", "UTC", "+01", "-00:00", "+01:60", "\x00"],
    ]
    texts = ["".join(random.choice(part) for part in parts) for _ in range(4_000)]
    for text in texts[:3_000]:
        place = random.integers(len(text))
        texts.append(text[:place] + random.choice(list("0129-:TZ +.\x00xé")) + text[place + 1 :])
    # usual spellings, one letter changed
    whole = ["2013-01-01T05:17:36.123456+01:00", "2013-01-01 05:17:36Z", "1969-12-31 23:59", "2012-02-29"]
    texts += [text[:at] + one + text[at + 1 :] for text in whole for at in range(len(text)) for one in "0:9-Z \x00"]
    texts += [*whole, "", "\x00", *(text + "\x00" for text in whole), whole[0] + "9"]
    found, expected = parse(tf.constant(texts), _ISO), _parse_any(tf.constant(texts), _ISO)
    valid = expected[2].numpy()[:, 0]
    assert 50 < valid.sum() < len(texts)
    np.testing.assert_array_equal(found[2].numpy()[:, 0], valid)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one.numpy()[valid], other.numpy()[valid])
    usual, _ = parse_usual(tf.constant(whole))
    assert usual.numpy().all()
