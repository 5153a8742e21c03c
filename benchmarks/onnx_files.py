"""ONNX: rows through onnxruntime against the same model's SavedModel signature, one at a time and in bulk.

A model of 14 numbers and 6 texts is exported, and the export made into an ONNX file. Turns alternate in one process; of
each the best counts. A row alone: its columns as arrays in, answers as arrays out, the median of a turn's calls. In
bulk: batches of 8,192 rows, seconds and CPU seconds. Needs `ml-blocks[onnx]`.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from measure import publish
from serving import make_export

TURNS = 5
CALLS = 300
ROWS = 8192
BATCHES = 12


def rows(count: int) -> dict[str, np.ndarray]:
    """Raw columns as they enter the graph."""
    random = np.random.default_rng(1)
    made: dict[str, Any] = {f"x{i}": random.normal(size=count) for i in range(14)}
    return made | {f"c{i}": np.array([f"v{j}" for j in random.integers(0, 20, count)], object) for i in range(6)}


def median_call(call: Callable[[dict[str, np.ndarray]], Any], given: dict[str, np.ndarray]) -> float:
    taken = []
    for _ in range(CALLS):
        start = time.perf_counter()
        call(given)
        taken.append(time.perf_counter() - start)
    return float(np.median(taken))


def bulk(call: Callable[[dict[str, np.ndarray]], Any], given: dict[str, np.ndarray]) -> tuple[float, float]:
    """Seconds and CPU seconds a row."""
    start, cpu = time.perf_counter(), time.process_time()
    for _ in range(BATCHES):
        call(given)
    count = ROWS * BATCHES
    return (time.perf_counter() - start) / count, (time.process_time() - cpu) / count


def main() -> None:
    import onnxruntime
    import tensorflow as tf

    from blocks.export import to_onnx

    with tempfile.TemporaryDirectory() as folder:
        export = make_export(Path(folder))
        to_onnx(export, Path(folder, "model.onnx"))
        loaded = tf.saved_model.load(str(export))
        signature = loaded.signatures["serve"]
        session = onnxruntime.InferenceSession(str(Path(folder, "model.onnx")), providers=["CPUExecutionProvider"])

    def by_signature(given: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        tensors = {name: tf.constant(values) for name, values in given.items()}
        return {name: value.numpy() for name, value in signature(**tensors).items()}

    names = [one.name for one in session.get_outputs()]

    def by_onnx(given: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return dict(zip(names, session.run(names, given), strict=True))

    one, many = rows(1), rows(ROWS)
    theirs, ours = by_signature(many), by_onnx(many)
    apart = float(np.abs(theirs["probabilities"] - ours["probabilities"]).max())
    labels = [text.decode() for text in theirs["label"]] == ours["label"].tolist()
    calls = {"onnx": by_onnx, "signature": by_signature}
    alone: dict[str, list[float]] = {name: [] for name in calls}
    bulks: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    for _ in range(TURNS):
        for name, call in calls.items():
            alone[name].append(median_call(call, one))
            bulks[name].append(bulk(call, many))
    call_of = {name: min(taken) for name, taken in alone.items()}
    wall = {name: min(one for one, _ in taken) for name, taken in bulks.items()}
    cpu = {name: min(one for _, one in taken) for name, taken in bulks.items()}
    claims = [
        {
            "claim": "one row through the signature, over onnxruntime's",
            "ours": f"{call_of['onnx'] * 1e6:.0f} us",
            "theirs": f"{call_of['signature'] * 1e6:.0f} us",
            "ratio": call_of["signature"] / call_of["onnx"],
            "target": ">= 2",
        },
        {
            "claim": "rows a second in bulk by onnxruntime, over the signature's",
            "ours": f"{1 / wall['onnx']:,.0f}",
            "theirs": f"{1 / wall['signature']:,.0f}",
            "ratio": wall["signature"] / wall["onnx"],
            "target": None,
        },
        {
            "claim": "CPU seconds a row in bulk by the signature, over onnxruntime's",
            "ours": f"{cpu['onnx'] * 1e6:.2f} us",
            "theirs": f"{cpu['signature'] * 1e6:.2f} us",
            "ratio": cpu["signature"] / cpu["onnx"],
            "target": None,
        },
        {
            "claim": "largest difference of a probability, over 1e-6; labels are equal",
            "ours": f"{apart:.2g}, {'equal' if labels else 'other labels'}",
            "theirs": "1e-6",
            "ratio": apart / 1e-6 if labels else float("inf"),
            "target": "<= 1",
        },
    ]
    publish("onnx_files", claims, {"alone": alone, "bulk": bulks, "apart": apart})


if __name__ == "__main__":
    main()
