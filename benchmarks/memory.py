"""Claim: peak memory does not grow with the rows.

    python benchmarks/memory.py [SMALL] [LARGE]

For each number of rows a fresh process reads the table from Parquet and adapts; its peak resident memory above what
imports take is compared.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from measure import publish, resident
from table import FLOATS, STRINGS, write_table


def peak(path: Path) -> int:
    """Bytes above the imports at the peak of adapting, in a process of its own."""
    out = subprocess.run(
        [sys.executable, __file__, "--child", str(path)], check=True, capture_output=True, text=True
    ).stdout
    return int(out.split()[-1])


def child(path: str) -> None:
    import blocks  # isort: skip  (before TensorFlow, which loads Arrow)
    import tensorflow as tf

    from blocks.offline.adapt import adapt
    from blocks.preprocessors import Columns, Standardize, Vocabulary

    tf.constant(0.0)
    columns = Columns({name: Standardize() for name in FLOATS} | {name: Vocabulary() for name in STRINGS})
    source = blocks.read(path)
    before = resident()
    adapt(columns, None, source, verbose=False)
    print(resident(most=True) - before)


def main() -> None:
    small, large = (int(a) for a in (sys.argv[1:] + ["1000000", "10000000"][len(sys.argv) - 1 :])[:2])
    with tempfile.TemporaryDirectory() as folder:
        peaks = {
            rows: peak(write_table(Path(folder) / f"{rows}.parquet", rows, target=False)) for rows in (small, large)
        }
    claims = [
        {
            "claim": f"adapt, peak memory at {large:,} rows over {small:,}",
            "ours": f"{peaks[large] >> 20} MiB",
            "theirs": f"{peaks[small] >> 20} MiB",
            "ratio": peaks[large] / peaks[small],
            "target": "<= 1.15",
        }
    ]
    publish("memory", claims, {"bytes": peaks})


if __name__ == "__main__":
    child(sys.argv[2]) if sys.argv[1:2] == ["--child"] else main()
