"""Claim: rows that cannot be used are set aside at a small multiple of the time of clean rows, however many there are.

    python benchmarks/bad_rows.py [LINES]

Two CSV files of as many lines, one clean and one in which 30% of the rows have a wrong number of values, are scanned
and then read in one pass, with on_bad_rows="keep", in turns. A tenth of the lines shows that a line costs the same.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
from measure import interleaved, medians, publish

import blocks

SHARE = 0.3
PIECE = 100_000


def write(path: Path, lines: int, share: float) -> Path:
    """A CSV file; the bad rows lie anywhere and have one, two or five values instead of four."""
    random = np.random.default_rng(0)
    with path.open("w") as file:
        file.write("id,group,price,name\n")
        for start in range(0, lines, PIECE):
            rows = np.arange(start, min(lines, start + PIECE))
            kinds = np.where(random.random(len(rows)) < share, random.integers(1, 4, len(rows)), 0)
            forms = ("{0},{1},{2:.4f},x{1}\n", "{0}\n", "{0},{1}\n", "{0},{1},{2:.4f},x{1},y\n")
            file.writelines(
                forms[kind].format(row, row * 7 % 1000, row / 7)
                for row, kind in zip(rows.tolist(), kinds.tolist(), strict=True)
            )
    return path


def read(path: Path, lines: int) -> int:
    """Scans and reads a file; returns the bad rows."""
    source = blocks.read(path, on_bad_rows="keep", rejects=path.with_suffix(".rejects.parquet"))
    rows = sum(chunk.num_rows for chunk in source.chunks(exact=False))
    if rows + source.rejected != lines:
        raise SystemExit(f"{lines} lines became {rows} rows and {source.rejected} rejects")
    return source.rejected


def main() -> None:
    lines = int(sys.argv[1]) if sys.argv[1:] else 1_000_000
    repeats = 5 if lines <= 1_000_000 else 1
    with tempfile.TemporaryDirectory() as folder:
        files = {
            (name, count): write(Path(folder) / f"{name}-{count}.csv", count, share)
            for name, share in (("clean", 0.0), ("bad", SHARE))
            for count in (lines // 10, lines)
        }
        read(files["bad", lines // 10], lines // 10)
        times = interleaved(
            {f"{name}, {count:,}": lambda key=(name, count): read(files[key], key[1]) for name, count in files}, repeats
        )
    seconds = medians(times)
    clean, bad, small = (seconds[f"{n}, {c:,}"] for n, c in (("clean", lines), ("bad", lines), ("bad", lines // 10)))
    claims = [
        {
            "claim": f"read {lines:,} lines, {SHARE:.0%} of them bad and kept, over clean ones",
            "ours": f"{bad:.2f} s",
            "theirs": f"{clean:.2f} s",
            "ratio": bad / clean,
            "target": "<= 3",
        },
        {
            "claim": f"a line of {lines:,} with bad rows over one of {lines // 10:,}",
            "ours": f"{bad / lines * 1e6:.2f} us",
            "theirs": f"{small / lines * 1e7:.2f} us",
            "ratio": bad / small / 10,
            "target": "<= 1.5",
        },
    ]
    publish("bad_rows", claims, {"seconds": times})


if __name__ == "__main__":
    main()
