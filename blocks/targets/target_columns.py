"""Targets as Arrow: one column as it is, several as a struct of them; and numbers out of them. No head lives here."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.types as pt

from blocks.data.arrow_types import is_number
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
                "Foretell one step: blocks.windows(..., horizon=1, gap=...)."
                if pt.is_fixed_size_list(target.type)
                else "Cast it, or use a classifier."
            )
        )
    # integers beyond 2^53 are rounded: a quantity, not an identifier
    return target.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
