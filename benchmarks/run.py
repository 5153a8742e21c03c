"""Every claim of every benchmark in one table: each script in a process of its own, then what they wrote.

    python benchmarks/run.py [NAME...]

Runs all scripts beside this one, or those named; prints the table of benchmarks/results/*.json; exits with 1 where a
script failed. A target that is missed is marked, and is no failure: machines differ.
"""

import json
import operator
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RESULTS = HERE / "results"
MECHANISM = {"run", "measure", "table"}
# sizes that take a minute or two each on two cores; a script alone takes its own defaults
SIZES: dict[str, list[str]] = {
    "adapt": ["100000"],
    "batch_scoring": ["500000", "2000000"],
    "csv_chunks": ["250000", "3"],
    "evaluate": ["500000", "2000000"],
    "memory": ["500000", "2000000"],
    "precompute": ["500000"],
    "quality": ["--quick"],
    "scale": ["500000", "2000000"],
    "sources": ["200000"],
    "sparse": ["10000", "5000"],
    "stream": ["--rows", "1000000", "--repeats", "5"],
    "text_columns": ["600000", "40"],
    "texts": ["--seeds", "1", "--only", "linear,bag,sms"],
    "train": ["300000", "7"],
    "tuning": ["--sets", "wine", "--budget", "3min", "--trials", "9"],
}
HOLDS = {"<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt}


def scripts() -> list[str]:
    """The names of all benchmarks."""
    return sorted({path.stem for path in HERE.glob("*.py")} - MECHANISM)


def claims(found: dict[str, Any]) -> list[dict[str, Any]]:
    """The claims of one file of results: those of `measure.publish`, and ratios to a named peer."""
    stated = list(found.get("claims", []))
    for line in found.get("ratios", []):
        target = line["target"]
        stated.append(
            {
                "claim": f"{line['ours']} over {line['peer']}",
                "ratio": line["ratio"],
                "target": target if target is None or isinstance(target, str) else f">= {target}",
            }
        )
    return stated


def verdict(claim: dict[str, Any]) -> str:
    """Whether a claim's ratio reaches its target; empty where there is none."""
    words = str(claim.get("target") or "").split()
    if len(words) != 2 or words[0] not in HOLDS:
        return ""
    return "" if HOLDS[words[0]](claim["ratio"], float(words[1])) else "MISSED"


def main() -> int:
    wanted = sys.argv[1:] or scripts()
    unknown = sorted(set(wanted) - set(scripts()))
    if unknown:
        print(f"There are the benchmarks {', '.join(scripts())}. Received: {', '.join(unknown)}.", file=sys.stderr)
        return 2
    failed = []
    for name in wanted:
        begin = time.perf_counter()
        print(f"== {name} {' '.join(SIZES.get(name, []))}", flush=True)
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
        written = RESULTS / f"{name}.json"
        written.unlink(missing_ok=True)
        done = subprocess.run([sys.executable, str(HERE / f"{name}.py"), *SIZES.get(name, [])], env=environment)
        # a script may exit with 1 to say that a target was missed
        if done.returncode and not (written.exists() and done.returncode == 1):
            failed.append(name)
        print(f"   {time.perf_counter() - begin:.0f} s, exit status {done.returncode}\n", flush=True)
    print(f"{'benchmark':<12}{'claim':<76}{'ours':>12}{'theirs':>12}{'ratio':>9}  target")
    for path in sorted(RESULTS.glob("*.json")):
        for claim in claims(json.loads(path.read_text())):
            print(
                f"{path.stem:<12}{claim['claim']:<76}{claim.get('ours', ''):>12}{claim.get('theirs', ''):>12}"
                f"{claim['ratio']:>9.3g}  {claim.get('target') or '':<8} {verdict(claim)}".rstrip()
            )
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
