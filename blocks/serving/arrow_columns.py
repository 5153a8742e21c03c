"""Columns as they enter the graph, as Arrow's again: nulls for what is missing, and the types of their kinds."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from blocks.data.raw_columns import A_DAY, LIST_SEPARATOR, MISSING_INT, RawColumn

_TIMES = {
    "timestamp": pa.timestamp("us"),
    "timestamp_utc": pa.timestamp("us", "UTC"),
    "instant": pa.timestamp("us"),
    "time": pa.time64("us"),
    "duration": pa.duration("us"),
}


def arrow_table(columns: Mapping[str, np.ndarray], raw: Mapping[str, RawColumn]) -> pa.Table:
    """Columns of a graph as a table, (rows, *shape) each."""
    return pa.table({name: arrow_column(columns[name], one) for name, one in raw.items()})


def arrow_column(values: np.ndarray, raw: RawColumn, *, binary: bool = False) -> pa.Array:
    """A column of a graph as Arrow's; bytes that are no UTF-8 are shown as U+FFFD.

    Args:
        values: Of shape (rows, *shape).
        raw: What it holds.
        binary: Whether texts are bytes, which stay as they are.
    """
    if raw.shape:
        flat = arrow_column(values.reshape(-1), RawColumn(raw.kind))
        for size in reversed(raw.shape):
            flat = pa.FixedSizeListArray.from_arrays(flat, size)
        return flat
    if raw.dtype == "string":
        if binary:
            return pa.array([one or None for one in values.tolist()], pa.binary())
        texts = [one.decode("utf-8", "replace") if isinstance(one, bytes) else one for one in values.tolist()]
        if raw.kind == "list":
            return pa.array(
                [None if not one else one.split(LIST_SEPARATOR)[1:] for one in texts], pa.list_(pa.string())
            )
        return pa.array([one or None for one in texts], pa.string())
    if raw.dtype == "int64":
        missing = values == MISSING_INT
        if raw.kind == "time":  # golden rows and requests hold times of day that no clock shows
            missing |= (values < 0) | (values >= A_DAY)
        return pa.array(values, pa.int64(), mask=missing).cast(_TIMES.get(raw.kind, pa.int64()))
    return pa.array(values, raw.dtype, mask=np.isnan(values))
