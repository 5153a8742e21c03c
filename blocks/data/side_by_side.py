"""BesideReader: a prediction table and, beside it, columns of the rows that it answers, one to one and in order."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from blocks.data import Source
from blocks.data.chunking import rechunk
from blocks.errors import SchemaMismatch


class BesideReader:
    """Reads a table and some columns of its rows' sources side by side, chunk by chunk.

    Args:
        table: The table.
        sources: What it was made of, one after the other.
        columns: Of the sources, none of the table's.
    """

    ahead = False

    def __init__(self, table: Source, sources: Sequence[Source], columns: Sequence[str]) -> None:
        self._table = table
        self._sources = tuple(source.select(list(columns)) for source in sources)
        self._columns = list(columns)
        fields = [self._sources[0].schema.field(name) for name in columns]
        self.schema = pa.schema([*table.schema, *fields], metadata=table.schema.metadata)

    def chunks(
        self, rows: int, columns: Sequence[str] | None = None, *, encoded: bool = False
    ) -> Iterator[pa.RecordBatch]:
        """Gives the rows; see `Reader`.

        Raises:
            SchemaMismatch: The sources have not as many rows as the table.
        """
        names = self.schema.names if columns is None else list(columns)
        others = [name for name in names if name in self._columns]
        of_table = [name for name in names if name not in self._columns] or self._table.schema.names[:1]
        table = self._table.chunks(rows, columns=of_table)
        sources = (batch for source in self._sources for batch in source.chunks(rows, columns=others or self._columns))
        for one, other in itertools.zip_longest(table, rechunk(sources, rows)):
            if one is None or other is None or len(one) != len(other):
                raise SchemaMismatch(
                    f"A table's rows are those that it was made of. Received: a table and sources of other lengths, "
                    f"for {', '.join(self._columns)}. Write the table again, with these columns as keys."
                )
            beside = {
                **dict(zip(one.schema.names, one.columns, strict=True)),
                **dict(zip(other.schema.names, other.columns, strict=True)),
            }
            yield pa.RecordBatch.from_arrays([beside[name] for name in names], names=names)

    def count(self) -> int | None:
        """The table's rows."""
        return self._table.count()

    def fingerprint(self) -> dict[str, Any]:
        """The table's, and the columns."""
        return {**self._table.fingerprint(), "beside": self._columns}

    def description(self) -> str:
        """The table's."""
        return repr(self._table)
