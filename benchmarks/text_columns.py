"""Claim: the memory of `adapt` is one budget, however many columns of nearly unique text there are.

    python benchmarks/text_columns.py [ROWS] [COLUMNS]

Fresh processes make a stream of identifiers (every one comes once) chunk by chunk, for 1 and for many columns, and
adapt a `Vocabulary(min_count=2)` on each. The growth of their peak resident memory, less that of processes which read
the stream and no more, is compared with the default of `adapt(memory=)`, and with that of one column.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from measure import publish, resident

CHUNK = 65_536


def stream(rows: int, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Chunks in which no identifier comes twice, of 12 bytes and more, in an order of their own."""
    for start in range(0, rows, CHUNK):
        numbers = np.random.default_rng(start).permutation(np.arange(start, min(start + CHUNK, rows)))
        column = pc.binary_join_element_wise("token ", pa.array(numbers).cast(pa.string()), "")
        # a copy each, as columns that are read have
        arrays = [pc.binary_join_element_wise(column, name[-2:], "") for name in schema.names]
        yield pa.record_batch(arrays, schema=schema)


def child(rows: int, number: int, what: str) -> None:
    import blocks  # isort: skip  (before TensorFlow, which loads Arrow)
    import tensorflow as tf

    from blocks.offline.adapt import adapt
    from blocks.preprocessors import Columns, Vocabulary
    from blocks.statistics import memory_bytes

    tf.constant(0.0)
    schema = pa.schema([(f"id_{i:02}", pa.string()) for i in range(number)])
    source = blocks.read(pa.RecordBatchReader.from_batches(schema, stream(rows, schema)))
    before, start = resident(), time.process_time()
    if what == "read":
        for _ in source.chunks(CHUNK):
            pass
    else:
        import warnings

        warnings.simplefilter("ignore")
        adapt(Columns({name: Vocabulary(min_count=2) for name in schema.names}), None, source, verbose=False)
    grown = resident(most=True) - before
    print(json.dumps({"bytes": grown, "seconds": time.process_time() - start, "memory": memory_bytes(None)}))


def measured(rows: int, number: int, what: str) -> dict[str, Any]:
    """One measurement in a process of its own."""
    command = [sys.executable, __file__, "--child", str(rows), str(number), what]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def main() -> None:
    rows, number = (int(a) for a in (sys.argv[1:] + ["1500000", "40"][len(sys.argv) - 1 :])[:2])
    found = {
        f"{what} {columns}": measured(rows, columns, what) for columns in (1, number) for what in ("read", "adapt")
    }
    one, many = (found[f"adapt {n}"]["bytes"] - found[f"read {n}"]["bytes"] for n in (1, number))
    budget = found["adapt 1"]["memory"]
    claims = [
        {
            "claim": f"adapt, {number} columns of {rows:,} identifiers, memory over the budget of the pass",
            "ours": f"{many >> 20} MiB",
            "theirs": f"{budget >> 20} MiB",
            "ratio": many / budget,
            "target": "<= 1.25",
        },
        {
            "claim": f"the same, memory of {number} columns over 1",
            "ours": f"{many >> 20} MiB",
            "theirs": f"{one >> 20} MiB",
            "ratio": many / one,
            "target": None,
        },
    ]
    publish("text_columns", claims, found)


if __name__ == "__main__":
    child(int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]) if sys.argv[1:2] == ["--child"] else main()
