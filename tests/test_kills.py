"""Killed at any moment and repeated: the same store, byte for byte, and the same weights, bit for bit.

BLOCKS_KILLS and BLOCKS_FIT_KILLS say how often; `make proof` asks for many.
"""

import functools
import importlib.util
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import blocks

KILLS = int(os.environ.get("BLOCKS_KILLS", "2"))
FIT_KILLS = int(os.environ.get("BLOCKS_FIT_KILLS", "1"))
SCRIPT = Path(__file__).with_name("road_to_kill.py")


@pytest.fixture(scope="module")
def road():
    spec = importlib.util.spec_from_file_location("road_to_kill", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def attempt():
    """Runs what `road_to_kill` has for some arguments; the status with which it ended, and how long it took."""
    command = [sys.executable, str(SCRIPT)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as process:

        def run(*given, seconds=-1.0):
            process.stdin.write(json.dumps([*map(str, given), seconds]) + "\n")
            status, took = process.stdout.readline().split()
            return int(status), float(took)

        yield run


@pytest.fixture(scope="module")
def prepared(road, tmp_path_factory):
    """The rows in a file, a model adapted on them and saved, and what else a test needs."""
    folder = tmp_path_factory.mktemp("kills")
    table = road.flights()
    # several row groups, so that a resumed pass skips some
    pq.write_table(table, folder / "flights.parquet", row_group_size=50_000)
    model = road.new_model(table)
    model.save(folder / "model.keras")
    return folder, model, table


@pytest.mark.proof
@pytest.mark.parametrize("format", ["hdf5", "tfrecord"])
def test_a_killed_precompute_ends_with_the_same_bytes(road, prepared, attempt, tmp_path, format):
    folder, model, table = prepared
    path, rng, moments = tmp_path / "killed", random.Random(11), Counter()
    run = functools.partial(attempt, "precompute", folder / "model.keras", folder / "flights.parquet", path, format)
    assert run()[0] == 0
    expected = road.digests(path)
    shutil.rmtree(path)
    status, duration = run()
    assert status == 0
    assert road.digests(path) == expected
    shutil.rmtree(path)
    killed = 0
    while killed < KILLS:
        status, _ = run(seconds=rng.uniform(0, duration))
        if status:
            assert os.WTERMSIG(status) == signal.SIGKILL
            killed += 1
        finished = (path / "manifest.json").exists()
        moments["finished" if finished else "shards" if list(path.glob("*-0*")) else "none"] += bool(status)
        if not status:
            assert road.digests(path) == expected
            shutil.rmtree(path)
    assert run()[0] == 0
    assert road.digests(path) == expected
    print(f"{killed} kills: {dict(moments)}")
    store = blocks.open_store(path)
    assert store.check() == []
    found = {name: store[name].read() for name in store.splits}
    rows = np.concatenate([part.keys["row"] for part in found.values()])
    np.testing.assert_array_equal(np.sort(rows), np.arange(len(table)))
    for part in found.values():
        assert (np.diff(part.keys["row"]) > 0).all(), "the source's order"
        features = model.transform(table.take(part.keys["row"]).combine_chunks().to_batches()[0])
        for name, values in features.items():
            assert part.features[name].tobytes() == values.tobytes()
        np.testing.assert_array_equal(part.target, table[road.TARGET].to_numpy()[part.keys["row"]])


@pytest.mark.proof
def test_a_killed_fit_ends_with_the_same_weights(road, attempt, tmp_path):
    table = road.flights(20_000)
    pq.write_table(table, tmp_path / "flights.parquet")
    model = road.new_model(table)
    model.save(tmp_path / "model.keras")
    store = road.precompute(model, tmp_path / "flights.parquet", tmp_path / "store", "hdf5")
    expected = "\n".join(part.hex() for part in road.fit(model, store, tmp_path / "whole"))
    assert model.core.steps_per_execution == 32
    path, out, rng, moments = tmp_path / "resume", tmp_path / "weights", random.Random(13), Counter()
    run = functools.partial(attempt, "fit", tmp_path / "model.keras", store.path, path, out)
    status, duration = run()
    assert status == 0
    assert out.read_text() == expected, "another process, the same bits"
    shutil.rmtree(path)
    out.unlink()
    killed = 0
    while killed < FIT_KILLS:
        status, _ = run(seconds=rng.uniform(0, duration / 2))
        if status:
            assert os.WTERMSIG(status) == signal.SIGKILL
            killed += 1
            with np.load(path / "resume.npz") as saved:
                moments[saved["about"].tobytes().split(b'"epoch": ')[1][:18].decode()] += 1
        else:
            assert out.read_text() == expected
            shutil.rmtree(path)
            out.unlink()
    assert run()[0] == 0
    assert out.read_text() == expected
    print(f"{killed} kills: {dict(moments)}")
