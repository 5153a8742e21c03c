"""What a column holds, for schemas: a word for each kind of value, and its type in TensorFlow Metadata.

The kinds are those that a model keeps apart (`data.raw_columns`): an integer is a number too, a timestamp with a zone
is not one without, text may be stored as bytes.
"""

from typing import Final, NamedTuple

import pyarrow as pa
import pyarrow.types as pt

from blocks.data.encodings import natural_type
from blocks.statistics.canonical_types import canonical_type

TYPES: Final = {
    "text": "BYTES",
    "bytes": "BYTES",
    "integer": "INT",
    "boolean": "INT",
    "date": "INT",
    "timestamp": "INT",
    "timestamp with zone": "INT",
    "time of day": "INT",
    "duration": "INT",
    "number": "FLOAT",
    "nested": "STRUCT",
    "unknown": "TYPE_UNKNOWN",
}
"""Kind to type. A column without any value is of unknown kind; what is nested has none that is looked into."""

_ALIKE: Final = [{"text", "bytes"}, {"date", "timestamp"}]


class Holds(NamedTuple):
    """What the values of a column are."""

    kind: str
    is_list: bool = False
    """Whether a row holds any number of them."""

    @property
    def type(self) -> str:
        """The type of TensorFlow Metadata."""
        return TYPES[self.kind]

    def __str__(self) -> str:
        return f"{self.type} ({'lists of ' if self.is_list else ''}{self.kind})"


def kind_of(type: pa.DataType) -> Holds:
    """What a column of an Arrow type holds.

    Example:
        >>> print(kind_of(pa.list_(pa.int8())), kind_of(pa.dictionary(pa.int32(), pa.string())))
        INT (lists of integer) BYTES (text)
    """
    type = natural_type(type)
    if pt.is_list(type) or pt.is_large_list(type) or pt.is_fixed_size_list(type):
        inner = _kind(type.value_type)
        return Holds(inner, is_list=True) if inner != "nested" else Holds("nested")
    return Holds(_kind(type))


def fits(expected: Holds, found: Holds) -> bool:
    """Whether values of one kind may come where another is expected, as far as their types say."""
    if "unknown" in (expected.kind, found.kind):
        return found.kind == "unknown" or expected.is_list == found.is_list
    if expected.is_list != found.is_list:
        return False
    both = {expected.kind, found.kind}
    return len(both) == 1 or both in _ALIKE or both == {"number", "integer"}


def _kind(type: pa.DataType) -> str:
    if pt.is_null(type):
        return "unknown"
    if pt.is_boolean(type):
        return "boolean"
    if pt.is_integer(type):
        return "integer"
    if pt.is_floating(type) or pt.is_decimal(type):
        return "number"
    if pt.is_date(type):
        return "date"
    if pt.is_timestamp(type):
        return "timestamp" if type.tz is None else "timestamp with zone"
    if pt.is_time(type):
        return "time of day"
    if pt.is_duration(type):
        return "duration"
    canonical = canonical_type(type)
    if canonical is None:
        return "nested"
    return "text" if pt.is_large_string(canonical) else "bytes"
