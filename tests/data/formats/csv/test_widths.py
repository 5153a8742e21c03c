"""Rows of a wrong width: those that Arrow and Python's csv find, all at once, at a cost that is linear in the rows."""

import csv
import io
import pathlib
import time

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import blocks.data
from blocks.errors import MalformedData

pytestmark = pytest.mark.filterwarnings("ignore::blocks.errors.BlocksWarning")  # of stray text, names among data

# what rows are made of: values that need no quotes, quoted ones, quotes inside, text after a closing quote
value = st.sampled_from(
    ["", "a", "12", '"b"', '"c,d"', '"e\nf"', '"g""h"', '"i"j', '"k"l"m', 'n"o', '"",', '"p" ', "é"]
)
rows_of_text = st.lists(st.lists(value, min_size=1, max_size=4).map(",".join), min_size=1, max_size=12)


STRINGS = {"": "string", "x": "string", "y": "string", "f0": "string", "f1": "string"}


def by_arrow(text: str, read: dict, **parse) -> tuple[list, list]:
    """The good rows and the bad ones, one by one, as Arrow's own handler is told of them."""
    bad = []
    table = pacsv.read_csv(
        io.BytesIO(text.encode()),
        read_options=pacsv.ReadOptions(use_threads=False, block_size=1 << 20, **read),
        parse_options=pacsv.ParseOptions(
            newlines_in_values=True, invalid_row_handler=lambda row: (bad.append(row), "skip")[1], **parse
        ),
        convert_options=pacsv.ConvertOptions(column_types=STRINGS, strings_can_be_null=False),
    )
    return table.to_pylist(), [(row.actual_columns, row.text) for row in bad]


def by_csv(text: str) -> tuple[list, list]:
    """The same by Python's csv, with the line at which each bad row begins."""
    reader = csv.reader(io.StringIO(text, newline=""))
    good, bad, line = [], [], 1
    for row in reader:
        if row and len(row) != 2:
            bad.append((line, len(row)))
        elif row:
            good.append({"x": row[0], "y": row[1]})
        line = reader.line_num + 1
    return good, bad


@settings(max_examples=300)
@given(rows_of_text, st.sampled_from(["\n", "\r\n", "\r"]), st.booleans(), st.integers(1, 60))
def test_bad_rows_are_those_of_arrow_and_of_python(tmp_path_factory, rows, newline, ended, size) -> None:
    text = newline.join(rows) + (newline if ended else "")
    folder = tmp_path_factory.mktemp("widths")
    path = folder / "t.csv"
    path.write_bytes(text.encode())
    options = {
        "column_names": ["x", "y"],
        "delimiter": ",",
        "default_column_type": "string",
        "strings_can_be_null": False,
    }
    source = blocks.data.read(path, block_size=size, on_bad_rows="keep", rejects=folder / "bad.parquet", **options)
    if not text.strip("\r\n"):
        return
    found = source.to_table().to_pylist()
    good, bad = by_csv(text)
    rejects = pq.read_table(folder / "bad.parquet").to_pydict()
    assert found == good
    assert list(zip(rejects["line"], rejects["found"], strict=True)) == bad
    assert (found, list(zip(rejects["found"], rejects["text"], strict=True))) == by_arrow(
        text, {"column_names": ["x", "y"]}
    )


ROWS = [
    ("x,y", "1,2", "3", "", "4,5,6", "7,8"),
    ("x,y", "a\\,b,2", "3\\,4", '"5\\"6",7', "8\\\n9,10", "11"),
    ("x,y", "1", "2,3,4", "5,6", "7"),
    ("", "x,y", "1,2", "3"),
    ("x,y", '"1', '2",3', '4"', "5,6,"),
]


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize(
    "read",
    [
        {},
        {"skip_rows_after_names": 1},
        {"skip_rows_after_names": 3},
        {"autogenerate_column_names": True},
        {"autogenerate_column_names": True, "skip_rows_after_names": 2},
        {"column_names": ["x", "y"]},
        {"column_names": ["x", "y"], "skip_rows_after_names": 1},
    ],
)
@pytest.mark.parametrize("parse", [{}, {"escape_char": "\\"}, {"double_quote": False}, {"ignore_empty_lines": False}])
def test_bad_rows_are_those_of_arrow_under_every_option(tmp_path: pathlib.Path, rows, read, parse) -> None:
    text = "\n".join(rows) + "\n"
    path = tmp_path / "t.csv"
    path.write_text(text)
    options = {"delimiter": ",", "default_column_type": "string", "strings_can_be_null": False}
    source = blocks.data.read(path, on_bad_rows="keep", rejects=tmp_path / "bad.parquet", **options, **read, **parse)
    try:
        expected = by_arrow(text, read, **parse)
    except pa.ArrowInvalid:
        with pytest.raises(MalformedData):
            source.to_table()
        return
    found = source.to_table().to_pylist()
    rejects = pq.read_table(tmp_path / "bad.parquet").to_pydict()
    assert (found, list(zip(rejects["found"], rejects["text"], strict=True))) == expected


def test_every_bad_row_costs_the_same(tmp_path: pathlib.Path) -> None:
    """Linear: eight times the rows may not take eight times as long a row. The fault was 64 times."""
    path = tmp_path / "t.csv"

    def cost(rows: int) -> float:
        path.write_text("a,b,c\n" + "".join(f"{i},{i},x\n" if i % 3 else f"{i},{i}\n" for i in range(rows)))
        begin = time.process_time()
        source = blocks.data.read(path, on_bad_rows="keep", rejects=tmp_path / "bad.parquet")
        assert source.count() + source.rejected == rows
        return time.process_time() - begin

    cost(1_000)
    few = min(cost(20_000) for _ in range(3))
    assert cost(160_000) < 8 * 4 * few
    lines = pq.read_table(tmp_path / "bad.parquet")["line"].to_pylist()
    assert lines == list(range(2, 160_002, 3))


def test_bad_rows_that_are_no_text_are_kept_too(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"a,b\n1,\xe9\n\xe9\n")
    source = blocks.data.read(path, column_types={"b": "binary"}, on_bad_rows="keep", rejects=tmp_path / "bad.parquet")
    assert source.to_table().to_pydict() == {"a": [1], "b": [b"\xe9"]}
    assert pq.read_table(tmp_path / "bad.parquet")["text"].to_pylist() == ["\\xe9"]
