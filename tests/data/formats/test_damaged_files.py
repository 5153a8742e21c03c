"""Damaged files of every format, read in a process of their own: rows or an error by name; no crash, no hang.

BLOCKS_HOSTILE says how many of each format; `make proof` asks for many.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TRIES = int(os.environ.get("BLOCKS_HOSTILE", "12"))
SCRIPT = Path(__file__).parent / "read_damaged.py"
FILES = ("parquet", "plain.parquet", "feather", "arrow", "arrows", "orc", "csv", "csv.gz", "jsonl", "npz", "npy", "h5")


def attacked(folder, tries, *formats):
    """What the script says; a process that died tells by its exit status, and `last`, of which file."""
    command = [sys.executable, str(SCRIPT), str(folder), str(tries), *formats]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    last = (folder / "last").read_text() if (folder / "last").exists() else "no file"
    assert done.returncode == 0, f"{done.returncode} at {last}: {done.stderr[-2000:]}"
    lines = done.stdout.splitlines()
    assert [line for line in lines if not line.startswith("refused ")] == []
    return {line.split()[1]: int(line.split()[2]) for line in lines}


def test_damaged_files_and_databases_are_errors_by_name(tmp_path):
    refused = attacked(tmp_path, TRIES, *FILES, "sqlite", "duckdb")
    assert all(refused.values())
    assert refused["csv.gz"] == refused["npz"] == TRIES  # every byte is under a checksum


@pytest.mark.proof
@pytest.mark.parametrize("kind", [*FILES, "tfrecord", "sqlite", "duckdb"])
def test_many_damaged_files_are_errors_by_name(tmp_path, kind):
    assert attacked(tmp_path, 2 * TRIES, kind)[kind] > TRIES // 4
