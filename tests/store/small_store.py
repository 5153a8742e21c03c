"""Small sources of rows for the tests of stores: row i holds values computed from i, so that any mix-up shows."""

import hashlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from blocks.files.place import Place, Remote
from blocks.store import Rows, SplitPlan, Store, write

COLUMNS = {"features/numeric": ["a", "b", "c"], "features/categorical": ["d"], "target": ["number"]}


def rows_between(start: int, stop: int) -> Rows:
    i = np.arange(start, stop)
    return Rows(
        {"numeric": np.stack([i, i * 0.5, -i], 1).astype("f4"), "categorical": (i % 7)[:, None].astype("i4")},
        target=i.astype("i4"),
        weight=(i / 3).astype("f4"),
        keys={"id": i.astype("i8"), "na.me/x": np.char.add("r", i.astype(str)).astype("S")},
    )


def plan(count: int, chunk: int = 97) -> SplitPlan:
    def chunks(skip: int) -> Iterator[Rows]:
        for start in range(skip, count, chunk):
            yield rows_between(start, min(count, start + chunk))

    return SplitPlan(chunks, count)


def make(path: Place, format: str = "hdf5", count: int = 1000, **arguments: object) -> Store:
    given: dict = {"rows_per_shard": 300, "rows_per_chunk": 40, "columns": COLUMNS, "verbose": 0} | arguments
    given.setdefault("fingerprint", {"source": {"train": 1, "valid": 2}, "preprocessor": "p", "target": "t"})
    return write(path, {"train": plan(count), "valid": plan(25)}, format=format, **given)


def digests(folder: Place) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(folder.iterdir(), key=str)}


if __name__ == "__main__":
    # Writes in a fork for each line that it is given, killed after so many seconds: what is killed is then the writing,
    # not the import of TensorFlow.
    if sys.argv[2] == "tfrecord":
        import tensorflow  # noqa: F401
    place = Remote(sys.argv[1]) if "://" in sys.argv[1] else Path(sys.argv[1])
    for seconds in map(float, sys.stdin):
        child = os.fork()
        if not child:
            make(place, sys.argv[2], count=int(sys.argv[3]), workers=2)
            os._exit(0)
        if seconds >= 0:
            time.sleep(seconds)
            # Nobody has waited for it, so the number is still its own.
            os.kill(child, signal.SIGKILL)
        print(os.waitpid(child, 0)[1], flush=True)
