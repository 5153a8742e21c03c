"""Rows that are written by a process that kills itself after a time: python file_to_kill.py SOURCE TARGET SECONDS."""

import os
import signal
import sys
import threading

import numpy as np
import pyarrow as pa

import blocks
from blocks.data.writing import checkpoints

ROWS = 200_000


def table(name, rows, seed):
    """Rows of types that the format of a name gives back without being told."""
    random = np.random.default_rng(seed)
    columns = {"id": np.arange(rows), "x": random.normal(size=rows).astype("f4").astype("f8")}
    if not name.startswith(("t.np", "t.h5")):
        columns["text"] = np.char.add("text é\n ", random.integers(0, 1000, rows).astype(str))
    return pa.table(columns)


if __name__ == "__main__":
    checkpoints.CHECKPOINT_BYTES = 1 << 20
    source = blocks.read(sys.argv[1])
    timer = threading.Timer(float(sys.argv[3]), lambda: os.kill(os.getpid(), signal.SIGKILL))
    timer.start()
    source.write(sys.argv[2], verbose=0)
    timer.cancel()
