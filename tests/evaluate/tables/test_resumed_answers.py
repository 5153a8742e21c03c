"""Batch scoring that is killed: the same call gives the bytes that it would have given, and answers the rest alone.

BLOCKS_KILLS says how often each target is killed, BLOCKS_SCORED_ROWS how many rows are scored in flat memory; `make
proof` asks for many.
"""

import importlib.util
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import blocks
from blocks import classifiers, feature_extractors, preprocessors
from blocks.data.writing import checkpoints
from blocks.errors import StoreMismatch
from blocks.evaluate.tables import write_answers as scoring
from blocks.evaluate.tables.write_answers import write_answers
from blocks.export.exported_predictor import ExportedPredictor

pytestmark = pytest.mark.filterwarnings("ignore:.*elsewhere pass.*:blocks.errors.BlocksWarning")

KILLS = int(os.environ.get("BLOCKS_KILLS", "1"))
SCORED = int(os.environ.get("BLOCKS_SCORED_ROWS", "0"))
ROWS = 2_000
SCRIPT = Path(__file__).with_name("answers_to_kill.py")

_spec = importlib.util.spec_from_file_location("answers_to_kill", SCRIPT)
answers_to_kill = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(answers_to_kill)


def rows(count, seed=0):
    random = np.random.default_rng(seed)
    x = random.normal(size=count)
    city = pa.array(["rome", "oslo", None]).take(pa.array(random.integers(0, 3, count)))
    return pa.table({"id": np.arange(count), "x": x, "city": city, "y": np.where(x > 0, "yes", "no")})


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    """Of a model whose answers are float32 alone, which every format holds."""
    columns = {"x": preprocessors.Standardize(), "city": preprocessors.Vocabulary()}
    model = blocks.Model(preprocessors.Columns(columns), feature_extractors.MLP([8]), classifiers.Softmax("y"), seed=0)
    model.adapt(rows(400))
    model.fit(rows(400), epochs=1, verbose=0)
    path = tmp_path_factory.mktemp("export") / "1"
    model.export(path)
    return path


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("rows") / "rows.parquet"
    pq.write_table(rows(ROWS, seed=1), path, row_group_size=700)
    return path


@pytest.fixture(scope="module")
def process():
    """What scores, and is killed."""
    command = [sys.executable, str(SCRIPT)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as process:
        yield process


@pytest.fixture
def often(monkeypatch):
    """Chunks are small, and each is made safe."""
    monkeypatch.setattr(checkpoints, "CHECKPOINT_BYTES", 4_000)
    monkeypatch.setattr(scoring, "CHUNK_ROWS", 128)


@pytest.mark.proof
@pytest.mark.parametrize("name", [*answers_to_kill.TARGETS, *answers_to_kill.ANEW])
def test_killed_at_random_it_gets_the_same_bytes(name, export, data, process, tmp_path):
    if name not in ("t.csv", "t.parquet") and KILLS < 20:
        pytest.skip("set BLOCKS_KILLS to 20 or more, as make proof does")

    def attempt(out, seconds):
        process.stdin.write(json.dumps([str(export), str(data), str(out), seconds]) + "\n")
        status, took = process.stdout.readline().split()
        return int(status), float(took)

    whole, path = tmp_path / "whole" / name, tmp_path / "killed" / name
    whole.parent.mkdir()
    path.parent.mkdir()
    status, duration = attempt(whole, -1)
    assert status == 0
    chance, killed = random.Random(name), 0
    for _ in range(20 * KILLS):
        if killed == KILLS:
            break
        path.unlink(missing_ok=True)
        status, _ = attempt(path, chance.uniform(0, duration))
        while status == signal.SIGKILL:
            killed += 1
            if path.exists():  # it was whole, and had its name
                status = 0
                break
            status, _ = attempt(path, chance.uniform(0, duration) if chance.random() < 0.5 else -1)
        assert status == 0
        assert path.read_bytes() == whole.read_bytes()
        leftover = path.with_name(f"{name}.partial")
        assert {file.name for file in path.parent.iterdir()} <= {name, leftover.name}
        shutil.rmtree(leftover, ignore_errors=True)
    assert killed >= KILLS


class Stops(ExportedPredictor):
    """Ends, once, after so many rows; and how many were answered."""

    concurrent = False

    def __init__(self, path, most=None, stop=KeyboardInterrupt):
        super().__init__(path)
        self.most, self.stop, self.answered = most, stop, 0

    def answers(self, chunk):
        if self.most is not None and self.answered + len(chunk) > self.most:
            raise self.stop
        self.answered += len(chunk)
        return super().answers(chunk)


@pytest.mark.parametrize("name", answers_to_kill.TARGETS)
def test_what_was_interrupted_is_not_answered_again(name, export, data, often, tmp_path):
    write_answers(str(export), data, tmp_path / f"whole.{name}", keys=["id"], verbose=0)
    with pytest.raises(KeyboardInterrupt):
        write_answers(Stops(export, 1_500), data, tmp_path / name, keys=["id"], verbose=0)
    assert not (tmp_path / name).exists()
    rest = Stops(export)
    written = write_answers(rest, data, tmp_path / name, keys=["id"], verbose=0)
    assert rest.answered < ROWS - 900
    assert (tmp_path / name).read_bytes() == (tmp_path / f"whole.{name}").read_bytes()
    assert written.to_table()["id"].to_pylist() == list(range(ROWS))


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
@pytest.mark.parametrize("other", ["rows", "keys", "model"])
def test_of_others_nothing_is_mixed(name, other, export, data, often, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        write_answers(Stops(export, 1_500), data, tmp_path / name, keys=["id"], verbose=0)
    path, keys, answering = data, ["id"], Stops(export)
    if other == "rows":
        path = tmp_path / "rows.parquet"
        pq.write_table(rows(ROWS, seed=2), path)
    elif other == "keys":
        keys = ["id", "x"]
    else:
        answering.describe = lambda: {**ExportedPredictor.describe(answering), "model": "another"}
    with pytest.raises(StoreMismatch, match="overwrite=True"):
        write_answers(answering, path, tmp_path / name, keys=keys, verbose=0)
    written = write_answers(answering, path, tmp_path / name, keys=keys, overwrite=True, verbose=0)
    anew = write_answers(answering, path, tmp_path / f"anew.{name}", keys=keys, verbose=0)
    assert written.to_table().equals(anew.to_table())


MEASURED = """
import sys
from pathlib import Path
import blocks.evaluate.tables.write_answers, tensorflow
from blocks.cli.main import main
for rows in sys.argv[2:]:
    assert main(["predict", sys.argv[1], rows, rows + ".answers.parquet", "--keys", "id"]) == 0
    print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM:")).split()[1])
"""


@pytest.mark.proof
@pytest.mark.skipif(not SCORED, reason="BLOCKS_SCORED_ROWS does not say how many rows are scored")
def test_memory_is_flat(export, tmp_path):
    counts = [SCORED // 10, SCORED]
    for count in counts:
        with pq.ParquetWriter(tmp_path / f"{count}.parquet", rows(1).schema) as writer:
            for start in range(0, count, 1 << 17):
                writer.write_table(rows(min(1 << 17, count - start), start))
    command = [sys.executable, "-c", MEASURED, str(export), *(str(tmp_path / f"{count}.parquet") for count in counts)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    few, many = (int(line) for line in done.stdout.splitlines() if line.isdecimal())
    assert pq.read_metadata(tmp_path / f"{counts[1]}.parquet.answers.parquet").num_rows == SCORED
    assert many < 1.1 * few
