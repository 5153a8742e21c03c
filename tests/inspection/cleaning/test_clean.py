"""Cleaning against a brute-force oracle in plain Python: what stays, what goes, and every reason."""

import os
import sys
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import blocks
from blocks.errors import InvalidArgument, MalformedData, SchemaMismatch
from blocks.inspection.cleaning import alignment, clean, key_sorting

RULES = {
    "negative": (pc.field("x") < 0, lambda row: row["x"] is not None and row["x"] < 0),
    "no value": (pc.field("x").is_null(), lambda row: row["x"] is None),
    "x; is two": (lambda batch: pc.equal(batch["x"], 2), lambda row: row["x"] == 2),
}
SCHEMA = pa.schema([("day", pa.int64()), ("pair", pa.string()), ("x", pa.int64())])


def oracle(tables, rules, by_content):
    """For each table the positions that stay, and the set of reasons of each position that goes."""
    own = {
        name: [[text for text in rules.get(name, ()) if RULES[text][1](row)] for row in rows]
        for name, rows in tables.items()
    }
    keys = {name: [(row["day"], row["pair"]) for row in rows] for name, rows in tables.items()}
    for name, found in keys.items():
        for at, key in enumerate(found):
            if None in key or "" in key:
                own[name][at].append("key is missing")
                found[at] = None
    left = {}
    for name, rows in tables.items():
        by_key, seen = defaultdict(list), set()
        for at, row in enumerate(rows):
            if own[name][at]:
                continue
            content = (*keys[name][at], row["x"])
            if by_content and content in seen:
                own[name][at].append("row stands twice")
                continue
            seen.add(content)
            by_key[keys[name][at]].append(at)
        for places in by_key.values():
            for at in places if len(places) > 1 else ():
                own[name][at].append("key stands twice")
        left[name] = {key for key, places in by_key.items() if len(places) == 1}
    stays, goes = {}, {}
    for name in tables:
        stays[name], goes[name] = [], {}
        for at, key in enumerate(keys[name]):
            found = set(own[name][at])
            for other in tables if key is not None else ():
                if other == name or key in left[other]:
                    continue
                if key not in keys[other]:
                    found.add(f"not in {other}")
                for place, same in enumerate(keys[other]):
                    found |= {f"{other}: {text}" for text in own[other][place]} if same == key else set()
            if found:
                goes[name][at] = found
            else:
                stays[name].append(at)
    return stays, goes


rows = st.lists(
    st.fixed_dictionaries(
        {
            "day": st.sampled_from([None, 1, 2, 3, 4]),
            "pair": st.sampled_from(["EUR", "USD", "", None]) | st.just("EUR"),
            "x": st.sampled_from([None, -1, 0, 1, 2]),
        }
    ),
    max_size=14,
)
given_rules = st.dictionaries(st.sampled_from("abc"), st.sets(st.sampled_from(sorted(RULES))), max_size=3)


def compare(tables, rules, by_content, path):
    rules = {name: sorted(texts) for name, texts in rules.items() if name in tables}
    stays, goes = oracle(tables, rules, by_content)
    sources = {name: blocks.read(pa.Table.from_pylist(found, SCHEMA)) for name, found in tables.items()}
    made = blocks.clean(
        sources,
        keys=["day", "pair"],
        rules={name: {text: RULES[text][0] for text in texts} for name, texts in rules.items()},
        rejects=path,
        duplicates="content" if by_content else "key",
    )
    rejected = pq.read_table(path)
    assert rejected.column_names == ["table", "row", "day", "pair", "reason"]
    for name, found in tables.items():
        kept = made[name].to_table().to_pylist()
        assert kept == [found[at] for at in stays[name]]
        assert kept == [row for chunk in made[name].chunks(3) for row in chunk.to_pylist()]
        mine = [row for row in rejected.to_pylist() if row["table"] == name]
        reasons = defaultdict(list)
        for row in mine:
            reasons[row["row"]].append(row["reason"])
            assert (row["day"], row["pair"]) == (found[row["row"]]["day"], found[row["row"]]["pair"])
        assert {at: set(texts) for at, texts in reasons.items()} == goes[name]
        assert all(len(set(texts)) == len(texts) for texts in reasons.values())
        assert made.reasons[name] == Counter(row["reason"] for row in mine)
        assert made.read[name] == len(found) == made.kept[name] + made.dropped[name]
        assert made.kept[name] == made[name].count() == len(kept)
        assert made.dropped[name] == len(goes[name]) == made[name].rejected


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(rows, min_size=1, max_size=3), given_rules, st.booleans(), st.sampled_from([1, 2, 5, 65_536]))
def test_what_stays_and_every_reason_are_the_oracles(tmp_path, monkeypatch, tables, rules, by_content, size):
    for module in (alignment, clean):
        monkeypatch.setattr(module, "CHUNK_ROWS", size)
    compare(dict(zip("abc", tables, strict=False)), rules, by_content, tmp_path / "rejects.parquet")


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(rows, min_size=1, max_size=3), given_rules, st.booleans())
def test_keys_beyond_memory_are_sorted_on_disk(tmp_path, monkeypatch, tables, rules, by_content):
    for module in (alignment, key_sorting):
        monkeypatch.setattr(module, "IN_MEMORY", 3)
    monkeypatch.setattr(alignment, "CHUNK_ROWS", 4)
    compare(dict(zip("abc", tables, strict=False)), rules, by_content, tmp_path / "rejects.parquet")


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(rows, min_size=1, max_size=3), st.integers(1, 4))
def test_keys_come_whole_however_they_are_cut(tmp_path, monkeypatch, tables, size):
    whole = key_sorting.KeySorting._sorted

    def cut(self):
        for piece in whole(self):
            yield from (piece[low : low + size] for low in range(0, len(piece), size))

    with monkeypatch.context() as patch:
        patch.setattr(key_sorting.KeySorting, "_sorted", cut)
        compare(dict(zip("abc", tables, strict=False)), {"a": {"negative"}}, True, tmp_path / "rejects.parquet")


PRICES = {"day": [1, 2, 3, 4], "price": [1.0, 2.0, 3.0, 4.0]}
TARGETS = {"day": [1, 2, 3, 5], "up": [True, None, False, True]}


def test_rejects_as_csv_and_what_is_printed(tmp_path):
    path = tmp_path / "rejects.csv"
    rules = {"targets": {"no target": pc.field("up").is_null()}}
    made = blocks.clean({"prices": PRICES, "targets": TARGETS}, keys="day", rules=rules, rejects=path)
    assert pacsv.read_csv(path).to_pylist() == [
        {"table": "prices", "row": 1, "day": 2, "reason": "targets: no target"},
        {"table": "prices", "row": 3, "day": 4, "reason": "not in targets"},
        {"table": "targets", "row": 1, "day": 2, "reason": "no target"},
        {"table": "targets", "row": 3, "day": 5, "reason": "not in prices"},
    ]
    assert "targets: 4 rows read, 2 kept, 2 dropped\n  1 no target" in repr(made)


def test_rejects_are_whole_or_not_at_all(tmp_path):
    path = tmp_path / "rejects.parquet"
    path.write_bytes(b"before")

    class Fails:
        schema = pa.schema([("day", pa.int64())])
        passes = 0

        def chunks(self, rows):
            self.passes += 1
            yield pa.record_batch({"day": [1, 1]})
            if self.passes > 1:
                raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        blocks.clean(Fails(), keys="day", rejects=path)
    assert path.read_bytes() == b"before"
    assert os.listdir(tmp_path) == ["rejects.parquet"]


def test_one_table_alone():
    source = blocks.read({"id": [1, 2, 2, 3], "x": [0.5, 1.5, 2.5, -1.0]})
    made = blocks.clean(source, keys="id", rules={"negative": pc.field("x") < 0})
    assert made.to_table().to_pydict() == {"id": [1], "x": [0.5]}
    assert (made.count(), made.rejected) == (1, 3)
    assert made.select(["x"]).filter(pc.field("id") == 1).to_table().to_pydict() == {"x": [0.5]}
    assert repr(made).startswith("Source(1 of 4 rows of Source(")


def test_rules_judge_before_duplicates_do():
    rows = {"id": [1, 1, 2], "old": [True, False, False]}
    made = blocks.clean({"a": rows}, keys="id", rules={"a": {"superseded": pc.field("old")}})
    assert made["a"].to_table().to_pydict() == {"id": [1, 2], "old": [False, False]}
    assert made.reasons == {"a": {"superseded": 1}}


def test_fingerprints_tell_rules_and_what_stays():
    def marked(rules, **options):
        return blocks.clean(blocks.read(PRICES), keys="day", rules=rules, **options).fingerprint()

    one = marked({"cheap": pc.field("price") < 2})
    assert one == marked({"cheap": pc.field("price") < 2})
    assert one != marked({"low": pc.field("price") < 2})
    assert one != marked({"cheap": pc.field("price") < 1.5})
    assert one != marked({"cheap": pc.field("price") < 2}, duplicates="content")
    limits = [lambda batch: pc.less(batch["price"], 2), lambda batch: pc.less(batch["price"], 3)]
    assert marked({"f": limits[0]}) != marked({"f": limits[1]})


def test_nanoseconds_tell_keys_apart_and_units_do_not():
    fine = pa.table({"at": pa.array([1000, 1001, 2000], pa.timestamp("ns"))})
    coarse = pa.table({"at": pa.array([1, 2], pa.timestamp("us"))})
    made = blocks.clean({"fine": fine, "coarse": coarse}, keys="at")
    assert made.reasons == {"fine": {"not in coarse": 1}, "coarse": {}}


def test_rows_that_change_between_passes_are_refused():
    class Grows:
        schema = pa.schema([("day", pa.int64())])
        rows = 3

        def chunks(self, rows):
            yield pa.record_batch({"day": list(range(self.rows))})

    for changed in (2, 4):
        data = Grows()
        made = blocks.clean(data, keys="day")
        data.rows = changed
        with pytest.raises(MalformedData, match="Rows are the same on every pass"):
            made.to_table()


def test_a_key_that_tells_nothing_apart_is_refused(monkeypatch):
    monkeypatch.setattr(key_sorting, "MOST_OF_A_KEY", 3)
    with pytest.raises(InvalidArgument, match="Name all columns that together tell rows apart"):
        blocks.clean(blocks.read({"pair": ["EUR"] * 5, "x": [1] * 5}), keys="pair")


def test_without_duckdb_more_rows_than_memory_holds_are_refused(monkeypatch):
    monkeypatch.setattr(key_sorting, "IN_MEMORY", 2)
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(InvalidArgument, match=r"pip install 'ml-blocks\[sql\]'"):
        blocks.clean(blocks.read(PRICES), keys="day")


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"keys": []}, InvalidArgument, "each once"),
        ({"keys": ["day", "hour"]}, SchemaMismatch, "prices: there is no column 'hour'"),
        ({"rules": {"prizes": {}}}, InvalidArgument, "Received: 'prizes'"),
        ({"rules": {"prices": {"": pc.field("price") > 1}}}, InvalidArgument, "reason in words"),
        ({"rules": {"prices": {"a": pc.field("cost") > 1}}}, SchemaMismatch, "The rule 'a' of prices"),
        ({"rules": {"prices": {"a": pc.field("price") + 1}}}, InvalidArgument, "The rule 'a' of prices"),
        ({"rules": {"prices": {"a": "price > 1"}}}, InvalidArgument, "Received for 'a' of prices: str"),
        ({"rules": {"prices": {"a": lambda batch: [True]}}}, InvalidArgument, "1 values of type bool for 4 rows"),
        ({"rules": {"prices": {"a": lambda batch: batch["day"]}}}, InvalidArgument, "4 values of type int64"),
        ({"rules": {"prices": {str(n): pc.field("price") > n for n in range(61)}}}, InvalidArgument, "at most 60"),
        ({"rejects": "rejects.txt"}, InvalidArgument, "a .parquet or a .csv file"),
        ({"duplicates": "first"}, InvalidArgument, "'key' or 'content'"),
    ],
)
def test_arguments_are_checked(change, error, match):
    with pytest.raises(error, match=match):
        blocks.clean({"prices": PRICES, "targets": TARGETS}, **{"keys": "day", **change})


def test_keys_of_other_types_are_refused():
    text = {"day": ["1", "2"], "x": [1, 2]}
    with pytest.raises(SchemaMismatch, match="'day' of type int64 in prices and of string in text"):
        blocks.clean({"prices": PRICES, "text": text}, keys="day")
    with pytest.raises(SchemaMismatch, match="one value a row"):
        blocks.clean(pa.table({"day": [[1], [2]]}), keys="day")
    with pytest.raises(InvalidArgument, match="Rename row"):
        blocks.clean(pa.table({"row": [1, 2]}), keys="row", rejects="rejects.csv")


def test_columns_are_no_tables_and_bytes_no_text():
    with pytest.raises(InvalidArgument, match=r"'day' with a list\. Give a table of arrays as blocks\.read"):
        blocks.clean({"day": [1, 2]}, keys="day")
    with pytest.raises(InvalidArgument, match=r"keys of bytes\. Name a \.parquet"):
        blocks.clean(pa.table({"day": [b"\xff"]}), keys="day", rejects="rejects.csv")


def test_functions_see_all_columns_and_nulls_are_not_true():
    seen = []

    def odd(batch):
        seen.append(batch.schema.names)
        return np.asarray(batch["day"]) % 2 == 1

    made = blocks.clean({"t": TARGETS}, keys="day", rules={"t": {"odd": odd, "down": ~pc.field("up")}})
    assert made["t"].to_table().to_pydict() == {"day": [2], "up": [None]}
    assert seen == [["day", "up"]]
    assert made.reasons["t"] == {"odd": 3, "down": 1}


def test_designs_lines_run_word_for_word(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    dates = [f"2025-01-{day:02} 00:00:00" for day in range(1, 31)]
    prices = blocks.read({"date": dates, "pair": ["EURUSD"] * 30, "open": np.arange(30.0), "close": np.arange(30.0)})
    up = [None if day % 7 == 3 else day % 2 == 0 for day in range(30)]
    targets = blocks.read({"date": dates[::-1], "pair": ["EURUSD"] * 30, "target": up[::-1]})
    clean = blocks.clean(
        {"prices": prices, "targets": targets},
        keys=["date", "pair"],
        rules={"targets": {"no target": pc.field("target").is_null()}},
        rejects="rejects.parquet",
    )
    rows = blocks.join(clean, keys=["date", "pair"])
    assert rows.schema.names == ["date", "pair", "open", "close", "target"]
    assert rows.to_table()["target"].to_pylist() == [value for value in up if value is not None]
    assert blocks.read("rejects.parquet").count() == clean.dropped["prices"] + clean.dropped["targets"] == 8


@pytest.mark.skipif("BLOCKS_DATA" not in os.environ, reason="BLOCKS_DATA does not name the folder of real data")
def test_the_three_tables_of_a_database(tmp_path):
    path = next((Path(os.environ["BLOCKS_DATA"]) / "fx_classify_demo").glob("*train_data.db"))
    names = {"hourly": "test_hourly_feature_data", "technical": "test_technical_feature_data", "targets": "targets"}
    tables = {name: blocks.read(f"sqlite:///{path}", table=table) for name, table in names.items()}
    rules = {
        "targets": {"no target": pc.field("target").is_null()},
        "technical": {"no sma": pc.field("sma_roc").is_null()},
    }
    made = blocks.clean(tables, keys=["date", "pair"], rules=rules, rejects=tmp_path / "rejects.parquet")
    frames = {name: source.to_table().to_pandas().set_index(["date", "pair"]) for name, source in tables.items()}
    kept = frames["targets"].index[frames["targets"]["target"].notna()]
    kept = kept.intersection(frames["technical"].index[frames["technical"]["sma_roc"].notna()])
    kept = kept.intersection(frames["hourly"].index)
    assert 0 < len(kept) < len(frames["targets"])
    joined = blocks.join(made, keys=["date", "pair"])
    rows = joined.to_table().to_pandas().set_index(["date", "pair"])
    expected = frames["hourly"].join([frames["technical"], frames["targets"]]).loc[rows.index]
    assert set(rows.index) == set(kept)
    assert len(rows) == len(kept) == made.kept["hourly"]
    assert rows.equals(expected)
    rejected = pq.read_table(tmp_path / "rejects.parquet").to_pandas()
    assert rejected.groupby("table")["row"].nunique().to_dict() == {n: d for n, d in made.dropped.items() if d}
