"""Rows whose reading kills its own process after so many: python rows_to_kill.py TARGET ROWS [TABLE]."""

import os
import signal
import sys

import pyarrow as pa

import blocks

TOTAL = 200_000


class Rows:
    """A user's own reader."""

    schema = pa.schema([("id", pa.int64()), ("x", pa.float64()), ("s", pa.string())])

    def __init__(self, most=None):
        self.most = most

    def chunks(self, rows):
        for begin in range(0, TOTAL, 5_000):
            if self.most is not None and begin >= self.most:
                os.kill(os.getpid(), signal.SIGKILL)
            ids = range(begin, begin + 5_000)
            columns = [list(ids), [i * 0.5 for i in ids], [f"text {i}" for i in ids]]
            yield pa.RecordBatch.from_arrays(list(map(pa.array, columns)), schema=self.schema)


if __name__ == "__main__":
    table = {"table": sys.argv[3]} if len(sys.argv) > 3 else {}
    blocks.read(Rows(int(sys.argv[2]))).write(sys.argv[1], overwrite=True, verbose=0, **table)
