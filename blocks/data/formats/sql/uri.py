"""From a URI to the database that it names."""

import re
from typing import Any

from blocks.data.formats.sql.duckdb_file import DuckdbFile
from blocks.data.formats.sql.postgresql import Postgresql
from blocks.data.formats.sql.sql_reader import SqlReader
from blocks.data.formats.sql.sqlite import Sqlite
from blocks.errors import InvalidArgument

SCHEMES = ("sqlite", "postgresql", "postgres", "duckdb")


def is_database(data: Any) -> bool:
    """Whether this names a database.

    Example:
        >>> is_database("sqlite:///shop.db"), is_database("s3://bucket/part.csv")
        (True, False)
    """
    return isinstance(data, str) and data.partition("://")[0] in SCHEMES and "://" in data


def read_sql(uri: str, **options: Any) -> SqlReader:
    """The reader of a table or query; its options are keyword arguments of `SqlReader`.

    Raises:
        InvalidArgument: The URI names no database that can be read.
    """
    scheme = uri.partition("://")[0]
    if scheme in ("postgresql", "postgres"):
        return SqlReader(Postgresql(uri), **options)
    file = DuckdbFile if scheme == "duckdb" else Sqlite
    return SqlReader(file(database_path(uri)), **options)


def database_path(uri: str) -> str:
    """The path in the URI of a database file.

    Raises:
        InvalidArgument: There is none.

    Example:
        >>> database_path("sqlite:///shop.db"), database_path("duckdb:////data/shop.duckdb")
        ('shop.db', '/data/shop.duckdb')
    """
    scheme, _, rest = uri.partition("://")
    if not re.match(r"/[^/]|//", rest) or rest == "/:memory:":
        raise InvalidArgument(
            f"{scheme}:///PATH names a database file, {scheme}:////PATH one from the root. Received: {uri!r}."
        )
    return rest[1:]
