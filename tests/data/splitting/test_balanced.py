"""Splits and folds by group and stratum: groups stay whole, classes have their shares, chunks do not matter."""

from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedGroupKFold

import blocks
from blocks.data.splitting.balanced import count_pairs
from blocks.errors import EmptySource, InvalidArgument, SchemaMismatch

SHARES = {"train": 0.7, "valid": 0.1, "test": 0.2}


def source(groups, labels):
    table = {"row": range(len(groups)), "patient": pa.array(groups), "label": pa.array(labels)}
    return blocks.read(pa.table(table))


def rows(part, size=65_536):
    return [row for chunk in part.chunks(size, columns=["row"]) for row in chunk["row"].to_pylist()]


LABELS = st.lists(st.sampled_from(["a", "b", "c", None]), min_size=1, max_size=300)


@settings(max_examples=60, deadline=None)
@given(LABELS, st.integers(0, 9), st.integers(1, 70))
def test_every_class_has_its_share_to_one_row(labels, seed, size):
    made = source(labels, labels)
    splits = made.split(**SHARES, stratify="label", seed=seed)
    found = {name: rows(part) for name, part in splits.items()}
    assert found == {name: rows(part, size) for name, part in splits.items()}
    assert sorted(row for part in found.values() for row in part) == list(range(len(labels)))
    for label, count in Counter(labels).items():
        upto = 0
        for name, share in zip(SHARES, np.cumsum(list(SHARES.values())), strict=True):
            upto += sum(labels[row] == label for row in found[name])
            assert abs(upto - share * count) <= 0.5 + 1e-9, (label, name)


def test_a_stratified_split_is_drawn_and_not_a_pattern():
    labels = np.tile(["a", "b"], 30_000)
    parts = source(labels, labels).split(train=0.5, test=0.5, stratify="label")
    drawn = np.isin(np.arange(60_000), rows(parts["test"]))
    of_class = drawn[::2]
    assert of_class.sum() == 15_000
    # neighbours of a class are in one part as often as chance has it: six standard deviations
    assert abs((of_class[1:] == of_class[:-1]).mean() - 0.5) < 3 / np.sqrt(len(of_class))
    other = source(labels, labels).split(train=0.5, test=0.5, stratify="label", seed=1)
    assert abs(np.isin(rows(other["test"]), rows(parts["test"])).mean() - 0.5) < 0.02


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 25), st.sampled_from(["a", "b"])), min_size=60, max_size=300), st.integers(1, 70)
)
def test_groups_stay_whole(pairs, size):
    groups, labels = map(list, zip(*pairs, strict=True))
    if len(set(groups)) < 3:
        return
    for ask in ({"group": "patient"}, {"group": "patient", "stratify": "label"}):
        splits = source(groups, labels).split(**SHARES, **ask)
        found = {name: rows(part, size) for name, part in splits.items()}
        assert sorted(row for part in found.values() for row in part) == list(range(len(groups)))
        assert all(found.values())
        where = {(groups[row], name) for name, part in found.items() for row in part}
        assert len(where) == len(set(groups))


@pytest.mark.parametrize("count", [200, 5_000])
def test_stratified_groups_have_class_shares_within_one_percent(count):
    """As scikit-learn's StratifiedGroupKFold, or better; that one does not shuffle among groups of one kind."""
    random = np.random.default_rng(count)
    sizes = random.geometric(0.15, count)
    groups = np.repeat(np.arange(count), sizes)
    lean = np.repeat(random.beta(2, 5, count), sizes)
    labels = np.where(
        random.random(len(groups)) < lean, "yes", np.where(random.random(len(groups)) < 0.1, "rare", "no")
    )
    made = source(groups, labels)
    whole = {label: n / len(labels) for label, n in Counter(labels.tolist()).items()}
    splits = made.split(**SHARES, group="patient", stratify="label", seed=3)
    for name, part in splits.items():
        found = part.to_table()
        assert abs(found.num_rows / len(labels) - SHARES[name]) < 0.01
        for label, share in whole.items():
            assert abs(pc.sum(pc.equal(found["label"], label)).as_py() / found.num_rows - share) < 0.01
    ours = [fold["valid"].to_table() for fold in made.folds(5, group="patient", stratify="label")]
    folds = StratifiedGroupKFold(5).split(groups, labels, groups)
    theirs = [labels[valid] for _, valid in folds]

    def spread(parts):
        return max(abs(np.mean(part == label) - share) for part in parts for label, share in whole.items())

    assert spread([np.array(part["label"].to_pylist()) for part in ours]) <= spread(theirs) + 0.002
    assert sorted(row for part in ours for row in part["row"].to_pylist()) == list(range(len(labels)))


@pytest.mark.parametrize(
    "ask",
    [{}, {"key": "patient"}, {"group": "patient"}, {"stratify": "label"}, {"group": "patient", "stratify": "label"}],
)
def test_folds_validate_each_row_once_and_train_on_the_rest(ask):
    random = np.random.default_rng(0)
    groups, labels = random.integers(0, 40, 1_000), random.choice(["a", "b"], 1_000)
    folds = source(groups, labels).folds(4, seed=2, **ask)
    valid = [rows(fold["valid"], 33) for fold in folds]
    assert sorted(row for part in valid for row in part) == list(range(1_000))
    for fold, held in zip(folds, valid, strict=True):
        assert rows(fold["train"]) == sorted(set(range(1_000)) - set(held))
        if "group" in ask or "key" in ask:
            assert not set(groups[rows(fold["train"])]) & set(groups[held])
    assert [rows(fold["valid"]) for fold in source(groups, labels).folds(4, seed=3, **ask)] != valid


def test_the_key_of_a_split_is_bookkeeping_and_its_classes_are_not():
    made = source([1, 1, 2, 2, 3, 3], list("ababab"))
    part = made.split(a=0.5, b=0.5, group="patient", stratify="label")["a"]
    assert list(part.bookkeeping) == ["patient"]
    assert not made.split(a=0.5, b=0.5, stratify="label")["a"].bookkeeping
    described = part.fingerprint()["steps"][0]
    assert described["group"] == ["patient"]
    assert described["stratify"] == ["label"]


def test_what_cannot_be_divided_is_refused():
    made = source([1, 1, 2], list("aba"))
    with pytest.raises(InvalidArgument, match=r"at least as many groups as parts. Received: 2 for 3 parts"):
        made.split(**SHARES, group="patient")
    with pytest.raises(SchemaMismatch, match="nobody"):
        made.split(a=0.5, b=0.5, group="nobody")
    with pytest.raises(InvalidArgument, match="at most 10,000 distinct values"):
        source(range(10_001), range(10_001)).split(a=0.5, b=0.5, stratify="label")
    with pytest.raises(EmptySource, match="needs rows"):
        made.filter(pc.field("row") > 9).split(a=0.5, b=0.5, stratify="label")
    with pytest.raises(InvalidArgument, match="folds must be a whole number, at least 2"):
        made.folds(1)


def test_rows_that_changed_since_are_refused(tmp_path):
    import pyarrow.parquet as pq

    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"patient": [1, 2, 3], "label": ["a", "b", "a"]}), path)
    by_group = blocks.read(path).split(a=0.5, b=0.5, group="patient")["a"]
    by_class = blocks.read(path).split(a=0.5, b=0.5, stratify="label")["a"]
    pq.write_table(pa.table({"patient": [1, 9, 3], "label": ["a", "b", "b"]}), path)
    for part in (by_group, by_class):
        with pytest.raises((InvalidArgument, blocks.errors.BlocksError), match="changed"):
            part.to_table()


def test_pairs_are_counted_however_they_come_in_pieces():
    random = np.random.default_rng(0)
    groups, classes = random.integers(0, 50, 3_000).astype(np.uint64), random.integers(0, 3, 3_000).astype(np.uint64)
    expected = Counter(zip(groups.tolist(), classes.tolist(), strict=True))
    for pieces in (1, 7, 300):
        parts = zip(np.array_split(groups, pieces), np.array_split(classes, pieces), strict=True)
        found = count_pairs(parts)
        got = dict(
            zip(zip(found.groups.tolist(), found.classes.tolist(), strict=True), found.rows.tolist(), strict=True)
        )
        assert got == expected
    assert len(count_pairs([]).rows) == 0


@pytest.mark.parametrize("count", [1, 10, 999])
def test_a_sample_has_so_many_rows_drawn_by_the_seed(count):
    made = source(range(1_000), range(1_000))
    drawn = made.sample(count, seed=1)
    assert len(rows(drawn)) == drawn.count() == count
    assert rows(drawn) == rows(drawn, 7) == sorted(set(rows(drawn)))
    assert count > 900 or rows(made.sample(count, seed=2)) != rows(drawn)
    assert made.sample(1_000) is made


def test_every_row_is_as_likely_in_a_sample():
    made = source(range(200), range(200))
    drawn = Counter(row for seed in range(300) for row in rows(made.sample(40, seed=seed)))
    counts = np.array([drawn[row] for row in range(200)])
    assert abs(counts - 60).max() < 5 * np.sqrt(300 * 0.2 * 0.8)


@pytest.mark.parametrize("ask", [{"stratify": "label"}, {"group": "patient"}])
def test_a_split_of_a_part_does_not_depend_on_the_split_that_made_it(ask):
    """The same seed, the same shares: half of a half is drawn anew, and no part is empty or everything."""
    count = 4_000
    made = source(range(count), ["a"] * count)
    outer = made.split(a=0.5, b=0.5, **ask)
    inner = outer["a"].split(c=0.5, d=0.5, **ask)
    assert sorted(rows(inner["c"]) + rows(inner["d"])) == rows(outer["a"])
    assert len(rows(inner["c"])) == count // 4
    places = np.isin(rows(outer["a"]), rows(inner["c"]))
    before = np.isin(np.arange(count // 2), rows(outer["a"]))  # what the outer split drew at these places
    assert abs((places == before).mean() - 0.5) < 3 / np.sqrt(count // 2)
