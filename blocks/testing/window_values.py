"""The rule of windows: each value of one gives the bits that it gives alone, and is learned from as one."""

from typing import Any

import numpy as np
import pyarrow as pa
import tensorflow as tf

from blocks.data.arrow_types import is_number
from blocks.data.fixed_size_lists import fixed_size_lists
from blocks.data.raw_arrays import to_raw
from blocks.errors import BlocksError
from blocks.offline.transform import Transform
from blocks.preprocessors import Columns
from blocks.testing.preprocessor import odd_rows
from blocks.testing.rules import require, rule, same, same_state
from blocks.testing.sample_rows import BATCH_SIZES, Case, batched, call, signature

LENGTH = 5


def check_windows(case: Case) -> None:
    """Windows of the values of a case, odd ones among them, on every path, where the block takes windows."""
    block, columns = case.block, case.columns
    assert columns is not None
    if isinstance(block, Columns) or not block.takes_windows or not all(is_number(c.type) for c in columns.values()):
        return
    alone = _values(block, case.rows)
    windows = tuple(values.reshape(-1, LENGTH) for values in alone)
    rows: Any = windows if len(windows) > 1 else windows[0]
    expected = call(block, alone if len(alone) > 1 else alone[0])
    expected = expected.reshape(-1, LENGTH, *expected.shape[1:])
    with rule(block, "each value of a window gives the bits that it gives alone"):
        same(expected, call(block, rows))
        function = tf.function(lambda values: block(values), input_signature=[signature(rows)])
        for size in BATCH_SIZES:
            same(expected, batched(function, rows, size), 0.0, f"in a tf.function at batch size {size}")
        for size in (1, 7):
            same(expected[:18], batched(block, _first(rows, 18), size), 0.0, f"eager at batch size {size}")
    arrow = {name: fixed_size_lists(values) for name, values in zip(columns, windows, strict=True)}
    with rule(block, "windows offline (blocks.offline.transform) and served give one entry, with the same bits"):
        packed = Columns({next(iter(arrow)) if len(arrow) == 1 else tuple(arrow): block.copy()})
        packed.bind(pa.schema([(name, values.type) for name, values in arrow.items()]))
        ((name, entry),) = packed.spec.items()
        require(entry.window and entry.shape == expected.shape[1:], f"{entry}")
        transform, whole = Transform(packed), pa.record_batch(arrow)
        same(expected, transform(whole)[name])
        for size in (1, 7):
            parts = [transform(whole.slice(start, size))[name] for start in range(0, len(whole), size)]
            same(expected, np.concatenate(parts), 0.0, f"in chunks of {size}")
        raw = {column: to_raw(arrow[column], of, column) for column, of in packed.inputs.items()}
        same(expected, call(packed, raw)[name])
    if block.learns and len(arrow) == 1:
        with rule(block, "a block learns from each value of a window as from a number"):
            fresh = type(block).from_config(block.get_config())
            try:
                learned = fresh.learn(fresh.observe_all([fresh.column_chunk([pa.array(alone[0])])]))
            except BlocksError:  # odd values are none that it learns from
                return
            found = fresh.learn(fresh.observe_all([fresh.column_chunk(list(arrow.values()))]))
            same_state(learned, found)


def _values(block: Any, rows: Any) -> tuple[np.ndarray, ...]:
    """The columns' values, and odd ones, in a number that makes whole windows."""
    odd = odd_rows(block, rows)
    columns = rows if isinstance(rows, tuple) else (rows,)
    odd = odd if isinstance(odd, tuple) else (odd,)
    joined = [np.concatenate(pair) for pair in zip(columns, odd, strict=True)]
    return tuple(values[: len(values) // LENGTH * LENGTH] for values in joined)


def _first(rows: Any, count: int) -> Any:
    return tuple(values[:count] for values in rows) if isinstance(rows, tuple) else rows[:count]
