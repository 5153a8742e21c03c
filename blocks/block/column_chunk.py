"""ColumnChunk: what a preprocessor observes, and the chunks of a column that is given to a block alone."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import numpy as np
import pyarrow as pa

from blocks.data.raw_arrays import to_arrow
from blocks.errors import InvalidArgument


@dataclass(frozen=True)
class ColumnChunk:
    """What a preprocessor observes: values, and for a block that uses the target what it must know of their rows.

    Args:
        values: (rows,) What `Preprocessor.observed` gives of what enters the block.
        target: (rows,) The head's target; a classifier's is dictionary-encoded.
        rows: (rows,) int64 positions in the source.
    """

    values: pa.Array
    target: pa.Array | None = None
    rows: np.ndarray | None = None


def observations(observed: Any) -> pa.Array:
    """What `Preprocessor.observed` gave as what statistics are updated with; a ragged tensor's values one by one."""
    values = getattr(observed, "flat_values", observed).numpy()
    return pa.array(values, pa.binary() if values.dtype == object else None)


def chunks_of_column(data: Any) -> Iterable[pa.Array]:
    """The chunks of a column in any form that `Preprocessor.adapt` takes.

    Raises:
        InvalidArgument: It is none.
    """
    if isinstance(data, pa.ChunkedArray):
        return data.chunks
    if hasattr(data, "schema") and hasattr(data, "chunks"):
        if len(data.schema) != 1:
            raise InvalidArgument(
                f"A block learns from one column. Received: a source of {len(data.schema)}: "
                f"{', '.join(data.schema.names)}. Select one: source.select([...])."
            )
        return (chunk.column(0) for chunk in data.chunks(65_536))
    if isinstance(data, pa.Array | np.ndarray) or hasattr(data, "__arrow_c_stream__"):
        return [to_arrow(_flat(data))]
    if isinstance(data, list | tuple) and not (data and isinstance(data[0], pa.Array | pa.ChunkedArray | np.ndarray)):
        return [to_arrow(list(data))]
    if isinstance(data, Iterable):
        return (to_arrow(_flat(chunk)) for chunk in data)
    raise InvalidArgument(
        f"adapt takes a column of values or an iterable of chunks of it. Received: {type(data).__name__}."
    )


def side_by_side(columns: Sequence[Iterable[pa.Array]]) -> Iterator[tuple[pa.Array, ...]]:
    """The chunks of columns that are as long as each other, and cut alike.

    Raises:
        InvalidArgument: They are not.
    """
    for chunks in zip_longest(*columns):
        lengths = [0 if chunk is None else len(chunk) for chunk in chunks]
        if len(set(lengths)) > 1:
            raise InvalidArgument(
                f"Columns that a block learns from together have the same rows, in the same chunks. Received: chunks "
                f"of {', '.join(map(str, lengths))} rows."
            )
        yield chunks


def _flat(chunk: Any) -> Any:
    """A chunk of shape (rows, 1), as Keras' `FeatureSpace` makes them, as one of shape (rows,)."""
    shape: tuple[int, ...] = tuple(getattr(chunk, "shape", ()))
    return np.asarray(chunk)[:, 0] if len(shape) == 2 and shape[-1] == 1 else chunk
