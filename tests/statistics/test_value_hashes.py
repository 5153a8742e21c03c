"""Hashes of values: equal where values are, whatever holds them, and apart where they are not; nested ones too."""

import datetime
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blocks.errors import InvalidArgument, SchemaMismatch
from blocks.statistics.value_hashes import row_hashes, value_hashes

DAY = datetime.date(2024, 2, 29)
MIDNIGHT = datetime.datetime(2024, 2, 29)

EQUAL = [
    [pa.array([7], kind) for kind in (pa.int8(), pa.int64(), pa.uint16(), pa.float32(), pa.float64())]
    + [pa.array([Decimal("7.00")]), pa.array([Decimal("7")], pa.decimal128(30, 2)), pa.array([7]).dictionary_encode()],
    [pa.array([0.0]), pa.array([-0.0]), pa.array([0]), pa.array([False]), pa.array([-0.0], pa.float32())],
    [pa.array([1]), pa.array([True])],
    [pa.array([np.nan]), pa.array([np.array([-1], np.int64).view(np.float64)[0]]), pa.array([np.nan], pa.float32())],
    [pa.array([None], kind) for kind in (pa.null(), pa.int64(), pa.string(), pa.list_(pa.int8()), pa.float64())]
    + [pa.array([None], pa.string()).dictionary_encode()],
    [pa.array(["zürich"], kind) for kind in (pa.string(), pa.large_string(), pa.string_view())]
    + [pa.array(["zürich".encode()]), pa.array(["zürich"]).dictionary_encode()],
    [
        pa.array([DAY]),
        pa.array([MIDNIGHT], pa.timestamp("s")),
        pa.array([MIDNIGHT], pa.timestamp("ns")),
        pa.array([MIDNIGHT], pa.timestamp("us", "UTC")),
        pa.array([DAY], pa.date64()),
    ],
    [pa.array([Decimal("1.10")]), pa.array([1.1]), pa.array([Decimal("1.1")], pa.decimal256(40, 5))],
    [pa.array([2**63 - 1]), pa.array([2**63 - 1], pa.uint64())],
    [pa.array([1e-7]), pa.array([Decimal("0.0000001")], pa.decimal128(38, 10))],
    [pa.array([0.1234567890123456]), pa.array([Decimal("0.1234567890123456")], pa.decimal128(38, 20))],
    [pa.array([[1, 2]], kind(pa.int8())) for kind in (pa.list_, pa.large_list)]
    + [pa.array([[1.0, 2.0]], pa.list_(pa.float64(), 2))],
    [pa.array([{"a": 1, "b": "x"}]), pa.array([{"b": "x", "a": 1.0}])],
    [pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())), pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int8()))],
]
APART = [
    pa.array([""]),
    pa.array(["a\x00"]),
    pa.array(["a"]),
    pa.array([2**53]),
    pa.array([2**53 + 1]),
    pa.array([2**63 - 2]),
    pa.array([2**64 - 1], pa.uint64()),
    pa.array([2**64 - 2], pa.uint64()),
    pa.array([-(2**63)]),
    pa.array([-(2**63) + 1]),
    pa.array([0.1]),
    pa.array([0.1], pa.float32()),
    pa.array([np.inf]),
    pa.array([-np.inf]),
    pa.array([1], pa.timestamp("ns")),
    pa.array([2], pa.timestamp("ns")),
    pa.array([Decimal("12345678901234567890.12")]),
    pa.array([Decimal("12345678901234567890.13")]),
    pa.array([[]], pa.list_(pa.int64())),
    pa.array([[1]]),
    pa.array([[2, 1]]),
    pa.array([[1, 2, None]]),
    pa.array([[[1], [2]]]),
    pa.array([[[1, 2]]]),
    pa.array([[[], [1, 2]]]),
    pa.array([{"a": None, "b": "x"}]),
]


def hash_of(array):
    (found,) = value_hashes(array).tolist()
    return found


@pytest.mark.parametrize("alike", EQUAL, ids=lambda alike: str(alike[0].to_pylist()[0]))
def test_equal_values_have_one_hash(alike):
    assert len({hash_of(array) for array in alike}) == 1


def test_all_others_have_their_own():
    kinds = [*APART, *(alike[0] for alike in EQUAL)]
    assert len({hash_of(array) for array in kinds}) == len(kinds)


@settings(max_examples=20)
@given(
    st.lists(st.none() | st.lists(st.none() | st.floats(width=32), max_size=3), max_size=8),
    st.integers(0, 8),
    st.booleans(),
)
def test_a_value_hashes_alike_wherever_it_stands(rows, start, encoded):
    for array in (pa.array(rows, pa.list_(pa.float32())), pa.array(map(str, rows)), pa.array([{"a": x} for x in rows])):
        array = array.dictionary_encode() if encoded and pa.types.is_string(array.type) else array
        expected = [hash_of(pa.array([value], array.type)) for value in array.to_pylist()]
        assert value_hashes(array).tolist() == expected
        assert value_hashes(array[start:]).tolist() == expected[start:]
        chunked = pa.chunked_array([array[:start], array[start:]])
        assert value_hashes(chunked).tolist() == expected


def test_the_bits_are_spread_evenly():
    hashes = value_hashes(pa.array(np.arange(100_000)))
    for shift in (0, 30, 60):
        counts = np.bincount((hashes >> np.uint64(shift) & np.uint64(15)).astype(int), minlength=16)
        assert abs(counts - 6250).max() < 5 * 6250**0.5


def test_rows_tell_columns_apart():
    a, b = pa.array([1, 2]), pa.array([2, 1])
    assert len({*row_hashes([a, b]).tolist(), *row_hashes([a, a]).tolist()}) == 4
    with pytest.raises(InvalidArgument, match=r"Received lengths: \[2, 0\]"):
        row_hashes([a, pa.array([])])


def test_a_type_without_hashes_is_named():
    with pytest.raises(SchemaMismatch, match="Received: month_day_nano_interval"):
        value_hashes(pa.array([pa.MonthDayNano([1, 2, 3])]))
