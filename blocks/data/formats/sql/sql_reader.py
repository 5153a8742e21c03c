"""The rows of a table or query of a database, in chunks, each pass in one read transaction."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from blocks.data.formats.sql.database import Asked, Column, Database
from blocks.data.schema import natural_schema, require_columns
from blocks.errors import BlocksError, InvalidArgument, MalformedData, SchemaMismatch
from blocks.files.url_passwords import without_secrets


class SqlReader:
    """Gives what a table or query holds; see `Reader`.

    Args:
        database: Where it is.
        table: A table's name, or
        query: one SELECT.
        column_types: Column to type, for values that are stored as another: numbers as text.

    Raises:
        InvalidArgument: Not one of table and query, or the database does not answer it.
        SchemaMismatch: A column of `column_types` is unknown.
    """

    ahead = True

    def __init__(
        self,
        database: Database,
        *,
        table: str | None = None,
        query: str | None = None,
        column_types: Mapping[str, Any] | None = None,
    ) -> None:
        if (table is None) == (query is None):
            raise InvalidArgument(
                f"A database is read by table= or query=. Received: {'both' if table is not None else 'neither'}."
            )
        self._database = database
        self._asked = Asked(table, None if query is None else query.strip().rstrip(";"))
        given = {name: _type(name, kind) for name, kind in (column_types or {}).items()}
        self._columns = database.columns(self._asked, given)
        require_columns(list(given), [column.name for column in self._columns], "column_types")
        fields = pa.schema([(column.name, column.type) for column in self._columns])
        self.schema = natural_schema(fields, str(self._asked))
        self._state = database.state(self._asked)
        self._rows: int | None = None

    def chunks(
        self, rows: int, columns: Sequence[str] | None = None, *, encoded: bool = False
    ) -> Iterator[pa.RecordBatch]:
        """Gives the rows; see `Reader`.

        Raises:
            MalformedData: A value does not fit its column, or the database has changed since the schema was read.
        """
        by_name = {column.name: column for column in self._columns}
        wanted = [by_name[name] for name in (self.schema.names if columns is None else columns)]
        if self._database.state(self._asked) != self._state:
            raise self._changed()
        # a database may answer a query for fewer columns in another order
        answered = wanted if self._asked.query is None else self._columns
        places = [answered.index(column) for column in wanted]
        begun = 0
        try:
            with self._database.batches(self._asked, answered, rows) as batches:
                for batch in batches:
                    yield pa.RecordBatch.from_arrays(
                        [
                            self._typed(batch.column(at), column, begun)
                            for at, column in zip(places, wanted, strict=True)
                        ],
                        names=[column.name for column in wanted],
                    )
                    begun += batch.num_rows
            if begun != (self._rows if self._rows is not None else begun):
                raise self._changed()
            self._rows = begun
        except BlocksError:
            raise
        except (pa.ArrowException, OSError, ValueError) as error:
            what = self._database.misfit(self._asked, answered)
            text = without_secrets(str(error).splitlines()[0] if str(error) else type(error).__name__)
            if what is None:
                raise MalformedData(f"{self._asked} of {self._database.place} cannot be read: {text}.") from error
            raise MalformedData(
                f"Every value fits its column's type. Received: {self._asked} of {self._database.place}, whose {what}. "
                "Read it as text: column_types={...: 'string'}, or mend the table."
            ) from error

    def _changed(self) -> MalformedData:
        return MalformedData(
            f"The rows of a source stay the same from pass to pass. Received: {self.description()}, "
            "which has changed since it was read first. Read it again, or a copy of it."
        )

    def _typed(self, values: pa.Array, column: Column, begun: int) -> pa.Array:
        """The values as what the column is; the first that is none is named by its row."""
        if values.type == column.type:
            return values
        try:
            return cast(values, column.type)
        except (pa.ArrowException, ValueError) as error:
            at = _first_misfit(values, column.type)
            raise MalformedData(
                f"Every value of {column.name!r} is read as {column.type} ({column.why}). Received: "
                f"{values[at].as_py()!r} in row {begun + at + 1:,} of {self._asked}. Read the column as text: "
                f"column_types={{{column.name!r}: 'string'}}, or leave such rows out: query='SELECT ... WHERE ...'."
            ) from error

    def count(self) -> int | None:
        """Unknown without a pass."""
        return None

    def fingerprint(self) -> dict[str, Any]:
        """Where the rows are, without a password, and what changes when they do."""
        asked = {"table": self._asked.table} if self._asked.table is not None else {"query": self._asked.query}
        return {"database": self._database.place, **asked, "state": self._state}

    def description(self) -> str:
        """What is read, and where."""
        return f"{self._asked} of {self._database.place}"


def cast(values: pa.Array, kind: pa.DataType) -> pa.Array:
    """Values as a type; texts of numbers may have spaces around them.

    Raises:
        ArrowInvalid: A value is none.
    """
    if pt.is_null(kind):
        return pa.nulls(len(values))
    if pt.is_string(values.type) and not (pt.is_string(kind) or pt.is_large_string(kind) or pt.is_binary(kind)):
        values = pc.utf8_trim_whitespace(values)
    return values.cast(kind)


def _first_misfit(values: pa.Array, kind: pa.DataType) -> int:
    """The position of the first value that cannot be cast, by halving."""
    low, high = 0, len(values)
    while high - low > 1:
        middle = (low + high) // 2
        try:
            cast(values.slice(low, middle - low), kind)
            low = middle
        except (pa.ArrowException, ValueError):
            high = middle
    return low


def _type(name: str, kind: Any) -> pa.DataType:
    if isinstance(kind, pa.DataType):
        return kind
    try:
        return pa.type_for_alias(str(kind))
    except ValueError:
        raise SchemaMismatch(
            f"column_types holds Arrow types or their names, as in {{{name!r}: 'float64'}}. Received: {kind!r}."
        ) from None
