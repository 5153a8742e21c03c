"""Each step of a project by its command: what it makes, says, leaves and refuses."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import blocks
from blocks.cli.main import main
from blocks.runs.new_project import new_project

TINY = ["--profile", "local", "--set", "data.rows=150", "--set", "epochs=1"]


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("projects") / "shop"
    new_project(folder, "table")
    return folder


@pytest.fixture
def within(shop, monkeypatch):
    monkeypatch.chdir(shop)
    return shop


def told(capsys, *words):
    status = main(list(words))
    out, err = capsys.readouterr()
    return status, out, err


def test_every_step_of_a_table_and_that_it_leaves_what_fits(within, capsys):
    status, out, _ = told(capsys, "inspect", *TINY)
    assert status == 0
    assert "target returned; key customer" in out
    assert out.endswith("next: blocks adapt --profile local --set data.rows=150 --set epochs=1\n")
    _, out, _ = told(capsys, "fit", *TINY)  # adapts and precomputes first
    assert [line.partition(":")[0] for line in out.splitlines() if line[0] != " "] == [
        "adapt", "precompute", "fit", "next",
    ]  # fmt: skip
    first = Path("artefacts/model.keras").read_bytes()
    _, out, _ = told(capsys, "fit", *TINY)
    assert out.count("(there already and it fits: nothing is done)") == 3
    assert Path("artefacts/model.keras").read_bytes() == first

    _, out, _ = told(capsys, "evaluate", *TINY)
    answers = pq.read_table("artefacts/answers.parquet")
    accuracy = np.mean(
        [a == b for a, b in zip(answers["label"].to_pylist(), answers["returned"].to_pylist(), strict=True)]
    )
    (row,) = [
        row for row in json.loads(Path("artefacts/metrics.json").read_text())
        if row["metric"] == "accuracy" and row["group"] in ("", "all", None)
    ]  # fmt: skip
    assert row["value"] == pytest.approx(accuracy)
    assert f"{accuracy:.4g}" in out
    _, out, _ = told(capsys, "evaluate", *TINY)
    assert "nothing is done" in out
    assert f"{accuracy:.4g}" in out  # what was judged before is told again

    assert told(capsys, "export", *TINY)[1].startswith("export: artefacts/export/1, a SavedModel\n")
    assert "nothing is done" in told(capsys, "export", *TINY)[1]
    status, out, _ = told(capsys, "verify", *TINY)
    assert (status, "differing bits in 0" in out) == (0, True)
    _, out, _ = told(capsys, "predict", *TINY)
    test = blocks.read("artefacts/predictions.parquet")
    assert f"{test.count():,} rows by artefacts/export/1" in out
    assert test.count() == answers.num_rows
    assert told(capsys, "check")[1] == f"artefacts/store: 0 problems in {150 - _cancelled():,} rows\n"


def _cancelled():
    """The sample is drawn of orders that count, so none of it is cancelled."""
    return 0


def test_a_changed_setting_is_named_and_made_anew(within, capsys):
    _, out, _ = told(capsys, "fit", *TINY, "--set", "model.units=[4]")
    assert "adapt: artefacts/adapted.keras (there already" in out
    assert "precompute: artefacts/store: rows of" in out
    assert "anew, since other: model" in out
    assert blocks.load("artefacts/model.keras").feature_extractor.get_config()["hidden_units"] == [4]
    _, out, err = told(capsys, "evaluate", *TINY)
    assert "was fitted with model.units = [4] (now [64, 32])" in err
    assert "export: artefacts/export/2" in told(capsys, "export", *TINY, "--set", "model.units=[4]")[1]


def test_a_killed_fit_goes_on_to_the_same_weights(within, capsys, monkeypatch):
    words = [*TINY[:-1], "epochs=3"]
    told(capsys, "fit", *words, "--again")
    whole = blocks.load("artefacts/model.keras").core.get_weights()
    ended = blocks.Resume.on_epoch_end
    monkeypatch.setattr(
        blocks.Resume, "on_epoch_end", lambda self, epoch, logs=None: _stopped(ended, self, epoch, logs)
    )
    status, _, err = told(capsys, "fit", *words, "--again")
    assert (status, "the same command goes on" in err) == (130, True)
    monkeypatch.setattr(blocks.Resume, "on_epoch_end", ended)
    _, out, _ = told(capsys, "fit", *words, "--again")
    for one, other in zip(whole, blocks.load("artefacts/model.keras").core.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
