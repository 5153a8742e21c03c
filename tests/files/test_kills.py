"""Every artefact, killed while it is written: the old one or the new one, never neither, and nothing left for long.

BLOCKS_KILLS says how often; `make proof` asks for 100 of each.
"""

import importlib.util
import json
import os
import random
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import blocks
from blocks.export.savedmodel import read_parts
from blocks.statistics import Summary

KILLS = int(os.environ.get("BLOCKS_KILLS", "2"))
SCRIPT = Path(__file__).with_name("artefact_to_kill.py")


@pytest.fixture(scope="module")
def artefact():
    spec = importlib.util.spec_from_file_location("artefact_to_kill", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def keras_weights(path):
    with zipfile.ZipFile(path) as file:
        assert file.testzip() is None
        return file.read("model.weights.h5")


def table(path):
    return pq.read_table(path).to_pydict()


def resumed(path):
    with np.load(path) as saved:
        return {name: saved[name].tobytes() for name in saved.files}["v0"]


def exported(path):
    """An export has no content of its own kind to compare: it must be whole."""
    read_parts(path)
    return sorted(str(file.relative_to(path)) for file in path.rglob("*"))


CONTENT = {
    "save": keras_weights,
    "export": exported,
    "summary": lambda path: Summary.load(path).to_bytes(),
    "rejects": table,
    "resume": resumed,
    "report": lambda path: path.read_text().rstrip().endswith("</html>"),
}
HEAVY = ("report", "rejects")


@pytest.fixture(scope="module")
def models(artefact, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    for name, seed in (("old", 1), ("new", 2)):
        artefact.new_model(seed).save(folder / f"{name}.keras")
    return folder


@pytest.fixture(scope="module")
def process():
    """What makes artefacts."""
    command = [sys.executable, str(SCRIPT)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as process:
        yield process


def old(kind, folder, models, artefact):
    """What is there before; nothing of an export, which never overwrites, nor of the first saving of a run."""
    path = folder / artefact.WHERE[kind]
    if kind == "save":
        shutil.copy(models / "old.keras", path)
    elif kind == "summary":
        artefact.summary(20_000).save(path)
    elif kind == "rejects":
        pq.write_table(pq.read_table(folder / "first.parquet"), path)
    return path


@pytest.mark.proof
@pytest.mark.parametrize("kind", CONTENT)
def test_killed_at_any_moment_it_is_the_old_one_or_the_new_one(kind, artefact, models, process, tmp_path):
    if kind in HEAVY and KILLS < 20:
        pytest.skip("set BLOCKS_KILLS to 20 or more, as make proof does")
    shutil.copy(models / "new.keras", tmp_path / "new.keras")
    lines = [f"{i},2,{i:030d}\n" if i % 3 else f"{i},{i}\n" for i in range(60_000)]
    (tmp_path / "bad.csv").write_text("a,b\n" + "".join(lines))
    (tmp_path / "short.csv").write_text("a,b\n1,2,3\n4,5\n")
    if kind == "rejects":
        list(blocks.read(tmp_path / "short.csv", on_bad_rows="keep", rejects=str(tmp_path / "first.parquet")).chunks(9))
    before = set(os.listdir(tmp_path))
    path, rng, killed, moments = old(kind, tmp_path, models, artefact), random.Random(kind), 0, set()
    content, known, kept = CONTENT[kind], [], tmp_path.with_name(f"kept-{kind}")
    if path.exists():
        shutil.copy(path, kept)
        known.append(content(path))

    def attempt(seconds):
        process.stdin.write(json.dumps([kind, str(tmp_path), seconds]) + "\n")
        status, took = process.stdout.readline().split()
        return int(status), float(took)

    status, duration = attempt(-1.0)
    assert status == 0
    known.append(content(path))
    for _ in range(KILLS * 20):
        if killed == KILLS:
            break
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
        if kept.exists():
            shutil.copy(kept, path)
        status, _ = attempt(rng.uniform(0, duration))
        killed += bool(status)
        if path.exists():
            found = content(path)
            # a run that is resumed has saved more than once
            assert found in known or kind == "resume"
            moments.add(known.index(found) if found in known else "between")
        else:
            assert not kept.exists(), "neither"
    assert killed == KILLS
    shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
    assert attempt(-1.0)[0] == 0
    assert content(path) == known[-1]
    left = set(os.listdir(tmp_path)) - before - {path.name, "report.json"}
    assert not left, "what killed writers left is taken up by the next"
    print(kind, killed, "kills:", moments)
