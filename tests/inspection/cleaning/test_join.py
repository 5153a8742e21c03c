"""Joins against a brute-force oracle, in memory and on disk, of every type that copies keep."""

import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import blocks
from blocks.errors import InvalidArgument, MalformedData, SchemaMismatch
from blocks.inspection.cleaning import alignment, join

PRICES = {"day": [1, 2, 3, 4], "price": [1.0, 2.0, 3.0, 4.0]}
TARGETS = {"day": [3, 1, 2], "up": [True, None, False]}

keys = st.lists(st.tuples(st.sampled_from([None, 1, 2, 3]), st.sampled_from(["a", "b", "A"])), unique=True, max_size=9)


def of(found, name):
    rows = [{"day": day, "pair": pair, name: f"{name}{at}"} for at, (day, pair) in enumerate(found)]
    return pa.Table.from_pylist(rows, pa.schema([("day", pa.int64()), ("pair", pa.string()), (name, pa.string())]))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(keys, min_size=1, max_size=3), st.sampled_from([1, 2, 65_536]), st.sampled_from([1, 3, 65_536]))
def test_rows_are_the_oracles(monkeypatch, found, size, rows):
    for module in (alignment, join):
        monkeypatch.setattr(module, "CHUNK_ROWS", size)
    tables = {name: of(one, name) for name, one in zip("xyz", found, strict=False)}
    expected = []
    for key in found[0]:
        if key[0] is not None and all(key in one for one in found):
            values = {name: f"{name}{one.index(key)}" for name, one in zip("xyz", found, strict=False)}
            expected.append({"day": key[0], "pair": key[1], **values})
    joined = blocks.join(tables, keys=["day", "pair"])
    assert joined.count() == len(expected)
    for _ in range(2):
        assert [row for chunk in joined.chunks(rows) for row in chunk.to_pylist()] == expected
    last = list(tables)[-1]
    assert joined.select([last]).to_table()[last].to_pylist() == [row[last] for row in expected]


def wide(rows):
    """Columns whose types DuckDB would change, or whose names it takes for one."""
    at = pa.array([1_700_000_000_000_000_000 + n for n in range(rows)], pa.timestamp("ns", "Europe/Berlin"))
    pairs = pa.FixedSizeListArray.from_arrays(pa.array(np.arange(2 * rows, dtype=np.float32)), 2)
    return {
        "at": at,
        "AT": pa.array([datetime.time(1, 2, 3, n % 1000) for n in range(rows)], pa.time64("ns")),
        "short": pa.array([None if n % 3 == 0 else n for n in range(rows)], pa.time32("s")),
        "half": pa.array(np.arange(rows) % 1000, pa.float16()),
        "wait": pa.array(range(rows), pa.duration("ms")),
        "pair": pairs,
        "money": pa.array(range(rows), pa.int64()).cast(pa.decimal128(25, 2)),
        "raw": pa.array([b"\x00\xff"] * rows),
        "place": pa.array([f"größe {n}" for n in range(rows)], pa.large_string()),
    }


@pytest.mark.parametrize("bytes_held", [1 << 26, 1])
def test_other_orders_keep_every_type_and_value(monkeypatch, bytes_held):
    monkeypatch.setattr(join, "IN_MEMORY_BYTES", bytes_held)
    monkeypatch.setattr(join, "CHUNK_ROWS", 300)
    rows = 1_000
    day, order = np.arange(rows), np.random.default_rng(0).permutation(rows)
    values = pa.table({"day": day, **wide(rows)})
    joined = blocks.join({"a": {"day": day, "x": day * 2}, "b": values.take(order)}, keys="day")
    assert joined.schema.field("at").type == pa.timestamp("ns", "Europe/Berlin")
    table = joined.to_table()
    assert table["x"].to_pylist() == (day * 2).tolist()
    for name in values.column_names:
        assert table[name].combine_chunks().cast(values[name].type).equals(values[name].combine_chunks()), name
    assert joined.select(["half", "day"]).head(2).to_pydict() == {"half": [0.0, 1.0], "day": [0, 1]}


def test_tables_in_one_order_are_read_side_by_side(monkeypatch):
    monkeypatch.setattr(join, "_placed", None)
    clean = blocks.clean({"prices": PRICES, "targets": {"day": [1, 2, 3], "up": [True, None, False]}}, keys="day")
    rows = blocks.join(clean, keys="day")
    assert rows.schema.names == ["day", "price", "up"]
    assert rows.to_table().to_pylist()[1] == {"day": 2, "price": 2.0, "up": None}
    assert repr(rows) == "Source(prices, targets joined by day)"


def test_it_goes_on_as_any_source():
    rows = blocks.join({"prices": PRICES, "targets": TARGETS}, keys="day")
    assert rows.filter(pc.field("price") > 1).select(["up", "day"]).to_table().to_pydict() == {
        "up": [False, True],
        "day": [2, 3],
    }
    parts = rows.split(train=0.5, test=0.5, time="day")
    assert sum(part.count() for part in parts.values()) == 3
    again = blocks.join({"prices": PRICES, "targets": TARGETS}, keys="day")
    assert rows.fingerprint() == again.fingerprint()
    other = blocks.join({"prices": PRICES, "targets": {**TARGETS, "up": [True] * 3}}, keys="day")
    assert rows.fingerprint() != other.fingerprint()


def test_what_cannot_be_joined_is_refused():
    with pytest.raises(InvalidArgument, match=r"Received: 'price' in prices, other\. Leave it out"):
        blocks.join({"prices": PRICES, "other": {"day": [1], "price": [2.0]}}, keys="day")
    with pytest.raises(InvalidArgument, match="2 rows of twice whose key in"):
        blocks.join({"prices": PRICES, "twice": {"day": [9, 9], "x": [1, 2]}}, keys="day")
    with pytest.raises(SchemaMismatch, match="join: targets: there is no column 'hour'"):
        blocks.join({"prices": {**PRICES, "hour": [1] * 4}, "targets": TARGETS}, keys=["day", "hour"])
    with pytest.raises(InvalidArgument, match="Received: Table"):
        blocks.join(pa.table(PRICES), keys="day")
    with pytest.raises(InvalidArgument, match="at least one"):
        blocks.join({}, keys="day")


@pytest.mark.parametrize("rows", [2, 4])
@pytest.mark.parametrize("first", [[1, 2, 3], [3, 2, 1]])
def test_rows_that_change_after_their_keys_were_read_are_refused(first, rows):
    class Changes:
        schema = pa.schema([("day", pa.int64()), ("x", pa.int64())])
        rows = 3

        def chunks(self, rows):
            days = list(range(1, self.rows + 1))
            yield pa.record_batch({"day": days, "x": days})

    data = Changes()
    joined = blocks.join({"a": {"day": first}, "b": data}, keys="day")
    data.rows = rows
    with pytest.raises(MalformedData, match="Rows are the same on every pass"):
        joined.to_table()
