"""Lists of so many items in every row, as windows are: NumPy arrays as Arrow, and the items of Arrow's lists."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from blocks.errors import SchemaMismatch


def fixed_size_lists(values: np.ndarray, mask: np.ndarray | None = None) -> pa.Array:
    """An array as Arrow has it: rows of several values as lists of fixed size, whose items are not copied.

    Args:
        values: (rows, ...).
        mask: Of the same shape: which values are missing.

    Example:
        >>> fixed_size_lists(np.arange(4.0).reshape(2, 2)).to_pylist()
        [[0.0, 1.0], [2.0, 3.0]]
    """
    flat = np.ascontiguousarray(values).reshape(-1)
    made = pa.array(flat, mask=None if mask is None else np.ascontiguousarray(mask).reshape(-1))
    for size in reversed(values.shape[1:]):
        made = pa.FixedSizeListArray.from_arrays(made, size)
    return made


def items_of(lists: pa.Array, size: int, name: str) -> tuple[pa.Array, np.ndarray | None]:
    """The items of lists of one size, row after row, and which rows have none.

    Args:
        lists: Of any layout, and any part of a longer array.
        size: How many items each row has that is no null.
        name: The column's, for the error.

    Returns:
        The items of the rows that are lists; and bool (rows,), true of a null, or None where there is no such row.

    Raises:
        SchemaMismatch: A list is longer or shorter.

    Example:
        >>> items, absent = items_of(pa.array([[1, 2], None, [3, None]]).slice(1), 2, "x")
        >>> items.to_pylist(), absent.tolist()
        ([3, None], [True, False])
    """
    absent: Any = lists.is_null().to_numpy(zero_copy_only=False) if lists.null_count else None
    if pt.is_fixed_size_list(lists.type):
        if absent is not None:
            return lists.flatten(), absent
        # a slice shares its parent's items
        return lists.values.slice(lists.offset * size, len(lists) * size), None
    lengths = pc.list_value_length(lists)
    wrong = pc.fill_null(pc.not_equal(lengths, size), False)
    if pc.any(wrong).as_py():
        row = pc.index(wrong, True).as_py()
        raise SchemaMismatch(
            f"Column {name!r} holds lists of {size} values, as when the model was adapted. Received: one of "
            f"{lengths[row].as_py()} in row {row + 1:,}. Cut or fill it to {size}: None is a missing value."
        )
    return lists.flatten(), absent
