"""What all summaries share: they merge, and become bytes and are restored from them. What they sum up is not here."""

import abc
from typing import Any, ClassVar, Self

import pyarrow as pa

from blocks.errors import InvalidArgument, MalformedData
from blocks.statistics import serialization


class Mergeable(abc.ABC):
    """A summary that is updated by chunks in any number, length and order, and merged with others made elsewhere.

    `merge` is associative and commutative, up to the rounding of sums; an empty one changes nothing. A subclass adds
    `update`, which takes a chunk, and `result`; it keeps the constructor's arguments JSON-able and names them in
    `parameters`.
    """

    _classes: ClassVar[dict[str, type["Mergeable"]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Makes the class known to `from_bytes`."""
        super().__init_subclass__(**kwargs)
        Mergeable._classes[cls.__name__] = cls

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
        """Returns a fresh one with the same parameters."""
        return type(self)(**self.parameters())

    def parameters(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {}

    def to_bytes(self) -> bytes:
        """Returns the whole state, loss-free; `from_bytes` restores it."""
        state, parts = self._state()
        header = {"class": type(self).__name__, "parameters": self.parameters(), "state": state}
        return serialization.pack(header, parts)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Restores what `to_bytes` wrote; called on a base class, it finds the class.

        Raises:
            MalformedData: The bytes are damaged, or hold another statistic than the class asked for.
        """
        header, parts = serialization.unpack(data)
        found = Mergeable._classes.get(str(header.get("class")))
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
    def _merge(self, other: Self) -> None:
        """Adds a checked other."""

    @abc.abstractmethod
    def _state(self) -> tuple[dict[str, Any], list[bytes]]:
        """Returns JSON-able state and raw little-endian parts."""

    @abc.abstractmethod
    def _restore(self, state: dict[str, Any], parts: list[bytes]) -> None:
        """Takes back what `_state` returned, on a fresh object."""
