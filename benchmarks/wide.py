"""Claim: a wide table's cost is linear in its columns, and one row of a served table costs little beside the call.

    python benchmarks/wide.py [COLUMNS...]

For each number of columns (100, 400, 2,000 and 10,000 unless given), in a process of its own: adapt, precompute, fit
(2 epochs of the store), export and verify of 20,000 rows; of 10,000 columns adapt and precompute of 2,000 rows. Six in
ten columns are plain numbers, one is a skewed number with gaps through a chain, one holds integers, two hold strings.
Then one row of 20 columns through the signature `serve` of an export, beside a signature that only adds its 20 inputs.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf
from measure import interleaved, medians, publish, resident

import blocks
from blocks import classifiers, feature_extractors, postprocessors
from blocks.preprocessors import Columns, Log1p, MinMax, Standardize, Vocabulary

COLUMNS = (100, 400, 2_000, 10_000)
WIDEST = 5_000
"""From so many columns on, a table has a tenth of the rows, and is adapted and precomputed alone."""
ROWS = 20_000
CALLS = 200


def table(columns: int, rows: int) -> tuple[pa.Table, Columns]:
    """Columns of all kinds in turns, and what is made of each."""
    random = np.random.default_rng(0)
    data: dict[str, Any] = {}
    chains: dict[str, Any] = {}
    for place in range(columns):
        name, kind = f"c{place}", place % 10
        if kind < 6:
            dtype = np.float32 if kind % 2 else np.float64
            data[name], chains[name] = random.normal(place, 3, rows).astype(dtype), Standardize()
        elif kind == 6:
            values = np.where(random.random(rows) < 0.1, np.nan, random.exponential(9, rows))
            data[name] = pa.array(values, from_pandas=True)
            chains[name] = [Log1p(), Standardize(add_indicator=True)]
        elif kind == 7:
            data[name], chains[name] = random.integers(0, 50, rows), MinMax()
        else:
            data[name] = pa.array(random.integers(0, 30, rows)).cast(pa.string())
            chains[name] = Vocabulary()
    data["label"] = pa.array(random.integers(0, 2, rows)).cast(pa.string())
    return pa.table(data), Columns(chains)


def stages(columns: int) -> dict[str, Any]:
    """Wall and processor seconds of each stage, and the most memory that was held."""
    widest = columns >= WIDEST
    rows = ROWS // 10 if widest else ROWS
    found: dict[str, Any] = {}

    def stage(name: str, work: Any) -> Any:
        wall, cpu = time.perf_counter(), time.process_time()
        result = work()
        found[name] = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
        return result

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.parquet"
        raw, chains = table(columns, rows)
        pq.write_table(raw, path)
        del raw
        source = blocks.read(path)
        extractor, head = feature_extractors.MLP([32]), classifiers.Softmax("label")
        model = blocks.Model(preprocessor=chains, feature_extractor=extractor, head=head, seed=0)
        stage("adapt", lambda: model.adapt(source, verbose=False))
        store = stage("precompute", lambda: model.precompute({"train": source}, f"{folder}/store", verbose=False))
        if not widest:
            stage("fit", lambda: model.fit(store["train"], epochs=2, batch_size=1024, verbose=0))
            stage("export", lambda: model.export(f"{folder}/1"))
            report = stage("verify", lambda: blocks.verify(f"{folder}/1", source, store["train"], verbose=False))
            assert report.ok
    return {"columns": columns, "rows": rows, "stages": found, "peak MB": resident(most=True) / 1e6}


def operations(function: Any) -> int:
    """How many operations a signature holds, with those of what it calls; constants and arguments apart."""

    def count(graph: Any) -> Counter[str]:
        kinds = Counter(operation.type for operation in graph.get_operations())
        for operation in graph.get_operations():
            if operation.type in ("PartitionedCall", "StatefulPartitionedCall"):
                kinds += count(graph._get_function(operation.get_attr("f").name).graph)
        return kinds

    return sum(number for kind, number in count(function.graph).items() if kind not in ("Const", "Placeholder"))


def served() -> dict[str, Any]:
    """Milliseconds of one row of 20 columns through `serve`, and of 20 inputs that are only added."""
    raw, chains = table(20, 2_000)
    model = blocks.Model(
        preprocessor=chains,
        feature_extractor=feature_extractors.MLP([64, 64]),
        head=classifiers.Softmax("label"),
        postprocessors=[postprocessors.Labels()],
        seed=0,
    )
    model.adapt(raw, verbose=False)
    model.fit(raw, epochs=1, verbose=0)
    plain = tf.Module()
    inputs = {f"c{place}": tf.TensorSpec((None,), tf.float64, name=f"c{place}") for place in range(20)}
    plain.add = tf.function(lambda columns: {"sum": tf.add_n(list(columns.values()))}, input_signature=[inputs])
    with tempfile.TemporaryDirectory() as folder:
        model.export(f"{folder}/1")
        tf.saved_model.save(plain, f"{folder}/plain", signatures={"add": plain.add})
        ours, theirs = tf.saved_model.load(f"{folder}/1"), tf.saved_model.load(f"{folder}/plain")
        serve, add = ours.signatures["serve"], theirs.signatures["add"]
        specs = serve.structured_input_signature[1]
        row = {name: tf.constant([raw[name][0].as_py()], spec.dtype) for name, spec in specs.items()}
        numbers = {name: tf.constant([1.0], tf.float64) for name in inputs}

        def calls(function: Any, columns: dict[str, Any]) -> Any:
            return lambda: [function(**columns) for _ in range(CALLS)]

        contestants = {"serve": calls(serve, row), "add": calls(add, numbers)}
        interleaved(contestants, 2)
        times = interleaved(contestants, 15)
        milliseconds = {name: seconds / CALLS * 1e3 for name, seconds in medians(times).items()}
        return {**milliseconds, "operations": operations(serve), "operations of add": operations(add)}


def main() -> None:
    widths = [int(argument) for argument in sys.argv[1:]] or list(COLUMNS)
    measured = []
    for columns in widths:
        # a process of its own: peaks and caches are that table's
        done = subprocess.run([sys.executable, __file__, "--stages", str(columns)], capture_output=True, check=True)
        measured.append(json.loads(done.stdout.splitlines()[-1]))
        print(json.dumps(measured[-1]), flush=True)
    row = served()
    claims: list[dict[str, Any]] = []
    for one in measured:
        for name, seconds in one["stages"].items():
            limit = 300 if one["columns"] >= WIDEST else 60
            claims.append(
                {
                    "claim": f"{name} of {one['columns']:,} columns x {one['rows']:,} rows, over {limit} s",
                    "ours": f"{seconds['wall']:.2f} s",
                    "theirs": f"{limit} s",
                    "ratio": seconds["wall"] / limit,
                    "target": "<= 1",
                }
            )
    whole = [one for one in measured if one["columns"] < WIDEST]
    if len(whole) > 1:
        least, most = whole[0], whole[-1]
        times = most["columns"] / least["columns"]
        for name, seconds in most["stages"].items():
            before = least["stages"][name]
            claims.append(
                {
                    "claim": f"{name}: {most['columns']:,} columns over {least['columns']:,}, a column",
                    "ours": f"{seconds['cpu']:.2f} s",
                    "theirs": f"{before['cpu']:.2f} s",
                    "ratio": seconds["cpu"] / before["cpu"] / times,
                    "target": "<= 1.3",
                }
            )
    claims.append(
        {
            "claim": "a served row of 20 columns, ms, over 0.5",
            "ours": f"{row['serve']:.3f} ms",
            "theirs": "0.5 ms",
            "ratio": row["serve"] / 0.5,
            "target": "<= 1",
        }
    )
    claims.append(
        {
            "claim": "a served row of 20 columns over a call that adds 20 inputs",
            "ours": f"{row['serve']:.3f} ms",
            "theirs": f"{row['add']:.3f} ms",
            "ratio": row["serve"] / row["add"],
            "target": None,
        }
    )
    publish("wide", claims, {"tables": measured, "served": row})


if __name__ == "__main__":
    if sys.argv[1:2] == ["--stages"]:
        print(json.dumps(stages(int(sys.argv[2]))))
    else:
        main()
