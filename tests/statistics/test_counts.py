"""Counts against collections.Counter, and its bounds against the exact counts."""

import math
from collections import Counter, defaultdict
from datetime import date, datetime, time, timedelta
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blocks.errors import InvalidArgument, SchemaMismatch
from blocks.statistics import Counts, CountsResult, Statistic

TORTURE = [
    "\n",
    "\r",
    "\r\n",
    "\x85",
    "\u2028",
    "\x00",
    "a\x00b",
    "a\x00",
    "\U0001f600",
    "x" * 10_000,
    " ",
    ",",
    '"',
    "\ufeff",
]


def counts(*chunks: pa.Array, max_bytes: int = 1 << 26) -> CountsResult:
    statistic = Counts(max_bytes)
    for chunk in chunks:
        statistic.update(chunk)
    return statistic.result()


def listed(result: CountsResult) -> list[tuple]:
    return list(zip(result.values.to_pylist(), result.counts.tolist(), strict=True))


def ordered(tokens) -> list[tuple]:
    def key(item):
        token = item[0].encode() if isinstance(item[0], str) else item[0]
        return -item[1], token

    return sorted(Counter(tokens).items(), key=key)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.none() | st.text(max_size=2) | st.sampled_from(TORTURE), max_size=30), max_size=4))
def test_text_is_counted_and_sorted_as_by_python(chunks) -> None:
    result = counts(*[pa.array(chunk, pa.string()) for chunk in chunks])
    tokens = [token for chunk in chunks for token in chunk if token]
    assert listed(result) == ordered(tokens)
    assert (result.total, result.distinct, result.exact, result.error) == (len(tokens), len(set(tokens)), True, 0)
    assert result.rows == sum(map(len, chunks))


def test_every_byte_string_survives() -> None:
    tokens = [*[t.encode() for t in TORTURE], b"\xff\xfe", b"\x80", bytes(range(256))]
    statistic = Counts()
    statistic.update(pa.array(tokens * 2, pa.binary()))
    restored = Statistic.from_bytes(statistic.to_bytes())
    assert listed(restored.result()) == ordered(tokens * 2)


def test_encodings_of_text_are_one_type() -> None:
    tokens = ["b", "a", None, "b", ""]
    types = [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())]
    chunks = [
        pa.array(tokens, dtype)
        if not pa.types.is_dictionary(dtype)
        else pa.array(tokens).dictionary_encode().cast(dtype)
        for dtype in types
    ]
    chunks.append(
        pa.DictionaryArray.from_arrays(pa.array([0, 1, 1], pa.uint64()), pa.array(["b", "a"], pa.large_string()))
    )
    result = counts(*chunks, pa.nulls(3))
    assert result.values.type == pa.large_string()
    assert listed(result) == [("b", 9), ("a", 6)]
    assert result.missing == 4 * 2 + 3


def test_a_dictionary_may_hold_null_empty_unused_and_repeated_entries() -> None:
    dictionary = pa.array(["a", None, "", "a", "unused"])
    column = pa.DictionaryArray.from_arrays(pa.array([0, 1, 2, 3, None, 3], pa.int8()), dictionary)
    result = counts(column, column.slice(3), column.slice(0, 0))
    assert listed(result) == [("a", 5)]
    assert (result.rows, result.missing, result.total) == (9, 4, 5)


def test_a_full_int8_dictionary_with_nulls() -> None:
    dictionary = pa.array([f"t{i:03d}" for i in range(128)])
    column = pa.DictionaryArray.from_arrays(pa.array([None, *range(128)], pa.int8()), dictionary)
    result = counts(column)
    assert (result.distinct, result.missing, result.counts.max()) == (128, 1, 1)


@pytest.mark.parametrize(
    ("dtype", "twice", "once"),
    [(dtype, 1, 0) for dtype in (pa.int8(), pa.uint16(), pa.int64(), pa.uint64(), pa.float32(), pa.float64())]
    + [(dtype, timedelta(1), timedelta(2)) for dtype in (pa.duration("s"), pa.duration("ns"))]
    + [(dtype, date(1960, 2, 29), date(2024, 1, 1)) for dtype in (pa.date32(), pa.date64())]
    + [(dtype, datetime(1960, 1, 1), datetime(2024, 1, 1, 5)) for dtype in (pa.timestamp("s"), pa.timestamp("ns"))]
    + [(pa.time32("s"), time(1), time(2)), (pa.bool_(), True, False), (pa.binary(1), b"a", b"b")]
    + [(pa.decimal128(5, 1), Decimal("1.5"), Decimal("-2.0")), (pa.decimal256(50, 1), Decimal("1.5"), Decimal("2.0"))]
    + [(pa.float16(), np.float16(1), np.float16(0))],
)
def test_every_type_is_counted(dtype, twice, once) -> None:
    column = pa.array([once, twice, twice, None], dtype)
    encoded = pa.DictionaryArray.from_arrays(pa.array([0, 1, 1, None], pa.int8()), pa.array([once, twice], dtype))
    result = counts(column, encoded, column[:0])
    assert listed(result) == [(twice, 4), (once, 2)]
    assert result.missing == 2


def test_a_zoned_timestamp_is_its_instant() -> None:
    instants = pa.array([0, 0, 3600], pa.timestamp("s", "Europe/Berlin"))
    result = counts(instants, pa.array([0], pa.timestamp("us")))
    assert listed(result) == [(datetime(1970, 1, 1), 3), (datetime(1970, 1, 1, 1), 1)]


def test_numbers_ties_by_value_and_zeros_as_one() -> None:
    result = counts(pa.array([3.5, -1.0, 0.0, -0.0, math.nan, None, math.inf, -math.inf, math.inf]))
    assert listed(result) == [(0.0, 2), (-1.0, 1), (3.5, 1)]
    assert (result.missing, result.negative_infinite, result.positive_infinite, result.total) == (2, 1, 2, 4)
    assert math.copysign(1, result.values[0].as_py()) == 1


def test_integers_of_any_width_are_one_type() -> None:
    result = counts(pa.array([1], pa.int8()), pa.array([2**31, 1], pa.uint32()), pa.array([-(2**63)], pa.int64()))
    assert listed(result) == [(1, 2), (-(2**63), 1), (2**31, 1)]


def test_another_type_is_refused_and_changes_nothing() -> None:
    statistic = Counts()
    statistic.update(pa.nulls(2))
    statistic.update(pa.array([1]))
    before = statistic.to_bytes()
    with pytest.raises(SchemaMismatch, match=r"Counts keeps one type of values, int64 here. Received: large_string."):
        statistic.update(pa.array(["a"]))
    other = Counts()
    other.update(pa.array(["a"]))
    with pytest.raises(SchemaMismatch, match=r"int64 here. Received: large_string"):
        statistic.merge(other)
    with pytest.raises(SchemaMismatch, match=r"Counts takes columns of single values. Received: list"):
        Counts().update(pa.array([[1]]))
    assert statistic.to_bytes() == before
    with pytest.raises(SchemaMismatch, match=r"int64 here"):
        Statistic.from_bytes(before).update(pa.array(["a"]))


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.lists(st.tuples(st.sampled_from(["a", "b", "c", "", None]), st.integers(0, 8)), max_size=10), max_size=4
    ),
    st.booleans(),
)
def test_weights_are_summed_per_token(chunks, dictionary) -> None:
    statistic, truth = Counts(), defaultdict(float)
    for chunk in chunks:
        column = pa.array([token for token, _ in chunk], pa.string())
        weights = np.array([weight / 4 for _, weight in chunk])
        statistic.update(column.dictionary_encode() if dictionary else column, weights)
        for token, weight in chunk:
            truth[token] += weight / 4
    statistic.update(pa.array(["a", "d"]))  # rows without weights weigh 1
    truth["a"] += 1
    truth["d"] += 1
    restored = Statistic.from_bytes(statistic.to_bytes())
    for result in (statistic.result(), restored.result()):
        if result.weights is None:
            assert not any(token for chunk in chunks for token, _ in chunk)
        else:
            assert dict(zip(result.values.to_pylist(), result.weights.tolist(), strict=True)) == {
                t: w for t, w in truth.items() if t
            }
        assert result.weight_error == 0.0


def test_no_weights_no_column_of_them() -> None:
    assert counts(pa.array(["a"])).weights is None


def zipf(rng: np.random.Generator, rows: int) -> np.ndarray:
    return np.minimum(rng.zipf(1.3, rows), 10**9)


def fed_and_bounded(columns, make, weights=None) -> tuple[Counts, list[int]]:
    statistic, peaks = Counts(1 << 16), []
    for i, column in enumerate(columns):
        statistic.update(make(column), None if weights is None else weights[i])
        peaks.append(statistic.nbytes)
    return statistic, peaks


@pytest.mark.parametrize("kind", ["text", "dictionary", "integer"])
def test_memory_is_bounded_and_so_is_the_error(kind) -> None:
    rng = np.random.default_rng(1)
    columns = [zipf(rng, 5_000) for _ in range(30)]

    def make(column: np.ndarray) -> pa.Array:
        if kind == "integer":
            return pa.array(column)
        text = pa.array([f"token {i}" for i in column])
        return text.dictionary_encode() if kind == "dictionary" else text

    statistic, peaks = fed_and_bounded(columns, make)
    assert max(peaks) <= 1 << 16
    truth = Counter(make(np.concatenate(columns)).to_pylist())
    result = statistic.result()
    assert not result.exact
    assert result.total == 150_000
    assert 0 < result.error < 150_000 / 200
    assert len(result.values) <= result.distinct <= len(truth)
    found = dict(listed(result))
    for token, count in truth.items():
        assert 0 <= count - found.get(token, 0) <= result.error
    assert all(result.counts[i] >= result.counts[i + 1] for i in range(len(result.counts) - 1))
    assert [token for token, _ in truth.most_common(5)] == result.values.to_pylist()[:5]
    # The bound survives saving and merging.
    other, _ = fed_and_bounded([zipf(rng, 5_000) + 10**10 for _ in range(10)], make)
    restored = Counts.from_bytes(statistic.to_bytes())
    restored.merge(other)
    assert restored.nbytes <= 1 << 16
    joined = restored.result()
    assert joined.error >= result.error + other.result().error
    found = dict(listed(joined))
    assert all(0 <= count - found.get(token, 0) <= joined.error for token, count in truth.items())


def test_weights_are_bounded_too() -> None:
    rng = np.random.default_rng(2)
    columns = [zipf(rng, 5_000) for _ in range(20)]
    weights = [rng.random(5_000) * 3 for _ in columns]
    statistic, peaks = fed_and_bounded(columns, pa.array, weights)
    assert max(peaks) <= 1 << 16
    truth: dict[int, float] = defaultdict(float)
    for column, weight in zip(columns, weights, strict=True):
        for token, amount in zip(column.tolist(), weight.tolist(), strict=True):
            truth[token] += amount
    result = statistic.result()
    found = dict(zip(result.values.to_pylist(), result.weights.tolist(), strict=True))
    assert result.weight_error > 0
    for token, amount in truth.items():
        assert -1e-9 <= amount - found.get(token, 0.0) <= result.weight_error + 1e-9


def test_a_token_larger_than_the_memory_is_dropped_and_stated() -> None:
    result = counts(pa.array(["x" * 10_000, "a"]), pa.array(["b"] * 3), max_bytes=4096)
    assert not result.exact
    found = dict(listed(result))
    assert 1 - found.get("a", 0) <= result.error
    assert result.error >= 1
    assert 0 <= 3 - found.get("b", 0) <= result.error


def test_a_growing_dictionary() -> None:
    chunks = []
    for size in (1, 10, 100, 1000):
        dictionary = pa.array([f"t{i}" for i in range(size)])
        chunks.append(
            pa.DictionaryArray.from_arrays(
                pa.array(np.arange(size) % 7 if size > 7 else np.zeros(size, int)), dictionary
            )
        )
    decoded = [chunk.dictionary_decode() for chunk in chunks]
    assert listed(counts(*chunks)) == listed(counts(*decoded)) == ordered([t for c in decoded for t in c.to_pylist()])


def test_many_distinct_tokens_in_many_chunks_are_exact() -> None:
    column = pa.array(np.arange(300_000) * 7919)
    result = counts(*[column.slice(i, 10_000) for i in range(0, 300_000, 10_000)], column)
    assert (result.distinct, result.exact, result.total) == (300_000, True, 600_000)
    assert (result.counts == 2).all()
    assert result.values.equals(column)


def test_a_little_memory_is_asked_for() -> None:
    with pytest.raises(InvalidArgument, match=r"max_bytes is 4096 at least. Received: 10"):
        Counts(10)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 60), st.lists(st.lists(st.none() | st.integers(0, 59), min_size=1, max_size=6), max_size=6))
def test_slices_of_one_dictionary(size, chunks) -> None:
    dictionary = pa.array([f"t{i}" for i in range(size)])
    # Both shorter and much longer than the chunks, shared, copied and sliced.
    shifted = pa.concat_arrays([pa.array(["before"]), dictionary]).slice(1)
    columns = []
    for i, chunk in enumerate(chunks):
        indices = pa.array([None if x is None else x % size for x in chunk], pa.int32())
        columns.append(pa.DictionaryArray.from_arrays(indices, shifted if i % 3 == 2 else dictionary))
    decoded = [column.dictionary_decode() for column in columns]
    tokens = [token for column in decoded for token in column.to_pylist() if token]
    assert listed(counts(*columns)) == listed(counts(*decoded)) == ordered(tokens)
