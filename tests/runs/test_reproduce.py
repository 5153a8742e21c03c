"""A run is begun again from its record alone, bit for bit; what was changed is named as the first difference.

BLOCKS_REPRODUCED says how many fits are recorded and reproduced; `make proof` asks for many.
"""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import blocks
from blocks.errors import InvalidArgument
from blocks.runs.remove import remove
from blocks.runs.reproduce import reproduce
from blocks.runs.restore import restore
from blocks.runs.run_differences import differences

TIMES = int(os.environ.get("BLOCKS_REPRODUCED", "0"))
heavy = pytest.mark.skipif(not TIMES, reason="set BLOCKS_REPRODUCED to a number of fits, as make proof does")

TRAIN = """
import json
import sys
from pathlib import Path

import blocks
from blocks import feature_extractors, preprocessors, regressors

HERE = Path(__file__).parent
config = {"epochs": 1, "units": 4, "seed": 0, "part": 0.8, **json.loads(sys.argv[1])}
with blocks.runs.record(HERE / "runs", config, name="train") as run:
    splits = blocks.read(HERE / "rows.parquet").split(train=config["part"], valid=1 - config["part"], seed=1)
    model = blocks.Model(
        preprocessors.Columns({"x": preprocessors.Standardize()}),
        feature_extractors.MLP([config["units"]], dropout=0.1),
        regressors.Mean("y"),
        seed=config["seed"],
    )
    model.adapt(splits["train"])
    store = model.precompute(splits, HERE / "store")
    model.fit(store["train"], epochs=config["epochs"], batch_size=64, seed=config["seed"], verbose=0)
    model.evaluate(store["valid"], verbose=0)
    model.save(HERE / "model.keras")
"""


def git(folder, *words):
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c", *words]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


def rows(path, seed=0):
    x = np.random.default_rng(seed).normal(size=512)
    pq.write_table(pa.table({"id": np.arange(512), "x": x, "y": 2 * x}), path)


def make_project(root):
    """A repository with a program, and an untracked change on top."""
    root.mkdir()
    git(root, "init", "--quiet")
    (root / "train.py").write_text("raise SystemExit('the committed program does not run')\n")
    (root / ".gitignore").write_text("*.parquet\nstore*\n*.keras\nruns\n")
    git(root, "add", "-A")
    git(root, "commit", "--quiet", "-m", "first")
    (root / "train.py").write_text(TRAIN)
    rows(root / "rows.parquet")
    return root


def train(root, **config):
    for made in root.glob("store*"):
        subprocess.run(["rm", "-r", str(made)], check=True)
    done = subprocess.run(
        [sys.executable, "train.py", json.dumps(config)], cwd=root, capture_output=True, text=True, env=os.environ
    )
    assert done.returncode == 0, done.stderr
    return blocks.runs.list_runs(root / "runs")[-1]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    root = make_project(tmp_path_factory.mktemp("reproduced") / "project")
    return root, train(root)


def changed(run, folder, change):
    """A copy of a run whose record says something else."""
    content = json.loads((run.folder / "run.json").read_text())
    change(content)
    folder.mkdir()
    for name in "events.jsonl", "code.patch":
        (folder / name).write_bytes((run.folder / name).read_bytes())
    (folder / "run.json").write_text(json.dumps(content))
    return blocks.runs.open_run(folder)


def test_a_run_of_a_dirty_tree_is_reproduced_bit_for_bit(project):
    root, run = project
    before = subprocess.run(["git", "status", "--porcelain"], cwd=root, capture_output=True).stdout
    again = reproduce(run)
    assert again.same, str(again)
    assert again.stages == ["data", "splits", "preprocessor", "store", "weights", "metrics"]
    assert subprocess.run(["git", "status", "--porcelain"], cwd=root, capture_output=True).stdout == before
    trees = subprocess.run(["git", "worktree", "list"], cwd=root, capture_output=True, text=True).stdout
    assert len(trees.splitlines()) == 1


@pytest.mark.proof
@heavy
def test_a_changed_file_is_named_first_and_other_settings_are_not_comparable(project, tmp_path):
    root, run = project

    def of_another_machine(content):
        content["environment"]["processor"] = "Another CPU"
        content["environment"]["packages"]["keras"] = "3.14.0"

    other = changed(run, tmp_path / run.id, of_another_machine)
    kept = (root / "rows.parquet").read_bytes()
    try:
        rows(root / "rows.parquet", seed=1)
        again = reproduce(other)
    finally:
        (root / "rows.parquet").write_bytes(kept)
    assert not again.same
    assert [one.part for one in again.differences][:2] == ["environment", "data"]
    assert again.differences[1].what == ["rows.parquet was changed"]
    assert again.incomparable[0].startswith("processor Another CPU, here ")
    assert any(one.startswith("keras 3.14.0, here") for one in again.incomparable)
    assert "not comparable" in str(again)


def change_data(content):
    for one in content["gathered"]["inputs"].values():
        one["sha256"] = "0" * 64
    content["gathered"]["stages"][0]["fingerprint"] = "other"


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("configuration", lambda c: c["configuration"].update(epochs=2)),
        ("code", lambda c: c["code"].update(tree="0" * 40)),
        ("environment", lambda c: c["environment"].update(onednn="0")),
        ("environment", lambda c: c["environment"]["packages"].update(tensorflow="2.0.0")),
        ("environment", lambda c: c["environment"]["threads"].update(processors=999)),
        ("seeds", lambda c: c["gathered"]["seeds"][0].update(model=7)),
        ("data", change_data),
        ("splits", lambda c: c["gathered"]["stages"][1].update(fingerprint="other")),
        ("preprocessor", lambda c: c["gathered"]["stages"][2].update(fingerprint="other")),
        ("store", lambda c: c["gathered"]["stages"][4].update(fingerprint="other")),
        ("weights", lambda c: c["gathered"]["stages"][5].update(fingerprint="other")),
    ],
)
def test_each_first_difference_is_named(project, tmp_path, part, change):
    run = project[1]
    found = differences(changed(run, tmp_path / run.id, change), run)
    assert [one.part for one in found] == [part]
    assert differences(run, run) == []


@pytest.mark.proof
@heavy
def test_real_changes_are_the_first_difference(tmp_path):
    """Of programs that were really run with something else."""
    root = make_project(tmp_path / "project")
    first = train(root)
    for config in {"epochs": 2}, {"part": 0.7}, {"seed": 3}:
        assert differences(first, train(root, **config))[0].part == "configuration"
    plain = TRAIN.replace("**json.loads(sys.argv[1])}", "}").replace('"runs", config', '"runs", {}')
    for old, new, part in (
        ('"seed": 0', '"seed": 5', "seeds"),
        ("seed=1)", "seed=2)", "splits"),
        ("Standardize()", "MinMax()", "preprocessor"),
        ('"units": 4', '"units": 5', "weights"),
    ):
        (root / "train.py").write_text(plain.replace(old, new))
        found = [one.part for one in differences(first, train(root))]
        assert next(name for name in found if name not in ("configuration", "code")) == part


@pytest.mark.proof
@heavy
def test_many_runs_are_reproduced(tmp_path):
    root, draws = make_project(tmp_path / "project"), random.Random(0)
    for number in range(TIMES):
        (root / "train.py").write_text(f"# dirty {number}\n{TRAIN}")
        config = {"epochs": draws.randint(1, 4), "units": draws.choice([3, 8, 33]), "seed": draws.randint(0, 99)}
        again = reproduce(train(root, **config))
        assert again.same, f"{config}: {again}"
        print(f"{number + 1} of {TIMES} reproduced", flush=True)


def test_restore_gives_the_model_and_the_code_of_then(project, tmp_path):
    root, run = project
    git(tmp_path, "init", "--quiet")  # a repository around it
    into = restore(run, tmp_path / "then")
    assert (into / "code" / "train.py").read_text() == TRAIN
    assert (into / "model.keras").read_bytes() == (root / "model.keras").read_bytes()
    assert (into / "store.manifest.json").read_bytes() == (root / "store" / "manifest.json").read_bytes()
    with pytest.raises(InvalidArgument, match="never overwrites"):
        restore(run, into)


def test_rm_refuses_what_another_stands_on(tmp_path):
    file = tmp_path / "kept.txt"
    file.write_text("kept")
    with blocks.runs.record(tmp_path / "runs") as first:
        first.keep(file)
    with blocks.runs.record(tmp_path / "runs", parent=first.id) as second:
        second.keep(file)
        with pytest.raises(InvalidArgument, match="goes on"):
            remove(blocks.runs.open_run(second.folder))
    with pytest.raises(InvalidArgument, match="stand on"):
        remove(blocks.runs.open_run(first.folder))
    [kept] = Path(tmp_path / "runs" / "objects").glob("*/*")
    os.utime(kept, (0, 0))
    remove(blocks.runs.open_run(second.folder))
    assert kept.exists(), "the first keeps it too"
    remove(blocks.runs.open_run(first.folder))
    assert not kept.exists()
    assert blocks.runs.list_runs(tmp_path / "runs") == []


def test_what_cannot_be_begun_again_is_refused(tmp_path):
    with blocks.runs.record(tmp_path / "runs", entry=["missing.py"]) as run:
        pass
    with pytest.raises(InvalidArgument, match=r"(?s)status 2.*missing.py"):
        reproduce(blocks.runs.open_run(run.folder))
