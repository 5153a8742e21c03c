"""CSV files that are not what a reader takes them for: each kind, generated from good tables, and what is said of it.

A kind is read right although nothing was said by the user, or a warning or an error names the option that mends it; the
advice is then followed, word for word, and gives the table. Good files are read without a word. Truth is the table.
"""

import ast
import csv
import io
import os
import pathlib
import re
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import blocks.data
from blocks.data.formats.csv.lines import WithoutLines
from blocks.errors import BlocksError, BlocksWarning, InvalidArgument, MalformedData, SchemaMismatch

DATA = os.environ.get("BLOCKS_DATA")
RANDOM = np.random.default_rng(0)
WORDS = ["red", "blue, dark", 'the "best"', "green", "Grün; hell", "two\nlines", "x|y"]


def column(kind: str, rows: int) -> list[str]:
    """Values of a column as a program would write them."""
    if kind == "int":
        return [str(v) for v in RANDOM.integers(-50, 900, rows)]
    if kind == "float":
        return [f"{v:.3f}" for v in RANDOM.normal(10, 4, rows)]
    if kind == "date":
        return [str(np.datetime64("2024-01-01") + int(v)) for v in RANDOM.integers(0, 300, rows)]
    if kind == "word":
        return [WORDS[v * 5 % len(WORDS)] for v in range(rows)]
    if kind == "id":
        return [f"k{v:05d}" for v in range(rows)]
    return [["yes", "no"][v] for v in RANDOM.integers(0, 2, rows)]


TABLES = {
    "numbers": (["age", "height", "income"], ["int", "float", "float"], 40),
    "mixed": (["id", "city", "price", "when"], ["id", "word", "float", "date"], 60),
    "few rows": (["name", "score", "level"], ["word", "int", "int"], 8),
    "two columns": (["key", "value"], ["id", "int"], 30),
    "classes": (["answer", "color", "amount", "count"], ["yes", "word", "float", "int"], 200),
    "many": ([f"x_{i}" for i in range(30)], ["float"] * 29 + ["yes"], 50),
    "longer than a sample": (["id", "text", "n"], ["id", "word", "int"], 6_000),
}


def table(name: str) -> tuple[list[str], list[list[str]]]:
    """Names and rows."""
    names, kinds, rows = TABLES[name]
    return names, [list(row) for row in zip(*(column(kind, rows) for kind in kinds), strict=True)]


def written(names: list[str] | None, rows: list[list[str]], **dialect) -> str:
    """The text of a table, by Python's csv."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n", **dialect)
    writer.writerows([names, *rows] if names is not None else rows)
    return out.getvalue()


def read(path: pathlib.Path, **options) -> tuple[list[str], list[list], list[str]]:
    """Names, rows and what was said."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = blocks.data.read(path, **options).to_table()
    assert all(issubclass(w.category, BlocksWarning) for w in caught)
    rows = [list(row) for row in zip(*(c.to_pylist() for c in found.columns), strict=True)]
    return found.schema.names, rows, [str(w.message) for w in caught]


def equal(rows: list[list], truth: list[list[str]]) -> bool:
    """Whether values are those of the table, numbers as numbers."""
    return len(rows) == len(truth) and all(
        len(a) == len(b) and all(_same(x, y) for x, y in zip(a, b, strict=True))
        for a, b in zip(rows, truth, strict=True)
    )


def _same(value, text: str) -> bool:
    if isinstance(value, (int, float)):
        return float(text.replace(",", ".")) == value
    return ("" if value is None else str(value)) == text


def advised(message: str) -> dict:
    """The options that a message says to pass, as Python reads them."""
    passed = re.search(r"[Pp]ass (.*?)(?: if |, and read|\.$|\. [A-Z])", message)
    assert passed, message
    call = ast.parse(f"f({passed[1]})", mode="eval").body
    return {keyword.arg: eval(compile(ast.Expression(keyword.value), "", "eval")) for keyword in call.keywords}


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
def test_a_good_file_is_read_without_a_word(tmp_path, name, newline, quoting) -> None:
    names, rows = table(name)
    path = tmp_path / "t.csv"
    path.write_bytes(written(names, rows, quoting=quoting).replace("\n", newline).encode())
    truth = [[cell.replace("\n", newline) for cell in row] for row in rows]
    found = read(path)
    assert found[0] == names
    assert found[2] == []
    assert equal(found[1], truth)


GOOD = {
    "years as names": "country,1990,1991,1992\nFrance,1200,1500,1800\nSpain,900,1100,1950\nItaly,1000,1991,2000\n",
    "numbers as names": "id,1,2,3\na,5,6,7\nb,2,2,1\n",
    "one year as a name": "city,2020\nParis,3\nRome,7\nOslo,5\n",
    "an index without a name": ",x,y\n0,1,2\n1,3,4\n2,5,6\n",
    "names alone": "a,b,c\n",
    "one column": "word\nred\nblue\ngreen\n",
    "one column of lists": "tags\nx;y\ny;z\nx;z\n",
    "one column of sentences": "text\nI came; I saw\nHello there\nNo | yes\n",
    "lists inside": "id,tags\n1,a;b\n2,b;c\n3,a;c\n",
    "codes": "code,n\n12,1\n13,2\nA4,3\n15,4\n16,5\n17,6\n18,7\n",
    "missing at the end": "name,a,b\nx,1,2\ny,3,4\nz,,\n",
    "all text": "first,last\nAda,Lovelace\nAlan,Turing\nGrace,Hopper\n",
    "a boolean": "id,flag\n1,true\n2,false\n3,true\n",
    "a quoted ;": 'a,b\n1,"x; y"\n2,"y; z"\n',
    "inches": 'size,n\n5" pipe,1\n6" pipe,2\n',
    "blank lines": "a,b\n\n1,2\n\n3,4\n",
}


@pytest.mark.parametrize("kind", GOOD)
def test_what_is_odd_and_good_is_read_without_a_word(tmp_path, kind) -> None:
    path = tmp_path / "t.csv"
    path.write_text(GOOD[kind])
    expected = [row for row in csv.reader(io.StringIO(GOOD[kind])) if row]
    found = read(path)
    assert found[2] == []
    assert found[0] == expected[0]
    assert len(found[1]) == len(expected) - 1


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("extension", [".csv", ".tsv", ".txt"])
def test_the_delimiter_is_found_and_said(tmp_path, name, delimiter, extension) -> None:
    names, rows = table(name)
    path = tmp_path / f"t{extension}"
    path.write_text(written(names, rows, delimiter=delimiter))
    found = read(path)
    assert found[0] == names
    assert equal(found[1], rows)
    usual = "\t" if extension == ".tsv" else ","
    if delimiter == usual:
        assert found[2] == []
    else:
        (said,) = found[2]
        assert f"t{extension}: {delimiter!r} separates the values, not {usual!r}" in said
        assert read(path, **advised(said)) == (*found[:2], [])
    # the same in small blocks, and where the file is packed
    small = read(path, block_size=5_000)
    assert small[:2] == found[:2]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("a;b\n1,5;x\n2,5;y\n", [["1,5", "x"], ["2,5", "y"]]),
        ("Name;Price, EUR\nx;1,5\ny;2,5\n", [["x", "1,5"], ["y", "2,5"]]),
        ("id;person\n1;Smith, John\n2;Doe, Jane\n", [["1", "Smith, John"], ["2", "Doe, Jane"]]),
        ("a;b\n0,5;0,25\n1,5;2,25\n", [["0,5", "0,25"], ["1,5", "2,25"]]),
        ("a;b;c\n0,5;1,2;3,4\n1,5;2,2;3,4\n", [["0,5", "1,2", "3,4"], ["1,5", "2,2", "3,4"]]),
        ("a\tb\nx, 0\ty, z\nx, 1\ty, z\n", [["x, 0", "y, z"], ["x, 1", "y, z"]]),
        ("a;b;c\n", []),
        ("Report 2024\nid;n\n1;2\n3;4\n5;6\n", None),
    ],
)
def test_the_delimiter_where_commas_are_values(tmp_path, text, rows) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text)
    if rows is None:
        source = blocks.data.read(path)
        with pytest.warns(BlocksWarning, match="';' separates"):  # noqa: SIM117
            with pytest.raises(MalformedData, match="Pass skip_rows=1"):
                source.to_table()
        return
    found = read(path)
    assert equal(found[1], rows)
    assert any(re.search(r"'(;|\\t)' separates", said) for said in found[2])


@pytest.mark.parametrize("line", ["sep=;", '"sep=;"', "SEP=;", "sep=^"])
def test_a_line_that_names_the_delimiter(tmp_path, line) -> None:
    names, rows = table("mixed")
    delimiter = line.strip('"')[-1]
    path = tmp_path / "t.csv"
    path.write_text(line + "\n" + written(names, rows, delimiter=delimiter))
    names_found, found, said = read(path)
    assert names_found == names
    assert equal(found, rows)
    assert re.search("line 1 says that '.' separates the values", said[0])
    assert read(path, **advised(said[0])) == (names, found, [])
    assert read(path, delimiter=delimiter)[1] == found


def no_names(names, rows):
    return written(None, rows)


def comments(names, rows):
    return "# made by a program\n# version 2\n" + written(names, rows)


def title(names, rows):
    return "Report of 2024\n\n" + written(names, rows)


def padded_title(names, rows):
    pad = "," * (len(names) - 1)
    return f"Report of 2024{pad}\n{pad}\n" + written(names, rows)


def units(names, rows):
    return written(names, [[f"({n[0]})" for n in names], *rows])


def names_again(names, rows):
    half = len(rows) // 2
    return written(names, [*rows[:half], names, *rows[half:]])


def footnote(names, rows):
    return written(names, rows) + "\nSource: the office of numbers\n"


def padded_footnote(names, rows):
    return written(names, rows) + "* estimated by the office" + "," * (len(names) - 1) + "\n"


def second_table(names, rows):
    return written(names, rows) + "\n" + written([*names, "more"], [[*row, "1"] for row in rows[:4]])


def same_second_table(names, rows):
    return written(names, rows) + "\n" + written([n + "_2" for n in names], rows[:4])


def too_few_names(names, rows):
    return written(names[1:], rows)


def last_delimiter(names, rows):
    return written(names, [[*row, ""] for row in rows])


def question_marks(names, rows):
    column = next(i for i in range(len(names)) if re.fullmatch(r"-?[\d.]+", rows[0][i]))
    rows = [list(row) for row in rows]
    rows[2][column] = "?"
    return written(names, rows)


def decimal_commas(names, rows):
    rows = [[cell.replace(".", ",") if re.fullmatch(r"-?\d+\.\d+", cell) else cell for cell in row] for row in rows]
    return written(names, rows, delimiter=";")


def escaped(names, rows):
    return written(names, rows, doublequote=False, escapechar="\\", quoting=csv.QUOTE_ALL)


def spaces(names, rows):
    lines = [[written(None, [[cell]]).rstrip("\n") for cell in row] for row in [names, *rows]]
    return "\n".join(", ".join(line) for line in lines)


def single_quotes(names, rows):
    return written(names, rows, quotechar="'")


def no_quotes(names, rows):
    rows = [[cell.replace(",", "").replace("\n", " ").replace('"', "") for cell in row] for row in rows]
    column = next(i for i in range(len(names)) if not re.fullmatch(r"-?[\d.]+", rows[0][i]))
    rows[1][column] = '"so'
    rows[4][column] = 'it" is'
    return "\n".join(",".join(row) for row in [names, *rows])


# kind: how it is made, the tables that show it, what is said, and what the truth becomes
KINDS = {
    no_names: (
        ["numbers", "mixed", "few rows", "two columns", "classes", "many", "longer than a sample"],
        "looks like data",
    ),
    comments: (list(TABLES), "(?i)lines 1 to 2 are no part"),
    title: (list(TABLES), "no part of the table"),
    padded_title: (["numbers", "mixed", "few rows", "classes", "many", "two columns"], "no part of the table"),
    units: (["numbers", "few rows", "classes", "many", "two columns", "mixed"], "like more names or units"),
    names_again: (["numbers", "mixed", "few rows", "two columns", "classes", "many"], "the names come again"),
    footnote: (["numbers", "mixed", "few rows", "two columns", "classes", "many"], "another number of values"),
    padded_footnote: (["numbers", "mixed", "few rows", "two columns", "classes", "many"], "looks like a note"),
    second_table: (["numbers", "mixed", "two columns", "classes", "many"], "there is another table"),
    same_second_table: (["numbers", "mixed", "two columns", "classes", "many"], "there is another table"),
    too_few_names: (["numbers", "mixed", "few rows", "classes", "many", "longer than a sample"], "one name too few"),
    last_delimiter: (["numbers", "mixed", "few rows", "two columns", "classes", "many"], "no name for the last value"),
    question_marks: (["numbers", "mixed", "few rows", "two columns", "classes", "many"], "text because of '\\?'"),
    decimal_commas: (["numbers", "mixed", "classes", "many"], "decimal comma"),
    spaces: (["mixed", "few rows", "classes", "longer than a sample"], "(?i)spaces follow the delimiters"),
    single_quotes: (["mixed", "few rows", "classes"], "one width if ' is the quote"),
    no_quotes: (["two columns", "few rows", "classes"], "one width without quotes|text follows a closing quote"),
    escaped: (["mixed", "few rows", "classes"], "text follows a closing quote"),
}


@pytest.mark.parametrize(("make", "name"), [(make, name) for make, (names, _) in KINDS.items() for name in names])
def test_each_kind_is_noticed_and_the_advice_mends_it(tmp_path, make, name) -> None:
    names, rows = table(name)
    path = tmp_path / "t.csv"
    path.write_text(make(names, rows))
    said = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            blocks.data.read(path).to_table()
        except MalformedData as error:
            said.append(str(error))
        except SchemaMismatch:
            assert make is padded_title  # a warning was given before
    said += [str(w.message) for w in caught]
    told = [message for message in said if re.search(KINDS[make][1], message)]
    assert len(told) == 1, said
    assert "t.csv" in told[0]
    options = {}
    for message in said:
        options |= {"column_names": names} if "looks like data" in message else advised(message)
    if make is too_few_names:
        assert options["column_names"] == ["index", *names[1:]]
        names = options["column_names"]
    if make is last_delimiter:
        names, rows = [*names, "empty"], [[*row, ""] for row in rows]
    if make is question_marks:
        rows = [list(row) for row in rows]
        rows[2][next(i for i in range(len(names)) if re.fullmatch(r"-?[\d.]+", rows[0][i]))] = ""
    if make is no_quotes:
        rows = [line.split(",") for line in path.read_text().splitlines()[1:]]
    found = read(path, **options)
    assert found[2] == []
    assert found[0] == names
    assert equal(found[1], rows)


@pytest.mark.parametrize("odd", ["Total", "unknown"])
def test_what_stands_far_below_the_numbers_is_named(tmp_path, odd) -> None:
    """Beyond the head that is looked at, in the first block: the column is text, which nobody would notice."""
    names, rows = table("longer than a sample")
    rows[5_000] = ["k", "x", odd]
    path = tmp_path / "t.csv"
    path.write_text(written(names, rows))
    (said,) = read(path)[2]
    line = path.read_text().split(f"k,x,{odd}")[0].count("\n") + 1
    assert f"column 'n' is text because of '{odd}' on line {line}" in said
    assert advised(said) == {"skip_rows": [line]}
    found = read(path, skip_rows=[line])
    assert found[2] == []
    assert equal(found[1], rows[:5_000] + rows[5_001:])
    missing = ast.literal_eval(re.search(r"null_values=(\[.*?\])", said)[1])
    found = read(path, null_values=missing)
    assert found[2] == []
    rows[5_000][2] = ""
    assert equal(found[1], rows)


def test_an_option_that_is_given_is_not_questioned(tmp_path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a;b\n1;2\n3;4\n")
    assert read(path, delimiter=",") == (["a;b"], [["1;2"], ["3;4"]], [])
    path.write_text("1,2\n3,4\n2,2\n")
    assert read(path, autogenerate_column_names=False) == (["1", "2"], [[3, 4], [2, 2]], [])
    path.write_text("a,b\n1,2\n3,4\na,b\n")
    assert read(path, skip_rows=0)[2] == []
    path.write_text('a,b\n"x"y,2\n"z",4\n')
    assert read(path, quote_char='"') == (["a", "b"], [["xy", 2], ["z", 4]], [])


def test_names_among_data_are_noticed(tmp_path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,2\n3,4\n")
    for options in ({"column_names": ["x", "y"]}, {"column_names": ["a", "b"]}, {"autogenerate_column_names": True}):
        found = read(path, **options)
        (said,) = found[2]
        assert "line 1, ['a', 'b'], was taken for data, and looks like names" in said
        assert read(path, **options, **advised(said))[1:] == ([[1, 2], [3, 4]], [])


def test_bad_rows_that_are_kept_are_no_reason_to_keep_silent(tmp_path) -> None:
    names, rows = table("mixed")
    path = tmp_path / "t.csv"
    path.write_text(title(names, rows))
    source = blocks.data.read(path, on_bad_rows="keep", rejects=tmp_path / "bad.csv")
    with pytest.warns(BlocksWarning, match=r"no part of the table.*Pass skip_rows=2\."):
        source.count()


lines = st.lists(st.sampled_from(["1,2", '"a",b', '"x', 'y",z', "", "note"]), min_size=1, max_size=12)


@settings(max_examples=200)
@given(lines, st.sampled_from(["\n", "\r\n", "\r"]), st.integers(1, 30), st.data())
def test_lines_are_left_out_at_any_block_size(rows, newline, size, data) -> None:
    """What is left is the text with those lines empty, however it is cut."""
    left_out = data.draw(st.sets(st.integers(1, len(rows) + 2), min_size=1))
    kept = [b"" if number in left_out else row.encode() for number, row in enumerate(rows, 1)]
    stream = WithoutLines(io.BytesIO(newline.join(rows).encode()), left_out)
    pieces = []
    while piece := stream.read(size):
        pieces.append(piece)
    assert b"".join(pieces) == newline.encode().join(kept)
    whole = range(min(left_out), max(left_out) + 1)
    kept = [b"" if number in whole else row.encode() for number, row in enumerate(rows, 1)]
    stream = WithoutLines(io.BytesIO(newline.join(rows).encode()), whole)
    pieces = []
    while piece := stream.read(size):
        pieces.append(piece)
    assert b"".join(pieces) == newline.encode().join(kept)


@pytest.mark.parametrize("name", ["mixed", "longer than a sample"])
def test_lines_that_are_left_out_keep_the_numbers_of_the_others(tmp_path, name) -> None:
    names, rows = table(name)
    path = tmp_path / "t.csv"
    path.write_text(written(names, [row for row in rows if "\n" not in "".join(row)]))
    text = path.read_text().splitlines()
    path.write_text("\n".join([*text, "short"]))
    for size in (50, 1 << 20):
        source = blocks.data.read(path, skip_rows=[3, 7], block_size=size)
        with pytest.raises(MalformedData, match=f"line {len(text) + 1}: expected"):
            source.to_table()
        source = blocks.data.read(path, skip_rows=[3, 7, len(text) + 1], block_size=size)
        assert source.count() == len(text) - 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"skip_rows": [0, 1]}, "counts lines from 1"),
        ({"skip_rows": ["1"]}, "lines to leave out, from 1"),
        ({"skip_rows": "3"}, "lines to leave out, from 1"),
        ({"skip_rows": [3], "ignore_empty_lines": False}, "does not go with ignore_empty_lines=False"),
    ],
)
def test_lines_are_checked(tmp_path, options, message) -> None:
    (tmp_path / "t.csv").write_text("a\n1\n")
    with pytest.raises(InvalidArgument, match=message):
        blocks.data.read(tmp_path / "t.csv", **options)


HELD_OUT = {
    "sms_spam/sms.tsv": ["looks like data", "line 283: text follows a closing quote"],
    "adult_census/adult_uci_train.csv.gz": ["looks like data", "spaces follow the delimiters"],
    "mammography_imbalanced/mammography.csv": ["looks like data", "keep the ' around them"],
    "wine_quality/winequality-red.csv": ["looks like data"],
    "wine_quality/winequality-white.csv": ["looks like data"],
    "nasty_csv_frictionless/delimiter.csv": ["';' separates the values"],
    "nasty_csv_frictionless/issue-1138.csv": ["';' separates the values"],
    "nasty_csv_frictionless/vix.csv": ["';' separates the values"],
    "nasty_csv_frictionless/without-headers.csv": ["looks like data"],
    "nasty_csv_frictionless/table-1MB.csv": ["looks like data"],
    "nasty_csv_frictionless/leading-zeros.csv": ["kept as text, digit for digit"],
    "nasty_csv_frictionless/issue-1478/table.csv": ["'|' separates the values", "looks like data"],
}
CLEAN = [
    "adult_census/adult_train.csv",
    "airline_passengers/airline-passengers.csv",
    "bike_sharing/bike_sharing_dataset_clean.csv",
    "birdstrikes/birdstrikes.csv",
    "chipotle_orders/chipotle.tsv",
    "etth1/ETTh1.csv",
    "mpg/mpg.csv",
    "nycflights13/airports.csv",
    "nycflights13/planes.csv",
    "nycflights13/weather.csv",
    "penguins/penguins.csv",
    "tfrecord_samples/toy.csv",
    "titanic/raw_titanic.csv",
    "titanic/titanic.csv",
    "vega_flights/airports.csv",
    "vega_flights/flights-airport.csv",
]


@pytest.mark.skipif(DATA is None, reason="BLOCKS_DATA does not name the folder of real data")
def test_real_files_are_diagnosed_and_good_ones_are_not() -> None:
    for name, expected in HELD_OUT.items():
        said = read(pathlib.Path(str(DATA), name))[2]
        assert len(said) == len(expected), (name, said)
        assert all(part in message for part, message in zip(expected, said, strict=True)), (name, said)
    for name in CLEAN:
        assert read(pathlib.Path(str(DATA), name))[2] == [], name
    sms = blocks.data.read(
        pathlib.Path(str(DATA), "sms_spam/sms.tsv"), column_names=["label", "text"], quote_char=False
    )
    assert sms.count() == 5_574


def test_missing_values_of_all_columns_are_said_once(tmp_path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b,c\n" + "1,2,nan\n" * 8 + "?,2,3\n1,?,3\n2,-,NULL\n4,4,4\n")
    (said,) = read(path)[2]
    assert "columns 'a', 'b' are text because of '-', '?' among numbers" in said
    found = read(path, **advised(said))
    assert found[2] == []
    assert found[1][-4:] == [[None, 2, 3], [1, None, 3], [2, None, None], [4, 4, 4]]


@settings(max_examples=400)
@given(
    st.one_of(
        st.text(alphabet="a1,;\t|\n\r\"' #?-.\0é", max_size=80),
        st.lists(
            st.sampled_from(["a,b", "1,2", "", "#", "'x',1", '"y" z,2', "sep=;", "a;b", "1;2", "\ufeff"]), max_size=9
        ).map("\n".join),
    ),
    st.sampled_from([{}, {"column_names": ["x", "y"]}, {"skip_rows": 2}, {"skip_rows": [1, 3]}, {"quote_char": False}]),
    st.booleans(),
)
def test_nothing_raw_escapes_and_rows_add_up(tmp_path_factory, text, options, keep) -> None:
    folder = tmp_path_factory.mktemp("any")
    path = folder / "t.csv"
    path.write_bytes(text.encode())
    kept = {"on_bad_rows": "keep", "rejects": str(folder / "bad.csv")} if keep else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            source = blocks.data.read(path, **options, **kept)
            assert source.count() == source.to_table().num_rows
        except BlocksError:
            pass


def test_what_a_store_knows_a_file_by_has_not_changed(tmp_path) -> None:
    """Stores of earlier versions hold this fingerprint; options that came later are in it where they are used."""
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1, 2\n")
    earlier = {"read", "parse", "convert", "column_types", "default_column_type", "encoding", "newlines_in_values"}
    assert set(blocks.data.read(path).fingerprint()["options"]) == {*earlier, "skip_rows"}
    assert blocks.data.read(path, delimiter=",").fingerprint()["options"]["parse"] == "{'delimiter': ','}"
    for options in ({"skip_rows": [3]}, {"skip_initial_space": True}):
        assert blocks.data.read(path, **options).fingerprint() != blocks.data.read(path).fingerprint()
