"""Sums by score: exact, or in bins that do not depend on order, chunks and merging."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from blocks.statistics.score_table import ScoreTable


@settings(max_examples=60)
@given(
    scores=st.lists(st.floats(0, 1) | st.sampled_from([0.0, 0.5, 1.0, 1 - 2**-53]), min_size=1, max_size=60),
    limit=st.integers(1, 70),
    cut=st.integers(0, 60),
    unit=st.booleans(),
)
def test_scores_are_binned_alike_in_every_order(scores, limit, cut, unit):
    values = np.array(scores) if unit else np.array(scores) * 1e3
    ones = np.ones((len(values), 1))
    whole = ScoreTable(1, limit, unit)
    whole.update(values, ones)
    left, right = ScoreTable(1, limit, unit), ScoreTable(1, limit, unit)
    left.update(values[:cut], ones[:cut])
    for value in values[cut:][::-1]:
        right.update(np.array([value]), ones[:1])
    left.merge(right)
    assert left.to_bytes() == whole.to_bytes()
    assert len(whole.scores) <= limit
    assert whole.sums.sum() == len(values)
    assert (np.diff(whole.scores) > 0).all()
    held = whole.scores[whole.find(values)]
    assert (held <= values).all()
    assert (values <= whole.greatest[whole.find(values)]).all()
    assert ScoreTable.from_bytes(whole.to_bytes()).to_bytes() == whole.to_bytes()
    if whole.exact:
        assert sorted(set(values.tolist())) == whole.scores.tolist()
