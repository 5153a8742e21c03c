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
    scheme, _, rest = uri.partition("://")
    if scheme in ("postgresql", "postgres"):
        return SqlReader(Postgresql(uri), **options)
    if not re.match(r"/[^/]|//", rest) or rest == "/:memory:":
        raise InvalidArgument(
            f"{scheme}:///PATH names a database file, {scheme}:////PATH one from the root. Received: {uri!r}."
        )
    if scheme == "duckdb":
        return SqlReader(DuckdbFile(rest[1:]), **options)
    return SqlReader(Sqlite(rest[1:]), **options)
