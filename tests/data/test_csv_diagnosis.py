"""CSV files that are not what a reader takes them for: each kind, generated from good tables, and what is said of it.

A kind is read right although nothing was said by the user, or a warning or an error names the option that mends it; the
advice is then followed, word for word, and gives the table. Good files are read without a word. Truth is the table.
"""

import ast
import csv
import io
import pathlib
import re
import warnings

import numpy as np
import pytest

import blocks.data
from blocks.errors import BlocksWarning, MalformedData, SchemaMismatch

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
        found = blocks.data.read(path, **options).table()
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
                source.table()
        return
    found = read(path)
    assert equal(found[1], rows)
    assert any("';' separates" in said for said in found[2])


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
            blocks.data.read(path).table()
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
    found = read(path, **options)
    assert found[2] == []
    assert found[0] == names
    assert equal(found[1], rows)
