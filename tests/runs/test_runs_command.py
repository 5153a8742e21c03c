"""blocks runs: list with filters, show, diff, restore and rm, for people and for machines."""

import json

import pytest

import blocks
from blocks.cli.main import main


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three runs: a first, another with other settings, and one that failed."""
    folder = tmp_path_factory.mktemp("command") / "runs"
    for epochs, loss in ((1, 0.5), (2, 0.25)):
        with blocks.runs.record(folder, {"epochs": epochs}, name=f"of {epochs}") as run:
            run.log({"loss": loss})
    with pytest.raises(ValueError, match="no"), blocks.runs.record(folder, {"epochs": 3}):
        raise ValueError("no")
    return folder


def said(capsys, *words):
    status = main(["runs", *map(str, words)])
    return status, capsys.readouterr().out


def test_list(folder, capsys):
    status, text = said(capsys, "list", "--runs", folder)
    assert status == 0
    assert [line.split()[1] for line in text.splitlines()] == ["state", "finished", "finished", "failed"]
    assert max(map(len, text.splitlines())) <= 80

    def names(*words):
        return [one["name"] for one in json.loads(said(capsys, "list", "--runs", folder, "--json", *words)[1])]

    assert names() == ["of 1", "of 2", None]
    assert names("--where", "loss<0.3") == ["of 2"]
    assert names("--where", "epochs >= 2", "--state", "failed") == [None]
    assert names("--where", "epochs!=2", "--where", "loss=0.5") == ["of 1"]
    assert names("--sort", "loss") == ["of 2", "of 1"]
    assert names("--last", "1") == [None]
    assert main(["runs", "list", "--runs", str(folder), "--where", "loss"]) == 1


def test_show_and_diff(folder, capsys):
    status, text = said(capsys, "show", "of 1", "--runs", folder)
    assert status == 0
    assert "metric     loss 0.5" in text
    assert "configured epochs = 1" in text
    assert "ValueError: no" in said(capsys, "show", "last", "--runs", folder)[1]
    status, text = said(capsys, "diff", "of 1", "of 2", "--runs", folder)
    assert text.splitlines()[1:3] == ["differs in configuration", "    epochs 1, then 2"]
    assert "loss: 0.5, 0.25  -0.25  no interval was recorded" in text
    found = json.loads(said(capsys, "diff", "of 1", "of 2", "--json", "--runs", folder)[1])
    assert found["differences"][0] == {"part": "configuration", "what": ["epochs 1, then 2"]}


def test_restore_and_rm(folder, tmp_path, capsys):
    assert said(capsys, "restore", "of 1", tmp_path / "then", "--runs", folder)[0] == 0
    assert json.loads((tmp_path / "then" / "run.json").read_text())["name"] == "of 1"
    assert said(capsys, "rm", "of 1", "--runs", folder)[0] == 0
    assert main(["runs", "show", "of 1", "--runs", str(folder)]) == 1
    assert "No run" in capsys.readouterr().err
