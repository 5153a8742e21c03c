"""PostgreSQL, through ADBC's driver, which streams by COPY; what has no Arrow type is read as text or number.

Passwords come from where libpq finds them: PGPASSWORD, ~/.pgpass, a service file; none is kept or shown.
"""

import copy
import json
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from typing import Any

import pyarrow as pa

from blocks.data.formats.sql.database import Asked, Column, quoted
from blocks.errors import InvalidArgument, SchemaMismatch, warn
from blocks.files.url_passwords import without_secrets

BATCH_BYTES = 1 << 22
"""Of a batch: the driver's own 16 MiB hold more than a chunk of rows."""

_READ_ONLY = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"
_IN_ONE_ORDER = ("enable_indexonlyscan = off", "max_parallel_workers_per_gather = 0", "synchronize_seqscans = off")
"""Else the order of rows may be another for other columns, or beside other readers."""


class Postgresql:
    """A database of a server.

    Args:
        uri: As libpq takes it.
    """

    def __init__(self, uri: str) -> None:
        self._uri, self.place = uri, without_secrets(uri)
        self._held: Any = None

    @contextmanager
    def session(self) -> Iterator["Postgresql"]:
        """See `Database`; the driver asks for all types of the server whenever it connects."""
        with self._connection() as connection:
            held = copy.copy(self)
            held._held = connection
            yield held

    def columns(self, asked: Asked, given: dict[str, pa.DataType]) -> list[Column]:
        """See `Database`."""
        with self._cursor() as cursor:
            try:
                schema = cursor.adbc_execute_schema(f"SELECT * FROM {asked.text} AS asked")
            except Exception as error:  # of the driver's many kinds
                cursor.connection.rollback()
                known = _rows(cursor, _TABLES)
                raise InvalidArgument(
                    f"{self.place} does not answer {asked}: {_first_line(error)}. Its tables: "
                    f"{', '.join(row['name'] for row in known) or 'none'}. A query is one SELECT."
                ) from error
        names = schema.names
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise SchemaMismatch(f"Each column has a name of its own. Received: {twice} more than once. Use AS.")
        return [_column(field, given, asked) for field in schema]

    @contextmanager
    def batches(self, asked: Asked, columns: Sequence[Column], rows: int) -> Iterator[Iterator[pa.RecordBatch]]:
        """See `Database`."""
        wanted = ", ".join(f"{column.expression} AS {quoted(column.name)}" for column in columns)
        with self._cursor() as cursor:
            cursor.execute(_READ_ONLY)
            for setting in _IN_ONE_ORDER:
                cursor.execute(f"SET LOCAL {setting}")
            cursor.adbc_statement.set_options(**{"adbc.postgresql.batch_size_hint_bytes": str(BATCH_BYTES)})
            cursor.execute(f"SELECT {wanted} FROM {asked.text} AS asked")
            with closing(cursor.fetch_record_batch()) as reader:
                yield (batch for batch in reader if batch.num_rows)

    def misfit(self, asked: Asked, columns: Sequence[Column]) -> str | None:
        """Nothing: a column's values are of its type."""
        return None

    def tolerant(self, asked: Asked, columns: Sequence[Column]) -> tuple[list[Column], Column | None]:
        """The columns themselves: their values are of their types."""
        return list(columns), None

    def state(self, asked: Asked) -> Any:
        """What the server counts of writes to the tables that are read; it may lag a second behind."""
        with self._cursor() as cursor:
            plan = _rows(cursor, f"EXPLAIN (FORMAT JSON, VERBOSE) SELECT * FROM {asked.text} AS asked")
            tables = sorted(set(_relations(json.loads(next(iter(plan[0].values()))))))
            found = []
            for schema, name in tables:
                where = f"schemaname = {_literal(schema)} AND relname = {_literal(name)}"
                counts = "SELECT n_tup_ins, n_tup_upd, n_tup_del, pg_relation_filenode(relid) FROM pg_stat_all_tables"
                found += [[name, *row.values()] for row in _rows(cursor, f"{counts} WHERE {where}")]
            return found

    @contextmanager
    def _cursor(self) -> Iterator[Any]:
        with nullcontext(self._held) if self._held is not None else self._connection() as connection:
            with connection.cursor() as cursor:
                yield cursor
            connection.rollback()  # what comes next begins a transaction

    def _connection(self) -> Any:
        try:
            import adbc_driver_postgresql.dbapi as adbc
        except ImportError as error:
            raise InvalidArgument(
                "PostgreSQL is read through ADBC, whose driver is not installed. pip install 'ml-blocks[sql]'."
            ) from error
        try:
            return adbc.connect(self._uri)
        except Exception as error:  # of the driver's many kinds
            raise InvalidArgument(
                f"{self.place} cannot be reached: {_first_line(error)}. Is the server running, and the password where "
                "libpq looks for it (PGPASSWORD, ~/.pgpass, a service file)?"
            ) from error


_TABLES = (
    "SELECT table_name::text AS name FROM information_schema.tables "
    "WHERE table_schema NOT IN ('pg_catalog', 'information_schema') ORDER BY 1 LIMIT 20"
)


def _column(field: pa.Field, given: dict[str, pa.DataType], asked: Asked) -> Column:
    """How a column is read, by its type in the database."""
    metadata = field.metadata or {}
    kind = metadata.get(b"POSTGRESQL:type", b"").decode()
    name, value, why = field.name, quoted(field.name), f"of type {kind}"
    if name in given:
        return Column(name, pa.string(), given[name], "column_types", f"{value}::text")
    if kind == "numeric":
        digits = _digits(int(metadata.get(b"POSTGRESQL:typmod", b"-1")))
        if digits is not None:
            return Column(name, pa.string(), pa.decimal128(*digits), why, f"{value}::text")
        warn(
            f"{name!r} of {asked} is NUMERIC of no precision that Arrow has: it is read as float64. For its digits: "
            f"column_types={{{name!r}: 'string'}}."
        )
        return Column(name, pa.float64(), pa.float64(), why, f"{value}::float8")
    if kind == "money":  # the driver gives cents
        return Column(name, pa.float64(), pa.float64(), why, f"{value}::numeric::float8")
    if kind == "interval":
        warn(f"{name!r} of {asked} is an interval: it is read as a duration, in which a month has 30 days.")
        micros = f"(extract(epoch FROM {value}) * 1000000)::bigint"
        return Column(name, pa.int64(), pa.duration("us"), why, micros)
    if isinstance(field.type, pa.BaseExtensionType) or kind in ("uuid", "json", "jsonb"):
        return Column(name, pa.string(), pa.string(), why, f"{value}::text")
    return Column(name, field.type, field.type, why, value)


def _digits(typmod: int) -> tuple[int, int] | None:
    """Precision and scale of NUMERIC, where Arrow's decimal128 has such. Source: PostgreSQL, numeric.c."""
    if typmod < 4:
        return None
    precision, scale = ((typmod - 4) >> 16) & 0xFFFF, (((typmod - 4) & 0x7FF) ^ 1024) - 1024
    return (precision, scale) if 0 < precision <= 38 and 0 <= scale <= precision else None


def _relations(plan: Any) -> Iterator[tuple[str, str]]:
    """Schema and name of every table of a plan."""
    if isinstance(plan, list):
        for part in plan:
            yield from _relations(part)
    elif isinstance(plan, dict):
        if "Relation Name" in plan:
            yield plan.get("Schema", "public"), plan["Relation Name"]
        for part in plan.values():
            yield from _relations(part)


def _rows(cursor: Any, query: str) -> list[dict[str, Any]]:
    cursor.adbc_statement.set_options(**{"adbc.postgresql.use_copy": "false"})  # which takes no EXPLAIN
    cursor.execute(query)
    return list(cursor.fetch_arrow_table().to_pylist())


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _first_line(error: BaseException) -> str:
    return without_secrets(str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__)
