"""DistinctValues: merge laws, and quantiles of the different values against NumPy."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blocks.errors import InvalidArgument
from blocks.statistics import Statistic
from blocks.statistics.distinct_values import DistinctValues

COLUMN = st.lists(st.none() | st.floats(width=64) | st.integers(-40, 40).map(float), max_size=60).map(
    lambda v: pa.array(v, pa.float64())
)


def fed(*chunks: pa.Array, k: int = 16) -> DistinctValues:
    statistic = DistinctValues(k)
    for chunk in chunks:
        statistic.update(chunk)
    return statistic


@settings(max_examples=60, deadline=None)
@given(COLUMN, COLUMN, COLUMN)
def test_merge_chunks_and_order_change_no_bit(a, b, c) -> None:
    def merged(*parts: DistinctValues) -> DistinctValues:
        total = DistinctValues(16)
        for part in parts:
            total.merge(part)
        return total

    x, y, z = fed(a), fed(b), fed(c)
    whole = fed(pa.concat_arrays([a, b, c])).to_bytes()
    assert merged(merged(x, y), z).to_bytes() == merged(x, merged(y, z)).to_bytes() == whole
    assert merged(z, y, x).to_bytes() == fed(b, a, c).to_bytes() == whole
    assert merged(x, DistinctValues(16)).to_bytes() == x.to_bytes()
    assert Statistic.from_bytes(x.to_bytes()).to_bytes() == x.to_bytes()
    restored = Statistic.from_bytes(x.to_bytes())
    restored.merge(merged(y, z))
    assert restored.to_bytes() == whole


@settings(max_examples=40, deadline=None)
@given(COLUMN)
def test_exact_below_k(column) -> None:
    result = fed(column, k=1000).result()
    numbers = column.drop_null().to_numpy()
    distinct = np.unique(numbers[np.isfinite(numbers)] + 0.0)
    assert result.exact
    np.testing.assert_array_equal(result.values, distinct)
    if len(distinct) and np.isfinite(distinct[-1] - distinct[0]):
        np.testing.assert_array_equal(result.quantile([0, 0.3, 1]), np.quantile(distinct, [0, 0.3, 1]))


def test_beyond_k_repetition_does_not_matter_and_the_error_holds() -> None:
    values = np.random.default_rng(0).lognormal(size=50_000)
    data = pa.array(np.concatenate([values, np.repeat(values[:100], 1000)]))
    result = fed(*[data.slice(i, 7000) for i in range(0, len(data), 7000)], k=4096).result()
    assert not result.exact
    assert len(result.values) == 4096
    q = np.linspace(0.05, 0.95, 19)
    ranks = np.searchsorted(np.sort(values), result.quantile(q)) / len(values)
    assert np.abs(ranks - q).max() < 1.5 * result.error  # 19 at once
    assert (result.quantile(0), result.quantile(1)) == (values.min(), values.max())


def test_arguments_are_checked() -> None:
    with pytest.raises(InvalidArgument, match="k is 16 at least"):
        DistinctValues(3)
    with pytest.raises(InvalidArgument, match="fractions from 0 to 1"):
        fed(pa.array([1.0])).result().quantile(1.5)
    assert np.isnan(DistinctValues().result().quantile(0.5))
