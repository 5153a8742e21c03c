"""Claim: a store of TF-IDF is as small as the text that it is made of, and streams faster than a dense one.

    python benchmarks/sparse.py [ROWS] [COLUMNS]

Short texts (Zipf's words) become TF-IDF of many columns, once sparse and once dense, each in a fresh process: the
store's bytes, the growth of peak resident memory, the time of `precompute` and of an epoch of the store's dataset in
batches of 1,024.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from measure import publish, resident


def table(rows: int) -> pa.Table:
    """Texts of about 20 words, and a label."""
    random = np.random.default_rng(0)
    words = np.minimum(random.zipf(1.2, 20 * rows), 200_000)
    texts = [" ".join(f"word{word}" for word in words[20 * row : 20 * row + 20]) for row in range(rows)]
    return pa.table({"text": texts, "label": random.integers(0, 2, rows)})


def child(rows: int, columns: int, sparse: bool) -> None:
    import blocks  # isort: skip  (before TensorFlow, which loads Arrow)
    from blocks import classifiers, feature_extractors, preprocessors

    given = table(rows)
    model = blocks.Model(
        preprocessor=preprocessors.Columns({"text": preprocessors.TfIdf(columns, sparse=sparse)}),
        feature_extractor=feature_extractors.MLP([8]),
        head=classifiers.Softmax("label"),
    )
    model.adapt(given, verbose=False)
    with tempfile.TemporaryDirectory() as folder:
        before, start = resident(), time.perf_counter()
        store = model.precompute({"train": blocks.read(given)}, Path(folder) / "store", verbose=False)
        seconds = time.perf_counter() - start
        size = sum(file.stat().st_size for file in (Path(folder) / "store").iterdir() if file.suffix == ".h5")
        batches = store["train"].stream(1024).dataset()
        for _ in batches:
            pass
        start = time.perf_counter()
        for _ in batches:
            pass
        epoch = time.perf_counter() - start
    grown = resident(most=True) - before
    print(
        json.dumps({"text": given["text"].nbytes, "store": size, "peak": grown, "precompute": seconds, "epoch": epoch})
    )


def measured(rows: int, columns: int, sparse: bool) -> dict[str, Any]:
    """One way in a process of its own."""
    command = [sys.executable, __file__, "--child", str(rows), str(columns), str(int(sparse))]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def main() -> None:
    rows, columns = (int(a) for a in (sys.argv[1:] + ["30000", "5000"][len(sys.argv) - 1 :])[:2])
    sparse, dense = (measured(rows, columns, way) for way in (True, False))
    subject = f"TF-IDF of {columns:,} columns, {rows:,} texts of {sparse['text'] / 1e6:.1f} MB: "
    claims = [
        {
            "claim": subject + name + " over dense",
            "ours": shown(sparse[key]),
            "theirs": shown(dense[key]),
            "ratio": sparse[key] / dense[key],
            "target": target,
        }
        for name, key, shown, target in [
            ("bytes of the store", "store", lambda size: f"{size / 1e6:.1f} MB", "<= 0.1"),
            ("peak memory of precompute and stream", "peak", lambda size: f"{size >> 20} MiB", "<= 0.5"),
            ("seconds of precompute", "precompute", lambda seconds: f"{seconds:.2f} s", None),
            ("seconds of an epoch", "epoch", lambda seconds: f"{seconds:.2f} s", "<= 1"),
        ]
    ]
    publish("sparse", claims, {"sparse": sparse, "dense": dense})


if __name__ == "__main__":
    child(int(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "1") if sys.argv[1:2] == ["--child"] else main()
