"""blocks tune: its arguments reach the search, and what is found is written."""

import json

import pyarrow.parquet as pq
import pytest

import blocks
from blocks.cli.main import main
from blocks.tuning.trial_records import Record
from blocks.tuning.trials_table import trials_table


@pytest.fixture
def made(fitted, table, tmp_path):
    fitted.save(tmp_path / "model.keras")
    fitted.precompute({"train": table, "valid": table}, tmp_path / "store", verbose=0)
    return [str(tmp_path / "model.keras"), str(tmp_path / "store")]


def test_the_best_model_and_the_table_are_written(made, fitted, tmp_path, monkeypatch, capsys):
    given = {}

    def tune(model, store, **options):
        given.update(options, rows=store.rows)
        record = Record(400, 3, 1.5, loss=0.25)
        return trials_table(
            {0: {"units": [4]}}, {0: {"0": record}}, {0: ("0", record)}, [0], {"default_rank": 1}
        ), model

    monkeypatch.setattr(blocks.tuning, "tune", tune)
    (tmp_path / "space.json").write_text(json.dumps({"dropout": ["float", 0, 0.5, False]}))
    words = ["--budget", "10min", "--trials", "5", "--space", str(tmp_path / "space.json"), "--seed", "2"]
    for _ in range(2):  # the second time it replaces what the first wrote
        assert main(["tune", *made, *words, "--folder", "f", "--out", str(tmp_path / "best.keras")]) == 0
    assert given == {
        "budget": "10min", "trials": 5, "seed": 2, "folder": "f", "space": {"dropout": ["float", 0, 0.5, False]},
        "rows": {"train": 400, "valid": 400},
    }  # fmt: skip
    assert pq.read_table(tmp_path / "best.parquet")["validation_loss"].to_pylist() == [0.25]
    assert blocks.load(tmp_path / "best.keras").head.target == fitted.head.target
    assert "the default: rank 1 of 1" in capsys.readouterr().out


def test_what_is_no_space_is_refused(made, tmp_path, capsys):
    assert main(["tune", *made, "--space", str(tmp_path / "none.json")]) == 1
    assert "--space is a JSON file" in capsys.readouterr().err
    assert main(["tune", *made, "--out", "best.h5"]) == 1
    assert "--out is a .keras file" in capsys.readouterr().err
