"""SampledQuantiles: NumPy's quantiles while exact; beyond, within the error, in every chunking, merged and restored."""

import numpy as np
import pyarrow as pa
import pytest

from blocks.errors import InvalidArgument
from blocks.statistics import SampledQuantiles, Statistic

VALUES = np.random.default_rng(1).lognormal(size=60_000)
Q = np.array([0.0, 0.01, 0.25, 0.5, 0.9, 1.0])


def fed(values, rows, most=4096, seed=0):
    statistic = SampledQuantiles(5000, most, seed)
    for start in range(0, len(values), rows):
        statistic.update(pa.array(values[start : start + rows]))
    return statistic


def test_is_numpys_while_all_numbers_are_held():
    few = np.r_[VALUES[:4000], np.nan, np.inf]
    result = fed(few, 700).result()
    finite = VALUES[:4000]
    assert (result.exact, result.error, result.count, result.positive_infinite) == (True, 0.0, 4000, 1)
    np.testing.assert_array_equal(result.quantile(Q), np.quantile(finite, Q))
    np.testing.assert_array_equal(result.rank(finite[:50]), [(finite <= x).mean() for x in finite[:50]])


def test_beyond_it_is_the_same_in_every_chunking_and_within_the_error():
    whole = fed(VALUES, 60_000)
    assert fed(VALUES, 777).to_bytes() == whole.to_bytes()
    half = Statistic.from_bytes(fed(VALUES[:31_000], 5_000).to_bytes())
    for start in range(31_000, 60_000, 9_000):
        half.update(pa.array(VALUES[start : start + 9_000]))
    assert half.to_bytes() == whole.to_bytes()
    assert fed(VALUES, 777, seed=1).to_bytes() != whole.to_bytes()
    result = whole.result()
    assert not result.exact
    assert result.quantile([0, 1]).tolist() == [VALUES.min(), VALUES.max()]
    ranks = np.array([(x >= VALUES).mean() for x in result.quantile(Q)])
    assert np.abs(ranks - Q).max() <= result.error < 0.021
    assert result.rank([VALUES.min() - 1, VALUES.max()]).tolist() == [0.0, 1.0]


def test_merged_parts_are_a_sample_of_all():
    low, high = fed(VALUES, 5_000, seed=0), fed(VALUES + 100, 5_000, seed=0)
    one, other = low.empty(), low.empty()
    for first, second, total in ((low, high, one), (high, low, other)):
        total.merge(first)
        total.merge(second)
    assert one.to_bytes() == other.to_bytes()
    both, result = np.r_[VALUES, VALUES + 100], one.result()
    ranks = np.array([(both <= x).mean() for x in result.quantile(Q)])
    assert np.abs(ranks - Q).max() <= result.error
    nothing = low.empty()
    nothing.merge(low)
    assert nothing.result().quantile(Q).tolist() == low.result().quantile(Q).tolist()
    assert np.isnan(SampledQuantiles().result().quantile(0.5))


def test_numbers_drawn_with_the_same_seed_have_nothing_to_do_with_which_are_held():
    values = np.random.default_rng(0).random(60_000)
    result = fed(values, 60_000, seed=0).result()
    assert np.abs(result.quantile(Q) - Q).max() < 0.02


def test_bad_arguments_are_refused():
    with pytest.raises(InvalidArgument, match="most is from 1024 to exact"):
        SampledQuantiles(2000, 3000)
    with pytest.raises(InvalidArgument, match="SampledQuantiles takes no weights"):
        SampledQuantiles().update(pa.array([1.0]), np.ones(1))
