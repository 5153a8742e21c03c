"""RawColumn: as what a raw column enters the graph, its kind and the shape of a row's value, by its Arrow type.

The rule (DESIGN.md, contract 7) stands here once: float16 and float32 enter as float32; other numbers and booleans as
float64 (null is NaN); integers that a block treats as identifiers as int64, and times as int64 microseconds (null is
the smallest int64): dates and timestamps since 1970 UTC, times of day since midnight, durations as they are; strings
and binary as string (null is ""); lists of strings, binary or integers as string too, each item led by the unit
separator, an empty list as that alone (null is ""). A window, a list of so many numbers in every row, has the shape of
that many, and each of its values enters as a number does by itself (null is NaN, and a null window is all NaN).

What shares a dtype is kept apart by its kind, which a model declares: an identifier is no instant, a duration is none
either, and a timestamp without a zone is not one with a zone, whose clocks differ by hours. How Arrow's values are made
into arrays of that dtype and shape is in raw_arrays; what a block makes of them does not live here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Self

import numpy as np
import pyarrow as pa
import pyarrow.types as pt

from blocks.data.arrow_types import is_instant, is_list, is_naive, is_number, is_text, is_time, is_window
from blocks.data.encodings import natural_type
from blocks.errors import InvalidArgument, SchemaMismatch

MISSING_INT: Final = np.iinfo(np.int64).min
"""What a missing identifier or time is in an int64 column."""

A_DAY: Final = 86_400_000_000
"""Microseconds."""

LIST_SEPARATOR: Final = "\x1f"
"""What leads every item of a list in its raw string: ASCII's unit separator."""


class _Kind(NamedTuple):
    dtype: str
    """Of the tensor in which a column of the kind enters the graph."""

    means: str
    """What it holds, for people."""

    takes: Callable[[pa.DataType], bool]
    """Which Arrow types may enter where the kind was declared. Integers are the raw form of times: microseconds."""

    is_time: bool = False


KINDS: Final = {
    "float32": _Kind("float32", "numbers", is_number),
    "float64": _Kind("float64", "numbers", is_number),
    "int64": _Kind(
        "int64",
        "integers (identifiers)",
        lambda type: pt.is_integer(type) or pt.is_boolean(type) or pt.is_floating(type),
    ),
    "string": _Kind("string", "text", is_text),
    "list": _Kind("string", "lists, or text", lambda type: is_text(type) or is_list(type)),
    "timestamp": _Kind(
        "int64", "dates, or timestamps without a zone", lambda type: is_naive(type) or pt.is_integer(type), True
    ),
    "timestamp_utc": _Kind(
        "int64",
        "timestamps with a zone",
        lambda type: (pt.is_timestamp(type) and type.tz is not None) or pt.is_integer(type),
        True,
    ),
    "instant": _Kind("int64", "dates or timestamps", lambda type: is_instant(type) or pt.is_integer(type), True),
    "time": _Kind("int64", "times of day", lambda type: pt.is_time(type) or pt.is_integer(type), True),
    "duration": _Kind("int64", "durations", lambda type: pt.is_duration(type) or pt.is_integer(type), True),
}
"""The kinds of raw columns: "timestamp" is dates and timestamps without a zone, "timestamp_utc" those with one,
"instant" either of them (of a column that was all missing, or of a model from before they were told apart)."""


@dataclass(frozen=True)
class RawColumn:
    """As what a column enters the graph: a tensor of shape (batch, *shape).

    Args:
        kind: One of `KINDS`.
        shape: Of one row's value: () of numbers, texts and times; (n,) of a window of n numbers.

    Raises:
        InvalidArgument: There is no such kind, or none of that shape.

    Example:
        >>> RawColumn("timestamp").dtype, RawColumn("float32", (24,)).batch_shape
        ('int64', (None, 24))
    """

    kind: str
    shape: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InvalidArgument(f"A raw column is of a kind among {', '.join(KINDS)}. Received: {self.kind!r}.")

        if self.shape and (self.kind not in ("float32", "float64") or len(self.shape) > 1 or self.shape[0] < 1):
            raise InvalidArgument(
                f"A raw column of a shape is a window of so many numbers. Received: {self.kind!r} of {self.shape!r}."
            )

    @property
    def dtype(self) -> str:
        """The tensor's dtype."""
        return KINDS[self.kind].dtype

    @property
    def batch_shape(self) -> tuple[int | None, ...]:
        """The tensor's shape, of any number of rows."""
        return (None, *self.shape)

    @property
    def form(self) -> str:
        """What blocks tell apart when they compute: the dtype, or "list" of strings that hold lists; and the shape."""
        return ("list" if self.kind == "list" else self.dtype) + (str(list(self.shape)) if self.shape else "")

    @property
    def is_time(self) -> bool:
        """Whether the values are microseconds."""
        return KINDS[self.kind].is_time

    @property
    def means(self) -> str:
        """What the column holds, for people."""
        return f"windows of {self.shape[0]} numbers" if self.shape else KINDS[self.kind].means

    def takes(self, type: pa.DataType) -> bool:
        """Whether a column of this Arrow type may enter; how long lists without a fixed size are, their values say."""
        if not self.shape:
            return KINDS[self.kind].takes(type)
        fixed = pt.is_fixed_size_list(type) and type.list_size == self.shape[0]
        lists = fixed or pt.is_list(type) or pt.is_large_list(type)
        return lists and (KINDS[self.kind].takes(type.value_type) or pt.is_null(type.value_type))

    def get_config(self) -> Any:
        """The column as JSON holds it: of a scalar its kind alone, as in all files of before shapes."""
        return {"kind": self.kind, "shape": list(self.shape)} if self.shape else self.kind

    @classmethod
    def from_config(cls, config: Any) -> Self:
        """The column that `get_config` described.

        Raises:
            InvalidArgument: There is no such kind.
        """
        if isinstance(config, Mapping):
            return cls(config["kind"], tuple(config["shape"]))
        return config if isinstance(config, cls) else cls(config)

    def __str__(self) -> str:
        return self.kind + (str(list(self.shape)) if self.shape else "")


def raw_column(type: pa.DataType, *, identifier: bool = False, window: bool = False) -> RawColumn:
    """As what a column of this Arrow type enters the graph.

    Args:
        type: The column's Arrow type; a dictionary counts by its values.
        identifier: Whether the block that reads it treats integers as identifiers rather than quantities.
        window: Whether lists of so many numbers are windows to the block, rather than items.

    Returns:
        Of kind "float32" or "float64" for numbers, "int64" for identifiers, "string", "list" (strings that hold
        lists), and for times "timestamp", "timestamp_utc", "time" or "duration"; of a shape for windows.

    Raises:
        SchemaMismatch: The type has no raw form (structs, maps, lists of lists or of fractions).

    Example:
        >>> import pyarrow as pa
        >>> print(raw_column(pa.int32()), raw_column(pa.int32(), identifier=True), raw_column(pa.large_string()))
        float64 int64 string
        >>> print(raw_column(pa.date32()), raw_column(pa.timestamp("ms", "Europe/Rome")), raw_column(pa.duration("s")))
        timestamp timestamp_utc duration
        >>> print(raw_column(pa.list_(pa.int8(), 24), window=True), raw_column(pa.list_(pa.int8(), 24)))
        float64[24] list
    """
    if window and is_window(type):
        return RawColumn(raw_column(natural_type(type.value_type)).kind, (type.list_size,))
    if pt.is_dictionary(type):
        return raw_column(type.value_type, identifier=identifier)
    if is_text(type):
        return RawColumn("string")
    if is_instant(type):
        return RawColumn("timestamp" if is_naive(type) else "timestamp_utc")
    if is_time(type):
        return RawColumn("time" if pt.is_time(type) else "duration")
    if pt.is_float16(type) or pt.is_float32(type):
        return RawColumn("float32")
    if identifier and (pt.is_integer(type) or pt.is_boolean(type)):
        return RawColumn("int64")
    if is_number(type) or pt.is_null(type):
        return RawColumn("float64")
    if is_list(type):
        return RawColumn("list")
    raise SchemaMismatch(
        "A raw column holds numbers, booleans, dates, timestamps, strings, binary, or lists of strings or integers. "
        f"Received: {type}. Leave the column out or flatten it before it is read."
    )
