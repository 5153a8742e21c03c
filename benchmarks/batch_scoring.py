"""Claim: `blocks predict` scores Parquet at 0.9 of the rate of `model.predict` on rows in memory, in flat memory.

    python benchmarks/batch_scoring.py [ROWS...]

A model of 20 columns (14 numbers, 6 texts) and an MLP. `blocks predict EXPORT rows.parquet answers.parquet --keys id`
reads, answers and writes to disk; `model.predict` has the same rows as an Arrow table and gives arrays. They run in
turns in this process, by wall clock and CPU seconds; what a file of one row takes (the SavedModel is loaded) is taken
off, and stated apart. Then the command in a process of its own, imports included, and its peak memory at each number of
rows (1, 3 and 10 million unless given).
"""

import contextlib
import io
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from measure import publish, resident
from serving import make_export

TURNS = 5
RATED = 1_000_000
GROUP = 131_072
TARGETS = ("parquet", "csv")


def rows_of(count: int, seed: int) -> pa.Table:
    """Rows as those that the model was trained on, and a key."""
    random = np.random.default_rng(seed)
    values = pa.array([f"v{j}" for j in range(20)])
    columns: dict[str, Any] = {"id": np.arange(count) + seed * GROUP}
    columns |= {f"x{i}": random.normal(size=count) for i in range(14)}
    columns |= {f"c{i}": values.take(pa.array(random.integers(0, 20, count))) for i in range(6)}
    return pa.table(columns)


def write_rows(path: Path, count: int) -> Path:
    """A file of so many rows, in row groups."""
    with pq.ParquetWriter(path, rows_of(1, 0).schema) as writer:
        for number, start in enumerate(range(0, count, GROUP)):
            writer.write_table(rows_of(min(GROUP, count - start), number))
    return path


def predict_file(export: Path, rows: Path, out: Path) -> None:
    """The command itself, in this process."""
    from blocks.cli.main import main as command

    out.unlink(missing_ok=True)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        assert command(["predict", str(export), str(rows), str(out), "--keys", "id"]) == 0


def alone(export: Path, rows: Path, out: Path) -> None:
    """The command in a process of its own: prints what it took and held as JSON."""
    import tensorflow  # noqa: F401

    import blocks.evaluate.tables.write_answers  # noqa: F401

    imported, started = resident(), time.process_time()
    predict_file(export, rows, out)
    print(json.dumps({"imports": imported, "peak": resident(most=True), "import_cpu": started}))


def in_process(export: Path, rows: Path, out: Path) -> dict[str, float]:
    begin = time.perf_counter()
    command = [sys.executable, __file__, "alone", str(export), str(rows), str(out)]
    found = dict(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    return {**found, "seconds": time.perf_counter() - begin}


def in_turns(contestants: dict[str, Callable[[], Any]]) -> dict[str, dict[str, float]]:
    """Medians of wall clock and CPU seconds."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in contestants}
    for _ in range(TURNS):
        for name, work in contestants.items():
            wall, cpu = time.perf_counter(), time.process_time()
            work()
            taken[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    return {
        name: {"wall": statistics.median(w for w, _ in times), "cpu": statistics.median(c for _, c in times)}
        for name, times in taken.items()
    }


def main() -> None:
    counts = [int(word) for word in sys.argv[1:]] or [1_000_000, 3_000_000, 10_000_000]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        export, model = make_export(folder)
        one, few = write_rows(folder / "one.parquet", 1), write_rows(folder / "few.parquet", RATED)
        table = pq.read_table(few).combine_chunks()
        contestants: dict[str, Callable[[], Any]] = {"memory": lambda: model.predict(table, verbose=0)}
        for kind in TARGETS:
            out = folder / f"out.{kind}"
            contestants[f"start {kind}"] = lambda out=out: predict_file(export, one, out)
            contestants[kind] = lambda out=out: predict_file(export, few, out)
        found = in_turns(contestants)
        contestants.clear()
        memory = {}
        for count in counts:
            rows = write_rows(folder / "rows.parquet", count)
            memory[count] = in_process(export, rows, folder / f"{count}.parquet")
            assert pq.read_metadata(folder / f"{count}.parquet").num_rows == count
    claims = []
    for kind in TARGETS:
        for clock, unit in (("wall", "rows/s"), ("cpu", "rows/CPU s")):
            ours = RATED / (found[kind][clock] - found[f"start {kind}"][clock])
            theirs = RATED / found["memory"][clock]
            claims.append(
                {
                    "claim": f"blocks predict, Parquet to {kind}, over model.predict in memory, {unit}",
                    "ours": f"{ours:,.0f}",
                    "theirs": f"{theirs:,.0f}",
                    "ratio": ours / theirs,
                    "target": ">= 0.9" if clock == "wall" else None,
                }
            )
    least, most = counts[0], counts[-1]
    claims.append(
        {
            "claim": f"peak memory of the process, {most:,} rows over {least:,}",
            "ours": f"{memory[most]['peak'] / 2**20:,.0f} MiB",
            "theirs": f"{memory[least]['peak'] / 2**20:,.0f} MiB",
            "ratio": memory[most]["peak"] / memory[least]["peak"],
            "target": "<= 1.1",
        }
    )
    publish("batch_scoring", claims, {"medians": found, "memory": memory})
    for count, one_run in memory.items():
        print(f"  {count:>12,} rows: " + ", ".join(f"{key} {value:,.2f}" for key, value in one_run.items()))
    print({name: {clock: round(value, 3) for clock, value in of.items()} for name, of in found.items()})


if __name__ == "__main__":
    if sys.argv[1:2] == ["alone"]:
        alone(*map(Path, sys.argv[2:5]))
    else:
        main()
