"""SQLite, whose types belong to values: columns go by their declared types, and where these say little, by counting.

ADBC's driver takes a type from the first rows that it sees, so a row of known types is put before them and dropped.
Source: sqlite.org/datatype3.html, "Determination Of Column Affinity".
"""

import os
import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from typing import Any
from urllib.parse import quote

import pyarrow as pa

from blocks.data.formats.sql.database import Asked, Column, quoted, shortened
from blocks.errors import InvalidArgument, MalformedData, SchemaMismatch, warn

MOST_EXACT = 1 << 53
"""Whole numbers up to here are the same in float64."""

_FIRST = {pa.int64(): "0", pa.float64(): "0.5", pa.string(): "''", pa.binary(): "x''"}
_STORED = {pa.int64(): ("integer",), pa.float64(): ("real", "integer"), pa.binary(): ("blob", "text")}


class Sqlite:
    """A database file, opened to be read alone.

    Args:
        path: Of the file.

    Raises:
        InvalidArgument: There is no such file.
    """

    def __init__(self, path: str) -> None:
        if not os.path.isfile(path):
            raise InvalidArgument(
                f"sqlite:///PATH names a database file (four slashes for a path from the root). Received: {path!r}, "
                "where there is none. Check the path."
            )
        self._path, self.place = path, f"sqlite:///{path}"
        self._uri = f"file:{quote(os.path.abspath(path))}?mode=ro"
        # SQLite gives the rows in the order of an index that holds all columns read: of views all are, always
        self._of_view: list[Column] | None = None

    def session(self) -> "AbstractContextManager[Sqlite]":
        """Itself: a file is opened at no cost that matters."""
        return nullcontext(self)

    def columns(self, asked: Asked, given: dict[str, pa.DataType]) -> list[Column]:
        """See `Database`."""
        with self._plain() as connection:
            declared = self._declared(connection, asked)
            views = "SELECT 1 FROM sqlite_master WHERE type = 'view' AND lower(name) = lower(?)"
            is_view = connection.execute(views, [asked.table or ""]).fetchone() is not None
            affinities = {name: affinity(kind) for name, kind in declared}
            counted = {name for name, kind in affinities.items() if kind is None and name not in given}
            counts = _counts(connection, asked, sorted(counted)) if counted else {}
        made = []
        for name, said in declared:
            if name in given:
                # what is no number is told by its text
                made.append(Column(name, pa.string(), given[name], "column_types", _text(name)))
            elif (known := affinities[name]) is not None:
                made.append(Column(name, known, known, f"declared {said}", quoted(name)))
            else:
                made.append(_by_counts(name, said, counts[name], asked))
        self._of_view = made if is_view else None
        return made

    def _declared(self, connection: sqlite3.Connection, asked: Asked) -> list[tuple[str, str]]:
        """Names and declared types; a view says them of a query, and takes one statement alone."""
        try:
            connection.execute(f"CREATE TEMP VIEW _asked AS SELECT * FROM {asked.text}")
            found = [(row[1], row[2] or "") for row in connection.execute("PRAGMA temp.table_info(_asked)")]
        except (sqlite3.Error, sqlite3.Warning) as error:
            if type(error) is sqlite3.DatabaseError:  # of the file, not of what was asked
                raise
            tables = connection.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view') ORDER BY name")
            known = ", ".join(row[0] for row in tables.fetchall()[:20]) or "none"
            raise InvalidArgument(
                f"{self.place} does not answer {asked}: {error}. Its tables: {known}. A query is one SELECT."
            ) from error
        # SQLite calls a second column "a" of a view "a:1"
        names = [name for name, _ in found]
        if asked.query and (twice := [name for name in names if re.sub(r":\d+$", "", name) in set(names) - {name}]):
            same = sorted({re.sub(r":\d+$", "", name) for name in twice})
            raise SchemaMismatch(f"Each column has a name of its own. Received: {same} more than once. Use AS.")
        return found

    @contextmanager
    def batches(self, asked: Asked, columns: Sequence[Column], rows: int) -> Iterator[Iterator[pa.RecordBatch]]:
        """See `Database`."""
        import adbc_driver_sqlite.dbapi as adbc

        named = {column.name: column for column in columns}
        given = [named.pop(column.name, column) for column in self._of_view or columns]
        given += [column for column in columns if column.name in named]
        at = [given.index(column) for column in columns]
        first = ", ".join(f"{_FIRST[column.read_as]} AS {quoted(column.name)}" for column in given)
        wanted = ", ".join(column.expression for column in given)
        rest = "" if asked.query or self._of_view else " NOT INDEXED"
        with adbc.connect(uri=self._uri) as connection, connection.cursor() as cursor:
            cursor.adbc_statement.set_options(**{"adbc.sqlite.query.batch_rows": str(max(rows, 1024))})
            cursor.execute(f"SELECT {first} UNION ALL SELECT {wanted} FROM {asked.text}{rest}")
            with closing(cursor.fetch_record_batch()) as reader:
                yield (batch.select(at) for batch in _without_first(reader, given))

    def misfit(self, asked: Asked, columns: Sequence[Column]) -> str | None:
        """See `Database`."""
        with self._plain() as connection:
            for column in columns:
                name = quoted(column.name)
                query = f"SELECT count(*), typeof({name}), {name} FROM {asked.text} WHERE NOT ({_fits(column)})"
                many, kind, value = connection.execute(query).fetchone()
                if many and _is_stored(column):
                    return (
                        f"column {column.name!r}, {column.why}, holds {many} values of another kind, as {kind} "
                        f"{shortened(repr(value))}"
                    )
        return None

    def tolerant(self, asked: Asked, columns: Sequence[Column]) -> tuple[list[Column], Column | None]:
        """See `Database`; texts come as bytes, which need not be UTF-8."""
        declared = [column for column in columns if _is_stored(column)]
        with self._plain() as connection:
            sums = _sums(connection, asked, [f"total(NOT ({_fits(column)}))" for column in declared])
        odd = {column.name for column, many in zip(declared, sums, strict=True) if many}
        made = [_nulled(column) if column.name in odd else column for column in columns]
        made = [_as_bytes(column) if column.read_as == pa.string() else column for column in made]
        self._of_view = made if self._of_view else None
        told = [_told(at, column) for at, column in enumerate(columns) if column.name in odd]
        # a name that no column has
        name = "misfits" + "_" * max(len(column.name) for column in columns)
        return made, Column(name, pa.string(), pa.string(), "", f"nullif({_concatenated(told)}, '')") if odd else None

    def state(self, asked: Asked) -> Any:
        """The file's change counter and size, those of its log too."""
        with open(self._path, "rb") as file:
            file.seek(24)
            counter = int.from_bytes(file.read(4), "big")
        log = f"{self._path}-wal"
        found = [os.stat(path) for path in (self._path, log) if os.path.exists(path) and os.path.getsize(path)]
        return [counter, *((one.st_size, one.st_mtime_ns) for one in found)]

    @contextmanager
    def _plain(self) -> Iterator[sqlite3.Connection]:
        """The standard library's connection, for what is not read in bulk."""
        connection = sqlite3.connect(self._uri, uri=True)
        connection.text_factory = lambda raw: raw.decode(errors="backslashreplace")
        with closing(connection):
            try:
                connection.execute("SELECT 1 FROM sqlite_master LIMIT 1")
            except sqlite3.DatabaseError as error:
                fix = "Is it an SQLite database?"
                if "readonly" in str(error):
                    fix = (
                        "A process was killed that wrote to it. What it did is undone by whoever opens it to write: "
                        f"sqlite3.connect({self._path!r}).execute('SELECT 1 FROM sqlite_master')."
                    )
                raise MalformedData(f"{self.place} cannot be read: {error}. {fix}") from error
            try:
                yield connection
            except sqlite3.DatabaseError as error:
                raise MalformedData(f"{self.place} cannot be read: {error}. Copy it again.") from error


def affinity(declared: str) -> pa.DataType | None:
    """The type that a declaration promises; None where values are counted instead.

    Example:
        >>> affinity("BIGINT"), affinity("varchar(20)"), affinity("DOUBLE"), affinity("NUMERIC")
        (DataType(int64), DataType(string), DataType(double), None)
    """
    text = declared.upper()
    if "INT" in text and "POINT" not in text:
        return pa.int64()
    if re.search("CHAR|CLOB|TEXT", text):
        return pa.string()
    if re.search("REAL|FLOA|DOUB", text):
        return pa.float64()
    # BLOB takes anything, and so do NUMERIC, dates and what has no type
    return None


def _counts(connection: sqlite3.Connection, asked: Asked, names: Sequence[str]) -> dict[str, dict[str, int]]:
    """How many values of each kind some columns hold: one pass."""
    kinds = ("integer", "real", "text", "blob")
    parts = []
    for name in map(quoted, names):
        parts += [f"total(typeof({name}) = '{kind}')" for kind in kinds]
        parts.append(f"total(typeof({name}) = 'integer' AND ({name} > {MOST_EXACT} OR {name} < -{MOST_EXACT}))")
    found = _sums(connection, asked, parts)
    each = len(kinds) + 1
    per_column = [found[start : start + each] for start in range(0, len(found), each)]
    return {name: dict(zip((*kinds, "long"), sums, strict=True)) for name, sums in zip(names, per_column, strict=True)}


def _sums(connection: sqlite3.Connection, asked: Asked, expressions: Sequence[str]) -> list[int]:
    """Sums over all rows, a pass for every 500: SQLite gives at most 2,000 columns."""
    found: list[int] = []
    for start in range(0, len(expressions), 500):
        some = ", ".join(expressions[start : start + 500])
        found += map(int, connection.execute(f"SELECT {some} FROM {asked.text}").fetchone())
    return found


def _is_stored(column: Column) -> bool:
    """Whether values are read as they are stored, not as text, so that one of another kind cannot be."""
    return column.expression == quoted(column.name)


def _fits(column: Column) -> str:
    """Whether a value is stored as its column is read."""
    kinds = (*_STORED.get(column.read_as, ("text",)), "null")
    return f"typeof({quoted(column.name)}) IN ({', '.join(map(repr, kinds))})"


def _nulled(column: Column) -> Column:
    return column._replace(expression=f"CASE WHEN {_fits(column)} THEN {column.expression} END")


def _told(at: int, column: Column) -> str:
    value = f"hex(CAST({quoted(column.name)} AS BLOB))"
    return f"CASE WHEN NOT ({_fits(column)}) THEN '{at} ' || {value} || ';' ELSE '' END"


def _as_bytes(column: Column) -> Column:
    return column._replace(read_as=pa.binary(), expression=f"CAST({column.expression} AS BLOB)")


def _concatenated(parts: Sequence[str]) -> str:
    """Halves of halves: SQLite takes no expression deeper than 1,000."""
    if len(parts) < 2:
        return parts[0] if parts else "''"
    middle = len(parts) // 2
    return f"({_concatenated(parts[:middle])} || {_concatenated(parts[middle:])})"


def _by_counts(name: str, declared: str, counts: dict[str, int], asked: Asked) -> Column:
    """The type of a column by what its values are."""
    numbers, why = counts["integer"] + counts["real"], f"declared {declared or 'nothing'}, by its values"
    temporal = _temporal(declared) if counts["text"] and not numbers and not counts["blob"] else None
    if counts["blob"] and not numbers:
        kind = pa.binary()
    elif counts["blob"]:
        raise SchemaMismatch(
            f"A column holds values of one kind. Received: {name!r} of {asked} with {counts['blob']} blobs and "
            f"{numbers} numbers. Say what it is: column_types={{{name!r}: 'string'}}."
        )
    elif counts["text"]:
        kind = pa.string()
        if numbers:
            warn(f"{name!r} of {asked} holds {numbers} numbers among {counts['text']} texts: it is read as text.")
    elif counts["real"] and counts["long"]:
        kind = pa.string()
        warn(
            f"{name!r} of {asked} holds fractions and whole numbers beyond 2^53: it is read as text, no digit is lost."
        )
    elif counts["integer"] and not counts["real"]:
        kind = pa.bool_() if "BOOL" in declared.upper() else pa.int64()
    elif numbers or re.search("NUM|DEC", declared.upper()):
        kind = pa.float64()
    else:
        kind = pa.null() if not _temporal(declared) else _temporal(declared)
    if temporal is not None:
        return Column(name, pa.string(), temporal, why, _text(name))
    read_as = {pa.bool_(): pa.int64()}.get(kind, kind if kind in _FIRST else pa.string())
    given = {pa.string(): _text(name), pa.binary(): f"CAST({quoted(name)} AS BLOB)"}.get(read_as, quoted(name))
    return Column(name, read_as, kind, why, given)


def _temporal(declared: str) -> pa.DataType | None:
    text = declared.upper()
    if "DATETIME" in text or "TIMESTAMP" in text:
        return pa.timestamp("us")
    return pa.date32() if "DATE" in text else None


def _text(name: str) -> str:
    """What gives a column's values as text, digit by digit: SQLite's own text of a number has 15 of them."""
    value = quoted(name)
    short, long = f"printf('%!.15g', {value})", f"printf('%!.17g', {value})"
    number = f"CASE WHEN CAST({short} AS REAL) = {value} THEN {short} ELSE {long} END"
    return f"CASE typeof({value}) WHEN 'real' THEN {number} ELSE CAST({value} AS TEXT) END"


def _without_first(reader: pa.RecordBatchReader, columns: Sequence[Column]) -> Iterator[pa.RecordBatch]:
    expected = [column.read_as for column in columns]
    if reader.schema.types != expected:
        raise pa.ArrowInvalid("a value of another type among the first rows")
    dropped = False
    for batch in reader:
        if not dropped and batch.num_rows:
            batch, dropped = batch.slice(1), True
        batch.validate(full=True)  # text that is no UTF-8
        if batch.num_rows:
            yield batch
