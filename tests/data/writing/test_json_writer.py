"""JSON lines: what other programs read is what was written, digit for digit."""

import json

import numpy as np
import pyarrow as pa
import pytest

import blocks
from blocks.data.writing import json_writer
from blocks.errors import BlocksWarning

ROWS = [
    {
        "id": 2**53 + 1,
        "s": 'a"\\\n\0\u2028é',
        "x": 1.0,
        "at": "2024-02-29 12:30:00",
        "deep": {"a": [None, 2.5], "b": ""},
    },
    {"id": None, "s": "", "x": 0.1, "at": None, "deep": None},
    {"id": -1, "s": None, "x": 5e-324, "at": "1900-01-01 00:00:00", "deep": {"a": [], "b": "x"}},
]
KINDS = {"at": pa.timestamp("s"), "deep": pa.struct([("a", pa.list_(pa.float64())), ("b", pa.string())])}


def columns():
    arrays = {name: [row[name] for row in ROWS] for name in ROWS[0]}
    arrays["at"] = [None if text is None else np.datetime64(text, "s") for text in arrays["at"]]
    return pa.table({name: pa.array(values, KINDS.get(name)) for name, values in arrays.items()})


@pytest.mark.parametrize("name", ["t.jsonl", "t.ndjson"])
def test_a_line_is_what_python_reads(name, tmp_path):
    blocks.read(columns()).write(tmp_path / name)
    assert list(map(json.loads, (tmp_path / name).read_text().split("\n")[:-1])) == ROWS


def test_a_batch_of_many_bytes_is_written_in_parts(tmp_path, monkeypatch):
    blocks.read(columns()).write(tmp_path / "whole.jsonl")
    monkeypatch.setattr(json_writer, "_MOST_BYTES", 50)
    blocks.read(columns()).write(tmp_path / "parts.jsonl")
    assert (tmp_path / "parts.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()


def test_what_json_lacks_is_said_and_read_again(tmp_path):
    source = blocks.read(
        {"x": [float("nan"), float("-inf"), 2.0], "day": ["2024-01-31"] * 3, "n": pa.array([1, 2, None], pa.uint8())}
    )
    with pytest.warns(BlocksWarning, match=r"column_types={'day': 'string', 'n': 'uint8'}.*not finite in 'x'"):
        made = source.write(tmp_path / "t.jsonl")
    assert made.schema == source.schema
    assert repr(made.to_table().to_pylist()) == repr(source.to_table().to_pylist())
    found = [json.loads(line)["x"] for line in (tmp_path / "t.jsonl").read_text().splitlines()]
    assert repr(found) == "[nan, -inf, 2.0]"
