"""Impute against scikit-learn's SimpleImputer in float64, rounded once."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.impute import SimpleImputer

from blocks.errors import EmptySource, InvalidArgument
from blocks.preprocessors import Impute

COLUMN = st.lists(st.one_of(st.none(), st.integers(-50, 50).map(float)), min_size=1, max_size=60).filter(
    lambda values: any(value is not None for value in values)
)


@pytest.mark.parametrize("strategy", ["mean", "median", "most_frequent"])
@given(values=COLUMN)
@settings(max_examples=30, deadline=None)
def test_equals_scikit_learn(strategy, values):
    column = np.array([np.nan if value is None else value for value in values])
    expected = SimpleImputer(strategy=strategy).fit_transform(column[:, None])[:, 0]
    found = Impute(strategy).adapt(pa.array(values, pa.float64()))(column).numpy()
    if strategy == "mean":  # float64 sums differ in their last digit, so their roundings may by one step
        assert np.allclose(found, expected, rtol=1.2e-7, atol=1e-12)
    else:
        assert np.array_equal(found, expected.astype(np.float32))


def test_constant_and_indicator():
    block = Impute("constant", fill_value=-1.0, add_indicator=True)
    assert block.adapted
    assert block(np.array([np.nan, 2.0])).numpy().tolist() == [[-1.0, 1.0], [2.0, 0.0]]
    assert [feature.name for feature in block.outputs("age", ("age",))] == ["age", "age_missing"]


def test_infinity_passes_and_is_not_learned_from():
    block = Impute("mean").adapt(np.array([1.0, 3.0, np.inf, np.nan]))
    assert block(np.array([np.inf, np.nan])).numpy().tolist() == [np.inf, 2.0]


def test_booleans_and_integers():
    assert float(Impute("most_frequent").adapt([True, True, False, None]).state["fill"]) == 1.0
    assert float(Impute("median").adapt([1, 2, 10, None]).state["fill"]) == 2.0


def test_errors_say_the_rule():
    with pytest.raises(InvalidArgument, match=r"strategy is 'mean', .* Received: 'mode'"):
        Impute("mode")
    with pytest.raises(InvalidArgument, match=r"fill_value goes with strategy='constant'"):
        Impute("constant")
    with pytest.raises(InvalidArgument, match=r"fill_value goes with strategy='constant'"):
        Impute("mean", fill_value=1.0)
    for strategy in ("mean", "median", "most_frequent"):
        with pytest.raises(EmptySource, match=r"Impute learns from values that are there"):
            Impute(strategy).adapt(pa.nulls(3, pa.float64()))
