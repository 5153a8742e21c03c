"""Claims: rows of databases come at 0.8 of their drivers' speed in flat memory, images at 0.9 of a bare loop's.

    python benchmarks/sources.py [ROWS] [IMAGES]

A table of ROWS x 4 and one of a fifth of the rows x 20 are read from SQLite, PostgreSQL (a server of its own) and
DuckDB: a pass over an opened source, and the driver alone, in turns; CPU seconds of this process, and seconds. In
processes of their own ROWS and ten times as many are read, and peaks of memory compared. IMAGES files of 1 kB, or
cifar10_jpeg unpacked from the folder named by BLOCKS_DATA, are read as a source, and one after the other.
"""

import contextlib
import importlib.util
import os
import sqlite3
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
from measure import publish, resident

import blocks

REPEATS = 7
NARROW = "i AS id, i * 0.37 AS price, 'name ' || (i % 1000) AS name, i % 7 AS day"
WIDE = ", ".join(
    [
        "i AS id",
        *(f"i * 0.{n}1 AS x{n}" for n in range(9)),
        *(f"'t' || (i % {n + 5}) AS s{n}" for n in range(5)),
        *(f"i % {n + 2} AS n{n}" for n in range(5)),
    ]
)
KINDS = {"x": "REAL", "p": "REAL", "s": "TEXT", "n": "INTEGER", "i": "INTEGER", "d": "INTEGER", "name": "TEXT"}
_spec = importlib.util.spec_from_file_location(
    "postgresql_server", Path(__file__).parents[1] / "tests" / "data" / "postgresql_server.py"
)
postgresql_server = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(postgresql_server)


def fill_sqlite(path, tables):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        for name, (rows, columns) in tables.items():
            names = [column.rpartition(" ")[2] for column in columns.split(", ")]
            declared = ", ".join(f"{one} {KINDS.get(one) or KINDS[one[0]]}" for one in names)
            connection.execute(f"CREATE TABLE {name} ({declared})")
            counted = f"WITH RECURSIVE r(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM r WHERE i < {rows - 1})"
            connection.execute(f"INSERT INTO {name} {counted} SELECT {columns} FROM r")
        connection.commit()
    return f"sqlite:///{path}"


def fill_duckdb(path, tables):
    import duckdb

    with duckdb.connect(str(path)) as connection:
        for name, (rows, columns) in tables.items():
            connection.execute(f"CREATE TABLE {name} AS SELECT {columns} FROM range({rows}) AS r(i)")
    return f"duckdb:///{path}"


def fill_postgresql(uri, tables):
    import adbc_driver_postgresql.dbapi as adbc

    with adbc.connect(uri, autocommit=True) as connection, connection.cursor() as cursor:
        for name, (rows, columns) in tables.items():
            columns = ", ".join(c.replace(" AS ", "::float8 AS ") if " * " in c else c for c in columns.split(", "))
            cursor.execute(f"CREATE TABLE {name} AS SELECT {columns} FROM generate_series(0, {rows - 1}) AS i")
    return uri


def ours(source):
    return sum(chunk.num_rows for chunk in source.chunks(exact=False))


def driver(uri, table):
    """The rows through the database's own driver, as its documentation has it."""
    if uri.startswith("duckdb"):
        import duckdb

        with duckdb.connect(uri.removeprefix("duckdb:///"), read_only=True) as connection:
            return sum(b.num_rows for b in connection.sql(f"SELECT * FROM {table}").to_arrow_reader(65_536))
    if uri.startswith("sqlite"):
        import adbc_driver_sqlite.dbapi as adbc

        place = uri.removeprefix("sqlite:///")
    else:
        import adbc_driver_postgresql.dbapi as adbc

        place = uri
    with adbc.connect(place) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {table}")
        return sum(batch.num_rows for batch in cursor.fetch_record_batch())


def in_turns(contestants):
    """Medians of CPU seconds and of seconds, in turns."""
    found = {name: [] for name in contestants}
    for _ in range(REPEATS):
        for name, work in contestants.items():
            cpu, wall = time.process_time(), time.perf_counter()
            work()
            found[name].append((time.process_time() - cpu, time.perf_counter() - wall))
    return {name: tuple(map(statistics.median, zip(*times, strict=True))) for name, times in found.items()}


def peak(uri, table):
    """Bytes above the imports at the peak of reading a table, in a process of its own."""
    done = subprocess.run([sys.executable, __file__, "--child", uri, table], check=True, capture_output=True, text=True)
    return int(done.stdout.split()[-1])


def child(uri, table):
    ours(blocks.read(uri, table="few"))
    before = resident()
    ours(blocks.read(uri, table=table))
    print(resident(most=True) - before)


def images(folder, count):
    """A folder of files, and its files."""
    if (real := Path(os.environ.get("BLOCKS_DATA", ""), "cifar10_jpeg", "cifar10_jpeg.tar")).is_file():
        with tarfile.open(real) as archive:
            archive.extractall(folder, filter="data")
    else:
        random = np.random.default_rng(0)
        for n in range(count):
            path = folder / f"class{n % 10}" / f"{n:05}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"\xff\xd8\xff" + random.bytes(1_000))
    return sorted(str(path) for path in folder.rglob("*.jpg"))


def bare(files):
    """What anybody would write."""
    size = 0
    for path in files:
        with open(path, "rb") as file:
            size += len(file.read())
    return size


def main():
    rows, count = (int(given) for given in (sys.argv[1:] + ["1000000", "6000"][len(sys.argv) - 1 :])[:2])
    tables = {
        "few": (1_000, NARROW),
        "narrow": (rows, NARROW),
        "wide": (rows // 5, WIDE),
        "long": (10 * rows, NARROW),
    }
    claims, details = [], {}
    with tempfile.TemporaryDirectory(dir="/tmp") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        uris = {"SQLite": fill_sqlite(folder / "t.db", tables), "DuckDB": fill_duckdb(folder / "t.duckdb", tables)}
        try:
            uris["PostgreSQL"] = fill_postgresql(stack.enter_context(postgresql_server.server()), tables)
        except postgresql_server.Unavailable as why:
            print(why)
        for kind, uri in uris.items():
            for table in ("narrow", "wide"):
                many, columns = tables[table][0], tables[table][1].count(" AS ")
                source = blocks.read(uri, table=table)
                assert ours(source) == driver(uri, table) == many
                contestants = {
                    "ours": partial(ours, source),
                    "driver": partial(driver, uri, table),
                    "opening": partial(blocks.read, uri, table=table),
                }
                times = in_turns(contestants)
                details[f"{kind} {table}"] = times
                claims.append(
                    {
                        "claim": f"{kind}, a pass over {many:,} x {columns}: rows a CPU second, against its driver",
                        "ours": f"{many / times['ours'][0] / 1e6:.2f} M/s",
                        "theirs": f"{many / times['driver'][0] / 1e6:.2f} M/s",
                        "ratio": times["driver"][0] / times["ours"][0],
                        "target": ">= 0.8",
                    }
                )
            peaks = [peak(uri, table) for table in ("narrow", "long")]
            details[f"{kind} peaks"] = peaks
            claims.append(
                {
                    "claim": f"{kind}: MiB that {10 * rows:,} rows take more than {rows:,}",
                    "ours": f"{peaks[1] >> 20} MiB",
                    "theirs": f"{peaks[0] >> 20} MiB",
                    "ratio": (peaks[1] - peaks[0]) / (1 << 20),
                    "target": "<= 64",
                }
            )
        files = images(folder / "images", count)
        source = blocks.read(folder / "images", format="images")
        assert source.count() == len(files)
        times = in_turns(
            {
                "ours": partial(ours, source),
                "bare": partial(bare, files),
                "opening": lambda: blocks.read(folder / "images", format="images").schema,
            }
        )
        details["images"] = times
        claims.append(
            {
                "claim": f"a pass over a folder of {len(files):,} images, CPU time, against a bare loop over them",
                "ours": f"{times['ours'][0]:.3f} s",
                "theirs": f"{times['bare'][0]:.3f} s",
                "ratio": times["bare"][0] / times["ours"][0],
                "target": ">= 0.9",
            }
        )
    publish("sources", claims, details)
    for name, times in details.items():
        print(name, times)


if __name__ == "__main__":
    child(*sys.argv[2:]) if sys.argv[1:2] == ["--child"] else main()
