"""The state of a search on disk: settings that are drawn again the same, records that stay."""

import pytest

from blocks.errors import InvalidArgument
from blocks.tuning.search_space import as_drawn
from blocks.tuning.trial_records import Record, opened

pytest.importorskip("optuna", reason="ml-blocks[tune] is not installed")

SPACE = {"units": ("choice", [[4], [8]]), "dropout": ("float", 0.0, 0.5, False)}
DEFAULT = {"units": [8], "dropout": 0.25}


def test_what_is_drawn_depends_on_seed_and_number_alone_wherever_it_was_killed(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    with opened(tmp_path / "a", SPACE, 1, DEFAULT) as records:
        whole = [records.settings(number) for number in range(3)]
    assert whole[0] == DEFAULT
    assert len({str(one) for one in whole}) == 3
    with opened(tmp_path / "b", SPACE, 1, DEFAULT) as records:  # killed before the first was asked for
        records._study.enqueue_trial(as_drawn(SPACE, DEFAULT))
    for number in range(3):
        with opened(tmp_path / "b", SPACE, 1, DEFAULT) as records:
            if number == 1:  # killed before its settings were drawn
                records._study.ask()
        with opened(tmp_path / "b", SPACE, 1, DEFAULT) as records:
            assert records.settings(number) == whole[number]
            assert records.begun == number + 1
    with opened(tmp_path / "b", SPACE, 1, DEFAULT) as records:
        records.add(0, "0", Record(10, 2, 1.5, loss=0.5, weights="0-0.npz"))
        records.settle(0, "0")
        records.add(1, "0", Record(10, 0, 0.5, error="bad"))
        records.settle(1, "0")
        records.add(2, "0", Record(10, 1, 1.0, over=True))
    with opened(tmp_path / "b", SPACE, 1, DEFAULT) as records:
        assert records[0, "0"] == Record(10, 2, 1.5, loss=0.5, weights="0-0.npz")
        assert records.losses("0") == {0: 0.5}
        assert records.seconds == 3.0
        assert [records.done(number, "0") for number in range(4)] == [True, True, False, False]
        records.add(2, "0", Record(10, 2, 2.0, loss=0.25))  # with more time
        assert records[2, "0"].seconds == 3.0
        assert records.settings(0) == DEFAULT


def test_another_search_is_refused_by_what_differs(tmp_path):
    with opened(tmp_path, SPACE, 1, DEFAULT) as records:
        records.require({"seed": 1, "space": SPACE})
        records.require({"seed": 1, "space": SPACE})
        with pytest.raises(InvalidArgument, match="Received: another seed and store"):
            records.require({"seed": 2, "space": SPACE, "store": "x"})
