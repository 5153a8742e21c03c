"""The table of a search and its words, of records that are made up."""

import json

from blocks.tuning.trial_records import Record
from blocks.tuning.trials_table import SCHEMA, as_text, summary_of, trials_table

SETTINGS = {0: {"units": [4]}, 1: {"units": [8]}, 2: {"units": [0]}, 3: {"units": [9]}}
RECORDS = {
    0: {"0": Record(10, 1, 1.0, loss=0.5), "1": Record(90, 2, 2.0, loss=0.4), "refit": Record(90, 9, 4.0, loss=0.45)},
    1: {"0": Record(10, 1, 1.5, loss=0.3), "1": Record(90, 2, 2.5, loss=0.35), "refit": Record(90, 7, 3.0, loss=0.2)},
    2: {"0": Record(10, 0, 0.5, error="InvalidArgument: a positive width")},
    3: {"0": Record(10, 0, 0.25, over=True)},
}
FINALS = {1: ("refit", RECORDS[1]["refit"]), 0: ("1", RECORDS[0]["1"])}
TEST = {"best of": 1, "best": (0.25, 0.2, 0.3), "default": (0.5, 0.4, 0.6), "difference": (-0.25, -0.3, -0.2)}


def test_each_trial_is_a_row_and_those_without_a_loss_come_last():
    table = trials_table(SETTINGS, RECORDS, FINALS, [1, 0], {"default_rank": 2, "test": TEST})
    assert table.schema.equals(SCHEMA)
    found = table.to_pylist()
    assert [row["trial"] for row in found] == [1, 0, 2, 3]
    assert [row["state"] for row in found] == ["best", "refitted", "failed", "out of time"]
    assert [row["rank"] for row in found] == [1, 2, None, None]
    assert [row["default"] for row in found] == [False, True, False, False]
    assert [row["validation_loss"] for row in found] == [0.2, 0.4, None, None]
    assert [row["weights_of"] for row in found] == ["refit", "1", None, None]
    assert [row["epochs"] for row in found] == [7, 2, None, None]
    assert [row["rungs"] for row in found] == [2, 2, 0, 0]
    assert [row["seconds"] for row in found] == [7.0, 7.0, 0.5, 0.25]
    assert [json.loads(row["parameters"]) for row in found] == [SETTINGS[n] for n in (1, 0, 2, 3)]
    tested = [(row["test_loss"], row["test_low"], row["test_high"]) for row in found[:2]]
    assert tested == [TEST["best"], TEST["default"]]
    assert found[2]["error"] == "InvalidArgument: a positive width"
    assert summary_of(table)["test"]["best of"] == 1


def test_its_words_say_where_the_default_ranked_and_how_much_better_the_best_is():
    text = as_text(trials_table(SETTINGS, RECORDS, FINALS, [1, 0], {"default_rank": 2, "test": TEST}), most=3)
    lines = text.splitlines()
    assert lines[1].split() == ["1", "1", "best", "0.2", "90", "7", "7.0"]
    assert lines[3].split()[:3] == ["2", "0*", "refitted"]
    assert "and 1 more" in text
    assert "the default: rank 2 of 4" in text
    assert "test loss of the best: 0.25 (0.2 to 0.3)" in text
    assert lines[-1] == "best less default: -0.25 (-0.3 to -0.2), better"
    noise = {**TEST, "difference": (-0.1, -0.3, 0.1)}
    table = trials_table(SETTINGS, RECORDS, FINALS, [1, 0], {"default_rank": None, "test": noise})
    assert as_text(table).splitlines()[-1].endswith("within noise")
    assert "the default: it failed" in as_text(table)
