"""Windows against a brute-force oracle, row by row, and against pandas' rolling view."""

import datetime
import itertools
import operator
from collections import Counter

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import blocks
from blocks.data.windowing import cutting
from blocks.data.windowing.rows_without_window import rows_without_window
from blocks.errors import InvalidArgument, MalformedData, SchemaMismatch


def table(entities, times, kind=None):
    count = len(times)
    return pa.table(
        {
            "pair": pa.array(entities, pa.string()),
            "at": pa.array(times, kind or pa.int64()),
            "close": pa.array([None if n % 7 == 3 else float(n) for n in range(count)], pa.float64()),
            "name": [f"r{n}" for n in range(count)],
        }
    )


def oracle(rows, length, gap, horizon, every, fill):
    """Every window of every entity: dicts of what it holds, by entity and time of its last step."""
    found = {}
    for pair in {row["pair"] for row in rows}:
        own = sorted((row for row in rows if row["pair"] == pair), key=lambda row: row["at"])
        if fill:
            by_time = {row["at"]: row for row in own}
            steps = [(t, by_time.get(t)) for t in range(own[0]["at"], own[-1]["at"] + 1, every)]
        else:
            steps = [(row["at"], row) for row in own]
        span = length + (gap + horizon if horizon else 0)
        for start in range(len(steps) - span + 1):
            part = steps[start : start + span]
            times = [t for t, _ in part]
            if every is not None and any(b - a != every for a, b in itertools.pairwise(times)):
                continue
            inputs, ahead = part[:length], part[length + gap :]
            if all(row is None for _, row in inputs) or any(row is None for _, row in ahead):
                continue
            last = inputs[-1][0]
            made = {"pair": pair, "at": last}
            for name in ("close", "name"):
                made[name] = [None if row is None else row[name] for _, row in inputs]
            if horizon:
                values = [row["close"] for _, row in ahead]
                made["close_ahead"] = values if horizon > 1 else values[0]
            found[pair, last] = made
    return found


@st.composite
def cases(draw):
    every = draw(st.sampled_from([None, 1, 3]))
    fill = draw(st.booleans()) if every else False
    entities = draw(st.lists(st.sampled_from(["a", "b", None]), min_size=1, max_size=50))
    times = {}
    stamps = []
    for entity in entities:
        times[entity] = times.get(entity, draw(st.integers(-5, 5)) * (every or 1)) + draw(
            st.integers(1, 4) if not fill else st.sampled_from([every, every, every, 2 * every, 9 * every])
        )
        stamps.append(times[entity])
    return entities, stamps, every, fill


@settings(max_examples=200, deadline=None)
@given(cases(), st.integers(1, 4), st.integers(0, 2), st.integers(0, 3), st.integers(1, 60))
def test_windows_are_those_of_the_oracle_in_chunks_of_any_size(case, length, gap, horizon, size):
    entities, stamps, every, fill = case
    whole = table(entities, stamps)
    expected = oracle(whole.to_pylist(), length, gap, horizon, every, fill)
    ask = {"length": length, "by": "pair", "order": "at", "every": every, "columns": ["close", "name"]}
    ask |= {"gaps": "missing"} if fill else {}
    ask |= {"target": "close", "horizon": horizon, "gap": gap} if horizon else {}
    made = blocks.windows(blocks.read(whole), **ask)
    by_chunks = [
        row
        for batch in cutting.windows_of(blocks.read(whole).chunks(size), made._reader._shape)
        for row in batch.to_pylist()
    ]
    assert {(row["pair"], row["at"]): row for row in by_chunks} == expected
    assert len(by_chunks) == len(expected)
    assert made.to_table().to_pylist() == by_chunks
    assert made.count() == len(expected)


def reasons(rows, length, coming, every, fill):
    """Why each row is the last of no window, as counts: the first of the four that holds, seen from the row itself."""
    found = Counter()
    for pair in {row["pair"] for row in rows}:
        times = sorted(row["at"] for row in rows if row["pair"] == pair)
        steps = list(range(times[0], times[-1] + 1, every)) if fill else times
        for time in times:
            at = steps.index(time)
            before, after = steps[max(0, at - length + 1) : at + 1], steps[at : at + 1 + coming]
            regular = [
                every is None or all(b - a == every for a, b in itertools.pairwise(part)) for part in (before, after)
            ]
            if fill:
                regular = [True, set(after[1:]) <= set(times)]
            if len(before) < length:
                found[f"fewer than {length} steps so far"] += 1
            elif not regular[0]:
                found[f"a step is missing among the last {length}"] += 1
            elif len(after) <= coming:
                found[f"fewer than {coming} steps to come"] += 1
            elif not regular[1]:
                found[f"a step is missing among the next {coming}"] += 1
    return dict(found)


@settings(max_examples=100, deadline=None)
@given(cases(), st.integers(1, 4), st.integers(0, 3), st.sampled_from([1, 7, 100]))
def test_rows_without_a_window_are_counted_by_reason(case, length, horizon, size):
    entities, stamps, every, fill = case
    whole = table(entities, stamps)
    ask = {"length": length, "by": "pair", "order": "at", "every": every, "columns": ["name"]}
    ask |= {"gaps": "missing"} if fill else {}
    ask |= {"target": "close", "horizon": horizon} if horizon else {}
    made = blocks.windows(whole, **ask)
    expected = reasons(whole.to_pylist(), length, horizon, every, fill)
    assert made.left_out == expected
    times = blocks.read(whole).chunks(size, columns=["pair", "at"])
    assert rows_without_window(times, made._reader._shape) == expected
    rows = set(zip(entities, stamps, strict=True))
    ended = sum((row["pair"], row["at"]) in rows for row in made.to_table().to_pylist())
    assert ended + sum(expected.values()) == len(stamps)


@settings(max_examples=60, deadline=None)
@given(cases(), st.integers(1, 4), st.integers(1, 3), st.integers(0, 9))
def test_parts_share_no_target_and_lose_no_window_but_those_over_a_border(case, length, horizon, reach):
    entities, stamps, every, fill = case
    whole = table(entities, stamps)
    if len(set(stamps)) < 2:
        return
    ask = {"length": length, "horizon": horizon, "by": "pair", "order": "at", "every": every, "columns": ["name"]}
    ask |= {"target": "name"} | ({"gaps": "missing"} if fill else {})
    if min(stamps) + reach > sorted(set(stamps))[1]:  # or no row of the first part might stay
        reach = 0
    early, late = blocks.read(whole).split(a=0.6, b=0.4, time="at", horizon=reach).values()
    start = min(late.to_table()["at"].to_pylist())
    time_of = dict(zip(whole["name"].to_pylist(), stamps, strict=True))

    def found(source, **more):
        rows = blocks.windows(source, **ask, **more).to_table().to_pylist()
        aheads = [row["name_ahead"] if horizon > 1 else [row["name_ahead"]] for row in rows]
        return [
            (row, min(map(time_of.get, ahead)), max(map(time_of.get, ahead)))
            for row, ahead in zip(rows, aheads, strict=True)
        ]

    everything = found(whole)
    before, after, reaching = found(early), found(late), found(late, history=True)
    assert all(last + reach <= start for _, _, last in before)
    assert [row for row, _, _ in before] == [
        row for row, _, _ in found(whole.filter(pc.less_equal(pc.add(whole["at"], max(reach, 1)), start)))
    ]
    key = operator.itemgetter("pair", "at")
    assert sorted((row for row, _, _ in reaching), key=str) == sorted(
        (row for row, first, _ in everything if first >= start), key=str
    )
    if not fill:  # or a window of the part alone may have fewer steps than one that knows what was before
        assert {key(row) for row, _, _ in after} <= {key(row) for row, _, _ in reaching}
    assert all(time_of[name] >= start for row, _, _ in after for name in row["name"] if name is not None)


@settings(max_examples=25, deadline=None)
@given(cases(), st.randoms())
def test_rows_in_any_order_are_sorted(case, random):
    entities, stamps, every, fill = case
    whole = table(entities, stamps)
    order = random.sample(range(len(stamps)), len(stamps))
    ask = {"length": 2, "by": "pair", "order": "at", "every": every, "columns": ["close", "name"]}
    ask |= {"gaps": "missing"} if fill else {}
    found = blocks.windows(whole.take(order), **ask).to_table().to_pylist()
    assert {(row["pair"], row["at"]): row for row in found} == oracle(whole.to_pylist(), 2, 0, 0, every, fill)


def test_a_window_of_every_series_is_pandas_view_of_it():
    random = np.random.default_rng(0)
    times = pd.date_range("2024-01-01", periods=400, freq="1h")
    frame = pd.DataFrame(
        {"pair": np.repeat(["eur", "usd"], 400), "date": [*times, *times], "close": random.normal(size=800)}
    )
    frame = frame.sample(frac=1, random_state=1)
    rows = blocks.windows(
        blocks.read(frame),
        length=24,
        horizon=4,
        gap=1,
        by="pair",
        order="date",
        every="1h",
        columns=["close"],
        target="close",
    ).to_table()
    assert rows.schema.field("close").type == pa.list_(pa.float64(), 24)
    for pair, own in frame.sort_values("date").groupby("pair"):
        part = rows.filter(pc.equal(rows["pair"], pair))
        view = np.lib.stride_tricks.sliding_window_view(own["close"].to_numpy(), 29)
        assert np.array_equal(np.array(part["close"].to_pylist()), view[:, :24])
        assert np.array_equal(np.array(part["close_ahead"].to_pylist()), view[:, 25:])
        assert part["date"].to_pylist() == [t.to_pydatetime() for t in own["date"].iloc[23:-5]]


def test_what_is_known_ahead_and_what_never_changes():
    rows = table(["a"] * 6, range(6)).append_column("sector", pa.array(["x"] * 6))
    made = blocks.windows(
        rows,
        length=2,
        horizon=2,
        by="pair",
        order="at",
        columns=["close"],
        target="close",
        future=["name"],
        static=["sector"],
    )
    assert made.schema.names == ["pair", "at", "sector", "close", "name_ahead", "close_ahead"]
    first = made.to_table().to_pylist()[0]
    assert first == {
        "pair": "a",
        "at": 1,
        "sector": "x",
        "close": [0.0, 1.0],
        "name_ahead": ["r2", "r3"],
        "close_ahead": [2.0, None],
    }
    alone = blocks.windows(rows, length=2, order="at")
    assert alone.schema.names == ["at", "pair", "close", "name", "sector"]
    assert alone.count() == 5


def test_targets_stay_in_their_part_and_inputs_may_reach_back():
    rows = blocks.read(table(["a", "b"] * 100, np.repeat(range(100), 2)))
    splits = rows.split(train=0.6, test=0.4, time="at", horizon=3)
    ask = {"length": 5, "horizon": 3, "by": "pair", "order": "at", "columns": ["close"], "target": "close"}
    train, test = (blocks.windows(part, **ask).to_table() for part in splits.values())
    reaching = blocks.windows(splits["test"], **ask, history=True).to_table()
    assert max(train["at"].to_pylist()) + 3 <= 57  # the part's last time, after purging
    assert min(test["at"].to_pylist()) == 64
    assert min(reaching["at"].to_pylist()) == 59  # what is ahead begins at 60
    assert reaching.num_rows == test.num_rows + 2 * 5
    with pytest.raises(InvalidArgument, match="for a part of a split by time"):
        blocks.windows(rows, **ask, history=True)


@pytest.mark.parametrize(
    "kind", [pa.timestamp("ms"), pa.timestamp("ns", "UTC"), pa.date32(), pa.date64(), pa.int32(), pa.uint64()]
)
def test_times_of_any_type_come_back_as_they_were(kind):
    days = [datetime.date(2024, 2, 27) + datetime.timedelta(days=n) for n in range(9)]
    times = pa.array(days, pa.date32()).cast(kind) if not pa.types.is_integer(kind) else pa.array(range(9), kind)
    rows = blocks.read(pa.table({"t": times, "x": range(9)}))
    every = 1 if pa.types.is_integer(kind) else "1d"
    made = blocks.windows(rows, length=3, order="t", every=every, columns=["x"], gaps="missing").to_table()
    assert made["t"].combine_chunks().equals(rows.to_table()["t"].combine_chunks().slice(2))


def test_entities_in_the_tens_of_thousands_and_many_batches(monkeypatch):
    monkeypatch.setattr(cutting, "MOST_VALUES", 50)
    entities = np.tile(np.arange(3_000), 6)
    times = np.repeat(np.arange(6), 3_000)
    rows = pa.table({"pair": entities, "at": times, "x": np.arange(18_000)})
    made = blocks.windows(rows, length=3, horizon=1, by="pair", order="at", columns=["x"], target="x").to_table()
    assert made.num_rows == 9_000
    x = np.array(made["x"].to_pylist())
    assert (np.diff(x, axis=1) == 3_000).all()
    assert (np.array(made["x_ahead"].to_pylist()) - x[:, -1] == 3_000).all()


def test_what_makes_no_window_is_refused():
    rows = table(["a", "a", "b"], [1, 1, 1])
    with pytest.raises(MalformedData, match=r"one row at a time. Received: two of pair='a', at=1"):
        blocks.windows(rows, length=2, by="pair", order="at", columns=["close"]).to_table()
    uneven = table(["a"] * 3, [0, 2, 5])
    with pytest.raises(InvalidArgument, match=r"whole numbers of steps apart. Received: pair='a', at=5.*gaps='drop'"):
        blocks.windows(uneven, length=2, by="pair", order="at", every=2, gaps="missing").to_table()
    assert blocks.windows(uneven, length=2, by="pair", order="at", every=2).count() == 1
    with pytest.raises(SchemaMismatch, match="timestamps, dates or whole numbers"):
        blocks.windows(rows, length=2, order="name")
    with pytest.raises(InvalidArgument, match="each name once"):
        blocks.windows(rows, length=2, order="at", columns=["close", "at"])
    with pytest.raises(InvalidArgument, match="Without every="):
        blocks.windows(rows, length=2, order="at", gaps="missing")
    with pytest.raises(InvalidArgument, match="length must be a whole number, at least 1"):
        blocks.windows(rows, length=0, order="at")
    with pytest.raises(SchemaMismatch, match="nobody"):
        blocks.windows(rows, length=2, order="at", target="nobody")
    for every in (0, "0h", "1.5ns"):
        with pytest.raises(InvalidArgument):
            blocks.windows(table(["a"], [0], pa.timestamp("us")), length=2, order="at", every=every)


def test_a_sorted_copy_gives_every_type_and_name_back():
    """DuckDB has other types than Arrow, and takes names that differ in case alone for one."""
    count = 40
    at = np.datetime64("2024-01-01T00:00:00.000000001", "ns") + np.arange(count) * np.timedelta64(3600, "s")
    rows = pa.table(
        {
            "at": at,
            "x": np.arange(count).astype("f2"),
            "X": np.arange(count).astype("u8") + 2**63,
            "day": pa.array([19_000 * 86_400_000] * count, pa.date64()),
            "zoned": pa.array(at.astype("datetime64[us]"), pa.timestamp("us", "Europe/Rome")),
            "raw": pa.array([b"\xff", None] * (count // 2)),
            "took": pa.array(np.arange(count), pa.duration("ns")),
            "time": pa.array(range(count), pa.int32()).cast(pa.time32("ms")),
            "wide": pa.array([str(n) for n in range(count)]).cast(pa.decimal256(40, 2)),
            'q"o': [f"s{n}" for n in range(count)],
        }
    )
    ask = {"length": 3, "order": "at", "every": "1h", "columns": rows.schema.names[1:]}
    straight = blocks.windows(rows, **ask).to_table()
    mixed = blocks.windows(rows.take(np.random.default_rng(0).permutation(count)), **ask).to_table()
    assert mixed.num_rows == count - 2
    assert mixed.equals(straight)


def test_what_cannot_be_sorted_is_refused_and_errors_of_reading_stay_what_they_are():
    odd = pa.table({"at": [2, 1], "x": pa.array([(1, 2, 3), None], pa.month_day_nano_interval())})
    with pytest.raises(InvalidArgument, match=r"'x' of type month_day_nano_interval.*select"):
        blocks.windows(odd, length=1, order="at").count()
    assert blocks.windows(odd.sort_by("at"), length=1, order="at").count() == 2
    passes = iter(range(9))

    class Breaks:
        """Rows that are not in order, and cannot be read a second time."""

        schema = pa.schema([("at", pa.int64()), ("x", pa.int64())])

        def chunks(self, rows):
            first = next(passes) == 0
            yield pa.record_batch({"at": [2, 1], "x": [1, 2]})
            if not first:
                raise MalformedData("x.csv has ended")

    with pytest.raises(MalformedData, match=r"x\.csv has ended"):
        blocks.windows(Breaks(), length=1, order="at").count()


def test_entities_that_begin_or_end_anywhere_and_parts_shorter_than_a_window():
    entities = ["old"] * 50 + ["new"] * 30 + ["both"] * 100
    times = [*range(50), *range(70, 100), *range(100)]
    rows = blocks.read(table(entities, times))
    train, test = rows.split(train=0.97, test=0.03, time="at").values()
    ask = {"length": 5, "horizon": 2, "by": "pair", "order": "at", "columns": ["name"], "target": "close"}
    starts = min(test.to_table()["at"].to_pylist())
    assert starts > 90
    made = blocks.windows(test, **ask)
    tiny = test.count()
    assert made.count() == len(made.to_table()) == 0
    assert made.schema.names == ["pair", "at", "name", "close_ahead"]
    assert made.left_out == {"fewer than 5 steps so far": tiny} or sum(made.left_out.values()) == tiny
    reaching = blocks.windows(test, **ask, history=True)
    assert Counter(reaching.to_table()["pair"].to_pylist()) == {"new": 100 - starts - 1, "both": 100 - starts - 1}
    assert reaching.left_out == {"fewer than 2 steps to come": 4}
    counts = Counter(blocks.windows(train, **ask).to_table()["pair"].to_pylist())
    assert counts == {"old": 50 - 6, "new": starts - 70 - 6, "both": starts - 6}


def test_days_are_24_hours_and_months_are_numbers():
    """A day of local time has 23 to 25 hours where clocks change: dates have none, and months are counted."""
    local = pd.date_range("2024-03-28", periods=8, freq="1D", tz="Europe/Rome")  # clocks change on the 31st
    rows = pa.table({"at": pa.array(local), "day": pa.array(local.date), "x": range(8)})
    by_instant = blocks.windows(rows, length=2, order="at", every="1d", columns=["x"])
    assert [row["x"] for row in by_instant.to_table().to_pylist()] == [[0, 1], [1, 2], [2, 3], [4, 5], [5, 6], [6, 7]]
    assert by_instant.left_out == {"fewer than 2 steps so far": 1, "a step is missing among the last 2": 1}
    assert by_instant.to_table()["at"].to_pylist()[0] == local[1].to_pydatetime()
    with pytest.raises(InvalidArgument, match="whole numbers of steps apart"):
        blocks.windows(rows, length=2, order="at", every="1d", columns=["x"], gaps="missing").count()
    assert blocks.windows(rows, length=2, order="day", every="1d", columns=["x"]).count() == 7
    hours = pd.date_range("2024-03-31", periods=6, freq="1h", tz="Europe/Rome")
    assert blocks.windows({"at": pa.array(hours), "x": range(6)}, length=3, order="at", every="1h").count() == 4
    months = pd.date_range("2023-10-31", periods=6, freq="ME")
    stamps = {"at": pa.array(months), "month": 12 * months.year + months.month, "x": range(6)}
    with pytest.raises(InvalidArgument, match=r"every is a duration.*Received: '1 month'.*12 \* year \+ month"):
        blocks.windows(stamps, length=3, order="at", every="1 month")
    assert blocks.windows(stamps, length=3, order="month", every=1, columns=["x"]).count() == 4


def test_rows_that_have_no_place_in_time_are_refused_in_any_order():
    for times in ([1, 2, 2, 3], [3, 2, 1, 2]):
        with pytest.raises(MalformedData, match="two of pair='a', at=2"):
            blocks.windows(table(["a"] * 4, times), length=2, by="pair", order="at", columns=["close"]).count()
    with pytest.raises(InvalidArgument, match=r"1 missing of 3 rows in 'at'.*is_valid"):
        blocks.windows(table(["a"] * 3, [1, None, 3]), length=2, by="pair", order="at", columns=["close"]).count()
