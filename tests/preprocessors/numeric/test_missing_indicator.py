"""MissingIndicator on every kind of raw column."""

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf

from blocks.data.raw_arrays import to_raw
from blocks.data.raw_columns import MISSING_INT, RawColumn
from blocks.preprocessors.numeric.missing_indicator import MissingIndicator


@pytest.mark.parametrize(
    ("column", "dtype"),
    [
        (pa.array([1, None, 3]), "float64"),
        (pa.array([1.5, None, float("inf")], pa.float32()), "float32"),
        (pa.array([True, None, False]), "float64"),
        (pa.array(["a", None, "\x00"]), "string"),
        (pa.array([0, None, -1], pa.timestamp("s")), "timestamp"),
    ],
)
def test_nulls_are_missing(column, dtype) -> None:
    block = MissingIndicator()
    assert block.raw_column(column.type, "x") == RawColumn(dtype)
    raw = tf.constant(to_raw(column, RawColumn(dtype)))
    assert block(raw).numpy().tolist() == [0, 1, 0]
    assert block(raw).dtype == tf.float32


def test_nan_empty_and_the_smallest_int64_are_missing() -> None:
    block = MissingIndicator()
    assert block(np.array([np.nan, -np.nan, 0.0, 5e-324])).numpy().tolist() == [1, 1, 0, 0]
    assert block(tf.constant(["", " "])).numpy().tolist() == [1, 0]
    assert block(tf.constant([MISSING_INT, 0], tf.int64)).numpy().tolist() == [1, 0]
