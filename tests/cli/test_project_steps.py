"""Each step of a project by its command: what it makes, says, leaves and refuses."""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import blocks
from blocks.cli.main import main
from blocks.runs.new_project import new_project

TINY = ["--profile", "local", "--set", "data.rows=150", "--set", "epochs=1"]


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("projects") / "shop"
    new_project(folder, "table")
    assert main(["fit", "--project", str(folder), *TINY]) == 0
    return folder


@pytest.fixture
def within(fitted, tmp_path, monkeypatch):
    shutil.copytree(fitted, tmp_path / "shop")
    monkeypatch.chdir(tmp_path / "shop")
    return tmp_path / "shop"


def told(capsys, *words):
    status = main(list(words))
    out, err = capsys.readouterr()
    return status, out, err


def test_every_step_of_a_table_and_that_it_leaves_what_fits(within, capsys):
    status, out, _ = told(capsys, "inspect", *TINY)
    assert status == 0
    assert "target returned; key customer" in " ".join(out.split())
    assert out.endswith("next: blocks adapt --profile local --set data.rows=150 --set epochs=1\n")
    first = Path("artefacts/model.keras").read_bytes()
    _, out, _ = told(capsys, "fit", *TINY)
    steps = [line.partition(":")[0] for line in out.splitlines() if line[0] != " "]
    assert steps == ["adapt", "precompute", "fit", "next"]
    assert out.count("\n  is there already and fits: nothing is done\n") == 3
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
    assert told(capsys, "export", *TINY, "--again")[1].startswith("export: artefacts/export/2, a SavedModel\n")
    status, out, _ = told(capsys, "verify", *TINY)
    assert (status, "differing bits in 0" in " ".join(out.split())) == (0, True)
    _, out, _ = told(capsys, "predict", *TINY)
    test = blocks.read("artefacts/predictions.parquet")
    assert f"{test.count():,} rows by artefacts/export/2" in out
    assert test.count() == answers.num_rows
    assert told(capsys, "check")[1] == "artefacts/store: 0 problems in 150 rows\n"


@pytest.mark.filterwarnings("default::blocks.errors.BlocksWarning")
def test_a_changed_setting_is_named_and_made_anew_and_a_secret_stands_nowhere(within, capsys, monkeypatch):
    secret = "-".join(["tiger", "lake", "7"])  # not as one word: the code of this test is recorded too
    monkeypatch.setenv("DB_PASSWORD", secret)
    text = Path("blocks.toml").read_text().replace("env = []", 'env = ["DB_PASSWORD"]')
    Path("blocks.toml").write_text(text.replace("[data]", '[data]\nuri = "sqlite://me:${DB_PASSWORD}@host"'))
    _, out, _ = told(capsys, "fit", *TINY, "--set", "model.units=[4]")
    assert out.startswith("adapt: artefacts/adapted.keras\n  is there already and fits")
    assert "precompute: artefacts/store: rows of" in out
    assert "anew, since other: model" in out
    assert list(blocks.load("artefacts/model.keras").feature_extractor.units) == [4]
    _, out, err = told(capsys, "evaluate", *TINY)
    assert "was fitted with model.units = [4] (now [64, 32])" in err
    files = [file for file in within.rglob("*") if file.is_file()]
    assert any(file.name == "run.json" for file in files)
    assert not [file for file in files if secret.encode() in file.read_bytes()]


def test_a_killed_fit_goes_on_to_the_same_weights_and_both_runs_are_recorded(within, capsys, monkeypatch):
    words = [*TINY[:-1], "epochs=2"]
    told(capsys, "fit", *words)
    whole = blocks.load("artefacts/model.keras").core.get_weights()
    Path("artefacts/model.keras").unlink()
    ended = blocks.Resume.on_epoch_end

    def stopped(self, epoch, logs=None):
        ended(self, epoch, logs)
        if epoch == 0:
            raise KeyboardInterrupt

    monkeypatch.setattr(blocks.Resume, "on_epoch_end", stopped)
    status, _, err = told(capsys, "fit", *words)
    assert (status, "the same command goes on" in err) == (130, True)
    monkeypatch.setattr(blocks.Resume, "on_epoch_end", ended)
    status, out, _ = told(capsys, "fit", *words)
    assert (status, "went on where the run" in out) == (0, True)
    for one, other in zip(whole, blocks.load("artefacts/model.keras").core.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    first, second, third = blocks.runs.list_runs("runs")[-3:]
    assert [first.state, second.state, third.state] == ["finished", "interrupted", "finished"]
    assert third.content["resumed_from"] == second.id
    assert third.content["configuration"]["data"]["rows"] == 150
    assert {"data", "preprocessor", "store", "weights"} <= {stage["name"] for stage in third.gathered["stages"]}


def test_given_files_need_no_project(within, capsys, tmp_path, monkeypatch):
    rows = blocks.read(within / "data/orders.csv").head(200)
    pq.write_table(rows, tmp_path / "rows.parquet")
    monkeypatch.chdir(tmp_path)
    Path("road.py").write_text(
        "import blocks\n"
        "from blocks import preprocessors as P\n"
        "columns = P.Columns({'price': P.Standardize()})\n"
        "model = blocks.Model(columns, blocks.feature_extractors.MLP([2]), blocks.classifiers.Softmax('returned'))\n"
    )
    status, out, _ = told(capsys, "adapt", "road:model", "rows.parquet", "--out", "made")
    assert (status, out.partition(":")[0], "next" in out) == (0, "adapt", False)
    assert blocks.load("made/adapted.keras").preprocessor.adapted
    status, out, _ = told(capsys, "predict", "made/export/1", "rows.parquet")
    assert status == 1  # with two words: of a project, which is not here


def test_what_goes_wrong_is_told_with_its_fix(within, capsys, tmp_path, monkeypatch):
    def refused(*words):
        status, _, err = told(capsys, *words)
        assert status == 1
        return err

    assert "(did you mean local?)" in refused("fit", "--profile", "locl")
    shutil.rmtree("artefacts")
    assert "needs an export. Received: none" in refused("predict")
    assert "Run blocks fit" in refused("export")
    Path("data.py").write_text("import blocks\n\ndef splits(config):\n    return blocks.read({'x': [1.0]})\n")
    assert "data:splits gives splits: names and their rows. Received: Source. Return a dict" in refused("adapt")
    Path("data.py").write_text("import blocks\n\ndef splits(config):\n    return {'train': None}\n")
    assert "Received: NoneType for 'train'" in refused("adapt")
    Path("data.py").write_text("import blocks\nimport no_such_package\n")
    assert "ModuleNotFoundError: No module named 'no_such_package' (data.py, line 2)" in refused("adapt")
    Path("data.py").write_text("import blocks\n")
    assert "which has no splits. Define it there" in refused("adapt")
    Path("model.py").write_text("def model(config):\n    return 3\n")
    assert "model:model gives a blocks.Model. Received: int" in refused("adapt")
    monkeypatch.chdir(tmp_path)
    assert "A project is a folder with a blocks.toml." in refused("fit")


@pytest.mark.parametrize(
    ("template", "settings"),
    [
        ("series", ["data.length=24", "data.horizon=4"]),
        ("text", ["data.rows=150"]),
        ("images", ["data.rows=100", "model.size=12", "model.widths=[4,8]"]),
    ],
)
def test_the_other_templates_run(template, settings, tmp_path, capsys, monkeypatch):
    new_project(tmp_path / template, template)
    monkeypatch.chdir(tmp_path / template)
    words = ["--profile", "local", "--set", "epochs=1", *(word for one in settings for word in ("--set", one))]
    assert [main([step, *words]) for step in ("fit", "evaluate")] == [0, 0]
    answered = pq.read_table("artefacts/answers.parquet")
    assert answered.num_rows == blocks.open_store("artefacts/store").rows["test"]
    assert all(len(line) <= 80 for line in capsys.readouterr().out.splitlines() if not line.startswith("next:"))
