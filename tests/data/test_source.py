"""What a Source asks of its reader, and what reading few rows costs."""

import time

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import blocks.data
from blocks.data.formats.parquet import ParquetReader

ROWS = 200_000


class Asked:
    """A user's own source, which notes by how many rows it is asked to give, and how many batches it gave."""

    def __init__(self, table: pa.Table) -> None:
        self.table, self.schema = table, table.schema
        self.asked: list[int] = []
        self.given = 0

    def chunks(self, rows: int):
        self.asked.append(rows)
        for batch in self.table.to_batches(max_chunksize=rows):
            self.given += 1
            yield batch


NARROW = {
    "filter": lambda source: source.filter(pc.field("x") == ROWS - 1),
    "two filters": lambda source: source.filter(pc.field("x") >= 0).filter(pc.field("x") == ROWS - 1),
    "keyed part, filtered": lambda source: source.split(a=0.5, b=0.5, key="y")["a"].filter(pc.field("x") > ROWS - 40),
    "part by position": lambda source: source.split(a=0.9999, b=0.0001)["b"].filter(pc.field("x") > ROWS / 2),
    "nothing at all": lambda source: source.filter(pc.field("x") < 0),
}


@pytest.mark.parametrize("kind", NARROW)
@pytest.mark.parametrize("rows", [1, 3, 1_000])
def test_few_rows_of_many_are_found_in_few_steps(kind: str, rows: int) -> None:
    table = pa.table({"x": np.arange(ROWS), "y": np.arange(ROWS) % 977})
    own = Asked(table)
    found = NARROW[kind](blocks.data.read(own)).head(rows)
    assert own.given <= 5  # of 65,536 rows
    whole = NARROW[kind](blocks.data.read(table)).to_table()
    assert found.equals(whole.slice(0, rows)) or found.num_rows == whole.num_rows == 0


def test_a_head_costs_no_more_than_the_pass_that_it_is_a_part_of(tmp_path) -> None:
    pq.write_table(
        pa.table({"x": np.arange(ROWS), "text": [f"t{n % 50}" for n in range(ROWS)]}), tmp_path / "a.parquet"
    )
    for data in (pq.read_table(tmp_path / "a.parquet"), tmp_path / "a.parquet"):
        late = blocks.data.read(data).filter(pc.add(pc.field("x"), 0) == ROWS - 1)
        late.count()
        start = time.process_time()
        assert late.count() == 1
        whole = time.process_time() - start
        start = time.process_time()
        assert late.head(1)["x"].to_pylist() == [ROWS - 1]
        assert time.process_time() - start < 10 * whole + 0.05


def test_what_is_read_at_once_is_bounded_by_what_a_row_may_weigh() -> None:
    kinds = {
        "image": (pa.binary(), 256),
        "window": (pa.list_(pa.float64(), 1024), 256),
        "tokens": (pa.list_(pa.string()), 4096),
        "number": (pa.float64(), 65_536),
    }
    for kind, expected in kinds.values():
        own = Asked(pa.table({"x": pa.nulls(3, kind)}))
        assert next(blocks.data.read(own).chunks(2)).num_rows == 2
        assert own.asked == [expected]
    own = Asked(pa.table({f"x{n}": [0.5] * 3 for n in range(2000)}))
    blocks.data.read(own).head(1)
    assert own.asked == [131]


@given(st.integers(1, 300), st.integers(1, 50), st.booleans(), st.integers(0, 9))
def test_chunks_have_the_rows_that_were_asked_for(count: int, rows: int, exact: bool, modulus: int) -> None:
    table = pa.table({"x": np.arange(count), "y": np.arange(count) % 7})
    source = blocks.data.read(table)
    if modulus:
        source = source.filter(pc.field("y") < modulus)
    chunks = list(source.chunks(rows, exact=exact))
    assert [n for chunk in chunks for n in chunk["x"].to_pylist()] == source.to_table()["x"].to_pylist()
    sizes = [chunk.num_rows for chunk in chunks]
    assert all(0 < size <= rows for size in sizes)
    if exact:
        assert all(size == rows for size in sizes[:-1])


def test_a_filter_of_a_keyed_part_leaves_out_row_groups_and_no_row(tmp_path, monkeypatch) -> None:
    table = pa.table({"id": np.arange(1_000), "x": np.arange(1_000) % 7})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=50)
    groups: list[int] = []
    whole = ParquetReader._groups

    def noted(self, *given):
        groups.extend(whole(self, *given))
        return whole(self, *given)

    monkeypatch.setattr(ParquetReader, "_groups", noted)
    late, some = pc.field("id") > 900, pc.field("x") < 3
    for make, read in (
        (lambda source: source.split(a=0.5, b=0.5, key="id")["b"].filter(late).filter(some), 2),
        (lambda source: source.filter(late).split(a=0.5, b=0.5, key="id")["b"].filter(some), 2),
        # by position: every row counts
        (lambda source: source.split(a=0.5, b=0.5)["b"].filter(late).filter(some), 20),
    ):
        groups.clear()
        found = make(blocks.data.read(tmp_path / "a.parquet")).to_table()
        assert len(groups) == read
        assert found.equals(make(blocks.data.read(table)).to_table())
        assert found.num_rows
