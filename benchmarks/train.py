"""Claim: training from a store on disk takes the time of training on arrays in memory.

    python benchmarks/train.py [ROWS] [REPEATS]

A 40-128-64-1 network, batches of 1,024, the same number of steps an execution. Ours reads a store, verifies it and
shuffles it; plain Keras `fit` is given the same rows as NumPy arrays in memory, which it shuffles; the floor is one
constant batch, repeated. Fits of two epochs are timed whole, in turns, after one each that warms up; ratios are of one
turn. A stall at an epoch's end would show as the time between its last call and its end.
"""

import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import blocks  # isort: skip
import keras
import numpy as np
import pyarrow as pa
import tensorflow as tf
from measure import publish

from blocks import feature_extractors, preprocessors, regressors

COLUMNS, BATCH, EPOCHS = 40, 1024, 2


class Clock(keras.callbacks.Callback):
    """Seconds of each epoch, of its slowest call but the first, and from its last call to its end."""

    def __init__(self) -> None:
        super().__init__()
        self.epochs: list[float] = []
        self.slowest: list[float] = []
        self.tails: list[float] = []

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Begin."""
        self.begin = self.last = time.perf_counter()
        self.calls: list[float] = []

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Note a call of several steps."""
        now = time.perf_counter()
        self.calls.append(now - self.last)
        self.last = now

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Note the epoch."""
        now = time.perf_counter()
        self.epochs.append(now - self.begin)
        self.tails.append(now - self.last)
        self.slowest.append(max(self.calls[1:], default=0.0))


def network(table: pa.Table, names: list[str]) -> blocks.Model:
    model = blocks.Model(
        preprocessors.Columns({name: preprocessors.Standardize() for name in names}),
        feature_extractors.MLP([128, 64]),
        regressors.Mean("y"),
        seed=0,
    )
    model.adapt(table, verbose=False)
    return model


def main() -> None:
    rows, repeats = (int(a) for a in (sys.argv[1:] + ["400000", "9"][len(sys.argv) - 1 :])[:2])
    random = np.random.default_rng(0)
    names = [f"x{i}" for i in range(COLUMNS)]
    values = random.normal(size=(rows, COLUMNS)).astype(np.float32)
    target = values @ random.normal(size=COLUMNS) + random.normal(size=rows)
    table = pa.table({name: values[:, i] for i, name in enumerate(names)} | {"y": target})
    gpu = bool(tf.config.list_logical_devices("GPU"))
    with tempfile.TemporaryDirectory() as folder:
        ours = network(table, names)
        ours.compile("adam")
        store = ours.precompute({"train": table}, Path(folder) / "store", verbose=False)
        split = store["train"]
        stored = split.read()
        features, targets = {name: array.copy() for name, array in stored.features.items()}, np.array(stored.target)
        steps = -(-rows // BATCH)
        ours.fit(split, epochs=1, batch_size=BATCH, verbose=0)
        per_call = ours.core.steps_per_execution

        def plain() -> keras.Model:
            core = network(table, names).core
            core.compile(
                "adam",
                ours.head.default_loss(),
                metrics=ours.head.default_metrics(),
                steps_per_execution=per_call,
                jit_compile=gpu,
            )
            return core

        in_memory, constant = plain(), plain()
        batch = tf.data.Dataset.from_tensors(({n: a[:BATCH] for n, a in features.items()}, targets[:BATCH]))
        floor = batch.cache().repeat(steps).prefetch(tf.data.AUTOTUNE)
        ways: dict[str, Callable[[Clock], Any]] = {
            "store": lambda clock: ours.fit(split, epochs=EPOCHS, batch_size=BATCH, verbose=0, callbacks=[clock]),
            "numpy": lambda clock: in_memory.fit(features, targets, BATCH, EPOCHS, verbose=0, callbacks=[clock]),
            "constant": lambda clock: constant.fit(floor, epochs=EPOCHS, shuffle=False, verbose=0, callbacks=[clock]),
        }
        clocks = {name: Clock() for name in ways}
        whole: dict[str, list[float]] = {name: [] for name in ways}
        loads = []
        for fit in ways.values():
            fit(Clock())
        for turn in range(repeats):
            loads.append(os.getloadavg()[0])
            for name in list(ways)[turn % 3 :] + list(ways)[: turn % 3]:
                begin = time.perf_counter()
                ways[name](clocks[name])
                whole[name].append(time.perf_counter() - begin)
    epoch = {name: statistics.median(clock.epochs) for name, clock in clocks.items()}
    fit_s = {name: statistics.median(values) for name, values in whole.items()}
    # in turns: the ratios of one turn share its noise
    against = {
        name: statistics.median(a / b for a, b in zip(whole["store"], whole[name], strict=True)) for name in ways
    }
    tail, call = max(clocks["store"].tails), statistics.median(clocks["store"].slowest)
    device = "GPU" if gpu else "CPU"
    claims = [
        {
            "claim": f"fit from a store over plain fit on arrays in memory, {device}, time",
            "ours": f"{fit_s['store']:.3f} s",
            "theirs": f"{fit_s['numpy']:.3f} s",
            "ratio": against["numpy"],
            "target": "<= 1.01",
        },
        {
            "claim": f"fit from a store over one constant batch, {device}, rate",
            "ours": f"{EPOCHS * rows / fit_s['store'] / 1e6:.2f}M/s",
            "theirs": f"{EPOCHS * rows / fit_s['constant'] / 1e6:.2f}M/s",
            "ratio": 1 / against["constant"],
            "target": ">= 0.9",
        },
        {
            "claim": "fit from a store, longest wait at an epoch's end over its slowest call",
            "ours": f"{tail * 1e3:.1f} ms",
            "theirs": f"{call * 1e3:.1f} ms",
            "ratio": tail / call,
            "target": "<= 1",
        },
    ]
    details = {
        "rows": rows,
        "steps_per_execution": per_call,
        "seconds_of_fit": whole,
        "seconds_of_epoch": epoch,
        "ends": {name: clock.tails for name, clock in clocks.items()},
        "slowest_call": {name: clock.slowest for name, clock in clocks.items()},
        "load": loads,
    }
    publish("train", claims, details)
    print(json.dumps({"load": loads, "steps_per_execution": per_call, "median_epoch": epoch}))


if __name__ == "__main__":
    main()
