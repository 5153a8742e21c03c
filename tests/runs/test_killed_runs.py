"""Recorded fits that are killed at any moment: each record is readable, and resumed they come to the same weights.

BLOCKS_RUN_KILLS says how often; `make proof` asks for many.
"""

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
import pyarrow as pa

import blocks
from blocks import feature_extractors, preprocessors, regressors
from blocks.runs.events import NAME, read_events

KILLS = int(os.environ.get("BLOCKS_RUN_KILLS", "1"))
SCRIPT = Path(__file__).with_name("recorded_fit_to_kill.py")


def test_killed_runs_are_readable_and_resumed_to_the_same_weights(tmp_path):
    x = np.linspace(-1, 1, 4096)
    table = pa.table({"x": x, "y": x**2})
    columns = preprocessors.Columns({"x": preprocessors.Standardize()})
    model = blocks.Model(columns, feature_extractors.MLP([8], dropout=0.2), regressors.Mean("y"), seed=0)
    model.adapt(table)
    model.precompute({"train": table}, tmp_path / "store")
    model.save(tmp_path / "model.keras")
    runs, out = tmp_path / "runs", tmp_path / "weights"
    rng, moments, killed, resumes, expected = random.Random(5), Counter(), 0, "", None
    command = [sys.executable, str(SCRIPT)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as process:

        def attempt(seconds=-1.0):
            given = [tmp_path / "model.keras", tmp_path / "store", runs, resumes, out]
            process.stdin.write(json.dumps([*map(str, given), seconds]) + "\n")
            status, took = process.stdout.readline().split()
            return int(status), float(took)

        status, duration = attempt()
        assert status == 0
        expected = out.read_text()
        while killed < KILLS or resumes:
            out.unlink(missing_ok=True)
            before = {one.id for one in blocks.runs.list_runs(runs)}
            status, _ = attempt(rng.uniform(0, duration) if killed < KILLS else -1.0)
            found = blocks.runs.list_runs(runs)
            if not status:
                assert out.read_text() == expected
                assert found[-1].state == "finished"
                resumes = ""
                continue
            assert os.WTERMSIG(status) == signal.SIGKILL
            killed += 1
            last = found[-1]
            if last.id in before:  # there was no record yet
                moments["before the record"] += 1
                continue
            state = last.state
            moments[f"{state} in epoch {last.gathered['epochs'] + 1}" if state == "killed" else state] += 1
            assert state in ("killed", "finished")
            raw = (last.folder / NAME).read_bytes()
            assert len(read_events(last.folder / NAME)) == raw.count(b"\n"), "every line is whole"
            assert last.content["resumed_from"] == (resumes or None)
            resumes = last.id if state == "killed" else ""
        process.stdin.close()
    print(f"{killed} kills: {dict(moments)}")
    shutil.rmtree(tmp_path)
