"""What holds for every statistic: merging, chunking, order, saving. One row of the table a statistic and column."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blocks.errors import InvalidArgument
from blocks.statistics import Counts, Distinct, Missing, Moments, Quantiles, Statistic

FLOATS = st.lists(st.none() | st.floats(width=64), max_size=30).map(lambda v: pa.array(v, pa.float64()))
INTEGERS = st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), max_size=30).map(lambda v: pa.array(v, pa.int64()))
STRINGS = st.lists(st.none() | st.text(max_size=3), max_size=30).map(lambda v: pa.array(v, pa.string()))
BYTES = st.lists(st.none() | st.binary(max_size=9), max_size=30).map(lambda v: pa.array(v, pa.binary()))
BOOLEANS = st.lists(st.none() | st.booleans(), max_size=30).map(lambda v: pa.array(v, pa.bool_()))
TIMES = st.lists(st.none() | st.integers(-(2**50), 2**50), max_size=30).map(lambda v: pa.array(v, pa.timestamp("us")))
DICTIONARIES = STRINGS.map(lambda values: values.dictionary_encode())
NULLS = st.integers(0, 5).map(pa.nulls)

NUMERIC = [FLOATS, INTEGERS, BOOLEANS, TIMES, NULLS]
ANY = [*NUMERIC, STRINGS, BYTES, DICTIONARIES]
TABLE = [
    *[(Moments, column) for column in NUMERIC],
    *[(Quantiles, column) for column in NUMERIC],
    *[(make, column) for make in (Counts, Distinct, Missing) for column in ANY],
]
LAWS = pytest.mark.parametrize(("make", "columns"), TABLE)


def fed(make: Callable[[], Statistic], *chunks: pa.Array) -> Statistic:
    statistic = make()
    for chunk in chunks:
        statistic.update(chunk)
    return statistic


def merged(*statistics: Statistic) -> Statistic:
    total = statistics[0].empty()
    for statistic in statistics:
        total.merge(statistic)
    return total


def fields(statistic: Statistic) -> dict[str, Any]:
    result = statistic.result()
    return {f.name: getattr(result, f.name) for f in dataclasses.fields(result) if f.name != "_sketch"}


def assert_same(left: Statistic, right: Statistic) -> None:
    a, b = fields(left), fields(right)
    # Cancellation limits a mean to the spread of the numbers, whatever the order.
    spread = max(abs(a[name]) for name in ("min", "max")) if "mean" in a and not math.isnan(a["min"]) else 0.0
    for name, value in a.items():
        other = b[name]
        if isinstance(value, pa.Array):
            assert value.equals(other), name
        elif isinstance(value, np.ndarray):
            np.testing.assert_array_equal(value, other, name)
        elif isinstance(value, float) and not (math.isnan(value) and math.isnan(other)):
            scale = a["weight"] if name == "sum" else 1.0 if name == "mean" else 0.0
            if math.isinf(value) or math.isinf(other):
                assert value == other, name
            else:
                assert abs(value - other) <= 1e-12 * max(abs(value), scale * spread), (name, value, other)
        elif not isinstance(value, float):
            assert value == other, name


@LAWS
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_merge_is_associative_and_commutative(make, columns, data) -> None:
    a, b, c = (fed(make, data.draw(columns)) for _ in range(3))
    before = [s.to_bytes() for s in (a, b, c)]
    assert_same(merged(merged(a, b), c), merged(a, merged(b, c)))
    assert_same(merged(a, b), merged(b, a))
    assert [s.to_bytes() for s in (a, b, c)] == before


@LAWS
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_an_empty_statistic_changes_nothing(make, columns, data) -> None:
    column = data.draw(columns)
    statistic = fed(make, column)
    before = statistic.to_bytes()
    statistic.merge(make())
    statistic.update(column[:0])
    assert statistic.to_bytes() == before
    assert_same(merged(make(), statistic), statistic)


@LAWS
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_chunks_and_order_change_nothing(make, columns, data) -> None:
    column = data.draw(columns)
    order = data.draw(st.permutations(range(len(column))))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(column)), max_size=3)))
    chunks = [column[i:j] for i, j in zip([0, *cuts], [*cuts, len(column)], strict=True)]
    whole = fed(make, column)
    assert_same(fed(make, *chunks), whole)
    assert_same(fed(make, pa.chunked_array(chunks, column.type)), whole)
    assert_same(merged(*[fed(make, chunk) for chunk in chunks]), whole)
    assert_same(fed(make, column.take(pa.array(order, pa.int64()))), whole)


@LAWS
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_saved_and_continued_is_as_never_saved(make, columns, data) -> None:
    first, second = data.draw(columns), data.draw(columns)
    statistic = fed(make, first)
    restored = Statistic.from_bytes(statistic.to_bytes())
    assert type(restored) is type(statistic)
    assert restored.to_bytes() == statistic.to_bytes()
    restored.update(second)
    statistic.update(second)
    assert restored.to_bytes() == statistic.to_bytes()


@LAWS
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_a_dictionary_is_the_same_as_its_values(make, columns, data) -> None:
    first, second = data.draw(columns), data.draw(columns)
    plain = fed(make, first, second)
    if pa.types.is_dictionary(first.type):
        encoded = fed(make, first.dictionary_decode(), second.dictionary_decode())
    else:
        encoded = fed(make, first.dictionary_encode(), second.dictionary_encode())
    assert_same(encoded, plain)


@LAWS
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_rows_and_missing_are_those_of_arrow(make, columns, data) -> None:
    column = data.draw(columns)
    result = fed(make, column).result()
    values = column.to_pylist()
    assert result.rows == len(values)
    assert result.missing == sum(v is None or v in ("", b"") or v != v for v in values)
    if hasattr(result, "negative_infinite"):
        assert result.negative_infinite == sum(v == -math.inf for v in values if isinstance(v, float))
        assert result.positive_infinite == sum(v == math.inf for v in values if isinstance(v, float))


@pytest.mark.parametrize(
    ("one", "other"), [(Counts(), Counts(1 << 20)), (Distinct(), Distinct(64)), (Quantiles(), Quantiles(k=200))]
)
def test_other_parameters_are_refused(one, other) -> None:
    with pytest.raises(InvalidArgument, match=r"merge with their own class and parameters: .* Received: "):
        one.merge(other)
    one.merge(one.empty())


@pytest.mark.parametrize("make", [Moments, Counts, Quantiles, Missing, Distinct])
def test_another_class_is_refused(make) -> None:
    other = Missing() if make is not Missing else Moments()
    with pytest.raises(InvalidArgument, match=rf"Received: {type(other).__name__}.* Make one like this by `empty\(\)`"):
        make().merge(other)
    with pytest.raises(InvalidArgument, match=r"Received: str"):
        make().merge("text")
