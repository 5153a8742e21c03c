"""Coverage and residuals against NumPy."""

import numpy as np
import pyarrow as pa
import pytest

from blocks.errors import InvalidArgument
from blocks.evaluate import quantile_coverage, residuals
from blocks.evaluate.tables.table_description import METADATA, Description
from blocks.targets.description import HeadDescription


def numbers(rows=5000):
    random = np.random.default_rng(0)
    x = random.normal(size=rows)
    target = x + random.normal(size=rows)
    quantiles = np.stack([x - 1.2816, x, x + 1.2816], 1)
    table = pa.table(
        {"y": target, "prediction": x, "quantiles": pa.array(list(quantiles)), "low": x - 1.2816, "high": x + 1.2816}
    )
    head = HeadDescription(targets=("y",), levels=(0.1, 0.5, 0.9))
    return table.replace_schema_metadata({METADATA: Description((head,)).to_bytes()}), target, quantiles


def test_coverage_is_numpys():
    table, target, quantiles = numbers()
    found = quantile_coverage(table, chunk_rows=700)
    assert found["level"].to_pylist() == [0.1, 0.5, 0.9, None]
    inside = np.mean((target >= quantiles[:, 0]) & (target <= quantiles[:, 2]))
    expected = [*np.mean(target[:, None] <= quantiles, axis=0), inside]
    np.testing.assert_allclose(found["observed"].to_numpy(), expected)
    assert found["rows"].to_pylist() == [5000] * 4


def test_residuals_are_numpys():
    table, target, quantiles = numbers()
    found = residuals(table, 4, chunk_rows=999)
    place = np.searchsorted(np.quantile(quantiles[:, 1], [0.25, 0.5, 0.75]), quantiles[:, 1])
    error = target - quantiles[:, 1]
    for i, row in enumerate(found.to_pylist()):
        own = error[place == i]
        assert row["residual"] == pytest.approx(own.mean())
        assert row["q95"] == pytest.approx(np.quantile(own, 0.95))
        assert row["low"] < row["residual"] < row["high"]


def test_what_is_refused():
    with pytest.raises(InvalidArgument, match="neither"):
        quantile_coverage(pa.table({"y": [1.0], "prediction": [1.0]}), target="y")
    classes = pa.table({"y": ["a"], "probabilities": [[0.5, 0.5]]})
    with pytest.raises(InvalidArgument, match="Residuals and coverage are of a regressor"):
        residuals(classes, target="y", classes=["a", "b"])
    with pytest.raises(InvalidArgument, match="Bins are 1 at least"):
        residuals(numbers(10)[0], 0)
