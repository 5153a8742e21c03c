"""Numbers in CSV files: no digit is lost without a word, in whatever block, and nothing is said where none is."""

import csv
import decimal
import io
import pathlib
import re
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import blocks.data
from blocks.errors import BlocksWarning

# each kind of text that a number would not give back, and what its column becomes
TEXT = {
    "beyond int64": ["9223372036854775809", "1"],
    "beyond uint64, negative": ["-99999999999999999999", "1"],
    "beyond int64 beside fractions": ["0.5", "9223372036854775809"],
    "beyond 2**53 beside fractions": ["0.5", "9007199254740993"],
    "leading zero": ["00501", "10115"],
    "leading zero, negative": ["-07", "1"],
    "leading zero beside fractions": ["1.5", "007"],
    "leading zero quoted": ['"00501"', '"10115"'],
    "leading zero padded": [" 00501", "10115"],
    "hexadecimal": ["0x1F", "12"],
    "hexadecimal, capital": ["0XFF", "12"],
    "beyond float64": ["1e400", "1"],
    "beyond float64, negative": ["-1e400", "1"],
    "below float64": ["1e-400", "1"],
}
SAME = {
    "int64": ["9223372036854775807", "-9223372036854775808", "0", "-0", "7"],
    "float64": ["0.1", "1e5", ".5", "5.", "-1.5e-300", "1e308", "0.0", "00.5", "007.5", "0e0", "0e400"],
    "infinite": ["inf", "-Infinity", "1.5"],
    "powers": ["1e22", "100000000000000000000", "9007199254740992", "18014398509481984", "0.5"],
    "printed": [f"{0.1:.20f}", f"{1 / 3:.17g}", f"{2.5:.30f}", repr(2 / 3), "9223372036854775808"],
    "dates": ["2024-01-01", "2024-02-03"],
    "times": ["00:00:01", "07:05:00"],
    "instants": ["2024-01-01 00:00:00", "2024-01-02 05:06:07"],
    "text": ["007", "agent"],
}


def write(path: pathlib.Path, values: list[str], column: int = 1) -> list[str]:
    """A file in which the values stand in one of three columns; returns them as Python's csv reads them."""
    rows = [["a", "b", "c"]] + [[str(i), str(i), str(i)] for i in range(1, len(values) + 1)]
    for row, value in zip(rows[1:], values, strict=True):
        row[column] = value
    text = "".join(",".join(row) + "\n" for row in rows)
    path.write_text(text)
    return [row[column] for row in csv.reader(io.StringIO(text))][1:]


@pytest.mark.parametrize("kind", TEXT)
@pytest.mark.parametrize("column", [0, 1, 2])
def test_a_column_that_would_lose_digits_stays_text(tmp_path: pathlib.Path, kind, column) -> None:
    path = tmp_path / "t.csv"
    # alone, and after a thousand values that are fine, in the same block and in a later one
    for before in (0, 1_000):
        values = write(path, [str(i) for i in range(1, before + 1)] + TEXT[kind], column)
        name = "abc"[column]
        for size in (1 << 20, 400):
            source = blocks.data.read(path, block_size=size)
            with pytest.warns(BlocksWarning, match=rf"t\.csv: column '{name}' .*column_types=\{{'{name}'"):
                found = source.to_table()[name].to_pylist()
            assert found == values
            # the advice, followed: nothing is said, and the numbers are what Python makes of the text
            text = blocks.data.read(path, block_size=size, column_types={name: "string"})
            assert text.to_table()[name].to_pylist() == values


@pytest.mark.parametrize("kind", SAME)
def test_nothing_is_said_where_nothing_is_lost(tmp_path: pathlib.Path, kind) -> None:
    path = tmp_path / "t.csv"
    for column in (0, 1, 2):
        values = write(path, SAME[kind], column)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = blocks.data.read(path).to_table()["abc"[column]].to_pylist()
        if kind in ("int64", "float64", "infinite", "powers", "printed"):
            np.testing.assert_array_equal(found, [float(v) if kind != "int64" else int(v) for v in values])


def test_rounded_fractions_are_said_once(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "t.csv"
    write(path, ["0.1234567890123456789012"] * 2_000)
    with pytest.warns(BlocksWarning, match="'b' holds '0.1234567890123456789012'.*rounded to float64") as caught:
        assert blocks.data.read(path, block_size=5_000).to_table()["b"][0].as_py() == 0.1234567890123456789012
    assert len(caught) == 1
    exact = blocks.data.read(path, column_types={"b": "string"}).to_table()["b"]
    assert exact[0].as_py() == "0.1234567890123456789012"


def test_a_thousand_ids_are_a_thousand(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("id,x\n" + "".join(f"{10**19 + k},{k}\n" for k in range(1000)))
    source = blocks.data.read(path)
    with pytest.warns(BlocksWarning, match="column 'id' holds '10000000000000000001', which is an integer"):
        assert len(set(source.to_table()["id"].to_pylist())) == 1000
    parts = source.split(a=0.5, b=0.5, key="id")
    assert min(part.count() for part in parts.values()) > 400


def test_ids_stay_text_across_files(tmp_path: pathlib.Path) -> None:
    (tmp_path / "1.csv").write_text("id\n9007199254740993\n")
    (tmp_path / "2.csv").write_text("id\n0.5\n")
    (tmp_path / "3.csv").write_text("id\n007\n")
    with pytest.warns(BlocksWarning, match="'id'"):
        found = blocks.data.read(tmp_path).to_table()["id"].to_pylist()
    assert found == ["9007199254740993", "0.5", "007"]
    with pytest.warns(BlocksWarning, match="'id'"):
        found = blocks.data.read([tmp_path / "1.csv", tmp_path / "2.csv"]).to_table()["id"].to_pylist()
    assert found == ["9007199254740993", "0.5"]


def test_rows_that_are_set_aside_decide_nothing(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,007\n1,2\n0x1F\n00501,3,4\n5,6\n")
    source = blocks.data.read(path, on_bad_rows="keep", rejects=tmp_path / "bad.csv")
    assert source.to_table().to_pydict() == {"a": [1, 5], "007": [2, 6]}


number = st.one_of(
    st.integers(-(10**21), 10**21).map(str),
    st.integers(-(2**64), 2**64).map(str),
    st.from_regex(r"-?[0-9]{1,22}(\.[0-9]{0,22})?([eE][+-]?[0-9]{1,3})?", fullmatch=True),
    st.from_regex(r"0[xX]?[0-9a-fA-F]{1,4}", fullmatch=True),
    st.floats().map(repr),
)


@settings(max_examples=300)
@given(st.lists(number, min_size=1, max_size=8), st.integers(8, 80), st.sampled_from([0, 1, 2]))
def test_no_digit_is_lost_without_a_word(tmp_path_factory, values, size, column) -> None:
    path = tmp_path_factory.mktemp("digits") / "t.csv"
    write(path, values, column)
    name = "abc"[column]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = blocks.data.read(path, block_size=size).to_table()[name].to_pylist()
    said = any(f"column '{name}'" in str(w.message) for w in caught)
    for text, value in zip(values, found, strict=True):
        if isinstance(value, str):
            assert value == text
        elif value is not None and not said:
            assert np.isinf(value) == ("inf" in text)
            if np.isfinite(value):
                exact = decimal.Decimal(text)
                digits = max(len(exact.as_tuple().digits), 1)
                assert (int(text) if isinstance(value, int) else float(text)) == value
                assert digits <= 17 or decimal.Context(prec=digits).create_decimal(decimal.Decimal(value)) == exact
                assert "." in text or "e" in text.lower() or int(text) == value
                assert bool(value) == bool(exact)
            assert re.fullmatch(r"-?0([0-9]+|[xX].*)", text) is None
