"""Accumulator: what all mergeable summaries of predictions share. What they sum up lives with each metric's kind."""

import abc
from typing import Any, ClassVar, Self

import numpy as np

from blocks.errors import InvalidArgument, MalformedData
from blocks.statistics import serialization as encoding


class Accumulator(abc.ABC):
    """A mergeable summary of rows of predictions, under the laws of `blocks.statistics`.

    `update` takes rows in any number of chunks; `merge` joins summaries made elsewhere and is associative and
    commutative up to the rounding of sums; an empty one changes nothing; `to_bytes` and `from_bytes` lose nothing.

    Subclasses keep the constructor's arguments JSON-able and name them in `parameters`.
    """

    _classes: ClassVar[dict[str, type["Accumulator"]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Makes the class known to `from_bytes`."""
        super().__init_subclass__(**kwargs)
        Accumulator._classes[cls.__name__] = cls

    @abc.abstractmethod
    def parameters(self) -> dict[str, Any]:
        """The constructor's arguments."""

    @abc.abstractmethod
    def _merge(self, other: Self) -> None:
        """Adds a checked other."""

    @abc.abstractmethod
    def arrays(self) -> dict[str, np.ndarray]:
        """The whole state, by name."""

    @abc.abstractmethod
    def _restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Takes back what `arrays` returned, on a fresh object."""

    def empty(self) -> Self:
        """A fresh one with the same parameters."""
        return type(self)(**self.parameters())

    def merge(self, other: Self) -> None:
        """Adds what `other` has seen; `other` stays as it is.

        Raises:
            InvalidArgument: `other` is of another class or has other parameters.
        """
        if type(other) is not type(self) or other.parameters() != self.parameters():
            raise InvalidArgument(
                f"Accumulators merge with their own class and parameters: {type(self).__name__}({self.parameters()}). "
                f"Received: {type(other).__name__}({getattr(other, 'parameters', dict)()})."
            )
        self._merge(other)

    def to_bytes(self) -> bytes:
        """The whole state, loss-free."""
        arrays = self.arrays()
        layout = [[name, array.dtype.str, list(array.shape)] for name, array in arrays.items()]
        header = {"class": type(self).__name__, "parameters": self.parameters(), "arrays": layout}
        return encoding.pack(header, [np.ascontiguousarray(array).tobytes() for array in arrays.values()])

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """What `to_bytes` wrote; called on `Accumulator` itself, it finds the class.

        Raises:
            MalformedData: The bytes are damaged, or hold another accumulator.
        """
        header, parts = encoding.unpack(data)
        found = Accumulator._classes.get(str(header.get("class")))
        if found is None or not issubclass(found, cls):
            raise MalformedData(f"The bytes must hold a {cls.__name__}. Received: {header.get('class')!r}.")
        restored = found(**header["parameters"])
        restored._restore(
            {
                name: np.frombuffer(part, dtype).reshape(shape).copy()
                for (name, dtype, shape), part in zip(header["arrays"], parts, strict=True)
            }
        )
        return restored
