"""The rows of a table or query of a database, in chunks, each pass in one read transaction.

Rows with a value that does not fit its column are errors, or kept aside: then the first use reads all rows once.
"""

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from blocks.data.formats.csv.options import checked_rejects
from blocks.data.formats.csv.rejects import RejectsTable, rejects_of
from blocks.data.formats.sql.database import Asked, Column, Database
from blocks.data.formats.sql.misfits import RowMask, cast, first_misfit, misfits, rejected_rows
from blocks.data.schema import natural_schema, require_columns
from blocks.errors import BlocksError, InvalidArgument, MalformedData, SchemaMismatch
from blocks.files.url_passwords import without_secrets

_AT_ONCE = 8_192
"""Rows that are looked at for values that do not fit."""


class SqlReader:
    """Gives what a table or query holds; see `Reader`.

    Args:
        database: Where it is.
        table: A table's name, or
        query: one SELECT.
        column_types: Column to type, for values that are stored as another: numbers as text.
        on_bad_rows: "keep" to set aside rows with a value that does not fit its column.
        rejects: Where to, .parquet or .csv: `text` is the row as JSON, `line` its place in the answer, from 1.

    Raises:
        InvalidArgument: Not one of table and query, the database does not answer it, or an option has a wrong value.
        SchemaMismatch: A column of `column_types` is unknown.
    """

    ahead = True
    fingerprint_is_quick = True

    def __init__(
        self,
        database: Database,
        *,
        table: str | None = None,
        query: str | None = None,
        column_types: Mapping[str, Any] | None = None,
        on_bad_rows: str = "error",
        rejects: Any = None,
    ) -> None:
        if (table is None) == (query is None):
            raise InvalidArgument(
                f"A database is read by table= or query=. Received: {'both' if table is not None else 'neither'}."
            )
        self._database = database
        self._rejects = checked_rejects(on_bad_rows, rejects)
        read = os.path.realpath(database.place.partition(":///")[2])
        if self._rejects is not None and os.path.realpath(self._rejects) == read:
            raise InvalidArgument(f"rejects={rejects!r} is the database that is read. Name another file.")
        self._lock = threading.Lock()
        self._bad: RowMask | None = None
        self._tolerant: list[Column] = []
        self._asked = Asked(table, None if query is None else query.strip().rstrip(";"))
        given = {name: _type(name, kind) for name, kind in (column_types or {}).items()}
        with database.session() as session:
            self._columns = session.columns(self._asked, given)
            self._state = session.state(self._asked)
        require_columns(list(given), [column.name for column in self._columns], "column_types")
        fields = pa.schema([(column.name, column.type) for column in self._columns])
        self.schema = natural_schema(fields, str(self._asked))
        self._rows: int | None = None

    def chunks(
        self, rows: int, columns: Sequence[str] | None = None, *, encoded: bool = False
    ) -> Iterator[pa.RecordBatch]:
        """Gives the rows; see `Reader`.

        Raises:
            MalformedData: A value does not fit its column, or the database has changed since the schema was read.
        """
        bad = self._looked()
        known = {column.name: column for column in (self._columns if bad is None else self._tolerant)}
        wanted = [known[name] for name in (self.schema.names if columns is None else columns)]
        # a database may answer a query for fewer columns in another order
        answered = wanted if self._asked.query is None else list(known.values())
        places = [answered.index(column) for column in wanted]
        for begun, batch in self._answer(answered, rows):
            if bad is not None:
                batch = batch.filter(pa.array(~bad.of(begun, batch.num_rows)))
            arrays = [self._typed(batch.column(at), column, begun) for at, column in zip(places, wanted, strict=True)]
            yield pa.RecordBatch.from_arrays(arrays, names=[column.name for column in wanted])

    def _answer(self, columns: Sequence[Column], rows: int) -> Iterator[tuple[int, pa.RecordBatch]]:
        """All rows as they are read, each batch with the number of rows before it."""
        begun = 0
        try:
            with self._database.session() as session:
                if session.state(self._asked) != self._state:
                    raise self._changed()
                with session.batches(self._asked, columns, rows) as batches:
                    for batch in batches:
                        yield begun, batch
                        begun += batch.num_rows
            if begun != (self._rows if self._rows is not None else begun):
                raise self._changed()
            self._rows = begun
        except BlocksError:
            raise
        except (pa.ArrowException, OSError, ValueError) as error:
            what = self._database.misfit(self._asked, columns)
            text = without_secrets(str(error).splitlines()[0] if str(error) else type(error).__name__)
            if what is None:
                raise MalformedData(f"{self._asked} of {self._database.place} cannot be read: {text}.") from error
            raise MalformedData(
                f"Every value fits its column's type. Received: {self._asked} of {self._database.place}, whose {what}. "
                "Read it as text: column_types={...: 'string'}, keep such rows aside: on_bad_rows=\"keep\", "
                "rejects=PATH, or mend the table."
            ) from error

    def _looked(self) -> RowMask | None:
        """Which rows are kept aside; the first time they are written to the rejects file."""
        if self._rejects is None:
            return None
        with self._lock:
            if self._bad is None:
                self._tolerant, told = self._database.tolerant(self._asked, self._columns)
                table, mask = RejectsTable(self._rejects), RowMask()
                try:
                    for begun, batch in self._answer([*self._tolerant, *([told] if told else [])], _AT_ONCE):
                        mask.append(self._set_aside(begun, batch, table))
                except BaseException:
                    table.abandon()
                    raise
                table.finish()
                self._bad = mask
            return self._bad

    def _set_aside(self, begun: int, batch: pa.RecordBatch, table: RejectsTable) -> np.ndarray:
        """Writes the rows of a batch that hold misfits; which they are."""
        columns = self._tolerant
        by_column = [misfits(batch.column(at), column.type) for at, column in enumerate(columns)]
        said = batch.column(len(columns)) if batch.num_columns > len(columns) else pa.nulls(batch.num_rows)
        bad = np.logical_or.reduce([*by_column, said.is_valid().to_numpy(zero_copy_only=False)])
        at = np.flatnonzero(bad)
        if len(at):
            kept = batch.take(pa.array(at))
            told = [_told(text, columns) for text in said.take(pa.array(at)).to_pylist()]
            texts, reasons = rejected_rows(
                kept.select(range(len(columns))), columns, [wrong[at] for wrong in by_column], told
            )
            lines = (at + begun + 1).tolist()
            table.add(rejects_of(file=[self.description()] * len(at), line=lines, text=texts, reason=reasons))
        return bad

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
            at = first_misfit(values, column.type)
            raise MalformedData(
                f"Every value of {column.name!r} is read as {column.type} ({column.why}). Received: "
                f"{values[at].as_py()!r} in row {begun + at + 1:,} of {self._asked}. Read the column as text: "
                f"column_types={{{column.name!r}: 'string'}}, keep such rows aside: on_bad_rows=\"keep\", "
                "rejects=PATH, or leave them out: query='SELECT ... WHERE ...'."
            ) from error

    @property
    def rejected(self) -> int:
        """Rows in the rejects file."""
        bad = self._looked()
        return 0 if bad is None else bad.marked

    def count(self) -> int | None:
        """Unknown without a pass."""
        return None if self._bad is None else self._bad.rows - self._bad.marked

    def fingerprint(self) -> dict[str, Any]:
        """Where the rows are, without a password, and what changes when they do."""
        asked = {"table": self._asked.table} if self._asked.table is not None else {"query": self._asked.query}
        keep = {} if self._rejects is None else {"keep": True}
        return {"database": self._database.place, **asked, "state": self._state, **keep}

    def description(self) -> str:
        """What is read, and where."""
        return f"{self._asked} of {self._database.place}"


def _told(text: str | None, columns: Sequence[Column]) -> dict[str, Any]:
    """The values that a database says do not fit, by column; see `Database.tolerant`."""
    found = [part.split(" ") for part in (text or "").split(";") if part]
    return {columns[int(at)].name: bytes.fromhex(value) for at, value in found}


def _type(name: str, kind: Any) -> pa.DataType:
    if isinstance(kind, pa.DataType):
        return kind
    try:
        return pa.type_for_alias(str(kind))
    except ValueError:
        raise SchemaMismatch(
            f"column_types holds Arrow types or their names, as in {{{name!r}: 'float64'}}. Received: {kind!r}."
        ) from None
