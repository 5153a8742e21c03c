"""The base of all statistics: what they share is checked and framed here; what they compute is not."""

import abc
from typing import Any, ClassVar, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from blocks.arguments import checked
from blocks.errors import InvalidArgument, MalformedData, SchemaMismatch
from blocks.statistics import serialization as encoding
from blocks.statistics.working_memory import Room

MAX_WEIGHT = 1e100


class Statistic(abc.ABC):
    """A mergeable summary of one column.

    `update` takes the column's chunks in any number, length and order; `merge` joins summaries made elsewhere and is
    associative and commutative; an empty statistic changes nothing. A statistic belongs to one thread at a time.

    Subclasses keep the constructor's arguments JSON-able and name them in `parameters`.
    """

    _classes: ClassVar[dict[str, type["Statistic"]]] = {}

    room: Room = Room()
    """Where it works beside others of its pass; as it likes unless a `Budget` says otherwise."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Makes the class known to `from_bytes`."""
        super().__init_subclass__(**kwargs)
        Statistic._classes[cls.__name__] = cls
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

    def merge(self, other: Self) -> None:
        """Adds what `other` has seen; `other` stays as it is.

        Raises:
            InvalidArgument: `other` is of another class or has other parameters.
            SchemaMismatch: The two saw columns of different types.
        """
        if type(other) is not type(self) or other.parameters() != self.parameters():
            theirs = f"{type(other).__name__}({getattr(other, 'parameters', dict)()})"
            raise InvalidArgument(
                f"Statistics merge with their own class and parameters: {type(self).__name__}({self.parameters()}). "
                f"Received: {theirs}. Make one like this by `empty()`."
            )
        self._merge(other)

    def empty(self) -> Self:
        """Returns a fresh statistic with the same parameters."""
        return type(self)(**self.parameters())

    def parameters(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {}

    @property
    def wish(self) -> int:
        """Bytes that it holds at most, and may be given less of; 0 where it is always small, or has no choice."""
        return 0

    def bounded(self, max_bytes: int) -> Self:
        """Returns a fresh one that holds at most so many bytes, of one with a `wish`."""
        raise NotImplementedError

    def to_bytes(self) -> bytes:
        """Returns the whole state, loss-free; `from_bytes` restores it."""
        state, parts = self._state()
        header = {"class": type(self).__name__, "parameters": self.parameters(), "state": state}
        return encoding.pack(header, parts)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Restores a statistic that `to_bytes` wrote; called on `Statistic` itself, it finds the class.

        Raises:
            MalformedData: The bytes are damaged, or hold another statistic than the class asked for.
        """
        header, parts = encoding.unpack(data)
        found = Statistic._classes.get(str(header.get("class")))
        if found is None or not issubclass(found, cls):
            raise MalformedData(
                f"The bytes must hold a {cls.__name__}. Received: {header.get('class')!r}. "
                "Call Statistic.from_bytes, and import the module that defines the class."
            )
        try:
            restored = found(**header["parameters"])
            restored._restore(header["state"], parts)
        except (LookupError, TypeError, ValueError, RuntimeError, pa.ArrowException) as error:
            raise MalformedData(
                f"The bytes must hold the state of a {found.__name__}. Received: one that fails with {error!r}. "
                "Write it again by `to_bytes`."
            ) from error
        return restored

    @abc.abstractmethod
    def result(self) -> Any:
        """Returns what has been learned so far, as a frozen dataclass."""

    @abc.abstractmethod
    def _update(self, values: pa.Array, weights: np.ndarray | None) -> None:
        """Adds a checked chunk of one row at least; raises before it changes anything."""

    @abc.abstractmethod
    def _merge(self, other: Self) -> None:
        """Adds a checked other."""

    @abc.abstractmethod
    def _state(self) -> tuple[dict[str, Any], list[bytes]]:
        """Returns JSON-able state and raw little-endian parts."""

    @abc.abstractmethod
    def _restore(self, state: dict[str, Any], parts: list[bytes]) -> None:
        """Takes back what `_state` returned, on a fresh object."""


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
