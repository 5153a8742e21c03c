"""What a database is to the reader: where it is, what types its rows have, and a stream of them."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol

import pyarrow as pa


class Asked(NamedTuple):
    """The rows that were asked for: a table by its name, or a query."""

    table: str | None
    query: str | None

    @property
    def text(self) -> str:
        """As it stands in FROM."""
        return quoted(self.table) if self.table is not None else f"({self.query})"

    def __str__(self) -> str:
        return f"table {self.table!r}" if self.table is not None else f"query {shortened(self.query or '')!r}"


class Column(NamedTuple):
    """A column of the rows.

    Args:
        name: As asked for.
        read_as: The Arrow type in which it comes.
        type: What it becomes.
        why: What decided so, for messages.
        expression: What gives it, in SQL.
    """

    name: str
    read_as: pa.DataType
    type: pa.DataType
    why: str
    expression: str


class Database(Protocol):
    """One kind of database a class."""

    place: str
    """Where it is, without a password, for messages and fingerprints."""

    def session(self) -> "AbstractContextManager[Database]":
        """The same database, which does not connect anew for each thing that is asked for; one after the other."""

    def columns(self, asked: Asked, given: dict[str, pa.DataType]) -> list[Column]:
        """The columns of the rows, by their declared types, or by what their values are.

        Args:
            asked: The rows.
            given: Types that the user said.
        """

    def batches(
        self, asked: Asked, columns: Sequence[Column], rows: int
    ) -> AbstractContextManager[Iterator[pa.RecordBatch]]:
        """All rows, of these columns as they are read, in one read transaction."""

    def misfit(self, asked: Asked, columns: Sequence[Column]) -> str | None:
        """Which value does not fit its column's type, in words, if the database can tell."""

    def tolerant(self, asked: Asked, columns: Sequence[Column]) -> tuple[list[Column], Column | None]:
        """The same columns, null where a value does not fit, and one of texts of those values.

        Such a text holds, for each column with a value that does not fit, the column's position, a space, the value's
        text as hexadecimal digits, and a semicolon; it is null in a row whose values fit. There is none where all do.
        """

    def state(self, asked: Asked) -> Any:
        """Something that changes when the rows do."""


def quoted(name: str) -> str:
    """A name as SQL takes any.

    Example:
        >>> print(quoted('a"b'))
        "a""b"
    """
    return '"' + name.replace('"', '""') + '"'


def shortened(query: str) -> str:
    """A query in one line of at most 80 characters."""
    text = " ".join(query.split())
    return text if len(text) <= 80 else f"{text[:77]}..."
