"""Claims: judging ten times the predictions takes no more memory, and no longer than scikit-learn takes in memory.

    python benchmarks/evaluate.py [ROWS...]

For each number of rows (1 and 10 million unless given) a Parquet table of a binary classifier's predictions. A process
of its own judges it from the file (every metric, intervals included); another one reads it into memory and asks
scikit-learn for the metrics that both have: accuracy, balanced accuracy, precision, recall, F1, log loss, Brier score,
area under the ROC curve, average precision. Seconds of scikit-learn leave reading the file out, ours do not. Memory is
the peak of resident bytes above what was resident when everything was imported.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from measure import publish, resident

SHARED = ("accuracy", "balanced_accuracy", "precision", "recall", "f1")
SHARED += ("log_loss", "brier_score", "roc_auc", "average_precision")
CHUNK = 1_000_000


def write(path: Path, rows: int) -> Path:
    """Predictions as predict_table writes them, but of no model."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    random = np.random.default_rng(0)
    writer: Any = None
    for start in range(0, rows, CHUNK):
        count = min(CHUNK, rows - start)
        p = random.beta(0.6, 1.8, count).astype(np.float32)
        table = pa.table(
            {
                "id": np.arange(start, start + count),
                "target": pa.array(np.where(random.random(count) < p, "yes", "no")),
                "probabilities": pa.FixedSizeListArray.from_arrays(pa.array(np.stack([1 - p, p], 1).ravel()), 2),
            }
        )
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table, row_group_size=1 << 16)
    writer.close()
    return path


def ours(path: Path) -> dict[str, float]:
    """Every metric with its interval, from the file."""
    from blocks.evaluate import metrics

    found = metrics(path, target="target", classes=["no", "yes"])
    return dict(zip(found["metric"].to_pylist(), found["value"].to_pylist(), strict=True))


def theirs(path: Path) -> tuple[float, dict[str, float]]:
    """The shared metrics by scikit-learn over arrays, and the seconds that they took."""
    import pyarrow.parquet as pq
    import sklearn.metrics as sk

    table = pq.read_table(path)
    target = table["target"].to_numpy() == "yes"
    p = table["probabilities"].combine_chunks().flatten().to_numpy().reshape(-1, 2)[:, 1].astype("f8")
    del table
    begin = time.perf_counter()
    label = p > 0.5
    found = {
        "accuracy": sk.accuracy_score(target, label),
        "balanced_accuracy": sk.balanced_accuracy_score(target, label),
        "precision": sk.precision_score(target, label),
        "recall": sk.recall_score(target, label),
        "f1": sk.f1_score(target, label),
        "log_loss": sk.log_loss(target, p),
        "brier_score": sk.brier_score_loss(target, p),
        "roc_auc": sk.roc_auc_score(target, p),
        "average_precision": sk.average_precision_score(target, p),
    }
    return time.perf_counter() - begin, found


def child(who: str, path: Path) -> None:
    """One contestant, in a process of its own."""
    import sklearn.metrics  # noqa: F401

    import blocks.evaluate  # noqa: F401

    before, begin = resident(), time.perf_counter()
    if who == "ours":
        found = ours(path)
        seconds = time.perf_counter() - begin
    else:
        seconds, found = theirs(path)
    peak = resident(most=True) - before
    print(json.dumps({"seconds": seconds, "bytes": peak, "values": {name: found[name] for name in SHARED}}))


def measure(rows: int, folder: Path) -> dict[str, Any]:
    """Both contestants over so many rows."""
    path = folder / f"{rows}.parquet"
    subprocess.run([sys.executable, __file__, "--write", str(path), str(rows)], check=True)
    found = {}
    for who in ("ours", "theirs"):
        command = [sys.executable, __file__, "--child", who, str(path)]
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
        found[who] = json.loads(done.stdout.splitlines()[-1])
        seconds, mebibytes = found[who]["seconds"], found[who]["bytes"] >> 20
        print(f"{rows:>12,} rows  {who:<8}{seconds:8.2f} s {mebibytes:7,} MiB", flush=True)
    path.unlink()
    for name in SHARED:
        gap = abs(found["ours"]["values"][name] / found["theirs"]["values"][name] - 1)
        assert gap < (1e-4 if name in ("roc_auc", "average_precision") else 1e-6), (name, gap)
    return found


def main() -> None:
    sizes = [int(argument) for argument in sys.argv[1:]] or [1_000_000, 10_000_000]
    with tempfile.TemporaryDirectory() as folder:
        found = {rows: measure(rows, Path(folder)) for rows in sizes}
    claims = []
    for rows in sizes:
        ours, theirs = (found[rows][who]["seconds"] for who in ("ours", "theirs"))
        claims.append(
            {
                "claim": f"seconds to judge {rows:,} predictions, ours from the file over scikit-learn in memory",
                "ours": f"{ours:.2f} s",
                "theirs": f"{theirs:.2f} s",
                "ratio": ours / theirs,
                "target": "<= 1",
            }
        )
    for rows in sizes[1:]:
        one, other = (found[count]["ours"]["bytes"] for count in (sizes[0], rows))
        claims.append(
            {
                "claim": f"peak memory to judge {rows:,} predictions over {sizes[0]:,}",
                "ours": f"{other >> 20} MiB",
                "theirs": f"{one >> 20} MiB",
                "ratio": other / one,
                "target": "<= 1.15",
            }
        )
    publish("evaluate", claims, {"rows": found})


if __name__ == "__main__":
    if sys.argv[1:2] == ["--write"]:
        write(Path(sys.argv[2]), int(sys.argv[3]))
    elif sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], Path(sys.argv[3]))
    else:
        main()
