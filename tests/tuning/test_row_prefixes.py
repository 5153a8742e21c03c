"""Nested parts of a split: against NumPy's order of the same draws."""

import numpy as np
import pytest

from blocks.features.sparse import Sparse
from blocks.store import Rows, SplitPlan, write
from blocks.tuning.row_prefixes import prefix

ROWS, CHUNK = 1000, 128


@pytest.fixture(scope="module")
def split(tmp_path_factory):
    x = np.arange(ROWS, dtype="f4")[:, None]
    tokens = Sparse.from_dense(np.where(np.arange(ROWS)[:, None] % 3 == np.arange(4), x, 0).astype("f4"))
    rows = Rows({"numeric": x, "words": tokens}, x[:, 0], np.ones(ROWS, "f4"), {"id": np.arange(ROWS)})
    return write(
        tmp_path_factory.mktemp("store"),
        {"train": SplitPlan(lambda skip: iter([rows]))},
        fingerprint={"source": {"train": "these"}, "preprocessor": "that"},
        rows_per_chunk=CHUNK,
        metadata={"names": ["a"]},
        spec={"numeric": 1},
        columns={"features/numeric": ["x"]},
    )["train"]


def ids(part):
    return part.read(["features/numeric"]).features["numeric"][:, 0].astype(int).tolist()


def test_parts_are_prefixes_of_one_order_of_all_rows(split, tmp_path):
    draws = np.concatenate(
        [np.random.default_rng([7, c]).random(min(CHUNK, ROWS - s)) for c, s in enumerate(range(0, ROWS, CHUNK))]
    )
    order = np.argsort(draws)
    before = set()
    for share in (1 / 27, 1 / 9, 1 / 3):
        part = prefix(split, share, 7, tmp_path / f"{share}")
        found = ids(part)
        assert sorted(found) == found, "in the store's order"
        assert set(found) == set(order[: len(found)].tolist())
        assert before < set(found), "nested"
        assert abs(len(found) - share * ROWS) < 5 * np.sqrt(share * ROWS)
        before = set(found)
    assert prefix(split, 1.0, 7, tmp_path / "whole") is split
    assert set(ids(prefix(split, 1 / 3, 8, tmp_path / "other"))) != before


def test_a_part_holds_what_training_takes(split, tmp_path):
    part = prefix(split, 0.3, 0, tmp_path / "part")
    rows, number = part.read(), np.array(ids(part))
    assert [entry.name for entry in part.entries] == ["features/numeric", "features/words", "target", "weight"]
    assert rows.target.tolist() == number.tolist()
    dense = np.where(number[:, None] % 3 == np.arange(4), number[:, None], 0)
    np.testing.assert_array_equal(rows.features["words"].dense(), dense)
    assert part.metadata == split.metadata
    assert part.spec == split.spec
    assert part.fingerprint["preprocessor"] == split.fingerprint["preprocessor"]
    assert part.fingerprint["source"] != split.fingerprint["source"]
    assert part.entries[0].columns == ("x",)


def test_one_that_was_interrupted_is_finished_to_the_same_rows(split, tmp_path, monkeypatch):
    whole = ids(prefix(split, 0.5, 1, tmp_path / "whole"))
    chunks = type(split).chunks

    def failing(self, *arguments):
        for number, rows in enumerate(chunks(self, *arguments)):
            if number == 5:
                raise KeyboardInterrupt
            yield rows

    with monkeypatch.context() as patched:
        patched.setattr(type(split), "chunks", failing)
        with pytest.raises(KeyboardInterrupt):
            prefix(split, 0.5, 1, tmp_path / "part")
    assert ids(prefix(split, 0.5, 1, tmp_path / "part")) == whole
