"""Claim: windows of a long table take memory that does not grow with its rows, whatever their order.

    python benchmarks/windows.py [SMALL] [LARGE]

Rows of 1,000 entities with 8 columns of numbers, in the order of time (entities mixed) and in none, are read from
Parquet and cut into windows of 24 steps and the next one's target: each in a process of its own, for its peak memory
above what imports take and its CPU time. Beside it, for the smaller table alone, what people write: pandas in memory,
sorted and grouped, and NumPy's sliding windows of one entity at a time. (Keras' `timeseries_dataset_from_array` takes
one series: a data set for each of a thousand entities takes minutes to make.)
"""

import importlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from measure import publish, resident

ENTITIES, COLUMNS, LENGTH = 1_000, [f"x{n}" for n in range(8)], 24
CHUNK = 100_000
SORT_BYTES = 512_000_000
"""What `blocks.data.windowing.sorting.MEMORY` allows."""


def write(path: Path, rows: int, mixed: bool) -> Path:
    """Rows in the order of time, or in one that jumps over all of it; a chunk is held at a time."""
    random, step = np.random.default_rng(0), 1
    while mixed and (step < 7_919 or np.gcd(step, rows) > 1):
        step = max(step + 1, 7_919)
    schema = pa.schema([("entity", pa.int32()), ("at", pa.timestamp("s")), *((name, pa.float32()) for name in COLUMNS)])
    with pq.ParquetWriter(path, schema) as writer:
        for begin in range(0, rows, CHUNK):
            place = np.arange(begin, min(begin + CHUNK, rows)) * step % rows
            columns: list[Any] = [place % ENTITIES, (place // ENTITIES * 3_600).astype("datetime64[s]")]
            columns += [random.normal(size=len(place)) for _ in COLUMNS]
            arrays = [pa.array(column).cast(field.type) for column, field in zip(columns, schema, strict=True)]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
    return path


def ours(path: str) -> Iterator[int]:
    """Windows in each batch, by `blocks.windows`."""
    import blocks

    ask = {"length": LENGTH, "by": "entity", "order": "at", "every": "1h", "columns": COLUMNS, "target": "x0"}
    for batch in blocks.windows(blocks.read(path), **ask).chunks(4_096):
        yield len(batch)


def pandas(path: str) -> Iterator[int]:
    """The same by pandas and NumPy: all rows in memory, windows copied for one entity at a time."""
    import pandas as pd

    for _, own in pd.read_parquet(path).sort_values(["entity", "at"]).groupby("entity"):
        values = own[COLUMNS].to_numpy()
        made = np.lib.stride_tricks.sliding_window_view(values[:-1], LENGTH, axis=0)
        yield len(np.ascontiguousarray(made)) if len(values[LENGTH:]) else 0


CONTESTANTS: dict[str, Callable[[str], Iterator[int]]] = {"ours": ours, "pandas": pandas}


def child(name: str, path: str) -> None:
    """Print windows, CPU seconds and the bytes above imports at the peak."""
    for module in ("blocks", "pandas"):
        importlib.import_module(module)
    before, begin = resident(), time.process_time()
    windows = sum(CONTESTANTS[name](path))
    found = {"windows": windows, "seconds": time.process_time() - begin, "bytes": resident(most=True) - before}
    print(json.dumps(found))


def measured(name: str, path: Path) -> dict[str, Any]:
    """What a contestant takes, in a process of its own."""
    command = [sys.executable, __file__, "--child", name, str(path)]
    out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return dict(json.loads(out.splitlines()[-1]))


def main() -> None:
    small, large = (int(a) for a in (sys.argv[1:] + ["1000000", "10000000"][len(sys.argv) - 1 :])[:2])
    found: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for rows in (small, large):
            for order in ("in order", "in no order"):
                path = write(Path(folder) / "rows.parquet", rows, order == "in no order")
                for name in CONTESTANTS if rows == small else ["ours"]:
                    found[f"{name}, {rows:,} rows {order}"] = measured(name, path)
                    print(f"{name}, {rows:,} rows {order}: {found[f'{name}, {rows:,} rows {order}']}", flush=True)
    claims = []
    for order in ("in order", "in no order"):
        less, more = (found[f"ours, {rows:,} rows {order}"] for rows in (small, large))
        assert more["windows"] == ENTITIES * (large // ENTITIES - LENGTH)
        flat = order == "in order"
        against = less["bytes"] if flat else found[f"ours, {large:,} rows in order"]["bytes"] + SORT_BYTES
        claims.append(
            {
                "claim": f"windows of {large:,} rows {order}, peak memory over "
                + (f"that of {small:,}" if flat else "that of rows in order and what DuckDB may sort in"),
                "ours": f"{more['bytes'] >> 20} MiB",
                "theirs": f"{against >> 20} MiB",
                "ratio": more["bytes"] / against,
                "target": "<= 1.3",
            }
        )
        peer = found[f"pandas, {small:,} rows {order}"]
        assert peer["windows"] == less["windows"]
        claims.append(
            {
                "claim": f"windows of {small:,} rows {order}, CPU time against pandas in memory",
                "ours": f"{less['seconds']:.1f} s",
                "theirs": f"{peer['seconds']:.1f} s, {peer['bytes'] >> 20} MiB",
                "ratio": peer["seconds"] / less["seconds"],
                "target": None,
            }
        )
    publish("windows", claims, found)


if __name__ == "__main__":
    child(*sys.argv[2:]) if sys.argv[1:2] == ["--child"] else main()
