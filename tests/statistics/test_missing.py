"""Missing on every kind of column."""

import math

import pyarrow as pa
import pytest

from blocks.statistics import Missing

COLUMNS = [
    pa.array([1.0, math.nan, None, math.inf]),
    pa.array([1.0, math.nan, None, math.inf]).dictionary_encode(),
    pa.array([1, None, None, 2], pa.int8()),
    pa.array([True, None, None, False]),
    pa.array(["a", "", None, " "]),
    pa.array(["a", "", None, " "], pa.string_view()),
    pa.array([b"a", b"", None, b"\x00"]),
    pa.array([[1], None, None, []]),
    pa.array([{"a": None}, None, None, {"a": 1}]),
    pa.DictionaryArray.from_arrays(pa.array([0, 1, None, 0], pa.uint8()), pa.array(["a", None])),
    pa.DictionaryArray.from_arrays(pa.array([0, 1, None, 0], pa.int16()), pa.array(["a", ""])),
    pa.array(["a", "b", None, None, "x", "", None, "c"]).slice(4),
]


@pytest.mark.parametrize("column", COLUMNS, ids=lambda column: str(column.type))
def test_half_of_the_rows_are_missing(column) -> None:
    missing = Missing()
    missing.update(column)
    missing.update(pa.nulls(0))
    result = missing.result()
    assert (result.rows, result.missing, result.fraction) == (4, 2, 0.5)


def test_no_rows_no_fraction() -> None:
    assert math.isnan(Missing().result().fraction)


def test_run_ends_and_extensions_are_unpacked() -> None:
    missing = Missing()
    missing.update(pa.RunEndEncodedArray.from_arrays(pa.array([2, 4], pa.int32()), pa.array(["", "a"])))
    missing.update(pa.ExtensionArray.from_storage(pa.opaque(pa.string(), "t", "v"), pa.array(["", "b"])))
    assert missing.result().missing == 3
