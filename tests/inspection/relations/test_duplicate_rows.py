"""Rows that stand more than once: every count against DuckDB's and pandas', at several lengths of chunks and orders.

BLOCKS_DUPLICATE_ROWS says how many rows the count of memory is made over; `make proof` asks for 10 million and more.
"""

import json
import os
import tracemalloc
from collections import Counter

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blocks.errors import InvalidArgument, SchemaMismatch
from blocks.inspection.relations.duplicate_rows import DuplicateRows
from blocks.statistics.hash_tally import HashTally
from blocks.statistics.mergeable import Mergeable

ROWS = int(os.environ.get("BLOCKS_DUPLICATE_ROWS", "300_000"))


def counted(parts, chunk_rows=1_000, **arguments):
    found = DuplicateRows(**arguments)
    for part, table in parts.items():
        for chunk in table.to_batches(max_chunksize=chunk_rows):
            found.update(part, chunk)
    return found


def some_rows(rows, seed, first=0):
    """Contents that repeat, with missing values of both kinds; keys that repeat and are missing at times."""
    random = np.random.default_rng(seed)
    gaps = random.random((4, rows)) < 0.1
    return pa.table(
        {
            "id": pa.array(random.integers(first, first + rows, rows), mask=gaps[3]),
            "x": pa.array(np.where(gaps[0], np.nan, random.integers(0, 30, rows) / 4), mask=gaps[1]),
            "word": pa.array(random.choice(["a", "b", ""], rows), mask=gaps[2]).dictionary_encode(),
            "whole": random.integers(0, 3, rows),
            "label": pa.array(random.choice(["yes", "no"], rows, p=[0.8, 0.2]), mask=gaps[0] & gaps[1]),
        }
    )


@pytest.fixture(scope="module")
def parts():
    return {"train": some_rows(1_200, 0), "valid": some_rows(300, 1, 1_000), "test": some_rows(400, 2)}


def asking(parts):
    """Asks DuckDB of the parts: the one row of what a query gives."""
    connection = duckdb.connect(config={"threads": 1})
    for name, table in parts.items():
        connection.register(name, table)
    return lambda query: connection.execute(query).fetchall()[0]


def expected(ask, parts, columns, where="TRUE"):
    """By DuckDB, which keeps null, NaN and "" apart in groups as we do."""
    names = ", ".join(columns)
    groups = "SELECT {0}, count(*) AS n FROM {1} WHERE {2} GROUP BY {0}"
    within = {}
    for part in parts:
        distinct, rows = ask(f"SELECT count(*), sum(n) FROM ({groups.format(names, part, where)})")
        within[part] = (rows, distinct, rows - distinct)
    shared = {}
    for one, other in [("train", "valid"), ("train", "test"), ("valid", "test")]:
        same = " AND ".join(f"a.{name} IS NOT DISTINCT FROM b.{name}" for name in columns)
        sides = (f"({groups.format(names, part, where)}) {alias}" for part, alias in ((one, "a"), (other, "b")))
        query = f"SELECT count(*), sum(a.n), sum(b.n) FROM {next(sides)} JOIN {next(sides)} ON {same}"
        shared[one, other] = tuple(int(x or 0) for x in ask(query))
    return within, shared


def counts_of(equal):
    within = {one.part: (one.rows, one.distinct.value, one.repeated.value) for one in equal.parts}
    shared = {(one.one, one.other): tuple(number.value for number in one[2:]) for one in equal.shared}
    return within, shared


@pytest.mark.parametrize(
    ("key", "target", "chunk_rows"),
    [
        ((), None, 37),
        ((), "label", 37),
        (("id",), None, 37),
        (("id",), "label", 1),
        (("id",), "label", 37),
        (("id",), "label", 10_000),
    ],
)
def test_counts_are_duckdbs(parts, key, target, chunk_rows):
    if chunk_rows == 1:
        parts = {name: table.slice(0, 60) for name, table in parts.items()}
    ask = asking(parts)
    found = counted(parts, chunk_rows, key=key, target=target).result()
    names = parts["train"].schema.names
    contents = [name for name in names if name not in (*key, target)]
    assert found.exact
    assert found.rows == {name: len(table) for name, table in parts.items()}
    assert counts_of(found.equal["rows"]) == expected(ask, parts, names)
    if key or target:
        assert counts_of(found.equal["contents"]) == expected(ask, parts, contents)
        assert found.equal["contents"].columns == tuple(sorted(contents))
    if key:
        assert counts_of(found.equal["key"]) == expected(ask, parts, ["id"], "id IS NOT NULL")
        assert found.keyless == {name: table["id"].null_count for name, table in parts.items()}
    if target:
        query = "SELECT count(*), coalesce(sum(n), 0) FROM ({})"
        conflicts = {one.part: (one.contents.value, one.rows.value) for one in found.conflicts}
        everything = "(SELECT * FROM train UNION ALL SELECT * FROM valid UNION ALL SELECT * FROM test)"
        for part, rows in {**{name: name for name in parts}, None: everything}.items():
            grouped = f"SELECT count(*) n FROM {rows} GROUP BY {', '.join(contents)} HAVING count(DISTINCT label) > 1"
            assert conflicts[part] == ask(query.format(grouped))


def test_pandas_sees_the_same_where_it_has_the_same_rules(parts):
    table = parts["train"].drop_columns(["x"])
    found = counted({"all": table}).result().equal["rows"].parts[0]
    assert found.repeated.value == table.to_pandas().duplicated().sum()


@settings(max_examples=8)
@given(st.integers(0, 2**32), st.integers(7, 90), st.integers(7, 90), st.sampled_from([16, 40, 10_000]))
def test_neither_order_nor_chunks_nor_merging_change_anything(seed, one, other, most):
    random = np.random.default_rng(seed)
    tables = {"a": some_rows(90, seed), "b": some_rows(40, seed + 1)}
    first = counted(tables, one, key=["id"], target="label", most=most)
    shuffled = {name: tables[name].take(random.permutation(len(tables[name]))) for name in ("b", "a")}
    second = counted(shuffled, other, key=["id"], target="label", most=most)
    halves = [
        counted({name: table[start:stop] for name, table in tables.items()}, other, **second.parameters())
        for start, stop in ((0, 30), (30, None))
    ]
    merged = second.empty()
    for half in reversed(halves):
        merged.merge(Mergeable.from_bytes(half.to_bytes()))
    merged.merge(second.empty())

    def told(found):
        result = found.result()
        pairs = {
            by: {frozenset((x.one, x.other)): x.distinct for x in equal.shared} for by, equal in result.equal.items()
        }
        within = {by: {x.part: x[1:] for x in equal.parts} for by, equal in result.equal.items()}
        return pairs, within, sorted(result.conflicts, key=str), result.rows, result.keyless

    assert told(first) == told(second) == told(merged)
    assert first.result().exact == (most == 10_000)
    json.dumps(first.result().as_dict(), allow_nan=False)


def test_beyond_what_is_held_counts_are_estimates_with_their_errors():
    """40 tables of 8,400 rows of which at most 1,000 different ones are held: 95% of intervals hold the truth."""
    inside = Counter()
    for seed in range(40):
        random = np.random.default_rng(seed)
        one, other = random.integers(0, 4_500, 6_000), random.integers(3_000, 7_500, 2_400)
        labels = random.integers(0, 2, 8_400)
        found = DuplicateRows(target="y", most=1_000)
        found.update("one", pa.record_batch({"x": one, "y": labels[:6_000]}))
        found.update("other", pa.record_batch({"x": other, "y": labels[6_000:]}))
        result = found.result()
        assert not result.exact
        contents = result.equal["contents"]
        assert contents.share == 0.125
        shared, within = contents.shared[0], contents.parts[0]
        frame = pd.DataFrame({"x": np.append(one, other), "y": labels})
        truth = {
            shared.distinct: len(np.intersect1d(one, other)),
            shared.rows_of_one: np.isin(one, other).sum(),
            within.distinct: len(np.unique(one)),
            within.repeated: 6_000 - len(np.unique(one)),
            result.equal["rows"].parts[1].repeated: frame[6_000:].duplicated().sum(),
            result.conflicts[-1].contents: (frame.groupby("x")["y"].nunique() > 1).sum(),
        }
        for place, (estimate, value) in enumerate(truth.items()):
            assert estimate.error < 0.5 * value
            inside[place] += abs(estimate.value - value) <= estimate.error
    assert all(count >= 34 for count in inside.values()), inside
    assert sum(inside.values()) >= 0.91 * 240


@pytest.mark.proof
def test_memory_is_bounded_and_as_said():
    """Different rows alone: at most 36 bytes each of those that are held, however many come."""
    peaks = []
    for rows in (ROWS, 3 * ROWS):
        tally = HashTally(most=ROWS)
        random = np.random.default_rng(0)
        tracemalloc.start()
        for _ in range(rows // 50_000):
            tally.update("all", random.integers(0, 2**64, 50_000, np.uint64))
        assert tally.share == (1.0 if rows == ROWS else 0.25)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert max(peaks) < 36 * ROWS + 2**24, peaks


def test_one_row_over_and_over_takes_no_memory():
    tally = HashTally(most=100)
    for _ in range(20):
        tally.update("all", np.full(50_000, 7, np.uint64))
    (found,) = (one["all"] for one in tally.entries() if len(one["all"].hashes))
    assert (found.hashes.tolist(), found.rows.tolist(), tally.share) == ([7], [1_000_000], 1.0)


def test_lists_and_exclusions_and_columns_in_another_order():
    found = DuplicateRows(exclude=["row"])
    found.update("a", pa.record_batch({"row": [0, 1], "x": [[1, 2], None], "y": ["a", "b"]}))
    found.update("b", pa.record_batch({"y": ["a", "b"], "x": [[1.0, 2.0], []], "row": [5, 6]}))
    assert found.result().equal["rows"].shared[0][2:] == ((1, 0),) * 3
    with pytest.raises(SchemaMismatch, match=r"Received: \['y'\] in some chunks alone"):
        found.update("b", pa.record_batch({"x": [[1]]}))


def test_keys_and_labels_of_a_dictionary_are_their_texts():
    text = pa.table({"id": ["a", "", None, "b", "a"], "x": [1] * 5, "y": ["p", "q", None, "p", ""]})
    encoded = pa.table(
        {name: text[name].dictionary_encode() if name != "x" else text[name] for name in text.schema.names}
    )
    one, other = (counted({"a": table}, key=["id"], target="y").result() for table in (text, encoded))
    assert one == other
    assert (one.keyless, one.conflicts[0].rows, one.equal["key"].parts[0].repeated) == ({"a": 2}, (5, 0), (1, 0))


def test_keys_must_be_there_and_targets_need_not():
    with pytest.raises(InvalidArgument, match=r"Use key=\['id'\]"):
        DuplicateRows(key="id")
    with pytest.raises(SchemaMismatch, match=r"Received: \['id'\]. The columns are \['x'\]"):
        DuplicateRows(key=["id"]).update("a", pa.record_batch({"x": [1]}))
    unlabelled = {"a": pa.table({"x": [1, 2], "y": [0, 0]}), "b": pa.table({"x": [2, 2, 3]})}
    found = counted(unlabelled, target="y").result()
    assert found.equal["contents"].shared[0].rows_of_other == (2, 0)
    assert found.equal["rows"].shared[0].distinct == (0, 0)
    assert DuplicateRows().result().equal == {}
    only = counted({"a": pa.table({"label": [1, 1, 2]})}, target="label").result()
    assert (list(only.equal), only.conflicts) == (["rows"], ())
