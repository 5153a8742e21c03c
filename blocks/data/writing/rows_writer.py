"""What a writer of a format is, and how it refuses columns that its format does not hold."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, NoReturn, Protocol, runtime_checkable

import pyarrow as pa
import pyarrow.types as pt

from blocks.errors import SchemaMismatch
from blocks.progress import Progress


class Rows(NamedTuple):
    """What is to be written.

    Args:
        schema: Of the batches; natural types.
        batches: Gives the rows, in order.
        total: About how many there are, None where that is not known.
        identity: What identifies the rows, as JSON, so that another call can go on with them; None where only a pass
            over them would tell.
        since: Gives the rows from about one on: the number of the first, which is no later, and batches; where that
            costs less than all of them.
    """

    schema: pa.Schema
    batches: Callable[[], Iterator[pa.RecordBatch]]
    total: int | None
    identity: Callable[[], Mapping[str, Any]] | None = None
    since: Callable[[int], tuple[int, Iterator[pa.RecordBatch]]] | None = None

    def written_by(self, writer: "RowsWriter", progress: Progress) -> None:
        """Gives a writer all rows."""
        for batch in self.batches():
            writer.write_batch(batch)
            progress.advance(batch.num_rows)


class RowsWriter(Protocol):
    """One format a class, made of a local path, a schema, and the extensions of format and compression."""

    options: dict[str, Any]
    """By which `read` gives the same rows again, where it would not without."""

    note: str
    """Once it is closed: what is to be said of the file, "" for nothing."""

    def write_batch(self, batch: pa.RecordBatch) -> None:
        """Adds rows."""

    def close(self) -> None:
        """Ends the file; also where writing has failed."""


@runtime_checkable
class ResumableWriter(RowsWriter, Protocol):
    """A writer that can go on where another was killed: its class takes what `checkpoint` gave as `begun=`.

    The file then has the bytes that it had at that time.
    """

    def checkpoint(self) -> dict[str, Any]:
        """Writes all rows so far; how to go on behind them, as JSON holds it, of which "bytes" is the file's size."""


def refuse(field: pa.Field, format: str, why: str = "") -> NoReturn:
    """Says that a format does not hold a column, and what does.

    Raises:
        SchemaMismatch: Always.
    """
    other = "an .arrow" if format == "Parquet" else "a .parquet or .arrow"
    raise SchemaMismatch(
        f"{format} gives back what was written. Received: column {field.name!r}, {field.type}, which it does not hold"
        f"{why and f' ({why})'}. Write {other} file, or leave the column out: "
        "source.select([...]).write(...)."
    )


def refuse_missing(field: pa.Field, format: str, what: str) -> NoReturn:
    """Says that a value is missing in a column for which a format has no such value.

    Args:
        field: Of the column.
        format: Its name in messages.
        what: Of what values may be missing.

    Raises:
        SchemaMismatch: Always.
    """
    raise SchemaMismatch(
        f"In {format} nothing but {what} is missing. Received: column {field.name!r}, {field.type}, with nulls. Write "
        f"a .parquet or .arrow file, or leave such rows out: source.filter(pc.field({field.name!r}).is_valid())."
    )


def require_held(schema: pa.Schema, format: str, round_trip: Callable[[pa.Schema], pa.DataType]) -> None:
    """Refuses the first column that a format does not give back as it is; rows are not looked at.

    Args:
        schema: Of the rows.
        format: Its name in messages.
        round_trip: From a schema of one column to the type in which that comes back.

    Raises:
        SchemaMismatch: There is one.
    """
    for field in schema:
        try:
            found = round_trip(pa.schema([pa.field("x", field.type)]))
        except (pa.ArrowException, OSError, ValueError, TypeError) as error:
            refuse(field, format, str(error).splitlines()[0][:80])
        if found != field.type:
            refuse(field, format, f"it would come back as {found}")


def said_types(kinds: Mapping[str, pa.DataType]) -> str:
    """Types of columns as Python that can be pasted into a call of `read`.

    Example:
        >>> said_types({"x": pa.uint8(), "price": pa.decimal128(10, 2), "at": pa.timestamp("us", "UTC")})
        "{'x': 'uint8', 'price': pyarrow.decimal128(10, 2), 'at': pyarrow.timestamp('us', 'UTC')}"
    """
    return "{" + ", ".join(f"{name!r}: {_code(kind)}" for name, kind in kinds.items()) + "}"


def _code(kind: pa.DataType) -> str:
    if pt.is_timestamp(kind) and kind.tz is not None:
        return f"pyarrow.timestamp({kind.unit!r}, {kind.tz!r})"
    return f"pyarrow.{kind}" if pt.is_decimal(kind) else repr(str(kind))
