"""Declared types over types that rows have: for formats and objects whose columns are of a type already.

Formats that infer types take declared ones as they read; see theirs.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from blocks.data.formats.csv.options import to_type
from blocks.data.reader_protocol import Reader
from blocks.data.schema import conform, natural_schema, require_columns


class DeclaredTypes:
    """A reader's rows with columns cast to the types that are declared: exactly, or refused by name.

    Args:
        reader: Gives the rows.
        types: Column to Arrow type, or its name.

    Raises:
        SchemaMismatch: A column is unknown; while iterating, if a value does not fit.
    """

    def __init__(self, reader: Reader, types: Mapping[str, Any]) -> None:
        self._reader = reader
        self.ahead = reader.ahead
        self.identified = getattr(reader, "identified", True)
        require_columns(types, reader.schema.names, "column_types")
        self._types = {name: to_type(name, kind) for name, kind in types.items()}
        fields = [field.with_type(self._types.get(field.name, field.type)) for field in reader.schema]
        self.schema = natural_schema(pa.schema(fields, metadata=reader.schema.metadata), reader.description())

    def chunks(
        self, rows: int, columns: Sequence[str] | None = None, *, encoded: bool = False
    ) -> Iterator[pa.RecordBatch]:
        """Gives the rows; see `Reader`."""
        target = self.schema if columns is None else pa.schema([self.schema.field(name) for name in columns])
        for batch in self._reader.chunks(rows, columns, encoded=encoded):
            yield conform(batch, target, encoded=encoded)

    def count(self) -> int | None:
        """The reader's."""
        return self._reader.count()

    def fingerprint(self) -> dict[str, Any]:
        """The reader's, and the types."""
        return {**self._reader.fingerprint(), "column_types": {name: str(kind) for name, kind in self._types.items()}}

    def description(self) -> str:
        """The reader's."""
        return self._reader.description()
