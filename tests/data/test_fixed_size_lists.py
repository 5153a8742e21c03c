"""Lists of so many numbers in every row as arrays, against plain Python: every layout, and any part of an array."""

import json
import math
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import blocks
from blocks.data.fixed_size_lists import fixed_size_lists, items_of
from blocks.data.raw_arrays import to_arrow, to_raw
from blocks.data.raw_columns import RawColumn, raw_column
from blocks.errors import BlocksError, InvalidArgument, SchemaMismatch

LENGTH = 3
ITEMS = {
    pa.float64(): st.floats(width=32),
    pa.float32(): st.floats(width=32),
    pa.float16(): st.floats(width=16),
    pa.int64(): st.integers(-(2**53), 2**53),
    pa.uint8(): st.integers(0, 255),
    pa.bool_(): st.booleans(),
    pa.decimal128(9, 2): st.integers(-9999, 9999).map(lambda n: Decimal(n) / 4),
}
LAYOUTS = {
    "fixed": lambda type: pa.list_(type, LENGTH),
    "list": pa.list_,
    "large": pa.large_list,
    "view": pa.list_view,
}


@st.composite
def rows(draw):
    """A type, and rows of lists of it, whole ones missing and items too."""
    type = draw(st.sampled_from(list(ITEMS)))
    row = st.lists(st.one_of(st.none(), ITEMS[type]), min_size=LENGTH, max_size=LENGTH)
    return type, draw(st.lists(st.one_of(st.none(), row), max_size=12))


@given(rows(), st.sampled_from(list(LAYOUTS)), st.integers(0, 4), st.integers(0, 4))
@settings(max_examples=100)
def test_every_layout_and_any_part_of_one_is_what_its_rows_say(given_rows, layout, skip, cut):
    type, lists = given_rows
    dtype = "float32" if type in (pa.float16(), pa.float32()) else "float64"
    whole = pa.chunked_array([pa.array(lists[:cut], pa.list_(type)), pa.array(lists[cut:], pa.list_(type))])
    whole = whole.cast(LAYOUTS[layout](type)) if layout != "view" else pa.array(lists, pa.list_view(type))
    for part, expected in ((whole.slice(skip), lists[skip:]), (whole.slice(0, skip), lists[:skip])):
        wanted = [[math.nan] * LENGTH if row is None else row for row in expected]
        wanted = np.array([[math.nan if one is None else one for one in row] for row in wanted], dtype)
        found = to_raw(part, RawColumn(dtype, (LENGTH,)), "x")
        assert found.dtype == dtype
        assert found.shape == (len(expected), LENGTH)
        assert np.array_equal(found, wanted.reshape(-1, LENGTH), equal_nan=True)


def test_items_hidden_behind_a_null_and_parts_of_a_parent_do_not_show():
    items = pa.array(np.arange(12.0)).slice(2)
    hidden = pa.FixedSizeListArray.from_arrays(items.slice(0, 10), 2, mask=pa.array([False, True, False, False, True]))
    expected = [[2.0, 3.0], [math.nan] * 2, [6.0, 7.0], [8.0, 9.0], [math.nan] * 2]
    for start in range(5):
        found = to_raw(hidden.slice(start), RawColumn("float64", (2,)))
        assert np.array_equal(found, np.array(expected[start:]), equal_nan=True)
    spread = pa.ListArray.from_arrays(pa.array([1, 3, None, 6, 8], pa.int32()), pa.array(np.arange(9)))
    assert spread.to_pylist() == [[1, 2], [3, 4, 5], None, [6, 7]]
    found = to_raw(pa.concat_arrays([spread.slice(0, 1), spread.slice(2)]), RawColumn("float64", (2,)))
    assert np.array_equal(found, np.array([[1, 2], [math.nan] * 2, [6, 7]]), equal_nan=True)


def test_floats_without_a_null_are_not_copied():
    numbers = np.arange(40.0)
    lists = pa.FixedSizeListArray.from_arrays(pa.array(numbers), 4).slice(3)
    assert np.shares_memory(to_raw(lists, RawColumn("float64", (4,))), numbers)
    assert np.shares_memory(fixed_size_lists(numbers.reshape(10, 4)).values.to_numpy(), numbers)


def test_another_length_is_refused_by_name_and_row():
    with pytest.raises(SchemaMismatch, match=r"'close' holds lists of 2 values.*Received: one of 3 in row 3\."):
        items_of(pa.array([[1, 2], None, [1, 2, 3]]), 2, "close")
    with pytest.raises(
        SchemaMismatch, match=r"'close' enters the model as float64\[24\]: windows of 24 numbers.*\[12\]"
    ):
        to_raw(fixed_size_lists(np.zeros((2, 12))), RawColumn("float64", (24,)), "close")
    with pytest.raises(SchemaMismatch, match=r"Received: double\. Give 2 values a row"):
        to_raw(pa.array([1.0]), RawColumn("float64", (2,)), "close")
    with pytest.raises(SchemaMismatch, match=r"enters the model as float64: numbers"):
        to_raw(fixed_size_lists(np.zeros((2, 1))), RawColumn("float64"), "close")
    with pytest.raises(SchemaMismatch, match=r"Received: list<item: string>"):
        to_raw(pa.array([["a", "b"]]), RawColumn("float64", (2,)), "close")


def test_a_column_without_a_value_may_enter_as_anything():
    for nothing in (pa.nulls(2), pa.array([None, None], pa.string()), pa.array([[None, None], None])):
        assert np.isnan(to_raw(nothing, RawColumn("float32", (2,)))).sum() == 4
    assert to_raw(pa.array([], pa.list_(pa.float64(), 2)), RawColumn("float64", (2,))).shape == (0, 2)


def test_raw_columns_of_windows_say_what_they_are():
    for type, kind in ((pa.float32(), "float32"), (pa.float16(), "float32"), (pa.bool_(), "float64")):
        assert raw_column(pa.list_(type, 24), window=True) == RawColumn(kind, (24,))
    window = RawColumn("float64", (24,))
    assert RawColumn.from_config(window.get_config()) == window
    assert (str(window), window.batch_shape) == ("float64[24]", (None, 24))
    for odd in (("string", (2,)), ("float64", (2, 3)), ("float64", (0,))):
        with pytest.raises(InvalidArgument, match="a window of so many numbers"):
            RawColumn(*odd)


def test_arrays_of_two_axes_are_windows_wherever_columns_come_from():
    numbers = np.arange(6, dtype="i4").reshape(3, 2)
    masked = np.ma.masked_equal(numbers, 5)
    kind = pa.list_(pa.int32(), 2)
    for values in (numbers, numbers[::-1][::-1], np.asfortranarray(numbers), numbers.astype(">i4")):
        assert blocks.read({"x": values}).to_table()["x"].to_pylist() == [[0, 1], [2, 3], [4, 5]]
        assert blocks.read({"x": values}).schema.field("x").type == kind
    assert blocks.read({"x": masked}).to_table()["x"].to_pylist()[2] == [4, None]
    assert to_arrow(numbers).type == kind
    polars = pl.DataFrame({"x": numbers})
    assert blocks.read(polars).schema.field("x").type == kind
    pandas = pd.DataFrame({"x": list(numbers.astype(float))})
    held = next(blocks.read(pandas).chunks(9)).column("x")
    assert to_raw(held, RawColumn("float64", (2,))).tolist() == numbers.tolist()
    for odd in (np.zeros((3, 0)), np.float64(1.0)):
        with pytest.raises(InvalidArgument, match=r"Column 'x' must"):
            blocks.read({"x": odd})


@pytest.mark.parametrize("form", ["pandas", "dict", "parquet", "arrow", "jsonl"])
def test_lists_of_no_fixed_size_become_windows_where_their_type_says_so(form, tmp_path):
    lists, kind = [[1.0, 2.0], None, [3.0, None]], pa.list_(pa.float64(), 2)
    table = pa.table({"x": pa.array(lists, pa.list_(pa.float64())), "y": [1, 2, 3]})
    data = {"pandas": table.to_pandas(), "dict": {name: table[name] for name in table.schema.names}}.get(form)
    if data is None:
        data = tmp_path / f"rows.{form}"
        if form == "jsonl":
            data.write_text("".join(json.dumps(row) + "\n" for row in table.to_pylist()))
        else:
            blocks.read(table).write(data)
    source = blocks.read(data, column_types={"x": kind, "y": "float64"})
    assert source.schema.types == [kind, pa.float64()]
    for chunk in (*source.chunks(2), *source.chunks(2, columns=["x"])):
        assert chunk.column("x").type == kind
    found = source.to_table().to_pylist()
    assert [row["y"] for row in found] == [1, 2, 3]
    assert [row["x"] for row in found][0::2] == [[1.0, 2.0], [3.0, None]]
    assert source.fingerprint() != blocks.read(data).fingerprint()
    if form != "jsonl":
        with pytest.raises(SchemaMismatch, match="column_types: there is no column 'z'"):
            blocks.read(data, column_types={"z": kind})
    with pytest.raises(BlocksError, match=r"fixed_size_list|FixedSizeList"):
        blocks.read(data, column_types={"x": pa.list_(pa.float64(), 3)}).to_table()
