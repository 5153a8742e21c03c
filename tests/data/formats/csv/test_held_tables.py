"""What a scan holds: the same rows as are parsed again, within a limit, and none of another type."""

import gc
import pathlib

import pyarrow as pa
import pytest

import blocks.data
from blocks.data.formats.csv import file_spans, held_tables
from blocks.data.formats.csv.held_tables import HeldTables
from blocks.errors import BlocksWarning


@pytest.fixture
def opened(monkeypatch) -> list[int]:
    """Grows with each pass over a file."""
    passes: list[int] = []
    real = file_spans.opened
    monkeypatch.setattr(file_spans, "opened", lambda *arguments: passes.append(1) or real(*arguments))
    return passes


def write(tmp_path: pathlib.Path, rows: int = 400) -> pathlib.Path:
    path = tmp_path / "t.csv"
    text = "".join(f'{i},{i * 0.5},"w{i % 7}, {i}"\n' + "bad\n" * (i % 50 == 3) for i in range(rows))
    path.write_text("n,x,w\n" + text)
    return path


@pytest.mark.parametrize("limit", [0, 4_000, 1 << 28])
def test_rows_are_the_same_however_many_are_held(tmp_path, monkeypatch, opened, limit) -> None:
    path = write(tmp_path)
    monkeypatch.setattr(held_tables, "HELD", limit)
    source = blocks.data.read(path, block_size=700, on_bad_rows="keep", rejects=tmp_path / "bad.parquet")
    expected = {
        "n": list(range(400)),
        "x": [i * 0.5 for i in range(400)],
        "w": [f"w{i % 7}, {i}" for i in range(400)],
    }
    assert source.to_table().to_pydict() == expected
    assert source.select(["w"]).to_table().to_pydict() == {"w": expected["w"]}
    assert (source.count(), source.rejected) == (400, 8)
    assert len(opened) == (1 if limit == 1 << 28 else 3)


def test_what_was_parsed_by_a_narrower_type_is_parsed_again(tmp_path, opened) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + "-0,1\n" * 100 + "0.5,1\n" + "7,1\n" * 100)
    source = blocks.data.read(path, block_size=100)
    with pytest.warns(BlocksWarning, match="'a' began as int64"):
        table = source.to_table()
    # as an integer it has no sign
    assert [str(value) for value in table["a"].to_pylist()] == ["-0.0"] * 100 + ["0.5"] + ["7.0"] * 100
    assert len(opened) == 2
    assert source.select(["b"]).to_table()["b"].to_pylist() == [1] * 201
    assert len(opened) == 2, "the other column was right"


def test_the_reader_that_was_not_used_gives_way(monkeypatch) -> None:
    table = pa.table({"x": pa.array(range(1_000), pa.int64())})
    monkeypatch.setattr(held_tables, "_used", [])
    monkeypatch.setattr(held_tables, "HELD", 2 * table.get_total_buffer_size())
    first, second, third = HeldTables(), HeldTables(), HeldTables()
    first.add(0, 0, table)
    second.add(0, 0, table)
    assert first.of(0).keys() == {0}
    third.add(0, 0, table)
    assert [held.of(0).keys() for held in (first, second, third)] == [{0}, set(), {0}]
    del first
    gc.collect()
    second.add(0, 0, table)
    assert not second.of(0), "what gave way takes no more"
    HeldTables().add(0, 0, table)
    assert third.of(0).keys() == {0}, "there is room where a reader is gone"
    huge = HeldTables()
    monkeypatch.setattr(held_tables, "HELD", 10)
    huge.add(0, 0, table)
    huge.add(0, 1, table.slice(0, 0))
    assert not huge.of(0), "what is held has no gaps"
