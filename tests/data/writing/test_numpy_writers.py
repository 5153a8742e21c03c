"""NumPy's files: NumPy reads and maps what was written."""

import datetime

import numpy as np
import pyarrow as pa
import pytest

import blocks
from blocks.errors import BlocksWarning, SchemaMismatch

DAY = datetime.date(2024, 2, 29)
COLUMNS = {
    "x": pa.array([0.5, float("nan"), -0.0]),
    "count": pa.array([1, 2, 3], pa.uint8()),
    "yes": [True, False, True],
    "day": pa.array([DAY, None, DAY]),
    "at": pa.array([1, None, 3], pa.timestamp("ns")),
    "image": pa.array([[[i, 2, 3], [4, 5, 6]] for i in range(3)], pa.list_(pa.list_(pa.int16(), 3), 2)),
}


def expected():
    return {
        "x": np.array([0.5, np.nan, -0.0]),
        "count": np.array([1, 2, 3], "u1"),
        "yes": np.array([True, False, True]),
        "day": np.array([DAY, "NaT", DAY], "M8[D]"),
        "at": np.array([1, "NaT", 3], "M8[ns]"),
        "image": np.array([[[i, 2, 3], [4, 5, 6]] for i in range(3)], "i2"),
    }


@pytest.mark.parametrize("name", ["t.npz", "t.npy"])
def test_numpy_reads_what_was_written(name, tmp_path):
    made = blocks.read(COLUMNS).write(tmp_path / name)
    found = np.load(tmp_path / name)
    assert list(found if name == "t.npz" else found.dtype.names) == list(COLUMNS)
    for column, values in expected().items():
        assert found[column].dtype == values.dtype
        np.testing.assert_array_equal(found[column], values)
    assert made.schema == blocks.read(COLUMNS).schema
    assert repr(made.to_table().to_pylist()) == repr(blocks.read(COLUMNS).to_table().to_pylist())


def test_one_array_is_a_plain_one_that_can_be_mapped(tmp_path):
    values = np.random.default_rng(0).normal(size=(20_000, 3)).astype("f4")
    windows = pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), 3)
    blocks.read({"array": windows}).write(tmp_path / "t.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "t.npy", mmap_mode="r"), values)


def test_missing_floats_are_nan_which_is_said(tmp_path):
    with pytest.warns(BlocksWarning, match="NumPy has no nulls; they are NaN now: 2 of 'x'"):
        blocks.read({"x": [None, 1.5, None], "y": [1, 2, 3]}).write(tmp_path / "t.npz")
    np.testing.assert_array_equal(np.load(tmp_path / "t.npz")["x"], [np.nan, 1.5, np.nan])


@pytest.mark.parametrize(
    ("columns", "name", "message"),
    [
        ({"n": [1, None]}, "t.npz", "In NumPy nothing but a float, a date or a time is missing.*column 'n'"),
        ({"l": pa.array([[1], None], pa.list_(pa.int64(), 1))}, "t.npy", "column 'l'.*a list is missing"),
        ({"s": ["a"]}, "t.npy", "column 's', string, which it does not hold"),
        ({"日": [1]}, "t.npy", "names of Latin letters. Received: column '日'"),
        ({f"column {i}": [1] for i in range(500)}, "t.npy", "header of a .npy has at most 10,000 bytes"),
        ({"a\0": [1]}, "t.npz", "without NUL"),
    ],
)
def test_what_numpy_has_no_place_for_is_refused(columns, name, message, tmp_path):
    with pytest.raises(SchemaMismatch, match=message):
        blocks.read(columns).write(tmp_path / name)
    assert not list(tmp_path.iterdir())
