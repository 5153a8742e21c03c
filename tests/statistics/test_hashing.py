"""hash64 against a slow reading of its own definition, its pinned values, and the uniform distribution."""

import math
from datetime import date, datetime
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from blocks.errors import InvalidArgument, SchemaMismatch
from blocks.statistics import hash64, hash_rows

MASK = 2**64 - 1
STEP = 0x9E3779B97F4A7C15


def mix(z: int) -> int:
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def slow_hash(token: bytes | None, seed: int) -> int:
    if not token:
        return mix(seed ^ 0x6D697373696E6721)
    words = [int.from_bytes(token[i : i + 8], "little") for i in range(0, len(token), 8)]
    total = sum(mix(word ^ mix((seed + STEP * (i + 1)) & MASK)) for i, word in enumerate(words)) & MASK
    return mix(total ^ mix(seed ^ len(token)))


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.none() | st.binary(max_size=40) | st.binary(min_size=300, max_size=400), max_size=30),
    st.integers(0, MASK),
    st.integers(0, 5),
)
def test_equals_the_definition(tokens, seed, start) -> None:
    column = pa.array(tokens, pa.binary()).slice(start)
    assert hash64(column, seed).tolist() == [slow_hash(token, seed) for token in tokens[start:]]


def test_blocks_do_not_matter() -> None:
    rng = np.random.default_rng(0)
    tokens = [bytes(rng.integers(0, 256, n, dtype=np.uint8)) for n in rng.integers(0, 60, 3_000)]
    tokens[10] = bytes(1_000_000)
    tokens[2_000] = b"x" * 600_001
    whole = hash64(pa.array(tokens, pa.binary()))
    np.testing.assert_array_equal(whole, np.concatenate([hash64(pa.array([token], pa.binary())) for token in tokens]))
    many = pa.array(np.arange(200_000))
    np.testing.assert_array_equal(
        hash64(many), np.concatenate([hash64(many.slice(i, 9_999)) for i in range(0, 200_000, 9_999)])
    )


# Rows were assigned to splits by these: they may never change.
GOLDEN = [
    (pa.array(["a"]), 0xCE65C9AF95688CB7),
    (pa.array(["person-0012345"]), 0x060B73877D25CCDC),
    (pa.array([7], pa.int32()), 0x508BE575309C1E27),
    (pa.array([0.1]), 0xB0444F6461B495D5),
    (pa.array([1e300]), 0x8CE411B40D346638),
    (pa.array([True]), 0x0BE6F50AFBBCD98E),
    (pa.array([date(2024, 2, 29)]), 0x092136AF6BC09105),
    (pa.array([datetime(2024, 2, 29, 12, 30)]), 0x22E26EF3C7FE8DF9),
    (pa.array([Decimal("12.50")]), 0x3FBE2C7D84AFDAE4),
    (pa.array([None]), 0x6EFB65528EFA2103),
]


@pytest.mark.parametrize(("column", "value"), GOLDEN, ids=lambda x: str(getattr(x, "type", "")))
def test_golden_values(column, value) -> None:
    assert hex(hash64(column)[0]) == hex(value)


def test_golden_rows() -> None:
    assert hex(hash_rows([pa.array(["a"]), pa.array([7])], seed=3)[0]) == hex(0x79FE5A29AEFB479B)


TEXTS = [
    (pa.array([0, -7, 2**53 - 1, None, -(2**63)]), ["0", "-7", "9007199254740991", "", "-9223372036854775808"]),
    (pa.array([255], pa.uint8()), ["255"]),
    (pa.array([2**64 - 1], pa.uint64()), ["18446744073709551615"]),
    (pa.array([0.0, -0.0, 5.0, -3.0, math.nan, None]), ["0", "0", "5", "-3", None, None]),
    (pa.array([0.1, -2.5, 1e-7, math.inf, -math.inf]), ["0.1", "-2.5", "1e-7", "inf", "-inf"]),
    (pa.array([0.5, 3.0], pa.float32()), ["0.5", "3"]),
    (pa.array([True, False, None]), ["true", "false", None]),
    (pa.array([Decimal("1.50"), Decimal("-20.00"), Decimal("0.00"), Decimal("100.00")]), ["1.5", "-20", "0", "100"]),
    (pa.array([Decimal("0E-9"), Decimal("1")], pa.decimal128(20, 9)), ["0", "1"]),
    (pa.array([date(2024, 2, 29)], pa.date64()), ["2024-02-29"]),
    (pa.array([86_400], pa.timestamp("s", "Asia/Tokyo")), ["1970-01-02 00:00:00.000000"]),
    (pa.array([b"a\x00b", b""]), ["a\x00b", None]),
]


@pytest.mark.parametrize(("column", "text"), TEXTS, ids=lambda x: str(getattr(x, "type", "")))
def test_values_hash_as_their_canonical_text(column, text) -> None:
    expected = hash64(pa.array(text, pa.string()), seed=5)
    np.testing.assert_array_equal(hash64(column, seed=5), expected)
    np.testing.assert_array_equal(hash64(column.dictionary_encode(), seed=5), expected)
    np.testing.assert_array_equal(hash64(pa.chunked_array([column, column[:0]]), seed=5), expected)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.none() | st.integers(-(2**53) + 1, 2**53 - 1), max_size=20))
def test_widening_keeps_the_hash(values) -> None:
    expected = hash64(pa.array(values, pa.int64())).tolist()
    assert hash64(pa.array(values, pa.float64())).tolist() == expected
    assert hash64(pa.array([None if v is None else str(v) for v in values], pa.string_view())).tolist() == expected


KEYS = {
    "integers": pa.array(np.arange(200_000)),
    "steps": pa.array(np.arange(200_000) * 1024),
    "names": pa.array([f"user-{i:012d}@example.org" for i in range(200_000)]),
    "fractions": pa.array(np.arange(200_000) / 7),
}


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize("seed", [0, 1])
def test_hashes_are_uniform_and_do_not_collide(name, seed) -> None:
    hashes = hash64(KEYS[name], seed)
    assert len(np.unique(hashes)) == len(hashes)
    for shift in (0, 24, 54):
        observed = np.bincount((hashes >> np.uint64(shift)).astype(np.int64) & 1023, minlength=1024)
        assert stats.chisquare(observed).pvalue > 1e-6
    # The seeds are independent, and so are the halves of a hash.
    other = hash64(KEYS[name], seed + 2)
    table = np.histogram2d((hashes >> np.uint64(60)).astype(int), (other >> np.uint64(60)).astype(int), bins=16)[0]
    assert stats.chisquare(table.ravel()).pvalue > 1e-6
    halves = np.histogram2d((hashes >> np.uint64(60)).astype(int), (hashes & np.uint64(15)).astype(int), bins=16)[0]
    assert stats.chisquare(halves.ravel()).pvalue > 1e-6


def test_one_bit_flips_half_of_the_bits() -> None:
    tokens = np.random.default_rng(0).integers(0, 256, (2_000, 11), dtype=np.uint8)
    base = hash64(pa.array([t.tobytes() for t in tokens], pa.binary()))
    for bit in (0, 7, 39, 63, 64, 87):
        flipped = tokens.copy()
        flipped[:, bit // 8] ^= 1 << (bit % 8)
        changed = base ^ hash64(pa.array([t.tobytes() for t in flipped], pa.binary()))
        flips = np.unpackbits(changed.view(np.uint8).reshape(-1, 8), axis=1).mean(axis=0)
        assert abs(flips - 0.5).max() < 0.06


def test_rows_depend_on_the_order_of_columns() -> None:
    a, b = pa.array(np.arange(1000)), pa.array([str(i % 7) for i in range(1000)])
    rows = hash_rows([a, b])
    assert (rows != hash_rows([b, a])).mean() > 0.99
    assert len(np.unique(hash_rows([b, b]))) == 7
    assert (rows != hash_rows([a])).all()
    np.testing.assert_array_equal(rows, hash_rows([pa.chunked_array([a[:3], a[3:]]), b.dictionary_encode()]))
    observed = np.bincount((hash_rows([b, a]) % np.uint64(10)).astype(int), minlength=10)
    assert stats.chisquare(observed).pvalue > 1e-6


def test_empty_columns() -> None:
    for column in (
        pa.array([], pa.string()),
        pa.nulls(0),
        pa.chunked_array([], pa.int64()),
        pa.array([], pa.float64()),
    ):
        assert hash64(column).shape == (0,)
        assert hash_rows([column]).dtype == np.uint64


def test_what_is_refused() -> None:
    with pytest.raises(InvalidArgument, match=r"A seed is from 0 to 2\^64 - 1. Received: -1"):
        hash64(pa.array([1]), -1)
    with pytest.raises(SchemaMismatch, match=r"A hash takes columns of single values. Received: list"):
        hash64(pa.array([[1]]))
    with pytest.raises(InvalidArgument, match=r"columns of one length. Received lengths: \[1, 2\]"):
        hash_rows([pa.array([1]), pa.array([1, 2])])
    with pytest.raises(InvalidArgument, match=r"Received lengths: \[\]"):
        hash_rows([])


def test_memory_is_not_written() -> None:
    column = pa.array(["abcdefghij", "k"])
    before = column.to_pylist()
    hash64(column)
    assert column.to_pylist() == before
