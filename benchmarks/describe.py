"""Claim: describe takes at most four times adapt's time on the same table, and its memory does not grow with the rows.

    python benchmarks/describe.py [ROWS] [PYTHON_WITH_YDATA_PROFILING]

CPU seconds of `blocks.describe` and of `adapt` on ROWS x 39 from Parquet (a million by default), in turns, the medians;
duplicate rows, associations, leaks and the page are in describe's. Peak memory of two processes, of 500,000 rows and of
ROWS. Beside it ydata-profiling, by a Python that has it: 20,000 rows of the same kind in memory, `minimal=True`, which
has no duplicates and no correlations; as it comes it takes many times as long.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from measure import medians, publish
from table import FLOATS, STRINGS, write_table

SMALL = 20_000
REPEATS = 5

PEER = """
import json, sys, time
import pandas as pd
from ydata_profiling import ProfileReport
frame = pd.read_parquet(sys.argv[1])
start = time.process_time()
ProfileReport(frame, progress_bar=False, minimal=True).to_html()
print(json.dumps({"minimal": time.process_time() - start}))
"""

MEMORY = """
import sys
sys.path.insert(0, sys.argv[2])
from measure import resident
import blocks
blocks.describe({"x": [1.0, 2.0] * 50}, verbose=0).save(sys.argv[1] + ".small.html")
before = resident()
blocks.describe(sys.argv[1], verbose=0)
print((resident(most=True) - before) >> 20)
"""


def cpu_seconds(work: Callable[[], Any]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def added_memory(path: Path) -> int:
    """MiB that describing a file adds to a process that has described a few rows."""
    here = str(Path(__file__).parent)
    made = subprocess.run([sys.executable, "-c", MEMORY, str(path), here], check=True, capture_output=True, text=True)
    return int(made.stdout.split()[-1])


def peer(python: str, path: Path) -> dict[str, float]:
    """CPU seconds of ydata-profiling."""
    made = subprocess.run([python, "-c", PEER, str(path)], check=True, capture_output=True, text=True)
    return dict(json.loads(made.stdout.splitlines()[-1]))


def main() -> None:
    # what adapt needs is loaded before anything is timed
    import blocks
    from blocks.offline.adapt import adapt
    from blocks.preprocessors import Columns, Standardize, Vocabulary

    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        path = write_table(Path(folder) / "table.parquet", rows, target=False)
        half = write_table(Path(folder) / "half.parquet", 500_000, target=False)
        small = write_table(Path(folder) / "small.parquet", SMALL, target=False)

        def ours(file: Path = path) -> None:
            blocks.describe(file, verbose=0).save(Path(folder) / "data.html")

        def adapted() -> None:
            columns = Columns({name: Standardize() for name in FLOATS} | {name: Vocabulary() for name in STRINGS})
            adapt(columns, None, blocks.read(path), verbose=False)

        def described() -> None:
            blocks.describe(path, verbose=0)

        times: dict[str, list[float]] = {"adapt": [], "describe": []}
        for _ in range(REPEATS + 1):
            times["adapt"].append(cpu_seconds(adapted))
            times["describe"].append(cpu_seconds(described))
        # the first of each warms files and threads
        found = medians({name: values[1:] for name, values in times.items()})
        memory = {"500k": added_memory(half), "all": added_memory(path)}
        claims = [
            claim(f"describe {rows:,} x 39 over adapt, CPU", found["describe"], found["adapt"], "<= 4"),
            {
                "claim": f"describe: memory added, {rows:,} rows over 500,000",
                "ours": f"{memory['all']} MiB",
                "theirs": f"{memory['500k']} MiB",
                "ratio": memory["all"] / max(memory["500k"], 1),
                "target": None,
            },
        ]
        peers: dict[str, float] = {}
        if len(sys.argv) > 2:
            page = min(cpu_seconds(lambda: ours(small)) for _ in range(3))
            peers = {"ours": page, **peer(sys.argv[2], small)}
            claims.append(claim(f"{SMALL:,} rows, page too, over ydata's minimal", page, peers["minimal"], "<= 1"))
        else:
            print("ydata-profiling is left out: give the Python of an environment that has it.")
        publish("describe", claims, {"rows": rows, "cpu_seconds": times, "memory_mib": memory, "peer": peers})


def claim(name: str, ours: float, theirs: float, target: str | None) -> dict[str, Any]:
    return {
        "claim": name,
        "ours": f"{ours:.2f} s",
        "theirs": f"{theirs:.2f} s",
        "ratio": ours / theirs,
        "target": target,
    }


if __name__ == "__main__":
    main()
