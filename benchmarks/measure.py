"""How the benchmarks measure: contestants in turns, medians, ratios printed and written as JSON."""

import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def seconds(work: Callable[[], Any]) -> float:
    """How long a call takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def resident(most: bool = False) -> int:
    """Resident bytes of this process: now, or at most so far.

    `getrusage` would not do: Linux counts in what the parent held when it started the process.
    """
    name = "VmHWM:" if most else "VmRSS:"
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024


def interleaved(contestants: Mapping[str, Callable[[], Any]], repeats: int) -> dict[str, list[float]]:
    """Seconds of every contestant, in turns, so that noise falls on all alike."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(repeats):
        for name, work in contestants.items():
            times[name].append(seconds(work))
    return times


def medians(times: Mapping[str, list[float]]) -> dict[str, float]:
    """The median of each."""
    return {name: statistics.median(values) for name, values in times.items()}


def publish(name: str, claims: list[dict[str, Any]], details: Mapping[str, Any]) -> None:
    """Print the claims as a table and write everything to results/NAME.json.

    Args:
        name: The benchmark's.
        claims: Dicts of `claim` (text), `ours`, `theirs`, `ratio`, `target`.
        details: All that was measured.
    """
    RESULTS.mkdir(exist_ok=True)
    machine = {"cores": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version()}
    (RESULTS / f"{name}.json").write_text(
        json.dumps({"machine": machine, "claims": claims, "details": details}, indent=1, default=str)
    )
    for claim in claims:
        target = "" if claim.get("target") is None else f"   target {claim['target']}"
        print(f"{claim['claim']:<72} {claim['ours']:>12} {claim['theirs']:>12}   ratio {claim['ratio']:.3g}{target}")
