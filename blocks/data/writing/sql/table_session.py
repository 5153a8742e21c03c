"""What a database is to the writer: how a column is stored, and one transaction in which all is done."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol

import pyarrow as pa
import pyarrow.types as pt


class Stored(NamedTuple):
    """How a column is stored.

    Args:
        declared: Its type in SQL.
        type: The Arrow type in which the driver takes it.
    """

    declared: str
    type: pa.DataType


class Session(Protocol):
    """A transaction, which is committed when its block ends, and undone when that fails."""

    def execute(self, statement: str) -> None:
        """Runs a statement."""

    def value(self, query: str) -> Any:
        """The one value that a query gives."""

    def insert(self, table: str, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> None:
        """Adds rows to a table; what the batches raise comes out as it is."""


class TableDatabase(Protocol):
    """One kind of database a class."""

    kind: str
    """Its name in messages."""

    def stored(self, field: pa.Field) -> Stored | None:
        """How a column is stored, None where it cannot be."""

    def exists(self, table: str) -> str:
        """A query that counts what has this name."""

    def transaction(self) -> AbstractContextManager[Session]:
        """All that is done at once."""


def read_from_text(kind: pa.DataType) -> bool:
    """Whether values of a type are what their text is read as: `column_types` then gives them back.

    Example:
        >>> read_from_text(pa.uint8()), read_from_text(pa.time64("us"))
        (True, False)
    """
    return bool(
        pt.is_integer(kind)
        or pt.is_floating(kind)
        or pt.is_decimal(kind)
        or pt.is_timestamp(kind)
        or pt.is_date(kind)
        or pt.is_large_string(kind)
    )


def literal(text: str) -> str:
    """A text in SQL.

    Example:
        >>> print(literal("it's"))
        'it''s'
    """
    return "'" + text.replace("'", "''") + "'"
