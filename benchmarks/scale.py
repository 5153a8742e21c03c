"""Claim: ten times the rows take ten times the time and the same memory.

    python benchmarks/scale.py [ROWS...]

For each number of rows (1, 3 and 10 million unless given; each at least the first) and each step a fresh process: adapt
on Parquet, precompute into HDF5, one epoch from the store. Seconds are the step's own; peak memory is the process's,
imports included, as a user's machine must have it, and beside it what the step adds to what was resident when it began.
Files are kept in BLOCKS_SCALE, where it names a folder, for the next time.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from measure import publish, resident
from table import FLOATS, STRINGS, write_table

STEPS = ("adapt", "precompute", "epoch")
BATCH = 1024


def child(step: str, table: Path, folder: Path) -> None:
    """One step, in a process of its own; prints seconds and bytes."""
    import blocks  # isort: skip  (before TensorFlow, which loads Arrow)
    import tensorflow as tf

    from blocks import classifiers, feature_extractors
    from blocks.preprocessors import Columns, Standardize, Vocabulary

    tf.constant(0.0)
    source, saved, store = blocks.read(table), folder / "model.keras", folder / "store"
    columns = Columns({name: Standardize() for name in FLOATS} | {name: Vocabulary() for name in STRINGS})
    model = blocks.Model(columns, feature_extractors.MLP([32], embedding_dim=4), classifiers.Softmax("label"), seed=0)
    if step != "adapt":
        model = blocks.load(saved)
    before, begin, sampled = resident(), time.perf_counter(), Sampled()
    if step == "adapt":
        model.adapt(source, verbose=False)
    elif step == "precompute":
        model.precompute({"train": source}, store, verbose=False)
    else:
        model.fit(blocks.open_store(store)["train"], epochs=1, batch_size=BATCH, verbose=0)
    seconds = time.perf_counter() - begin
    peak = resident(most=True)
    print(json.dumps({"seconds": seconds, "peak": peak, "added": peak - before, "over_time": sampled.stop(before)}))
    if step == "adapt":
        model.save(saved)


class Sampled:
    """Resident bytes, ten times a second: whether memory grows with the rows or stands."""

    def __init__(self) -> None:
        self._ended = threading.Event()
        self._seen: list[int] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._ended.wait(0.1):
            self._seen.append(resident())

    def stop(self, before: int) -> list[int]:
        """Twenty values at most, above `before`: the highest of each twentieth of the time."""
        self._ended.set()
        self._thread.join()
        size = -(-len(self._seen) // 20) or 1
        return [max(self._seen[i : i + size]) - before for i in range(0, len(self._seen), size)]


def measure(rows: int, folder: Path) -> dict[str, dict[str, Any]]:
    """All steps over a table of so many rows."""
    table = write_table(folder / f"{rows}-label.parquet", rows)
    work = folder / f"{rows}-work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    found = {}
    for step in STEPS:
        command = [sys.executable, __file__, "--child", step, str(table), str(work)]
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
        found[step] = json.loads(done.stdout.splitlines()[-1])
        print(
            f"{rows:>12,} rows  {step:<12}{found[step]['seconds']:8.1f} s {found[step]['peak'] >> 20:7,} MiB"
            f" ({found[step]['added'] >> 20:,} of the step)",
            flush=True,
        )
    shutil.rmtree(work)
    return found


def main() -> None:
    sizes = [int(argument) for argument in sys.argv[1:]] or [1_000_000, 3_000_000, 10_000_000]
    kept = os.environ.get("BLOCKS_SCALE")
    with tempfile.TemporaryDirectory() as temporary:
        found = {rows: measure(rows, Path(kept or temporary)) for rows in sizes}
    least = sizes[0]
    claims = []
    for rows in sizes[1:]:
        for step in STEPS:
            for what, name, unit, target in (
                ("seconds", "time", "s", f"<= {1.05 * rows / least:.4g}"),
                ("peak", "peak memory of the process", "MiB", "<= 1.15"),
                ("added", "peak memory above imports", "MiB", "<= 1.15" if step == "adapt" else None),
            ):
                scale = 1 if unit == "s" else 1 << 20
                one, other = found[least][step][what], found[rows][step][what]
                claims.append(
                    {
                        "claim": f"{step}, {name} at {rows:,} rows over {least:,}",
                        "ours": f"{other / scale:.1f} {unit}",
                        "theirs": f"{one / scale:.1f} {unit}",
                        "ratio": other / one,
                        "target": target,
                    }
                )
    publish("scale", claims, {"rows": found})


if __name__ == "__main__":
    child(sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4])) if sys.argv[1:2] == ["--child"] else main()
