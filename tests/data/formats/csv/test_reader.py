"""CSV: types that widen, rows that are bad, and where rows end; every error by its message."""

import csv
import datetime
import io
import json
import os
import pathlib

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import blocks.data
from blocks.data.formats.csv.dialect import Dialect
from blocks.data.formats.csv.row_spans import row_spans
from blocks.errors import BlocksError, BlocksWarning, InvalidArgument, MalformedData, SchemaMismatch

DATA = os.environ.get("BLOCKS_DATA")
real_data = pytest.mark.skipif(DATA is None, reason="BLOCKS_DATA does not name the folder of real data")


def write(tmp_path: pathlib.Path, text: str | bytes, name: str = "t.csv") -> pathlib.Path:
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


cells = st.text(alphabet='ab",;\n\r é', max_size=6)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=12), st.integers(1, 60), st.sampled_from([0, 1]))
def test_any_text_survives_at_any_block_size(rows, size: int, quoting: int) -> None:
    """The oracle is Python's csv module, which wrote the file."""
    out = io.StringIO()
    csv.writer(out, quoting=quoting).writerows(rows)  # 0: quote where needed, 1: quote all
    pieces = list(row_spans(io.BytesIO(out.getvalue().encode()), size, Dialect()))
    assert b"".join(p.data for p in pieces) == out.getvalue().encode()
    assert sum(len(p.ends) for p in pieces) == len(rows)
    seen = ""
    for piece in pieces:
        assert piece.line == 1 + seen.replace("\r\n", "\n").replace("\r", "\n").count("\n")
        seen += piece.data.decode()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=12), st.integers(1, 60))
def test_the_reader_agrees_with_arrow_in_one_block(tmp_path_factory, rows, size: int) -> None:
    out = io.StringIO()
    csv.writer(out).writerows([("x", "y"), *rows])
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    path.write_bytes(out.getvalue().encode())
    options = {"column_types": {"x": pa.string(), "y": pa.string()}, "strings_can_be_null": False}
    expected = pacsv.read_csv(
        path,
        parse_options=pacsv.ParseOptions(newlines_in_values=True),
        convert_options=pacsv.ConvertOptions(**options),
    )
    given = {"delimiter": ",", "quote_char": '"', "skip_rows": 0, **options}  # nothing is guessed
    assert blocks.data.read(path, block_size=size, **given).to_table().to_pydict() == expected.to_pydict()


@pytest.mark.filterwarnings("ignore:.*text follows a closing quote")
def test_stray_quotes_and_escapes_end_rows_where_arrow_ends_them(tmp_path: pathlib.Path) -> None:
    text = 'a,b\n5" pipe,1\n"x\ny"z,2\n"say ""hi"",\nyou",3\n 6" ,4\n'
    expected = pacsv.read_csv(io.BytesIO(text.encode()), parse_options=pacsv.ParseOptions(newlines_in_values=True))
    for size in range(1, 40):
        assert blocks.data.read(write(tmp_path, text), block_size=size).to_table().to_pydict() == expected.to_pydict()
    text = 'a,b\nx\\,y,1\n"q\\"\nr",2\nz\\\nw,3\n'
    options = {"escape_char": "\\", "newlines_in_values": True}
    expected = pacsv.read_csv(io.BytesIO(text.encode()), parse_options=pacsv.ParseOptions(**options))
    for size in range(1, 30):
        assert (
            blocks.data.read(write(tmp_path, text), block_size=size, **options).to_table().to_pydict()
            == expected.to_pydict()
        )


WHEN = datetime.datetime(2024, 1, 1, 10)
WIDENING = [
    (["1", "2"], ["2.5"], [1.0, 2.0, 2.5]),
    (["1", "2"], ["x"], ["1", "2", "x"]),
    (["7", "2"], ["1.5", "x"], ["7", "2", "1.5", "x"]),
    (["1", "2"], ["99999999999999999999"], ["1", "2", "99999999999999999999"]),
    (["9007199254740993", "2"], ["2.5"], ["9007199254740993", "2", "2.5"]),
    (["true", "false"], ["maybe"], ["true", "false", "maybe"]),
    (["2024-01-01"], ["later"], ["2024-01-01", "later"]),
    (["2024-01-01"], ["2024-01-01 10:00:00"], [WHEN.replace(hour=0), WHEN]),
    (["2024-01-01 10:00:00"], ["2024-01-01 10:00:00.25"], [WHEN, WHEN.replace(microsecond=250_000)]),
    (["0.5"], ["n/a", "low"], ["0.5", None, "low"]),
]


@pytest.mark.parametrize(("first", "later", "expected"), WIDENING)
def test_a_later_value_widens_its_column_and_says_so(tmp_path: pathlib.Path, first, later, expected) -> None:
    values = [*first, *later]
    path = write(tmp_path, "n,v\n" + "".join(f"{i},{v}\n" for i, v in enumerate(values)))
    block = len("n,v\n") + sum(len(f"{i},{v}\n") for i, v in enumerate(first))
    source = blocks.data.read(path, block_size=block)
    with pytest.warns(BlocksWarning, match=r"t\.csv: column 'v' (began as|holds) .* column_types=\{'v'"):
        assert source.schema.names == ["n", "v"]
    chunks = list(source.chunks(2))
    assert all(chunk.schema == source.schema for chunk in chunks)
    assert [v for chunk in chunks for v in chunk["v"].to_pylist()] == expected
    assert source.schema.field("n").type == pa.int64()
    assert source.count() == len(values)


def test_what_is_null_at_first_takes_the_type_that_comes(tmp_path: pathlib.Path) -> None:
    path = write(tmp_path, "a,b,c\n,,\nNA,,\n1,x,\n2.5,y,\n")
    source = blocks.data.read(path, block_size=10)
    with pytest.warns(BlocksWarning, match="began as int64"):
        assert source.to_table().to_pydict() == {
            "a": [None, None, 1.0, 2.5],
            "b": [None, None, "x", "y"],
            "c": [None] * 4,
        }
    assert source.schema.types == [pa.float64(), pa.string(), pa.null()]


def test_declared_columns_are_not_scanned_and_do_not_widen(tmp_path: pathlib.Path) -> None:
    path = write(tmp_path, "a,b\n1,x\n\n2,y\nthree,z\n")
    source = blocks.data.read(path, column_types={"a": "int64", "b": "string"}, block_size=8)
    assert source.estimated_rows() is None
    with pytest.raises(MalformedData, match=r"t\.csv, line 5: column 'a' is declared int64.*'three'.*column_types"):
        source.to_table()
    with pytest.raises(MalformedData, match="line 5: column 'a' is declared int64"):
        blocks.data.read(path, column_types={"a": "int64"}).to_table()
    with pytest.raises(SchemaMismatch, match=r"column_types: there is no column 'aa'\. Did you mean 'a'"):
        blocks.data.read(path, column_types={"aa": "int64"}).to_table()
    typed = blocks.data.read(path, column_types={"a": "string", "b": pa.dictionary(pa.int32(), pa.string())})
    assert typed.to_table().to_pydict() == {"a": ["1", "2", "three"], "b": ["x", "y", "z"]}


def test_a_ragged_row_names_its_line_and_the_fix(tmp_path: pathlib.Path) -> None:
    path = write(tmp_path, 'a,b\n1,"two\nlines"\n\n3,4\nonly\n5,6,7\n')
    for size in (6, 12, 1 << 20):
        source = blocks.data.read(path, block_size=size)
        with pytest.raises(
            MalformedData, match=r"t\.csv, line 6: expected 2 columns, found 1: 'only'.*on_bad_rows=\"keep\""
        ):
            source.to_table()
    declared = blocks.data.read(path, default_column_type="string")
    with pytest.raises(MalformedData, match="line 6: expected 2 columns, found 1"):
        declared.to_table()


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("name", ["bad.parquet", "bad.csv"])
def test_rejects_add_up(tmp_path: pathlib.Path, newline: str, name: str) -> None:
    lines = ["a,b", "1,2", "", '"x', 'y",3', "short", "4,5,6", "7,8", "9", "10,11"]
    path = write(tmp_path, newline.join(lines))
    for size in (9, 25, 1 << 20):
        source = blocks.data.read(
            path, block_size=size, on_bad_rows="keep", rejects=tmp_path / name, column_types={"a": "string"}
        )
        assert source.to_table()["b"].to_pylist() == [2, 3, 8, 11]
        assert [c.num_rows for c in source.chunks(3)] == [3, 1]
        assert source.count() + source.rejected == 7
        read = pq.read_table if name.endswith("parquet") else pacsv.read_csv
        rejects = read(tmp_path / name)
        assert rejects["line"].to_pylist() == [6, 7, 9]
        assert rejects["found"].to_pylist() == [1, 3, 1]
        assert [str(text) for text in rejects["text"].to_pylist()] == ["short", "4,5,6", "9"]
        assert set(rejects["file"].to_pylist()) == {str(path)}
        assert rejects["reason"][1].as_py() == "expected 2 columns, found 3"
        assert rejects.schema.names == blocks.data.REJECTS_SCHEMA.names


def test_rejects_options_go_together(tmp_path: pathlib.Path) -> None:
    path = write(tmp_path, "a\n1\n")
    with pytest.raises(InvalidArgument, match="go together"):
        blocks.data.read(path, on_bad_rows="keep")
    with pytest.raises(InvalidArgument, match="go together"):
        blocks.data.read(path, rejects="bad.csv")
    with pytest.raises(InvalidArgument, match='"error" or "keep"'):
        blocks.data.read(path, on_bad_rows="skip")
    with pytest.raises(InvalidArgument, match=r"\.parquet or a \.csv"):
        blocks.data.read(path, on_bad_rows="keep", rejects="bad.json")
    with pytest.raises(InvalidArgument, match="is one of the files"):
        blocks.data.read([path], on_bad_rows="keep", rejects=str(path))
    with pytest.raises(InvalidArgument, match="cannot be written"):
        blocks.data.read(path, on_bad_rows="keep", rejects=tmp_path / "no" / "bad.csv").count()


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        (b"", MalformedData, r"t\.csv is empty"),
        (b"\xef\xbb\xbf", MalformedData, r"t\.csv is empty"),
        (b"\n\n", MalformedData, r"t\.csv is empty"),
        (b"a,a\n1,2\n", SchemaMismatch, r"t\.csv has these more than once: 'a'"),
        ("a,b\n1,é\n".encode("latin1"), MalformedData, r"t\.csv, line 2: .* is not valid UTF-8.*encoding='latin1'"),
        ("é,b\n1,2\n".encode("latin1"), MalformedData, r"t\.csv, line 1: .* is not valid UTF-8"),
        ("a,b\n1\n1,é,é\n".encode("latin1"), MalformedData, r"line 3: .* is not valid UTF-8"),
        ("a,b\n1,2\n".encode("utf-16"), MalformedData, "UTF-16.*encoding='utf-16'"),
        (
            b'a,b\n1,2\n3,"x\n4,5\n',
            MalformedData,
            r"t\.csv, line 3: a value opens with \" and is never closed.*quote_char=False",
        ),
        (b"PK\x03\x04aaaaaaaaaaaaaaaaaa", MalformedData, "is a ZIP archive"),
        (b"\x1f\x8bbroken", MalformedData, r"t\.csv cannot be read"),
    ],
)
def test_what_is_no_csv(tmp_path: pathlib.Path, text: bytes, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        blocks.data.read(write(tmp_path, text)).to_table()


def test_encodings_header_only_and_missing_newline(tmp_path: pathlib.Path) -> None:
    assert blocks.data.read(write(tmp_path, "a\né\n".encode("latin1")), encoding="latin1").to_table().to_pydict() == {
        "a": ["é"]
    }
    assert blocks.data.read(write(tmp_path, "a\né\n".encode("utf-16")), encoding="utf-16").to_table().to_pydict() == {
        "a": ["é"]
    }
    assert blocks.data.read(write(tmp_path, b"\xef\xbb\xbfa,b\r1,2\r3,4")).to_table().to_pydict() == {
        "a": [1, 3],
        "b": [2, 4],
    }
    for text in ("a,b", "a,b\n"):
        source = blocks.data.read(write(tmp_path, text))
        assert source.schema.names == ["a", "b"]
        assert source.count() == 0
    with pytest.raises(MalformedData, match="read as ascii"):
        blocks.data.read(write(tmp_path, "a\né\n"), encoding="ascii").to_table()


def test_options_under_their_arrow_names(tmp_path: pathlib.Path) -> None:
    path = write(tmp_path, "# made by hand\n'x;y';z\n1,5;?\n\n2,5;YES\n")
    source = blocks.data.read(
        path,
        delimiter=";",
        quote_char="'",
        decimal_point=",",
        skip_rows=1,
        null_values=["?"],
        true_values=["YES"],
        false_values=["NO"],
    )
    assert source.to_table().to_pydict() == {"x;y": [1.5, 2.5], "z": [None, True]}
    headless = write(tmp_path, "1,a\n2,b\n")
    assert blocks.data.read(headless, column_names=["n", "s"], block_size=4).to_table().to_pydict() == {
        "n": [1, 2],
        "s": ["a", "b"],
    }
    assert blocks.data.read(headless, autogenerate_column_names=True).schema.names == ["f0", "f1"]
    assert blocks.data.read(headless, column_names=["n", "s"], skip_rows_after_names=1).count() == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"delimeter": ";"}, "no option 'delimeter'. Did you mean delimiter"),
        ({"sep": ";"}, "They have: autogenerate_column_names, block_size"),
        ({"delimiter": ";;"}, "Arrow does not take"),
        ({"delimiter": "é"}, "ASCII"),
        ({"column_types": {"a": "flaot"}}, "type of 'a' is an Arrow type.*'flaot'"),
        ({"encoding": "latin99"}, "encoding is the name"),
        ({"block_size": 0}, "block_size must be a whole number"),
        ({"skip_rows": -1}, "skip_rows must be a whole number"),
        ({"null_values": 3}, "Arrow does not take"),
    ],
)
def test_options_are_checked_at_once(tmp_path: pathlib.Path, options, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        blocks.data.read(write(tmp_path, "a\n1\n"), **options)


def test_several_csv_files(tmp_path: pathlib.Path) -> None:
    write(tmp_path, "a,b\n1,x\n", "1.csv")
    write(tmp_path, "b,a\ny,2.5\n", "2.csv")
    write(tmp_path, "a\nz\n", "3.csv")
    source = blocks.data.read(tmp_path)
    with pytest.warns(BlocksWarning) as caught:
        assert source.to_table().to_pydict() == {"a": ["1", "2.5", "z"], "b": ["x", "y", None]}
    told = " ".join(str(warning.message) for warning in caught)
    assert "3.csv has no column 'b'" in told
    assert "'a' is string in" in told
    write(tmp_path, "q\n1\n", "4.csv")
    with pytest.raises(SchemaMismatch, match=r"4\.csv has none of the columns"):
        blocks.data.read([tmp_path / "1.csv", tmp_path / "4.csv"]).count()


def test_a_file_that_changes_underneath_is_noticed(tmp_path: pathlib.Path) -> None:
    path = write(tmp_path, "a\n1\n")
    source = blocks.data.read(path)
    assert source.count() == 1
    write(tmp_path, "a\n1\n2\n")
    with pytest.raises(MalformedData, match="has changed since"):
        source.to_table()


def test_long_rows_make_longer_blocks(tmp_path: pathlib.Path) -> None:
    text = "a,b\n" + "".join(f'{i},"{"x" * 300_000}\n{i}"\n' for i in range(8))
    source = blocks.data.read(write(tmp_path, text), block_size=1_000)
    assert source.to_table()["a"].to_pylist() == list(range(8))
    assert all(len(v) > 300_000 for v in source.to_table()["b"].to_pylist())
    large = "a,b\n" + "".join(f"{i},{'y' * 1_500_000}\n" for i in range(3))
    assert blocks.data.read(write(tmp_path, large)).count() == 3


@real_data
def test_csv_spectrum_as_expected() -> None:
    folder = pathlib.Path(str(DATA), "nasty_csv_spectrum")
    checked = 0
    for expected in sorted((folder / "json").glob("*.json")):
        if expected.stem == "location_coordinates":
            continue  # its expected phone number is not the one in the file
        options = {"encoding": "latin1"} if expected.stem == "latin1" else {}
        source = blocks.data.read(
            folder / "csvs" / f"{expected.stem}.csv",
            default_column_type="string",
            quoted_strings_can_be_null=False,
            **options,
        )
        rows = [{k: v or "" for k, v in row.items()} for row in source.to_table().to_pylist()]
        assert rows == json.loads(expected.read_text("utf-8")), expected.stem
        checked += 1
    assert checked == 14


@real_data
@pytest.mark.filterwarnings("ignore::blocks.errors.BlocksWarning")
def test_frictionless_files_are_right_or_refused() -> None:
    """The oracle is pandas, where it reads the file at all."""
    compared = refused = named = 0
    for path in sorted(pathlib.Path(str(DATA), "nasty_csv_frictionless").rglob("*")):
        if not path.is_file():
            continue
        try:
            source = blocks.data.read(path)
            table = source.to_table()
        except BlocksError as error:
            named += path.name in str(error)
            refused += 1
            continue
        assert source.count() == table.num_rows
        if path.suffix not in (".csv", ".tsv") or path.name == "implicit-gz.csv":
            continue
        first = path.read_text("utf-8-sig").split("\n", 1)[0]
        usual = "\t" if path.suffix == ".tsv" else ","
        other = usual if usual in first else next((c for c in ";|" if c in first), usual)
        frame = pd.read_csv(path, sep=other, dtype=str, keep_default_na=False)
        if not len(frame):
            continue
        text = blocks.data.read(path, default_column_type="string", strings_can_be_null=False).to_table()
        assert text.num_rows == len(frame)
        for index, column in enumerate(text.columns):
            assert column.to_pylist() == frame.iloc[:, index].tolist(), (path.name, index)
        compared += 1
    assert compared > 60
    assert named == refused > 20


@real_data
def test_nycflights_as_pandas_reads_it() -> None:
    path = pathlib.Path(str(DATA), "nycflights13", "weather.csv")
    source = blocks.data.read(path)
    names = ("temp", "wind_gust", "pressure")
    # before pandas 3.1 its own parser rounds some numbers wrongly
    exact = dict.fromkeys(names, lambda text: float(text if text not in ("", "NA") else "nan"))
    frame = pd.read_csv(path, converters=exact)
    assert source.count() == len(frame)
    for name in names:
        np.testing.assert_array_equal(source.to_table()[name].to_pandas(), frame[name])
