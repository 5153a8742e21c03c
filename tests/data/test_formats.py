"""Every format and every kind of object against the table that it was made of."""

import datetime
import decimal
import gc
import json
import lzma
import os
import pathlib
import subprocess
import sys
import threading

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.feather as feather
import pyarrow.ipc as paipc
import pyarrow.orc as paorc
import pyarrow.parquet as pq
import pytest

import blocks.data
from blocks.errors import InvalidArgument, MalformedData, SchemaMismatch

ROWS = 1_000


@pytest.fixture(scope="module")
def table() -> pa.Table:
    """Every type that must survive, with nulls."""
    random = np.random.default_rng(0)
    missing = random.random(ROWS) < 0.1
    when = random.integers(0, 2_000_000_000, ROWS)
    words = np.array(["", "a", "Ünïcode", "new\nline", 'qu"ote', "x" * 300])
    return pa.table(
        {
            "int": pa.array(random.integers(-(2**60), 2**60, ROWS), mask=missing),
            "small": pa.array(random.integers(-100, 100, ROWS).astype(np.int8)),
            "float": pa.array(random.normal(size=ROWS), mask=missing),
            "bool": pa.array(random.random(ROWS) < 0.5, mask=missing),
            "string": pa.array(words[random.integers(0, len(words), ROWS)], mask=missing),
            "decimal": pa.array(
                [decimal.Decimal(int(n)) / 100 for n in random.integers(0, 9999, ROWS)], pa.decimal128(12, 2)
            ),
            "date": pa.array(when // 86_400, pa.int32(), mask=missing).cast(pa.date32()),
            "zoned": pa.array(when * 1_000_000, pa.timestamp("us", "UTC"), mask=missing),
            "large": pa.array(words[random.integers(0, len(words), ROWS)], pa.large_string()),
            "list": pa.array([[int(n), None] if n % 3 else [] for n in range(ROWS)], pa.list_(pa.int64())),
        }
    )


def _ipc(table: pa.Table, path: str, *, stream: bool) -> None:
    make = paipc.new_stream if stream else paipc.new_file
    with make(path, table.schema) as writer:
        writer.write_table(table, max_chunksize=130)


WRITERS = {
    "parquet": lambda t, p: pq.write_table(t, p, row_group_size=300),
    "arrow": lambda t, p: _ipc(t, p, stream=False),
    "arrows": lambda t, p: _ipc(t, p, stream=True),
    "feather": lambda t, p: feather.write_feather(t, p, compression="lz4"),
    "orc": lambda t, p: paorc.write_table(t, p, stripe_size=10_000, batch_size=100),
}


@pytest.fixture(params=list(WRITERS))
def path(request: pytest.FixtureRequest, table: pa.Table, tmp_path: pathlib.Path) -> str:
    """A file of each binary format."""
    name = str(tmp_path / f"data.{request.param}")
    # ORC has no large strings and stores instants in nanoseconds.
    WRITERS[request.param](table.drop(["large", "zoned"]) if request.param == "orc" else table, name)
    return name


def plain(table: pa.Table) -> pa.Table:
    return table.replace_schema_metadata(None).combine_chunks()


@pytest.mark.parametrize("rows", [1, 7, 1_000, 5_000])
@pytest.mark.parametrize("encoded", [False, True])
def test_binary_files_give_the_rows_in_chunks_of_every_size(
    path: str, table: pa.Table, rows: int, encoded: bool
) -> None:
    source = blocks.data.read(path)
    expected = plain(table.select(source.schema.names))
    chunks = list(source.chunks(rows, encoded=encoded))
    assert [c.num_rows for c in chunks[:-1]] == [rows] * (len(chunks) - 1)
    assert sum(c.num_rows for c in chunks) == source.count() == ROWS
    decoded = pa.concat_tables(
        [pa.table({n: c[n].cast(source.schema.field(n).type) for n in source.schema.names}) for c in chunks]
    )
    assert plain(decoded).equals(expected)
    assert source.schema == expected.schema


def test_projection_keeps_the_order_asked_for(path: str, table: pa.Table) -> None:
    source = blocks.data.read(path, columns=["float", "int"])
    assert source.to_table().equals(plain(table.select(["float", "int"])))
    assert next(source.chunks(10, columns=["int"])).schema.names == ["int"]
    assert source.head(3).equals(plain(table.select(["float", "int"]).slice(0, 3)))
    with pytest.raises(SchemaMismatch, match="no column 'small'"):
        source.chunks(10, columns=["small"])


def test_a_pass_that_stops_early_leaves_no_thread(path: str) -> None:
    before = threading.active_count()
    chunks = blocks.data.read(path).chunks(10)
    next(chunks)
    chunks.close()
    gc.collect()
    assert threading.active_count() == before


def test_dictionary_columns_read_as_strings_and_come_encoded_on_request(tmp_path: pathlib.Path) -> None:
    column = pa.array(["a", "b", None, "a"] * 50).dictionary_encode()
    pq.write_table(pa.table({"c": column}), tmp_path / "d.parquet", row_group_size=30)
    for source in (blocks.data.read(tmp_path / "d.parquet"), blocks.data.read(pa.table({"c": column}))):
        assert source.schema.field("c").type == pa.string()
        assert source.to_table()["c"].to_pylist() == column.to_pylist()
        chunk = next(source.chunks(64, encoded=True))
        assert chunk.schema.field("c").type == pa.dictionary(pa.int32(), pa.string())
        assert chunk["c"].to_pylist() == column.to_pylist()[:64]


def test_chunks_that_span_a_dictionary_and_a_plain_file(tmp_path: pathlib.Path) -> None:
    words = pa.table({"c": [f"w{n % 3}" for n in range(10)]})
    pq.write_table(words, tmp_path / "1.parquet")
    pq.write_table(words, tmp_path / "2.parquet", use_dictionary=False)
    source = blocks.data.read(str(tmp_path / "*.parquet"))
    got = [value for chunk in source.chunks(7, encoded=True) for value in chunk["c"].to_pylist()]
    assert got == words["c"].to_pylist() * 2


@pytest.mark.parametrize(
    "name", ["t.csv", "t.tsv", "t.txt", "t.csv.gz", "t.csv.bz2", "t.csv.zst", "t.csv.xz", "really_gzip.csv"]
)
def test_csv_and_its_compressions(tmp_path: pathlib.Path, name: str) -> None:
    path = tmp_path / name
    frame = pd.DataFrame({"i": [1, 2, 3], "f": [0.5, None, 2], "s": ["a", 'b"\n,c', None], "b": [True, False, True]})
    text = frame.to_csv(index=False, sep="\t" if name.endswith("tsv") else ",").encode()
    codecs = {"gz": "gzip", "bz2": "bz2", "zst": "zstd"}
    if name.endswith(".xz"):
        path.write_bytes(lzma.compress(text))
    else:
        codec = "gzip" if name.startswith("really") else codecs.get(name.split(".")[-1])
        with pa.output_stream(path, compression=codec) as out:
            out.write(text)
    got = blocks.data.read(path).to_table()
    assert got.to_pydict() == {
        "i": [1, 2, 3],
        "f": [0.5, None, 2],
        "s": ["a", 'b"\n,c', None],
        "b": [True, False, True],
    }


def test_json_lines_settle_one_schema(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blocks.data.formats.json_lines._BLOCK", 16)
    path = tmp_path / "t.jsonl"
    path.write_text('{"a": 1, "s": "x"}\n{"a": 2.5}\n{"s": "y", "l": [1, 2]}\n')
    source = blocks.data.read(path)
    assert source.to_table().to_pylist() == [
        {"a": 1.0, "s": "x", "l": None},
        {"a": 2.5, "s": None, "l": None},
        {"a": None, "s": "y", "l": [1, 2]},
    ]
    assert source.count() == 3
    path.write_text('{"a": 1, "s": "x"}\n{"a": "two"}\n')
    with pytest.raises(MalformedData, match="one type"):
        blocks.data.read(path).to_table()
    path.write_text('{"a": 1\n')
    with pytest.raises(MalformedData, match=r"t\.jsonl, from line 1"):
        blocks.data.read(path).to_table()


class Own:
    """A user's source: a schema and chunks, no more."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table
        self.schema = table.schema

    def chunks(self, rows: int):
        yield from self.table.to_batches(max_chunksize=17)


FRAME = {"i": [1, 2, 3, 4, 5], "s": ["a", None, "c", "ü", ""], "f": [0.5, 1.5, None, 3.0, 4.0]}


@pytest.mark.parametrize(
    "make",
    [
        lambda: pa.table(FRAME),
        lambda: pa.record_batch(FRAME),
        lambda: pd.DataFrame(FRAME).convert_dtypes(dtype_backend="pyarrow"),
        lambda: pl.DataFrame(FRAME),
        lambda: pl.DataFrame(FRAME).lazy(),
        lambda: duckdb.from_arrow(pa.table(FRAME)),
        lambda: Own(pa.table(FRAME)),
        lambda: FRAME,
        lambda: blocks.data.read(FRAME),
    ],
    ids=["table", "batch", "pandas", "polars", "lazy", "duckdb", "own", "dict", "source"],
)
@pytest.mark.parametrize("rows", [1, 2, 100])
def test_objects_can_be_read_again_and_again(make, rows: int) -> None:
    source = blocks.data.as_source(make())
    for _ in range(3):
        chunks = list(source.chunks(rows))
        assert [c.num_rows for c in chunks] == {1: [1] * 5, 2: [2, 2, 1], 100: [5]}[rows]
        assert pa.Table.from_batches(chunks).to_pydict() == FRAME
    assert source.count() == 5
    assert source.filter(pc.field("i") > 3).select(["s"]).to_table().to_pydict() == {"s": ["ü", ""]}
    assert sum(part.count() for part in source.split(a=0.5, b=0.5, key="s").values()) == 5
    assert source.fingerprint() == blocks.data.as_source(make()).fingerprint()


def test_a_stream_is_read_once_and_says_so() -> None:
    source = blocks.data.read(pa.table(FRAME).to_reader())
    assert source.to_table().num_rows == 5
    with pytest.raises(InvalidArgument, match=r"only once.*read_all"):
        source.to_table()


def test_numpy_columns() -> None:
    big_endian = np.arange(3, dtype=">i4")
    masked = np.ma.array([1.0, 2.0, 3.0], mask=[False, True, False])
    source = blocks.data.read(
        {
            "be": big_endian,
            "m": masked,
            "u": np.array(["x", "y", "z"]),
            "o": np.array(["x", None, "z"], object),
            "d": np.array(["2024-01-01", "NaT", "2024-01-03"], "datetime64[D]"),
            "stride": np.arange(6)[::2],
            "series": pd.Series([True, False, True]),
        }
    )
    assert source.to_table().to_pydict() == {
        "be": [0, 1, 2],
        "m": [1.0, None, 3.0],
        "u": ["x", "y", "z"],
        "o": ["x", None, "z"],
        "d": [datetime.date(2024, 1, 1), None, datetime.date(2024, 1, 3)],
        "stride": [0, 2, 4],
        "series": [True, False, True],
    }


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        ({"a": [1], "b": [1, 2]}, InvalidArgument, "equally long.*a: 1, b: 2"),
        ({"a": np.zeros((2, 0))}, InvalidArgument, r"must have rows.*\(2, 0\)"),
        ({"a": 3}, InvalidArgument, "'a' must be an array or a list"),
        ({"a": [1, "x"]}, InvalidArgument, "'a' holds values that Arrow cannot"),
        ({1: [1]}, InvalidArgument, "column names. Received: 1"),
        ({}, InvalidArgument, "at least one column"),
        ([], InvalidArgument, "empty list"),
        ([{"a": 1}], InvalidArgument, "from_pylist"),
        (3, InvalidArgument, "Received: builtins int"),
        ("/no/such/file.csv", InvalidArgument, "There is no file or directory '/no/such/file.csv'"),
        ("/no/such/*.csv", InvalidArgument, r"No file matches '/no/such/\*.csv'"),
        (pa.table([[1], [2]], names=["a", "a"]), SchemaMismatch, "more than once: 'a'"),
    ],
)
def test_what_cannot_be_read(data, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        blocks.data.read(data)


def test_own_object_that_breaks_its_word() -> None:
    own = Own(pa.table(FRAME))
    own.schema = pa.schema([("i", pa.int64()), ("gone", pa.string())])
    with pytest.raises(SchemaMismatch, match="of those that its schema has: there is no column 'gone'"):
        blocks.data.read(own).to_table()
    own.schema = pa.schema([("s", pa.int64())])
    with pytest.raises(SchemaMismatch, match="does not fit its schema"):
        blocks.data.read(own).to_table()
    own.schema = {"i": "int"}
    with pytest.raises(SchemaMismatch, match=r"pyarrow\.Schema"):
        blocks.data.read(own)


@pytest.mark.parametrize("extension", ["parquet", "arrow", "feather", "orc"])
def test_truncated_files_name_themselves(extension: str, table: pa.Table, tmp_path: pathlib.Path) -> None:
    path = tmp_path / f"cut.{extension}"
    WRITERS[extension](table.select(["int", "float", "string"]), str(path))
    whole = path.read_bytes()
    for size in (0, 3, len(whole) // 2, len(whole) - 3):
        path.write_bytes(whole[:size])
        with pytest.raises(MalformedData, match=rf"cut\.{extension} cannot be read"):
            blocks.data.read(path).to_table()


def test_corrupt_pages_name_the_file(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "bad.parquet"
    pq.write_table(pa.table({"a": np.random.default_rng(0).normal(size=5_000)}), path, compression="zstd")
    broken = bytearray(path.read_bytes())
    broken[40:400] = os.urandom(360)
    path.write_bytes(broken)
    with pytest.raises(MalformedData, match=r"bad\.parquet cannot be read"):
        blocks.data.read(path).to_table()


def test_several_files_become_one_schema(tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "many"
    (folder / "deep").mkdir(parents=True)
    pq.write_table(pa.table({"a": pa.array([1], pa.int32()), "b": ["x"]}), folder / "1.parquet")
    pq.write_table(pa.table({"b": pa.array([None], pa.null()), "a": [2.5]}), folder / "2.parquet")
    pq.write_table(pa.table({"a": [3], "c": [True]}), folder / "deep" / "3.parquet")
    (folder / "_SUCCESS").write_text("")
    (folder / "notes.md").write_text("not data")
    expected = {"a": [1.0, 2.5, 3.0], "b": ["x", None, None], "c": [None, None, True]}
    for data in (
        folder,
        str(folder / "**" / "*.parquet"),
        [folder / "1.parquet", folder / "2.parquet", folder / "deep"],
    ):
        source = blocks.data.read(data)
        assert source.to_table().to_pydict() == expected
        assert source.count() == source.estimated_rows() == 3
    pq.write_table(pa.table({"a": ["text"]}), folder / "4.parquet")
    with pytest.raises(SchemaMismatch, match=r"'a' is string in .*4\.parquet and double before"):
        blocks.data.read(folder)
    (folder / "5.csv").write_text("a\n1\n")
    with pytest.raises(InvalidArgument, match="one format"):
        blocks.data.read(folder)
    (tmp_path / "none").mkdir()
    with pytest.raises(InvalidArgument, match="holds no file of a known extension"):
        blocks.data.read(tmp_path / "none")


def test_format_by_argument_and_by_content(tmp_path: pathlib.Path) -> None:
    (tmp_path / "data.dat").write_text("a,b\n1,2\n")
    with pytest.raises(InvalidArgument, match='format="csv"'):
        blocks.data.read(tmp_path / "data.dat")
    assert blocks.data.read(tmp_path / "data.dat", format="csv").count() == 1
    pq.write_table(pa.table({"a": [1]}), tmp_path / "no_extension")
    assert blocks.data.read(tmp_path / "no_extension").count() == 1
    with pytest.raises(InvalidArgument, match="parquet files have no option 'delimiter'"):
        blocks.data.read(tmp_path / "no_extension", delimiter=";")
    with pytest.raises(InvalidArgument, match=r"takes no options\. Received: delimiter"):
        blocks.data.read({"a": [1]}, delimiter=";")


def test_filter_is_pushed_down_to_row_groups_and_stays_exact(tmp_path: pathlib.Path) -> None:
    values = pa.table({"n": range(1_000), "s": [str(n % 7) for n in range(1_000)]})
    pq.write_table(values, tmp_path / "f.parquet", row_group_size=100)
    source = blocks.data.read(tmp_path / "f.parquet")
    kept = source.filter((pc.field("n") >= 350) & (pc.field("s") == "3"))
    assert kept.to_table().equals(plain(values.filter((pc.field("n") >= 350) & (pc.field("s") == "3"))))
    assert kept._reader._groups(kept._reader._files[0], kept._reader._metadata[0][1]) == [3, 4, 5, 6, 7, 8, 9]
    assert next(kept.chunks(5, columns=["n"], encoded=True)).schema.names == ["n"]
    assert kept.estimated_rows() is None
    assert source.select(["s"]).filter(pc.field("n") < 2).to_table().to_pydict() == {"s": ["0", "1"]}
    with pytest.raises(SchemaMismatch, match=r"no column 'nn'.*'n'"):
        source.filter(pc.field("nn") > 1)
    with pytest.raises(SchemaMismatch, match="does not fit"):
        source.filter(pc.field("n") == "x")
    with pytest.raises(InvalidArgument, match="true or false"):
        source.filter(pc.field("n") + 1)
    with pytest.raises(InvalidArgument, match=r"pc\.field"):
        source.filter("n > 1")


def test_fingerprints_follow_the_data(tmp_path: pathlib.Path) -> None:
    values = pa.table({"n": range(100), "s": ["a", "b"] * 50, "l": [[1], None] * 50})
    pq.write_table(values, tmp_path / "p.parquet", row_group_size=30)
    feather.write_feather(values, tmp_path / "p.feather")
    parquet, memory = blocks.data.read(tmp_path / "p.parquet"), blocks.data.read(values)
    content = {
        json.dumps(s.fingerprint(content=True)) for s in (parquet, memory, blocks.data.read(tmp_path / "p.feather"))
    }
    assert len(content) == 1
    first = json.dumps(parquet.fingerprint())
    os.utime(tmp_path / "p.parquet", ns=(1, 1))
    assert json.dumps(blocks.data.read(tmp_path / "p.parquet").fingerprint()) != first
    changed = values.set_column(2, "l", pa.array([[2], None] * 50))
    assert blocks.data.read(changed).fingerprint() != memory.fingerprint()
    parts = parquet.split(a=0.5, b=0.5, key="n")
    assert parts["a"].fingerprint() != parts["b"].fingerprint()
    assert parquet.filter(pc.field("n") > 1).fingerprint() != parquet.filter(pc.field("n") > 2).fingerprint()


@pytest.mark.parametrize("rows", [0, -1, 1.5, True, "10"])
def test_chunk_sizes_are_checked(rows) -> None:
    with pytest.raises(InvalidArgument, match="rows must be a whole number, at least 1"):
        blocks.data.read(FRAME).chunks(rows)


def test_no_rows_is_a_source_too(tmp_path: pathlib.Path) -> None:
    empty = pa.table(FRAME).schema.empty_table()
    pq.write_table(empty, tmp_path / "e.parquet")
    pacsv.write_csv(empty, tmp_path / "e.csv")
    for data in (tmp_path / "e.parquet", tmp_path / "e.csv", empty):
        source = blocks.data.read(data)
        assert source.count() == 0
        assert list(source.chunks()) == []
        assert source.head().num_rows == source.to_table().num_rows == 0
        assert source.schema.names == ["i", "s", "f"]


def test_a_notebook_shows_what_costs_nothing(tmp_path: pathlib.Path) -> None:
    source = blocks.data.read({"<b>": ["<i>x</i>", None], "n": [1, 2]})
    page = source._repr_html_()
    assert "&lt;i&gt;x&lt;/i&gt;" in page
    assert "<th>&lt;b&gt;</th><th>n</th>" in page
    assert "<td>string</td><td>int64</td>" in page
    assert "<td>2</td>" not in source.filter(pc.field("n") > 1)._repr_html_()
    (tmp_path / "t.csv").write_text("a\n1\n")
    lazy = blocks.data.read(tmp_path / "t.csv")
    assert "not read yet" in lazy._repr_html_()
    assert lazy._reader.count() is None
    lazy.count()
    assert "<td>1</td>" in lazy._repr_html_()


def test_repr_says_what_is_read() -> None:
    source = blocks.data.read(FRAME).select(["i"]).split(train=0.5, test=0.5)["train"]
    assert repr(source) == "Source(<dict of arrays, 5 rows>, part='train', columns=['i'])"


def test_memory_does_not_grow_with_the_file(tmp_path: pathlib.Path) -> None:
    def peak(rows: int) -> int:
        path = tmp_path / f"{rows}.parquet"
        random = np.random.default_rng(0)
        with pq.ParquetWriter(path, pa.schema([("x", pa.float64()), ("s", pa.string())])) as writer:
            for _ in range(rows // 200_000):
                words = pa.array(np.char.add("w", random.integers(0, 999, 200_000).astype(str)))
                writer.write_table(pa.table({"x": random.normal(size=200_000), "s": words}), row_group_size=200_000)
        gc.collect()
        before, most = pa.total_allocated_bytes(), 0
        for chunk in blocks.data.read(path).chunks(16_384):
            most = max(most, pa.total_allocated_bytes() - before)
            del chunk
        return most

    small, large = peak(200_000), peak(2_000_000)
    assert small > 0
    assert large < 1.5 * small + 1_000_000


@pytest.mark.parametrize("name", ["t.parquet", "t.csv"])
def test_an_open_pass_does_not_disturb_the_end_of_the_process(tmp_path: pathlib.Path, name: str) -> None:
    values = pa.table({"n": range(200_000)})
    (pq.write_table if name.endswith("parquet") else pacsv.write_csv)(values, tmp_path / name)
    program = f"import blocks.data; chunks = blocks.data.read({str(tmp_path / name)!r}).chunks(1_000); next(chunks)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow", "a.orc", "a.jsonl", "a.csv"])
def test_a_file_that_changes_before_or_while_it_is_read_is_refused(tmp_path: pathlib.Path, name: str) -> None:
    path = str(tmp_path / name)

    def put(first: int) -> None:
        rows = pa.table({"a": np.arange(first, first + 100)})
        text = "".join(f'{{"a": {n}}}\n' for n in rows["a"].to_pylist())
        writers = {
            "a.parquet": lambda: pq.write_table(rows, path),
            "a.arrow": lambda: _ipc(rows, path, stream=False),
            "a.orc": lambda: paorc.write_table(rows, path),
            "a.jsonl": lambda: pathlib.Path(path).write_text(text),
            "a.csv": lambda: pacsv.write_csv(rows, path),
        }
        writers[name]()

    put(0)
    source = blocks.data.read(path)
    assert len(source.to_table()) == 100
    batches = source._reader.chunks(100)
    next(batches)
    put(1000)
    with pytest.raises(MalformedData, match=rf"{name} has changed since it was opened .* Call blocks.read again"):
        list(batches)
    with pytest.raises(MalformedData, match="has changed since"):
        source.to_table()
    os.remove(path)
    with pytest.raises(InvalidArgument, match=r"no file .* any more"):
        source.to_table()
