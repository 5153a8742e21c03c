"""Claim: the fastest way to feed shuffled minibatches from disk (1,024 x 40 float32), ours against others.

    python benchmarks/stream.py [--rows 2000000] [--repeats 7]

Every way reads files in the page cache, in one process; rounds are interleaved and the median counts. The peers over
`tf.train.Example` read fewer rows (--example-rows), since theirs take long to write; a rate does not depend on that.
Writes benchmarks/results/stream.json and exits with 1 where a target is missed.
"""

import argparse
import importlib.util
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import h5py
import numpy as np
import tensorflow as tf

from blocks.store import Rows, SplitPlan, open_store, write

COLUMNS, BATCH, BLOCK = 40, 1024, 65_536


def rows_of(count: int) -> Callable[[int], Iterator[Rows]]:
    def chunks(skip: int) -> Iterator[Rows]:
        for start in range(skip, count, BLOCK):
            size = min(BLOCK, count - start)
            yield Rows({"numeric": np.random.default_rng(start).normal(size=(size, COLUMNS)).astype("f4")})

    return chunks


def write_examples(path: Path, count: int, vector: bool) -> None:
    data = next(rows_of(count)(0)).features["numeric"]
    names = ["x"] if vector else [f"x{i}" for i in range(COLUMNS)]
    with tf.io.TFRecordWriter(str(path)) as file:
        for row in data.tolist():
            values = [row] if vector else [[value] for value in row]
            feature = {
                name: tf.train.Feature(float_list=tf.train.FloatList(value=value))
                for name, value in zip(names, values, strict=True)
            }
            file.write(tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString())


def examples(path: Path, vector: bool) -> tf.data.Dataset:
    """Read as TensorFlow's guide to performance says: shuffle, batch, parse whole batches in parallel, prefetch."""
    spec = {"x": tf.io.FixedLenFeature([COLUMNS], tf.float32)}
    if not vector:
        spec = {f"x{i}": tf.io.FixedLenFeature([], tf.float32) for i in range(COLUMNS)}
    read = tf.data.TFRecordDataset(str(path)).shuffle(8192, seed=0).batch(BATCH)
    return read.map(lambda raw: tf.io.parse_example(raw, spec), num_parallel_calls=tf.data.AUTOTUNE).prefetch(2)


def drain(batches: Iterator | tf.data.Dataset) -> None:
    for _ in batches:
        pass


def numpy_loop(path: Path) -> None:
    rng = np.random.default_rng(0)
    with h5py.File(path) as file:
        data = file["features/numeric"]
        buffer = np.empty((BLOCK, COLUMNS), "f4")
        for block in rng.permutation(-(-len(data) // BLOCK)):
            start = int(block) * BLOCK
            size = min(BLOCK, len(data) - start)
            data.read_direct(buffer, np.s_[start : start + size], np.s_[:size])
            fresh = np.take(buffer[:size], rng.permutation(size), axis=0)
            for first in range(0, size, BATCH):
                fresh[first : first + BATCH]


def read_direct(path: Path) -> None:
    with h5py.File(path) as file:
        data = file["features/numeric"]
        buffer = np.empty((BLOCK, COLUMNS), "f4")
        for start in range(0, len(data), BLOCK):
            size = min(BLOCK, len(data) - start)
            data.read_direct(buffer, np.s_[start : start + size], np.s_[:size])


def generator(path: Path) -> tf.data.Dataset:
    def batches() -> Iterator[np.ndarray]:
        with h5py.File(path) as file:
            data = file["features/numeric"]
            for first in np.random.default_rng(0).permutation(-(-len(data) // BATCH)):
                yield data[first * BATCH : (first + 1) * BATCH]

    spec = tf.TensorSpec((None, COLUMNS), tf.float32)
    return tf.data.Dataset.from_generator(batches, output_signature=spec).prefetch(2)


def tensorflow_io(path: Path) -> None:
    import tensorflow_io as tfio

    data = tfio.IOTensor.from_hdf5(str(path))("/features/numeric")
    for start in range(0, int(data.shape[0]), BLOCK):
        block = tf.random.shuffle(data[start : start + BLOCK])
        for first in range(0, BLOCK, BATCH):
            block[first : first + BATCH]


def tensorflow_io_rows(path: Path) -> tf.data.Dataset:
    """Read as its guide says: a dataset of rows, shuffled and batched."""
    import tensorflow_io as tfio

    rows = tfio.IODataset.from_hdf5(str(path), dataset="/features/numeric")
    return rows.shuffle(8192, seed=0).batch(BATCH).prefetch(2)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--example-rows", type=int, default=50_000)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "stream.json")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for form in ("hdf5", "tfrecord"):
            plan = {"train": SplitPlan(rows_of(options.rows), options.rows)}
            write(root / form, plan, fingerprint={}, format=form, rows_per_shard=1 << 24)
        for vector in (True, False):
            write_examples(root / f"examples-{vector}", options.example_rows, vector)
        hdf5, tfrecord = open_store(root / "hdf5")["train"], open_store(root / "tfrecord")["train"]
        plain = root / "hdf5" / "train-00000.h5"
        # As in training: made once, and each round is an epoch.
        streams = {name: split.stream(BATCH) for name, split in (("hdf5", hdf5), ("tfrecord", tfrecord))}
        datasets = {name: split.stream(BATCH).dataset() for name, split in (("hdf5", hdf5), ("tfrecord", tfrecord))}
        made = generator(plain)
        parsed = {vector: examples(root / f"examples-{vector}", vector) for vector in (True, False)}
        ways: dict[str, tuple[Callable[[], None], int]] = {
            "stream hdf5": (lambda: drain(streams["hdf5"]), options.rows),
            "dataset hdf5": (lambda: drain(datasets["hdf5"]), options.rows),
            "stream tfrecord": (lambda: drain(streams["tfrecord"]), options.rows),
            "dataset tfrecord": (lambda: drain(datasets["tfrecord"]), options.rows),
            "h5py read_direct, no batches": (lambda: read_direct(plain), options.rows),
            "numpy loop, fresh arrays": (lambda: numpy_loop(plain), options.rows),
            "from_generator over h5py": (lambda: drain(made), options.rows),
            "examples, one vector": (lambda: drain(parsed[True]), options.example_rows),
            "examples, per column": (lambda: drain(parsed[False]), options.example_rows),
        }
        if importlib.util.find_spec("tensorflow_io"):
            made_of_rows = tensorflow_io_rows(plain)
            ways["tensorflow-io slices"] = (lambda: tensorflow_io(plain), options.rows)
            ways["tensorflow-io rows"] = (lambda: drain(made_of_rows), options.rows)
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(options.repeats + 1):
            for name, (run, _) in ways.items():
                begin = time.perf_counter()
                run()
                seconds[name].append(time.perf_counter() - begin)
    # The first round warms caches and traces functions.
    rates = {name: ways[name][1] / statistics.median(taken[1:]) for name, taken in seconds.items()}
    targets = [
        ("stream hdf5", "examples, per column", 25.0),
        ("stream hdf5", "examples, one vector", 10.0),
        ("stream hdf5", "h5py read_direct, no batches", 0.2),
        ("stream hdf5", "numpy loop, fresh arrays", 0.8),
        ("dataset hdf5", "numpy loop, fresh arrays", 0.5),
        ("stream tfrecord", "stream hdf5", 0.6),
        ("stream hdf5", "from_generator over h5py", None),
    ]
    targets += [("stream hdf5", name, None) for name in ("tensorflow-io slices", "tensorflow-io rows") if name in rates]
    for name, rate in rates.items():
        print(f"{name:32}{rate / 1e6:8.2f} Mrows/s")
    ratios = [
        {"ours": ours, "peer": peer, "ratio": rates[ours] / rates[peer], "target": target}
        for ours, peer, target in targets
    ]
    for line in ratios:
        print(f"{line['ours']:>18} / {line['peer']:30}{line['ratio']:8.2f}   target {line['target']}")
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(
        json.dumps({"rows": options.rows, "rows_per_second": rates, "ratios": ratios}, indent=1) + "\n"
    )
    return int(any(line["target"] is not None and line["ratio"] < line["target"] for line in ratios))


if __name__ == "__main__":
    sys.exit(main())
