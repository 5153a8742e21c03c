"""Claim: the first rows of a filtered source come in milliseconds, however rare they are; beside Polars and DuckDB.

    python benchmarks/head.py [--rows 1000000]

Each looks for the one row of so many whose number is the last but one: of an Arrow table, of a Parquet file, and ours
also of one part of a split by key. CPU seconds, best of five. Writes benchmarks/results/head.json and exits with 1
where ours takes more than a quarter of a second for a million rows.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from measure import publish

import blocks.data

LIMIT = 0.25e-6  # CPU seconds a row


def best(find: Callable[[], Any]) -> float:
    taken = []
    for _ in range(5):
        start = time.process_time()
        found = find()
        taken.append(time.process_time() - start)
        assert found == 1, found
    return min(taken)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows = parser.parse_args().rows
    random = np.random.default_rng(0)
    # in an order of its own, so that no statistic of a row group says where the row is
    table = pa.table({"id": random.permutation(rows), **{f"x{n}": random.normal(size=rows) for n in range(9)}})
    wanted = int(table["id"][rows - 2].as_py())
    results = []
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/rows.parquet"
        pq.write_table(table, path)
        frame, connection = pl.from_arrow(table), duckdb.connect()
        connection.register("rows", table)
        source, file = blocks.data.read(table), blocks.data.read(path)
        both = source.split(a=0.5, b=0.5, key="id")
        part = next(p for p in both.values() if p.filter(pc.field("id") == wanted).count())
        ways = {
            "ours, table": lambda: source.filter(pc.field("id") == wanted).head(1).num_rows,
            "ours, part of a split": lambda: part.filter(pc.field("id") == wanted).head(1).num_rows,
            "ours, Parquet": lambda: file.filter(pc.field("id") == wanted).head(1).num_rows,
            "Polars, table": lambda: frame.lazy().filter(pl.col("id") == wanted).head(1).collect().height,
            "Polars, Parquet": lambda: pl.scan_parquet(path).filter(pl.col("id") == wanted).head(1).collect().height,
            "DuckDB, table": lambda: len(connection.execute(f"from rows where id = {wanted} limit 1").fetchall()),
            "DuckDB, Parquet": lambda: len(connection.execute(f"from '{path}' where id = {wanted} limit 1").fetchall()),
        }
        for name, find in ways.items():
            results.append({"who": name, "rows": rows, "cpu_seconds": best(find)})
    seconds = {one["who"]: one["cpu_seconds"] for one in results}
    claims = [
        {
            "claim": f"head(1) of a filter that one row of {rows:,} passes, {what}, over {peer}",
            "ours": f"{1000 * seconds[f'ours, {what}']:.1f} ms",
            "theirs": f"{1000 * seconds[f'{peer}, {place}']:.1f} ms",
            "ratio": seconds[f"ours, {what}"] / seconds[f"{peer}, {place}"],
            "target": None,
        }
        for what, place in (("table", "table"), ("part of a split", "table"), ("Parquet", "Parquet"))
        for peer in ("Polars", "DuckDB")
    ]
    publish("head", claims, {"limit_seconds": LIMIT * rows, "results": results})
    return int(max(taken for who, taken in seconds.items() if who.startswith("ours")) > LIMIT * rows)


if __name__ == "__main__":
    sys.exit(main())
