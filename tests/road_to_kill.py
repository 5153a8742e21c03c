"""A road that is killed on the way: flights, or rows like them, precomputed and trained on. Also run as a program.

    python road_to_kill.py

reads lines of JSON from its standard input: ["precompute" or "fit", FOLDER, ..., seconds]. For each it forks, waits
until the work proper begins in the child, kills the child after so many seconds (never where negative), and says how it
ended. What is killed is thus the work, not the import of TensorFlow. The answer is the status, and how many seconds the
work proper took.
"""

import functools
import hashlib
import json
import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

TARGET = "late"


def flights(rows: int | None = None) -> pa.Table:
    """Flights of BLOCKS_DATA, or rows like them; `row` numbers them and `late` is what is predicted."""
    if "BLOCKS_DATA" in os.environ:
        table = pq.read_table(Path(os.environ["BLOCKS_DATA"]) / "nycflights13" / "flights.parquet").slice(0, rows)
        late = np.nan_to_num(table["arr_delay"].to_numpy()) > 15
    else:
        random = np.random.default_rng(0)
        count = rows or 200_000
        distance = random.integers(80, 5000, count)
        delay = random.normal(0, 40, count)
        table = pa.table(
            {
                "carrier": random.choice(["UA", "AA", "B6", "DL"], count),
                "dest": np.char.add("D", random.integers(0, 100, count).astype(str)),
                "distance": pa.array(distance),
                "dep_delay": pa.array(delay, mask=random.random(count) < 0.03),
                "hour": pa.array(random.integers(0, 24, count), mask=random.random(count) < 0.03),
            }
        )
        late = delay + random.normal(0, 10, count) > 15
    return table.append_column("row", pa.array(np.arange(len(table)))).append_column(TARGET, pa.array(late))


def new_model(table: pa.Table) -> Any:
    """An adapted model with dropout."""
    import blocks
    from blocks import classifiers, feature_extractors, preprocessors

    model = blocks.Model(
        preprocessors.Columns(
            {
                "carrier": preprocessors.Vocabulary(),
                "dest": preprocessors.Vocabulary(min_count=2),
                "distance": [preprocessors.Log1p(), preprocessors.Standardize()],
                "dep_delay": preprocessors.Standardize(add_indicator=True),
                "hour": preprocessors.Standardize(),
            }
        ),
        feature_extractors.MLP([64, 32], dropout=0.3),
        classifiers.Softmax(TARGET),
        seed=0,
    )
    model.adapt(table, verbose=False)
    return model


def precompute(model: Any, source: Path, folder: Path, format: str) -> Any:
    """Two splits in about 25 shards."""
    import blocks

    splits = blocks.read(source).split(train=0.8, valid=0.2, key="row")
    return model.precompute(
        splits, folder, format=format, keys=["row"], rows_per_shard=16_384, rows_per_chunk=2048, verbose=False
    )


def fit(model: Any, store: Any, folder: Path, begun: Callable[[], Any] = lambda: None) -> list[bytes]:
    """Train with `Resume`; say when the first steps are done. Returns what training changed, as bytes."""
    import keras

    from blocks import Resume

    class Begun(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if not self.done:
                self.done = True
                begun()

        done = False

    model.fit(
        store["train"],
        validation_data=store["valid"],
        epochs=5,
        batch_size=64,
        verbose=0,
        callbacks=[Resume(folder, every=20), Begun()],
    )
    return [np.asarray(v).tobytes() for v in (*model.core.variables, *model.core.optimizer.variables)]


def digests(folder: Path) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(folder.iterdir())}


def attempts(work: Callable[..., None]) -> None:
    """Do the work in a fork for every line, with what the line gives, killed in good time."""
    for line in sys.stdin:
        *given, limit = json.loads(line)
        here, there = os.pipe()
        child = os.fork()
        if not child:
            try:
                work(functools.partial(os.write, there, b"!"), *given)
                os._exit(0)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
        os.close(there)
        os.read(here, 1)  # the work proper begins, or the child has ended
        start = time.monotonic()
        if limit >= 0:
            # until the child ends, or its time is up
            select.select([here], [], [], limit)
            os.kill(child, signal.SIGKILL)
        os.close(here)
        status = os.waitpid(child, 0)[1]
        print(status, time.monotonic() - start, flush=True)


def work(begun: Callable[[], Any], what: str, *given: str) -> None:
    """What is killed."""
    import blocks
    from blocks.model import load

    if what == "precompute":
        file, source, folder, format = given
        model = load(file)
        _ = model.transform
        begun()
        precompute(model, Path(source), Path(folder), format)
    else:
        file, store, folder, out = given
        found = fit(load(file), blocks.open_store(store), Path(folder), begun)
        Path(out).write_text("\n".join(part.hex() for part in found))


if __name__ == "__main__":
    attempts(work)
