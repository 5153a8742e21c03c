"""The table that the benchmarks share: 13 float columns (5% null) and 26 string columns (Zipf, up to 50,000 tokens)."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

FLOATS = [f"number_{i}" for i in range(13)]
STRINGS = [f"token_{i}" for i in range(26)]
PIECE = 1_000_000


def write_table(path: Path, rows: int, *, seed: int = 0, target: bool = True) -> Path:
    """Write the table as Parquet, a million rows a row group, strings as plain strings; a `label` column if wanted."""
    if path.exists():
        return path
    random = np.random.default_rng(seed)
    aside = path.with_suffix(".part")
    writer = None
    for start in range(0, rows, PIECE):
        count = min(PIECE, rows - start)
        columns: dict[str, pa.Array] = {}
        for i, name in enumerate(FLOATS):
            values = random.normal(i, 1 + i, count)
            columns[name] = pa.array(values, mask=random.random(count) < 0.05)
        for i, name in enumerate(STRINGS):
            size = int(50_000 ** ((i + 1) / len(STRINGS))) + 2
            tokens = pa.array([f"{name}:{j:x}" for j in range(size)])
            ranks = np.minimum(random.zipf(1.3, count), size) - 1
            columns[name] = pa.DictionaryArray.from_arrays(pa.array(ranks.astype(np.int32)), tokens).dictionary_decode()
        if target:
            columns["label"] = pa.array((random.random(count) < 0.3).astype(np.int64))
        table = pa.table(columns)
        writer = writer or pq.ParquetWriter(aside, table.schema)
        writer.write_table(table)
    assert writer is not None
    writer.close()
    aside.rename(path)
    return path
