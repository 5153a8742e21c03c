"""Claim: chunks of a CSV file, whose types are those of all its rows, come about as fast as Polars scans it.

    python benchmarks/csv_chunks.py [ROWS] [REPEATS]

Ours settles the schema over the whole file, checks digits and row widths, and gives chunks of 65,536 rows; once as it
is, and once holding nothing in memory, as for a file that is larger than what is held: each pass parses again then.
Polars and pyarrow take the types of a first part. Each in turns, all cores, the least of several times: wall clock, and
seconds of CPU beside it, which count where the machine is busy with other work.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.csv as pa_csv
from measure import publish

import blocks.data
from blocks.data.formats.csv import held_tables

COLUMNS = 39


def criteo(rows: int) -> pa.Table:
    """A label, 13 integers of which many are missing, 25 columns of hexadecimal tokens."""
    random = np.random.default_rng(0)
    table = {"label": pa.array((random.random(rows) < 0.25).astype(np.int64))}
    for i in range(13):
        values = np.floor(random.lognormal(2 + i % 4, 1.5, rows)).astype(np.int64)
        table[f"number_{i}"] = pa.array(values, mask=random.random(rows) < (0, 0.05, 0.2, 0.45)[i % 4])
    for i in range(25):
        size = int(50_000 ** ((i + 1) / 25)) + 2
        tokens = pa.array([f"{token:08x}" for token in random.integers(0, 2**32, size)])
        ranks = (np.minimum(random.zipf(1.3, rows), size) - 1).astype(np.int32)
        missing = random.random(rows) < (0, 0.1, 0.4)[i % 3]
        table[f"token_{i}"] = pa.DictionaryArray.from_arrays(pa.array(ranks, mask=missing), tokens).dictionary_decode()
    return pa.table(table)


def floats(rows: int) -> pa.Table:
    """Numbers of 17 digits."""
    random = np.random.default_rng(0)
    return pa.table({f"number_{i}": random.normal(size=rows) for i in range(COLUMNS)})


def strings(rows: int) -> pa.Table:
    """Short words."""
    random = np.random.default_rng(0)
    words = pa.array([f"w{i:x}" for i in range(300)])
    return pa.table({f"word_{i}": words.take(pa.array(random.integers(0, 300, rows))) for i in range(COLUMNS)})


def ours(path: Path) -> int:
    return sum(chunk.num_rows for chunk in blocks.data.read(path).chunks())


def ours_not_held(path: Path) -> int:
    held, held_tables.HELD = held_tables.HELD, 0
    try:
        return ours(path)
    finally:
        held_tables.HELD = held


def polars_scan(path: Path) -> int:
    return pl.scan_csv(path).collect(engine="streaming").height


def polars_batches(path: Path) -> int:
    return sum(batch.height for batch in pl.scan_csv(path).collect_batches(chunk_size=65_536))


def pyarrow(path: Path) -> int:
    return pa_csv.read_csv(path).num_rows


CONTESTANTS: list[Callable[[Path], int]] = [ours, ours_not_held, polars_scan, polars_batches, pyarrow]


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 250_000
    repeats = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    claims, details = [], {}
    for make in (criteo, floats, strings):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "table.csv"
            quoting = "none" if make is criteo else "needed"
            pa_csv.write_csv(make(rows), path, pa_csv.WriteOptions(quoting_style=quoting))
            wall: dict[str, list[float]] = {work.__name__: [] for work in CONTESTANTS}
            cpu: dict[str, list[float]] = {work.__name__: [] for work in CONTESTANTS}
            for _ in range(repeats):
                for work in CONTESTANTS:
                    begin = time.perf_counter(), time.process_time()
                    if work(path) != rows:
                        raise AssertionError(f"{work.__name__} lost rows")
                    wall[work.__name__].append(time.perf_counter() - begin[0])
                    cpu[work.__name__].append(time.process_time() - begin[1])
        for what, times in (("", wall), (", rows per second of CPU", cpu)):
            least = {name: min(values) for name, values in times.items()}
            for name, said in (("ours", ""), ("ours_not_held", ", nothing held")):
                for peer in ("polars_scan", "pyarrow"):
                    claims.append(
                        {
                            "claim": f"{make.__name__}{said}: chunks, schema included, over {peer}{what}",
                            "ours": f"{rows / least[name] / 1e3:.0f}k/s",
                            "theirs": f"{rows / least[peer] / 1e3:.0f}k/s",
                            "ratio": least[peer] / least[name],
                            "target": ">= 0.8" if (make, name, peer) == (criteo, "ours", "polars_scan") else None,
                        }
                    )
        details[make.__name__] = {"rows": rows, "wall": wall, "cpu": cpu}
    publish("csv_chunks", claims, details)


if __name__ == "__main__":
    main()
