"""Splits and folds by time against a brute-force oracle, on uneven times."""

import datetime
import itertools

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import blocks
from blocks.data.splitting.by_time import borders
from blocks.errors import InvalidArgument, SchemaMismatch

TIMES = st.lists(st.one_of(st.integers(0, 30), st.integers(-(2**40), 2**40)), min_size=3, max_size=120)


def source(times, kind=None):
    return blocks.read(pa.table({"row": range(len(times)), "at": pa.array(times, kind or pa.int64())}))


def rows(part, size=65_536):
    return [row for chunk in part.chunks(size, columns=["row"]) for row in chunk["row"].to_pylist()]


def nearest_borders(times, shares):
    """Of all ways to cut between distinct times, the one nearest to each share; then moved apart."""
    distinct = sorted(set(times))
    chosen = []
    for share in np.cumsum(shares)[:-1]:
        target = round(share * len(times))
        cuts = [(abs(sum(t < cut for t in times) - target), cut) for cut in distinct[1:]]
        chosen.append(distinct.index(min(cuts)[1]))
    for at in range(1, len(chosen)):
        chosen[at] = max(chosen[at], chosen[at - 1] + 1)
    for at in range(len(chosen) - 1, -1, -1):
        chosen[at] = min(chosen[at], len(distinct) - len(chosen) + at)
    return [distinct[at] for at in chosen]


@settings(max_examples=150, deadline=None)
@given(TIMES, st.sampled_from([(0.5, 0.5), (0.7, 0.1, 0.2), (0.25, 0.25, 0.25, 0.25)]), st.integers(2, 9))
def test_borders_are_the_nearest_times_however_few_ranges_are_counted_at_once(times, shares, most):
    if len(set(times)) < len(shares):
        with pytest.raises(InvalidArgument, match="at least as many distinct times as parts"):
            borders(lambda: [np.array(times, np.int64)], shares)
        return
    expected = nearest_borders(times, shares)
    parts = np.array_split(np.array(times, np.int64), 4)
    assert borders(lambda: parts, shares) == expected
    assert borders(lambda: parts, shares, most=most) == expected


@settings(max_examples=100, deadline=None)
@given(TIMES, st.integers(0, 25), st.integers(0, 10), st.integers(1, 50))
def test_a_row_stays_if_its_target_ends_before_the_next_part(times, horizon, embargo, size):
    shares = {"train": 0.6, "valid": 0.2, "test": 0.2}
    if len(set(times)) < 3:
        return
    starts = [min(times), *nearest_borders(times, list(shares.values())), None]
    expected, dropped = {}, {}
    for name, low, high in zip(shares, starts[:-1], starts[1:], strict=True):
        inside = [row for row, t in enumerate(times) if low <= t and (high is None or t < high)]
        stays = [row for row in inside if high is None or times[row] + horizon + embargo <= high]
        expected[name], dropped[name] = stays, len(inside) - len(stays)
    ask = {"time": "at", "horizon": horizon, "embargo": embargo}
    if not all(expected.values()):
        with pytest.raises(InvalidArgument, match="Every part of a split by time has rows"):
            source(times).split(**shares, **ask)
        return
    splits = source(times).split(**shares, **ask)
    assert {name: rows(part, size) for name, part in splits.items()} == expected
    assert {name: part.purged for name, part in splits.items()} == dropped
    assert [part.estimated_rows() for part in splits.values()] == [len(found) for found in expected.values()]


@settings(max_examples=60, deadline=None)
@given(TIMES, st.integers(0, 12), st.integers(2, 4))
def test_folds_leave_out_what_overlaps_on_both_sides(times, gap, count):
    if len(set(times)) < count:
        return
    starts = [min(times), *nearest_borders(times, [1 / count] * count), None]
    expected = []
    for low, high in itertools.pairwise(starts):
        valid = [row for row, t in enumerate(times) if low <= t and (high is None or t < high)]
        last = max(times[row] for row in valid)
        others = set(range(len(times))) - set(valid)
        train = [row for row in sorted(others) if times[row] + gap <= low or times[row] >= last + gap]
        train = [row for row in train if times[row] < low or times[row] >= last + gap]
        expected.append({"train": train, "valid": valid})
    ask = {"time": "at", "horizon": gap - gap // 3, "embargo": gap // 3}
    if not all(fold["train"] for fold in expected):
        with pytest.raises(InvalidArgument, match="has rows"):
            source(times).folds(count, **ask)
        return
    folds = source(times).folds(count, **ask)
    lost = [len(times) - len(fold["train"]) - len(fold["valid"]) for fold in expected]
    assert [(fold["train"].purged, fold["valid"].purged) for fold in folds] == [(rows_lost, 0) for rows_lost in lost]
    assert [{name: rows(part) for name, part in fold.items()} for fold in folds] == expected


@pytest.mark.parametrize(
    ("kind", "unit"),
    [
        (pa.timestamp("s"), datetime.timedelta(hours=1)),
        (pa.timestamp("ns", "Europe/Rome"), datetime.timedelta(hours=1)),
        (pa.date32(), datetime.timedelta(days=1)),
        (pa.date64(), datetime.timedelta(days=1)),
    ],
)
def test_durations_count_in_the_columns_own_unit(kind, unit):
    begin = datetime.datetime(2024, 3, 30, tzinfo=datetime.UTC if getattr(kind, "tz", None) else None)
    times = [begin + unit * n for n in range(100)]
    made = source([t.date() for t in times] if pa.types.is_date(kind) else times, kind)
    for horizon in (unit * 4, f"{unit.total_seconds() * 4:.0f}s", np.timedelta64(unit * 4)):
        splits = made.split(train=0.7, test=0.3, time="at", horizon=horizon, embargo=unit)
        assert rows(splits["train"]) == list(range(66))
        assert (splits["train"].purged, splits["test"].purged) == (4, 0)
    if not pa.types.is_date(kind):
        assert made.split(train=0.7, test=0.3, time="at", horizon="1.5h")["train"].purged == 1


def test_what_cannot_be_split_by_time_is_refused_with_a_fix_that_works():
    times = [datetime.datetime(2024, 1, 1) + datetime.timedelta(hours=n) for n in range(10)]
    holed = source([*times, None], pa.timestamp("us"))
    with pytest.raises(InvalidArgument, match=r"1 missing of 11 rows in 'at'.*is_valid\(\)"):
        holed.split(a=0.5, b=0.5, time="at")
    import pyarrow.compute as pc

    kept = holed.filter(pc.field("at").is_valid()).split(a=0.5, b=0.5, time="at")
    assert rows(kept["a"]) == list(range(5))
    with pytest.raises(SchemaMismatch, match="holds timestamps, dates or whole numbers"):
        source(list("abc"), pa.string()).split(a=0.5, b=0.5, time="at")
    for horizon in (
        "4",
        "4 months",
        -1,
        3,
        True,
        datetime.timedelta(-1),
        np.timedelta64("NaT"),
        "1e3h",
        np.timedelta64(1, "M"),
    ):
        with pytest.raises(InvalidArgument, match="horizon is a duration"):
            holed.split(a=0.5, b=0.5, time="at", horizon=horizon)
    with pytest.raises(InvalidArgument, match="whole number, at least 0"):
        source(range(10)).split(a=0.5, b=0.5, time="at", horizon="1h")
    with pytest.raises(InvalidArgument, match="Give time="):
        source(range(10)).split(a=0.5, b=0.5, horizon="1h")
    with pytest.raises(InvalidArgument, match="one of key, group and time"):
        source(range(10)).split(a=0.5, b=0.5, time="at", key="row")
    with pytest.raises(InvalidArgument, match="one of key, group and time"):
        source(range(10)).folds(2, time="at", stratify="row")


def test_a_part_knows_what_made_it_and_rows_that_came_later_follow_its_times():
    first = source(range(100)).split(train=0.8, test=0.2, time="at", horizon=5)
    assert (
        first["train"].fingerprint()["steps"]
        != source(range(100)).split(train=0.7, test=0.3, time="at")["train"].fingerprint()["steps"]
    )
    assert "time" in first["train"].fingerprint()["steps"][0]
    inner = first["train"].split(a=0.5, b=0.5, time="at")
    assert rows(inner["a"]) + rows(inner["b"]) == rows(first["train"])


ENDS = [-(2**63), -(2**63) + 1, -(2**62) - 5, -1, 0, 2**62, 2**62 + 3, 2**63 - 2, 2**63 - 1]


@pytest.mark.parametrize("gap", [0, 1, 2, 2**62])
def test_no_row_is_lost_at_the_ends_of_time(gap):
    """int64 has no room for a border beyond the last time, nor for what lies between the first and the last."""
    for times in (ENDS, ENDS[::-1], ENDS * 3):
        starts = [min(times), *nearest_borders(times, [0.5, 0.5]), None]
        splits = source(times).split(a=0.5, b=0.5, time="at", horizon=gap)
        expected = [row for row, t in enumerate(times) if t < starts[1] and t + gap <= starts[1]]
        assert rows(splits["a"]) == expected
        assert rows(splits["b"]) == [row for row, t in enumerate(times) if t >= starts[1]]
        assert len(expected) + splits["a"].purged + len(rows(splits["b"])) == len(times)
    distinct = sorted(set(ENDS))
    assert borders(lambda: [np.array(distinct, np.int64)], [0.5, 0.5], most=2) == nearest_borders(distinct, [0.5, 0.5])
    late = source([datetime.datetime(year, 1, 1) for year in (2000, 2100, 2200, 2260)], pa.timestamp("ns"))
    assert [rows(part) for part in late.split(a=0.5, b=0.5, time="at").values()] == [[0, 1], [2, 3]]
    assert [rows(fold["train"]) + rows(fold["valid"]) for fold in late.folds(2, time="at")] == [
        [2, 3, 0, 1],
        [0, 1, 2, 3],
    ]


def test_times_beyond_int64_are_refused():
    with pytest.raises(InvalidArgument, match=r"below 2\^63. Received: 18446744073709551615 in 'at'"):
        source([1, 2**64 - 1], pa.uint64()).split(a=0.5, b=0.5, time="at")


def test_a_column_of_text_is_read_as_times_as_the_error_says(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("at,row\n" + "".join(f"2024-01-{day:02} 00:00:00,{day}\n" for day in range(1, 11)))
    with pytest.raises(SchemaMismatch, match=r"Read it as such: column_types=\{'at': 'timestamp\[us\]'\}"):
        blocks.read(path, column_types={"at": "string"}).split(a=0.5, b=0.5, time="at")
    parts = blocks.read(path, column_types={"at": "timestamp[us]"}).split(a=0.5, b=0.5, time="at", horizon="1d")
    assert [rows(part) for part in parts.values()] == [[1, 2, 3, 4, 5], [6, 7, 8, 9, 10]]
