"""Damages a file of each format again and again, and reads it: python read_damaged.py FOLDER TRIES FORMAT...

A process of its own, for what is read may end it: it is told to a file `last` before it is read, and ends by an alarm
where it takes longer than a minute. Prints what was neither read nor refused by name.
"""

import faulthandler
import resource
import signal
import sqlite3
import sys
import warnings
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.ipc as paipc
import pyarrow.orc as paorc
import pyarrow.parquet as pq

import blocks.data
from blocks.errors import BlocksError

SECONDS = 60
MOST_MEMORY = 24 << 30
"""Of addresses, of which imports take most."""


def rows(count=400):
    random = np.random.default_rng(0)
    gone = random.random(count) < 0.1
    return pa.table(
        {
            "i": pa.array(random.integers(-(2**40), 2**40, count), mask=gone),
            "x": random.normal(size=count),
            "s": pa.array(random.choice(["a", "é", "x" * 50, ""], count), mask=gone),
            "ok": random.random(count) < 0.5,
            "l": pa.array([[n] * (n % 4) for n in range(count)], pa.list_(pa.int64())),
            "d": pa.array(random.integers(0, 20_000, count).astype(np.int32)).cast(pa.date32()),
        }
    )


def stream(table, path):
    with paipc.new_stream(path, table.schema) as writer:
        writer.write_table(table, max_chunksize=100)


def sqlite(table, path):
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE t (i INTEGER, x REAL, s TEXT, any)")
        some = table.select(["i", "x", "s", "i"]).columns
        connection.executemany("INSERT INTO t VALUES (?, ?, ?, ?)", zip(*(c.to_pylist() for c in some), strict=True))
        connection.execute("CREATE INDEX at ON t (i)")
    connection.close()


def duckdb(table, path):
    import duckdb

    with duckdb.connect(str(path)) as connection:
        connection.register("given", table)
        connection.execute("CREATE TABLE t AS SELECT * FROM given")


def hdf5(table, path):
    with h5py.File(path, "w") as file:
        for name in ("x", "ok"):
            file.create_dataset(f"g/{name}", data=table[name].to_numpy(), chunks=True, compression="gzip")
        file.create_dataset("g/s", data=[text or "" for text in table["s"].to_pylist()], dtype=h5py.string_dtype())


def flat(table):
    return table.drop(["l"])


def npz(table, path):
    np.savez(path, **{name: table[name].to_numpy() for name in ("x", "ok", "d")})


def lines(table, path):
    blocks.data.read(table).write(path)


WRITERS = {
    "parquet": lambda t, p: pq.write_table(t, p, row_group_size=150, compression="zstd"),
    "plain.parquet": lambda t, p: pq.write_table(t, p, compression="none", write_page_checksum=True),
    "feather": lambda t, p: feather.write_feather(t, p, compression="lz4", chunksize=100),
    "arrow": lambda t, p: feather.write_feather(t, p, compression="uncompressed", chunksize=100),
    "arrows": stream,
    "orc": lambda t, p: paorc.write_table(t, p, compression="zlib"),
    "csv": lambda t, p: lines(flat(t), p),
    "csv.gz": lambda t, p: lines(flat(t), p),
    "jsonl": lines,
    "tfrecord": lambda t, p: lines(t.select(["i", "s", "l"]), p),
    "npz": npz,
    "npy": lambda t, p: np.save(p, t["x"].to_numpy()),
    "h5": hdf5,
    "sqlite": sqlite,
    "duckdb": duckdb,
}
CHECKED = ("plain.parquet", "npz", "csv.gz", "duckdb", "tfrecord")
"""Files whose bytes are all under a checksum: what is read is what was written."""


def read(path, kind):
    if kind in ("sqlite", "duckdb"):
        return blocks.data.read(f"{kind}:///{path}", table="t")
    return blocks.data.read(path)


def damage(whole, random):
    """Bits flipped, an end cut off, a stretch of zeros, or a size that nothing has."""
    content, way = bytearray(whole), random.integers(4)
    at = int(random.integers(len(content)))
    if way == 0:
        for _ in range(random.integers(1, 5)):
            content[random.integers(len(content))] ^= 1 << random.integers(8)
    elif way == 1:
        del content[at:]
    elif way == 2:
        content[at : at + random.integers(1, 64)] = bytes(8)
    else:
        size = int(random.choice([4, 8]))
        value = int(random.choice([-1, 2**31 - 1, -(2**31), 2**30])) if size == 4 or way else 0
        content[at : at + size] = value.to_bytes(size, "little", signed=True)
    return bytes(content)


def attack(folder, kind, tries):
    """How many were refused."""
    path = folder / f"x.{kind}"
    table = rows()
    WRITERS[kind](table, path)
    whole, expected, random, refused = path.read_bytes(), read(path, kind).to_table(), np.random.default_rng(7), 0
    for n in range(tries):
        other = folder / f"damaged-{n}.{kind}"
        other.write_bytes(damage(whole, random))
        (folder / "last").write_text(str(other))
        signal.alarm(SECONDS)
        try:
            found = read(other, kind).to_table()
            found.validate(full=True)
            rows_left = len(found) if kind == "tfrecord" else len(expected)  # one that ends between records is whole
            if kind in CHECKED and not found.equals(expected.slice(0, rows_left)):
                print(f"{other.name}: other rows", flush=True)
        except BlocksError as error:
            refused += 1
            if other.name not in str(error):
                print(f"{other.name}: {type(error).__name__} without its name: {error}"[:400], flush=True)
        except Exception as error:
            print(f"{other.name}: {type(error).__name__}: {error}"[:400], flush=True)
        signal.alarm(0)
        other.unlink()
    return refused


if __name__ == "__main__":
    faulthandler.enable()
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    for name in sys.argv[3:]:
        print(f"refused {name} {attack(Path(sys.argv[1]), name, int(sys.argv[2]))}", flush=True)
