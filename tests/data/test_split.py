"""Splits: a partition, whatever the chunk size, that adding and reordering rows does not change."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import blocks.data
from blocks.errors import InvalidArgument, SchemaMismatch

keys = st.lists(st.one_of(st.none(), st.integers(-50, 50)), min_size=1, max_size=80)


def members(part: blocks.data.Source, rows: int = 65_536) -> list[int]:
    return [n for chunk in part.chunks(rows, columns=["row"]) for n in chunk["row"].to_pylist()]


def source(key: list[int | None]) -> blocks.data.Source:
    return blocks.data.read(pa.table({"row": range(len(key)), "key": pa.array(key, pa.int64())}))


@settings(max_examples=60, deadline=None)
@given(keys, st.sampled_from([None, "key", ["key", "row"]]), st.integers(0, 2**62), st.integers(1, 90))
def test_parts_partition_the_rows_whatever_the_chunk_size(key, by, seed: int, rows: int) -> None:
    parts = source(key).split(train=0.6, valid=0.3, test=0.1, key=by, seed=seed)
    assert list(parts) == ["train", "valid", "test"]
    found = {name: members(part) for name, part in parts.items()}
    assert found == {name: members(part, rows) for name, part in parts.items()}
    assert sorted(n for part in found.values() for n in part) == list(range(len(key)))
    assert all(part == sorted(part) for part in found.values())
    assert {name: part.count() for name, part in parts.items()} == {name: len(part) for name, part in found.items()}
    if by == "key":
        assert len({(name, key[n]) for name, part in found.items() for n in part}) == len(set(key))


@settings(max_examples=40, deadline=None)
@given(keys, keys, st.randoms())
def test_keyed_rows_stay_when_rows_are_added_and_reordered(key, more, random) -> None:
    def where(key: list[int | None]) -> dict[int | None, str]:
        parts = source(key).split(train=0.5, test=0.5, key="key")
        return {key[n]: name for name, part in parts.items() for n in members(part)}

    before = where(key)
    larger = [*key, *more]
    random.shuffle(larger)
    after = where(larger)
    assert {value: after[value] for value in before} == before


def test_a_part_does_not_depend_on_how_the_key_is_stored() -> None:
    numbers = list(range(500))
    forms = [
        pa.array(numbers, pa.int16()),
        pa.array(numbers, pa.int64()),
        pa.array([str(n) for n in numbers]),
        pa.array([str(n) for n in numbers]).dictionary_encode(),
        pa.array([str(n) for n in numbers], pa.large_string()),
    ]
    found = [
        members(blocks.data.read(pa.table({"row": numbers, "key": form})).split(a=0.3, b=0.7, key="key")["a"])
        for form in forms
    ]
    assert all(one == found[0] for one in found)
    assert 100 < len(found[0]) < 200


@pytest.mark.parametrize("key", [None, "row"])
def test_shares_and_independence_of_nested_splits(key: str | None) -> None:
    everything = source([0] * 20_000)
    outer = everything.split(a=0.5, b=0.5, key=key)
    inner = outer["a"].split(c=0.5, d=0.5, key=key)
    deepest = inner["c"].split(e=0.25, f=0.75, key=key)
    # six standard deviations of a binomial count
    for part, expected in ((outer["a"], 10_000), (inner["c"], 5_000), (deepest["e"], 1_250)):
        assert abs(part.count() - expected) < 6 * np.sqrt(expected)
        assert part.estimated_rows() == expected
    assert sorted(members(inner["c"]) + members(inner["d"])) == members(outer["a"])
    other = everything.split(a=0.5, b=0.5, key=key, seed=1)["a"]
    assert abs(len(set(members(other)) & set(members(outer["a"]))) - 5_000) < 6 * np.sqrt(5_000)


def test_filters_and_splits_compose_in_order() -> None:
    everything = source(list(range(1_000)))
    even = pc.field("row") % 2 == 0 if hasattr(pc.Expression, "__mod__") else pc.field("row") < 500
    first = everything.filter(even).split(a=0.5, b=0.5, key="row")["a"]
    second = everything.split(a=0.5, b=0.5, key="row")["a"].filter(even)
    assert members(first) == members(second)
    # by position, the position after the filter counts
    tail = everything.filter(pc.field("row") >= 100).split(a=0.5, b=0.5)["a"]
    again = source(list(range(900))).split(a=0.5, b=0.5)["a"]
    assert [n - 100 for n in members(tail)] == members(again)


def test_the_key_need_not_be_selected() -> None:
    part = source([5, 6, 7]).select(["row"]).split(a=0.5, b=0.5, key="key")["a"]
    assert part.schema.names == ["row"]
    assert next(part.chunks()).schema.names == ["row"]


@pytest.mark.parametrize(
    ("fractions", "message"),
    [
        ({}, "by name"),
        ({"train": 0.8}, r"sum to 0.8. Add a part, say rest=0.2"),
        ({"train": 0.8, "test": 0.3}, r"sum to 1.1. Lower them"),
        ({"train": 1.5, "test": -0.5}, "must be positive.*train=1.5"),
        ({"train": 1, "test": 0}, "must be positive.*test=0"),
        ({"train": float("nan"), "test": 0.5}, "must be positive.*train=nan"),
        ({"train": "most"}, "must be positive.*train='most'"),
    ],
)
def test_fractions_are_checked(fractions, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        source([1]).split(**fractions)


def test_keys_and_seeds_are_checked() -> None:
    with pytest.raises(SchemaMismatch, match=r"no column 'kye'\. Did you mean 'key'"):
        source([1]).split(a=0.5, b=0.5, key="kye")
    with pytest.raises(InvalidArgument, match="at least one column"):
        source([1]).split(a=0.5, b=0.5, key=[])
    with pytest.raises(InvalidArgument, match="seed"):
        source([1]).split(a=0.5, b=0.5, seed=-1)
    with pytest.raises(SchemaMismatch, match="no column 'x'"):
        source([1]).select(["x"])
    with pytest.raises(InvalidArgument, match="list of columns"):
        source([1]).select("row")
    with pytest.raises(InvalidArgument, match="each column once"):
        source([1]).select(["row", "row"])


def test_splits_are_the_same_for_ever() -> None:
    part = source(list(range(40))).split(a=0.25, b=0.75, key="key")["a"]
    by_position = source(list(range(40))).split(a=0.25, b=0.75)["a"]
    assert members(part) == GOLDEN_KEY
    assert members(by_position) == GOLDEN_POSITION


# Written down on the day that splits were first made; a change would move users' rows between their parts.
GOLDEN_KEY = [3, 6, 9, 27, 32]
GOLDEN_POSITION = [0, 1, 4, 11, 12, 16, 19, 22, 24, 34, 35, 36, 38]
