"""What holds for all sums that metrics are of: merging, chunking, order of merges, saving."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blocks.errors import InvalidArgument, MalformedData
from blocks.evaluate.scoring.bootstrap import bucket_count, buckets, wilson
from blocks.evaluate.scoring.classification import Classification, ClassRows
from blocks.evaluate.scoring.estimate import Settings
from blocks.evaluate.scoring.forecast import Forecast, StepRows
from blocks.evaluate.scoring.regression import NumberRows, Regression
from blocks.evaluate.scoring.row_selection import select_rows
from blocks.statistics.mergeable import Mergeable

EVERY = Settings(0.9, 20)


def class_rows(seed, rows, classes, weighted):
    random = np.random.default_rng(seed)
    # few distinct values, so that ties are common
    p = random.integers(1, 6, (rows, classes)).astype(float)
    p /= p.sum(axis=1, keepdims=True)
    weight = random.integers(0, 4, rows).astype(float) if weighted else None
    return ClassRows(np.arange(rows), random.integers(0, classes, rows), p, p.argmax(axis=1), weight)


def number_rows(seed, rows, weighted):
    random = np.random.default_rng(seed)
    target = random.normal(3.0, 1.0, rows) + 1e6 * (seed % 2)
    found = target + random.normal(size=rows)
    ends = [found - 1, found + 1, np.ones(rows)]
    quantiles = np.stack([found - 1, found, found + 1], 1)
    return NumberRows(np.arange(rows), target, found, random.random(rows) if weighted else None, quantiles, *ends)


def step_rows(seed, rows, weighted):
    random = np.random.default_rng(seed)
    target = random.normal(3.0, 1.0, (rows, 2))
    found = target + random.normal(size=(rows, 2))
    weight, scale = random.random(rows) if weighted else None, random.integers(0, 3, rows).astype(float)
    quantiles = np.stack([found - 1, found + 1], 2)
    return StepRows(np.arange(rows), target, found, weight, scale, quantiles, found - 1, found + 1)


def case(kind, seed, rows, weighted):
    if kind == "regression":
        return Regression([0.1, 0.5, 0.9], True, True, weighted), number_rows(seed, rows, weighted)
    if kind == "forecast":
        return Forecast(1 + seed % 2, [0.1, 0.9], True, True), step_rows(seed, rows, weighted)
    classes = int(kind)
    return Classification([f"c{i}" for i in range(classes)], weighted), class_rows(seed, rows, classes, weighted)


def fed(empty, *chunks):
    found = empty.empty()
    for chunk in chunks:
        found.update(chunk)
    return found


def merged(*parts):
    total = parts[0].empty()
    for part in parts:
        total.merge(part)
    return total


def assert_same(left, right):
    assert left.rows == right.rows
    ours, theirs = left.result(EVERY), right.result(EVERY)
    assert list(ours) == list(theirs)
    for name, one in ours.items():
        other = theirs[name]
        assert one.note == other.note, name
        for end in ("value", "low", "high"):
            np.testing.assert_allclose(getattr(one, end), getattr(other, end), rtol=1e-8, atol=1e-12, err_msg=name)


CASES = {
    "kind": st.sampled_from(["regression", "forecast", "2", "3"]),
    "seed": st.integers(0, 99),
    "rows": st.integers(1, 60),
    "weighted": st.booleans(),
    "cuts": st.lists(st.integers(0, 60), min_size=2, max_size=2),
}


@settings(max_examples=30)
@given(**CASES)
def test_chunks_and_merges_change_nothing(kind, seed, rows, weighted, cuts):
    empty, whole = case(kind, seed, rows, weighted)
    ends = [0, *sorted(min(cut, rows) for cut in cuts), rows]
    chunks = [select_rows(whole, slice(i, j)) for i, j in pairwise(ends)]
    at_once = fed(empty, whole)
    assert_same(fed(empty, *chunks), at_once)
    a, b, c = (fed(empty, chunk) for chunk in chunks)
    before = [part.to_bytes() for part in (a, b, c)]
    assert_same(merged(merged(a, b), c), at_once)
    assert_same(merged(a, merged(b, c)), at_once)
    assert_same(merged(c, b, a), at_once)
    assert [part.to_bytes() for part in (a, b, c)] == before


@settings(max_examples=20)
@given(**CASES)
def test_saved_and_continued_is_as_never_saved(kind, seed, rows, weighted, cuts):
    empty, whole = case(kind, seed, rows, weighted)
    cut = min(cuts[0], rows)
    found = fed(empty, select_rows(whole, slice(0, cut)))
    restored = Mergeable.from_bytes(found.to_bytes())
    assert restored.to_bytes() == found.to_bytes()
    for one in (found, restored):
        one.merge(empty)
        one.update(select_rows(whole, slice(cut, rows)))
    assert restored.to_bytes() == found.to_bytes()


def test_others_are_refused():
    with pytest.raises(InvalidArgument, match="merge with their own class and parameters"):
        Classification(["a", "b"]).merge(Classification(["a", "c"]))
    with pytest.raises(InvalidArgument, match="merge with their own class"):
        Classification(["a", "b"]).merge(Regression())
    with pytest.raises(MalformedData, match="must hold a Regression"):
        Regression.from_bytes(Classification(["a", "b"]).to_bytes())


def test_buckets_are_even_and_fewer_for_many_sums():
    counts = np.bincount(buckets(np.arange(512_000), 512), minlength=512)
    assert len(counts) == 512
    assert 800 < counts.min() <= counts.max() < 1200
    assert (bucket_count(2), bucket_count(128), bucket_count(10_000)) == (512, 256, 64)


def test_wilson_at_the_ends():
    low, high = wilson(np.array([0.0, 1.0]), np.array([10.0, 10.0]), 0.95)
    np.testing.assert_allclose(low, [0.0, 0.72247], atol=1e-5)
    np.testing.assert_allclose(high, [0.27753, 1.0], atol=1e-5)


def test_a_thousand_classes_are_judged():
    random = np.random.default_rng(0)
    p = random.dirichlet(np.ones(300), 50)
    judged = Classification([str(i) for i in range(300)])
    judged.update(ClassRows(np.arange(50), random.integers(0, 300, 50), p, p.argmax(axis=1)))
    found = judged.result(Settings())
    assert "roc_auc[0]" not in found
    assert 0 <= found["top_10_accuracy"].value <= 1
