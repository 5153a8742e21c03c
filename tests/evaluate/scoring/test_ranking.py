"""Areas under curves, exact and from bins, against scikit-learn; and what each class's rows are."""

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

import blocks
from blocks.evaluate.scoring import classification
from blocks.evaluate.scoring.classification import Classification, ClassRows

NAMES = [f"c{i}" for i in range(15)]
ORACLES = {"average_precision": average_precision_score, "roc_auc": roc_auc_score}


def answers(rows, classes=15, seed=0):
    random = np.random.default_rng(seed)
    target = random.integers(0, classes, rows)
    target[random.random(rows) < 0.5] = 0
    given = np.eye(classes)[target] * 0.3 + random.dirichlet(np.ones(classes), rows)
    given[: rows // 3] = given[: rows // 3].round(2)  # ties
    return target, given / given.sum(axis=1, keepdims=True), random.uniform(0.1, 3.0, rows)


def areas(target, given, weight, chunk_rows, by=None):
    columns = {"y": [NAMES[i] for i in target], "probabilities": given.tolist()}
    columns |= {} if weight is None else {"w": weight}
    columns |= {} if by is None else {"by": by}
    return blocks.evaluate.metrics(
        pa.table(columns),
        None if by is None else ["by"],
        target="y",
        classes=NAMES[: given.shape[1]],
        sample_weight=None if weight is None else "w",
        metrics=["average_precision", "roc_auc", "recall"],
        bootstrap=0,
        chunk_rows=chunk_rows,
    ).to_pylist()


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("held", [None, 3000], ids=["exact", "bins"])
def test_areas_of_many_classes(weighted, held, monkeypatch):
    target, given, weight = answers(5000)
    if held:
        monkeypatch.setattr(classification, "MAX_SCORES", held)
        monkeypatch.setattr(classification, "MIN_BINS", 64)
    weight = weight if weighted else None
    found = areas(target, given, weight, 611)
    assert found == areas(target, given, weight, 4096) or weighted
    for row in found:
        name, _, of = row["metric"].partition("[")
        c = NAMES.index(of.removesuffix("]"))
        support = int((target == c).sum())
        assert row["rows"] == support, row
        assert row["few"] == (support < 30)
        if name == "recall":
            continue
        expected = ORACLES[name](target == c, given[:, c], sample_weight=weight)
        if held is None:
            assert row["note"] == ""
            assert row["value"] == pytest.approx(expected, abs=1e-12)
        else:
            bound = float(row["note"].removeprefix("within ").partition(" ")[0])
            assert 0 < bound < 0.05
            assert abs(row["value"] - expected) <= 1.05 * bound


def test_groups_share_what_is_held_and_are_exact_together(monkeypatch):
    monkeypatch.setattr(classification, "MAX_SCORES", 4000)
    monkeypatch.setattr(classification, "MIN_BINS", 64)
    target, given, _ = answers(1000, classes=3)
    for by, exact in ((np.arange(1000) % 2, True), (np.arange(1000) % 2, False)):
        if not exact:
            monkeypatch.setattr(classification, "MAX_SCORES", 600)
        for row in areas(target, given, None, 100, by=[f"g{i}" for i in by]):
            name, _, of = row["metric"].partition("[")
            c = NAMES.index(of.removesuffix("]"))
            rows = np.ones(1000, bool) if row["group"] == "all" else by == int(row["group"][-1])
            assert row["rows"] == (target[rows] == c).sum()
            if name == "recall":
                continue
            expected = ORACLES[name](target[rows] == c, given[rows, c])
            bound = float(row["note"].removeprefix("within ").partition(" ")[0]) if row["note"] else 1e-12
            assert (bound == 1e-12) == exact
            assert abs(row["value"] - expected) <= 1.05 * bound


def test_bins_do_not_depend_on_the_order_of_rows(monkeypatch):
    monkeypatch.setattr(classification, "MAX_SCORES", 500)
    monkeypatch.setattr(classification, "MIN_BINS", 64)
    target, given, _ = answers(900, classes=3)
    whole = Classification(NAMES[:3])
    whole.update(ClassRows(np.arange(900), target, given, given.argmax(1)))
    parts = [Classification(NAMES[:3]) for _ in range(3)]
    order = np.random.default_rng(1).permutation(900)
    for i, rows in enumerate(np.array_split(order, 9)):
        parts[i % 3].update(ClassRows(rows, target[rows], given[rows], given[rows].argmax(1)))
    merged = Classification(NAMES[:3])
    for part in parts:
        merged.merge(Classification.from_bytes(part.to_bytes()))
    for mine, theirs in zip(whole.score_tables, merged.score_tables, strict=True):
        assert not mine.exact
        np.testing.assert_array_equal(mine.scores, theirs.scores)
        np.testing.assert_array_equal(mine.sums, theirs.sums)
    np.testing.assert_array_equal(whole.arrays["support"], merged.arrays["support"])
