"""FewCounts: the counts of a Counter while values are few; nothing from one more on, in every order."""

from collections import Counter

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from blocks.statistics import FewCounts, Statistic

NUMBERS = st.lists(st.none() | st.sampled_from([0.0, -0.0, 1.0, 2.0, 3.0, 4.0, np.inf, -np.inf, np.nan]), max_size=40)


def fed(values, rows, most):
    few = FewCounts(most)
    for start in range(0, max(len(values), 1), rows):
        few.update(pa.array(values[start : start + rows], pa.float64()))
    return few


@settings(max_examples=60)
@given(NUMBERS, NUMBERS, st.integers(1, 6), st.sampled_from([1, 3, 50]))
def test_counts_as_a_counter_does_or_gives_up(one, other, most, rows):
    expected = Counter(value + 0.0 for value in one + other if value is not None and np.isfinite(value))
    whole, merged = fed(one + other, rows, most), Statistic.from_bytes(fed(one, rows, most).to_bytes())
    merged.merge(fed(other, rows, most))
    for found in (whole.result().counts, merged.result().counts):
        if len(expected) > most:
            assert found is None
        else:
            assert dict(zip(found.values.to_pylist(), found.counts.tolist(), strict=True)) == expected


def test_gives_up_at_once_where_there_are_many_and_stays_so():
    few = FewCounts(100)
    few.update(pa.array(np.arange(1000)))
    assert few.result().counts is None
    few.update(pa.array([1, 1]))
    assert few.result().counts is None
    assert len(few.to_bytes()) < 300


def test_a_dictionary_longer_than_what_is_used_of_it_is_no_reason_to_give_up():
    few = FewCounts(2)
    few.update(pa.DictionaryArray.from_arrays(pa.array([7, 7, 8]), pa.array(np.arange(500))))
    assert few.result().counts.values.to_pylist() == [7, 8]
