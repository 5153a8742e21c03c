"""NumberShape: SciPy's skewness and kurtosis, however rows are chunked, far from zero, tiny and huge."""

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from blocks.errors import InvalidArgument
from blocks.statistics import NumberShape, Statistic

RANDOM = np.random.default_rng(0)
COLUMNS = {
    "normal": RANDOM.normal(size=2_000),
    "lognormal": RANDOM.lognormal(0, 1.5, 2_000),
    "far": 1e6 + RANDOM.gamma(2.0, size=2_000),
    "tiny": 1e-200 * RANDOM.gamma(2.0, size=2_000),
    "huge": 1e300 * RANDOM.gamma(2.0, size=2_000) / 1e3,
    "mixed": np.r_[1e-250, RANDOM.gamma(2.0, size=500), 1e250],
}


def fed(values, rows):
    parts = [NumberShape() for _ in range(3)]
    for place, start in enumerate(range(0, len(values), rows)):
        parts[place % 3].update(pa.array(values[start : start + rows]))
    total = NumberShape()
    for part in parts:
        total.merge(Statistic.from_bytes(part.to_bytes()))
    return total.result()


@pytest.mark.parametrize("rows", [1, 7, 640, 20_000])
@pytest.mark.parametrize("name", COLUMNS)
def test_is_scipys_at_every_chunk_size(name, rows):
    values = COLUMNS[name]
    # SciPy overflows where ours does not: the same shape in another unit
    scaled = values / np.abs(values).max()
    found = fed(values, rows)
    assert found.skewness == pytest.approx(stats.skew(scaled), rel=1e-8, abs=1e-9)
    assert found.kurtosis == pytest.approx(stats.kurtosis(scaled), rel=1e-8, abs=1e-9)


def test_counts_zeros_and_negative_numbers_among_finite_ones():
    shape = NumberShape()
    shape.update(pa.array([0.0, -0.0, -1.0, 2.0, None, np.nan, np.inf, -np.inf]))
    shape.update(pa.array([3.0]))
    found = shape.result()
    assert (found.count, found.zeros, found.negative) == (5, 2, 1)


def test_equal_numbers_and_none_have_no_shape():
    for values in ([], [None], [0.1] * 1000, [1e300] * 3):
        shape = NumberShape()
        for value in values:
            shape.update(pa.array([value], pa.float64()))
        assert np.isnan(shape.result().skewness)
        assert np.isnan(shape.result().kurtosis)
    with pytest.raises(InvalidArgument, match="NumberShape takes no weights"):
        shape.update(pa.array([1.0]), np.ones(1))
