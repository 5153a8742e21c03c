"""Distinct against the true number of different values."""

import math

import numpy as np
import pyarrow as pa
import pytest

from blocks.errors import InvalidArgument, SchemaMismatch
from blocks.statistics import Distinct


def distinct(*chunks: pa.Array, k: int = 4096) -> Distinct:
    statistic = Distinct(k)
    for chunk in chunks:
        statistic.update(chunk)
    return statistic


def test_exact_below_k() -> None:
    column = pa.array(np.arange(4095) % 4000)
    result = distinct(column, column).result()
    assert (result.estimate, result.exact, result.error, result.rows) == (4000.0, True, 0.0, 8190)


@pytest.mark.parametrize("true", [5_000, 50_000, 400_000])
def test_the_estimate_keeps_its_error(true) -> None:
    errors = []
    for base in range(0, 8 * true, true):
        result = distinct(pa.array(np.arange(base, base + true)), k=1024).result()
        assert not result.exact
        errors.append(result.estimate / true - 1)
    assert result.error == pytest.approx(1022**-0.5)
    assert np.abs(errors).max() < 4 * result.error
    assert abs(np.mean(errors)) < 3 * result.error / math.sqrt(8)


def test_chunks_order_and_merging_give_the_same_bits() -> None:
    column = pa.array([f"t{i}" for i in np.random.default_rng(0).integers(0, 30_000, 60_000)])
    whole = distinct(column, k=256)
    turned = distinct(*[column.slice(i, 1_000) for i in range(59_000, -1, -1_000)], k=256)
    left, right = distinct(column.slice(0, 40_000), k=256), distinct(column.slice(20_000).dictionary_encode(), k=256)
    left.merge(right)
    assert whole.result() == turned.result()
    assert left.result().estimate == whole.result().estimate
    assert turned.to_bytes() == whole.to_bytes()


def test_values_that_print_alike_are_one() -> None:
    result = distinct(pa.array([1, 2]), pa.array([1.0, 2.5]), pa.array(["1", "2.5", "x"])).result()
    assert result.estimate == 4.0


def test_missing_and_infinite_are_apart() -> None:
    result = distinct(pa.array([1.0, None, math.nan, math.inf, -math.inf, 0.0, -0.0])).result()
    assert (result.estimate, result.missing, result.negative_infinite, result.positive_infinite) == (2.0, 2, 1, 1)
    assert distinct(pa.array(["", None, "a"])).result().missing == 2


def test_what_is_refused() -> None:
    with pytest.raises(InvalidArgument, match=r"k is 16 at least. Received: 3"):
        Distinct(3)
    with pytest.raises(SchemaMismatch, match=r"Distinct takes columns of single values. Received: list"):
        Distinct().update(pa.array([[1]]))
