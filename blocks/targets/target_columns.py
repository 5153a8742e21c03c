"""Targets as Arrow: one column as it is, several as a struct of them; numbers, and steps of them, out of these.

No head lives here.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from blocks.data.arrow_types import is_number
from blocks.data.encodings import natural_type
from blocks.data.fixed_size_lists import items_of
from blocks.errors import BadTarget


def gather(chunk: pa.RecordBatch, targets: str | Sequence[str]) -> pa.Array:
    """The target of a chunk of rows.

    Args:
        chunk: Has the columns.
        targets: Name of a column, or names of several.

    Returns:
        (rows,) The column, or a struct of the columns.

    Example:
        >>> chunk = pa.record_batch({"a": [1, 2], "b": [True, None]})
        >>> gather(chunk, ("a", "b")).to_pylist()
        [{'a': 1, 'b': True}, {'a': 2, 'b': None}]
    """
    if isinstance(targets, str):
        return chunk.column(targets)
    return struct({name: chunk.column(name) for name in targets})


def struct(columns: dict[str, pa.Array]) -> pa.Array:
    """Columns of equal length as one array."""
    return pa.StructArray.from_arrays(list(columns.values()), list(columns))


def columns(target: pa.Array | pa.ChunkedArray, names: Sequence[str]) -> dict[str, pa.Array]:
    """Columns by name out of what `gather` gave for several; of an array of nulls, each is null.

    Raises:
        BadTarget: One is not there.
    """
    if isinstance(target, pa.ChunkedArray):
        target = target.combine_chunks()
    if pt.is_null(target.type):
        return dict.fromkeys(names, target)
    found = [field.name for field in target.type] if pt.is_struct(target.type) else []
    absent = [name for name in names if name not in found]
    if absent:
        raise BadTarget(
            f"A target of several columns is a struct that has {', '.join(map(repr, names))}. "
            f"Received: {target.type}. blocks.targets.target_columns.gather makes it of a batch."
        )
    return {name: part for name, part in zip(found, target.flatten(), strict=True) if name in names}


def numbers(target: pa.Array | pa.ChunkedArray, name: str) -> np.ndarray:
    """A column as float64, rounded once where that holds a number no finer, NaN where it is missing.

    Raises:
        BadTarget: It holds no numbers.

    Example:
        >>> numbers(pa.array([3, None]), "price")
        array([ 3., nan])
    """
    if isinstance(target, pa.ChunkedArray):
        target = target.combine_chunks()
    if not is_number(target.type) and not pt.is_null(target.type):
        raise BadTarget(
            f"A regressor's target is a number. Received: column {name!r} of type {target.type}. "
            + (
                "Foretell many steps by regressors.Horizons, or one: blocks.windows(..., horizon=1, gap=...)."
                if pt.is_fixed_size_list(target.type)
                else "Cast it, or use a classifier."
            )
        )
    # integers beyond 2^53 are rounded: a quantity, not an identifier
    return target.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)


def steps(target: pa.Array | pa.ChunkedArray, name: str, size: int | None = None) -> np.ndarray:
    """A column of equally many numbers a row as float64 (rows, steps), NaN where one is missing; numbers are one step.

    Args:
        target: Lists of any layout, or numbers.
        name: The column's, for the error.
        size: How many steps there are; None for as many as the first list has.

    Raises:
        BadTarget: It holds neither, or lists of other lengths.

    Example:
        >>> steps(pa.array([[1.0, 2.0], None, [3.0, None]]), "close_ahead").tolist()
        [[1.0, 2.0], [nan, nan], [3.0, nan]]
    """
    if isinstance(target, pa.ChunkedArray):
        target = target.combine_chunks()
    kind = target.type
    if pt.is_null(kind):
        return np.full((len(target), size or 1), np.nan)
    if is_number(kind):
        target, kind = pa.FixedSizeListArray.from_arrays(target, 1), pa.list_(kind, 1)
    if not (pt.is_list(kind) or pt.is_large_list(kind) or pt.is_fixed_size_list(kind)) or not (
        is_number(natural_type(kind.value_type)) or pt.is_null(kind.value_type)
    ):
        raise BadTarget(
            "A target of many steps holds a list of numbers a row, as the close_ahead of blocks.windows. Received: "
            f"column {name!r} of type {kind}."
        )
    lengths = pc.list_value_length(target).drop_null()
    first = kind.list_size if pt.is_fixed_size_list(kind) else (lengths[0].as_py() if len(lengths) else size)
    found = int(first or 0)
    if not found:
        return np.full((len(target), size or 1), np.nan)
    if (size is not None and found != size) or pc.any(pc.not_equal(lengths, found)).as_py():
        raise BadTarget(
            f"A target of many steps has as many in each row, {size or found}. Received: {name!r} with lists of "
            f"{pc.min(lengths).as_py()} to {pc.max(lengths).as_py()} numbers. Make the windows anew, or a head of them."
        )
    items, absent = items_of(target, found, name)
    values = items.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False).reshape(-1, found)
    if absent is None:
        return values
    whole = np.full((len(target), found), np.nan)
    whole[~absent] = values
    return whole
