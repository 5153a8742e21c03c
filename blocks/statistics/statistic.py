"""The base of all statistics of a column: its chunks and weights are checked here; what they compute is not."""

import abc
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from blocks.arguments import checked
from blocks.errors import InvalidArgument, SchemaMismatch
from blocks.statistics.mergeable import Mergeable
from blocks.statistics.working_memory import Room

MAX_WEIGHT = 1e100


class Statistic(Mergeable):
    """A mergeable summary of one column, whose chunks are Arrow arrays. It belongs to one thread at a time."""

    room: Room = Room()
    """Where it works beside others of its pass; as it likes unless a `Budget` says otherwise."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Has the constructor's arguments checked."""
        super().__init_subclass__(**kwargs)
        if "__init__" in vars(cls):
            cls.__init__ = checked()(cls.__init__)  # type: ignore[method-assign]

    def update(self, values: pa.Array | pa.ChunkedArray, weights: np.ndarray | None = None) -> None:
        """Adds one chunk.

        Args:
            values: (rows,) Any type that the statistic takes; null, NaN, "" and b"" are missing.
            weights: (rows,) float64, finite, from 0 to 1e100; None weighs every row 1.

        Raises:
            InvalidArgument: `values` is no Arrow array, or the weights do not fit.
            SchemaMismatch: The type cannot be summarised, or differs from the chunks before.
        """
        if not isinstance(values, pa.Array | pa.ChunkedArray):
            raise InvalidArgument(
                f"{type(self).__name__}.update takes an Arrow array. Received: {type(values).__name__}. "
                "Wrap it: pyarrow.array(values)."
            )
        if weights is not None:
            weights = _checked_weights(weights, len(values))
        start = 0
        for chunk in values.chunks if isinstance(values, pa.ChunkedArray) else [values]:
            stop = start + len(chunk)
            if isinstance(chunk, pa.ExtensionArray):
                chunk = chunk.storage
            if isinstance(chunk, pa.RunEndEncodedArray):
                chunk = pc.run_end_decode(chunk)
            if len(chunk):
                self._update(chunk, None if weights is None else weights[start:stop])
            start = stop

    @property
    def wish(self) -> int:
        """Bytes that it holds at most, and may be given less of; 0 where it is always small, or has no choice."""
        return 0

    def bounded(self, max_bytes: int) -> Self:
        """Returns a fresh one that holds at most so many bytes, of one with a `wish`."""
        raise NotImplementedError

    @abc.abstractmethod
    def result(self) -> Any:
        """Returns what has been learned so far, as a frozen dataclass."""

    @abc.abstractmethod
    def _update(self, values: pa.Array, weights: np.ndarray | None) -> None:
        """Adds a checked chunk of one row at least; raises before it changes anything."""


def unsupported(statistic: str, accepts: str, received: pa.DataType) -> SchemaMismatch:
    """The error for a column of a type that a statistic does not take."""
    return SchemaMismatch(f"{statistic} takes {accepts}. Received: {received}. Cast the column, or leave it out.")


def _checked_weights(weights: np.ndarray, rows: int) -> np.ndarray:
    array = np.asarray(weights, dtype=np.float64)
    if array.shape != (rows,):
        raise InvalidArgument(f"Weights have one number a row, shape ({rows},). Received: shape {array.shape}.")
    # NaN fails both comparisons, so this refuses it too.
    if rows and not (array.min() >= 0 and array.max() <= MAX_WEIGHT):
        raise InvalidArgument(
            f"Weights are finite and from 0 to {MAX_WEIGHT:g}. Received: from {array.min()} to {array.max()}. "
            "Drop or clip the rows with other weights."
        )
    return array
