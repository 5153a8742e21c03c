"""Order in time: steps, ranges and overlaps against pandas' on all rows at once, at several lengths of chunks."""

import datetime
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blocks.errors import InvalidArgument, SchemaMismatch
from blocks.inspection.relations.order_in_time import OrderInTime, time_columns
from blocks.statistics.mergeable import Mergeable


def seen(parts, chunk_rows, columns):
    found = OrderInTime(columns)
    for part, table in parts.items():
        for chunk in table.to_batches(max_chunksize=chunk_rows):
            found.update(part, chunk)
    return found


def days(random, rows, first, last):
    values = random.integers(first, last, rows)
    return pa.array(values.astype("datetime64[D]"), pa.date32(), mask=random.random(rows) < 0.1)


@pytest.mark.parametrize("chunk_rows", [1, 13, 5_000])
def test_steps_ranges_and_shares_are_pandas(chunk_rows):
    random = np.random.default_rng(0)
    parts = {
        "train": pa.table({"day": days(random, 300, 0, 90), "n": np.arange(300) // 2}),
        "test": pa.table({"day": days(random, 200, 60, 120), "n": -np.arange(200)}),
        "empty": pa.table({"day": pa.nulls(5, pa.date32()), "n": [7] * 5}),
    }
    found = seen(parts, chunk_rows, ["day", "n", "not there"]).result()
    assert [(one.column, one.part) for one in found.parts] == [(c, p) for p in parts for c in ("day", "n")]
    unit = {"day": 86_400e6, "n": 1.0}
    numbers = {}
    for one in found.parts:
        column = parts[one.part][one.column].to_pandas()
        values = pd.to_datetime(column).dropna() if one.column == "day" else column
        numbers[one.column, one.part] = values = (
            (values - pd.Timestamp(0)) / pd.Timedelta("1D") if one.column == "day" else values
        ).to_numpy(float)
        steps = np.sign(np.diff(values))
        assert (one.rows, one.missing) == (len(column), len(column) - len(values))
        assert [one.rising, one.equal, one.falling] == [(steps == sign).sum() for sign in (1, 0, -1)]
        if len(values):
            assert (one.first, one.last) == (values.min() * unit[one.column], values.max() * unit[one.column])
        else:
            assert np.isnan(one.first)
    assert {(one.part, one.column): one.order for one in found.parts} == {
        ("train", "day"): "mixed",
        ("test", "day"): "mixed",
        ("empty", "day"): "constant",
        ("train", "n"): "rising",
        ("test", "n"): "falling",
        ("empty", "n"): "constant",
    }
    assert len(found.pairs) == 2 + 6
    for pair in found.pairs:
        mine, other = numbers[pair.column, pair.part], numbers[pair.column, pair.seen_from]
        shares = [(mine < other.min()).mean(), (mine > other.max()).mean()]
        assert [pair.before, pair.after, pair.error] == [*map(pytest.approx, shares), 0.0]
        assert pair.before + pair.within + pair.after == pytest.approx(1.0)
    json.dumps(found.as_dict(), allow_nan=False)


@settings(max_examples=25)
@given(
    st.lists(st.none() | st.integers(-3, 3), max_size=12),
    st.integers(0, 12),
    st.integers(0, 12),
)
def test_merging_is_going_on(values, one, other):
    column = pa.array(values, pa.int64())
    cuts = sorted((min(one, len(values)), min(other, len(values))))
    pieces = [column[: cuts[0]], column[cuts[0] : cuts[1]], column[cuts[1] :]]
    first, second, third = (seen({"a": pa.table({"t": piece})}, 5, ["t"]) for piece in pieces)
    whole = seen({"a": pa.table({"t": column})}, 100, ["t"])
    second.merge(third)
    first.merge(Mergeable.from_bytes(second.to_bytes()))
    total = whole.empty()
    total.merge(first)
    total.merge(whole.empty())
    assert str(total.result()) == str(whole.result())


def test_of_few_rows_out_of_order_it_is_said():
    times = np.arange(1_000)
    times[500] = 0
    found = seen({"a": pa.table({"t": times, "back": times[::-1].copy()})}, 100, ["t", "back"]).result()
    assert [one.order for one in found.parts] == ["mostly rising", "mostly falling"]


def test_instants_of_any_unit_and_zone_are_one_time():
    noon = datetime.datetime(2024, 3, 1, 12, tzinfo=datetime.UTC)
    parts = {
        "a": pa.table({"t": pa.array([noon], pa.timestamp("s", "Europe/Paris"))}),
        "b": pa.table({"t": pa.array([noon], pa.timestamp("ns", "UTC"))}),
    }
    one, other = seen(parts, 10, ["t"]).result().parts
    assert one.first == other.first == noon.timestamp() * 1e6
    assert time_columns(parts["a"].schema) == ["t"]


def test_texts_are_no_times():
    with pytest.raises(SchemaMismatch, match=r"OrderInTime takes numbers, booleans, dates and times. Received: string"):
        OrderInTime(["t"]).update("a", pa.record_batch({"t": ["2024-01-01"]}))
    with pytest.raises(InvalidArgument, match=r"Use columns=\['t'\]"):
        OrderInTime("t")
