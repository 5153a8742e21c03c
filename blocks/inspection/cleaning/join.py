"""`blocks.join`: the columns of aligned tables side by side, as one Source."""

import contextlib
import itertools
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from blocks.arguments import checked
from blocks.data import Source, read
from blocks.data.windowing.sorting import Sorted
from blocks.errors import InvalidArgument, MalformedData
from blocks.features.names import aside
from blocks.inspection.cleaning.alignment import CHUNK_ROWS, SAID, TWICE, Alignment, KeyedTable, align, require_keys
from blocks.inspection.cleaning.kept_rows import KeptRows, rows_have_changed

IN_MEMORY_BYTES = 1 << 26
"""What is held of a table to bring it into another order; a larger one is sorted on disk."""


@checked()
def join(tables: Mapping[str, Any], *, keys: str | Sequence[str]) -> Source:
    """One Source of the columns of several tables, a row for each key that all of them have.

    One pass over the keys comes first. Tables whose keys come in the order of the first are read side by side; others
    are brought into its order when rows are first asked for, in memory where they are small, else on disk by DuckDB.

    Args:
        tables: Names to Sources, as `clean` gives them, or to anything that `read` takes.
        keys: The column, or columns, that all tables have, and by which a table has one row each.

    Returns:
        A Source: rows in the order of the first table, with its columns, then those of the others but for the keys.
        Rows whose key is missing (null, NaN, "") or not in all tables are not in it.

    Raises:
        InvalidArgument: A key stands twice in a table, columns of one name are in several, or DuckDB is needed and not
            installed.
        SchemaMismatch: A table lacks a key, or has it as another type.
        MalformedData: While iterating, if the rows are others than when their keys were read.

    Example:
        >>> import blocks
        >>> prices = {"day": [1, 2, 3], "price": [1.0, 2.0, 3.0]}
        >>> targets = {"day": [3, 1], "up": [False, True]}
        >>> blocks.join({"prices": prices, "targets": targets}, keys="day").to_table().to_pydict()
        {'day': [1, 3], 'price': [1.0, 3.0], 'up': [True, False]}
    """
    if not isinstance(tables, Mapping) or not tables or not all(isinstance(name, str) for name in tables):
        raise InvalidArgument(
            "join takes tables by their names, at least one: {'prices': prices, 'targets': targets}. "
            f"Received: {list(tables) if isinstance(tables, Mapping) else type(tables).__name__}."
        )
    keyed = [KeyedTable.of(name, rows) for name, rows in tables.items()]
    columns = require_keys(keyed, keys, "join")
    _require_own_names(keyed, columns)
    aligned = align(keyed, columns)
    _require_single(aligned, columns)
    return Source(JoinReader(aligned, columns))


def _require_own_names(tables: Sequence[KeyedTable], keys: Sequence[str]) -> None:
    places: dict[str, list[str]] = {}
    for table in tables:
        for name in table.source.schema.names:
            places.setdefault(name, []).append(table.name)
    twice = {name: found for name, found in places.items() if len(found) > 1 and name not in keys}
    if twice:
        told = "; ".join(f"{name!r} in {', '.join(found)}" for name, found in list(twice.items())[:8])
        raise InvalidArgument(
            f"Beside the keys, joined tables have no column in common. Received: {told}. Leave it out of all but one "
            "by select([...]), rename it, or make it a key."
        )


def _require_single(aligned: Alignment, keys: Sequence[str]) -> None:
    for at, table in enumerate(aligned.tables):
        counts = aligned.rows_by_reasons(at).tolist()
        twice = sum(n for n, said in zip(counts, aligned.reasons, strict=True) if SAID[int(TWICE)] in said)
        if twice:
            raise InvalidArgument(
                f"Joined tables have one row a key. Received: {twice:,} rows of {table.name} whose key in "
                f"{list(keys)} stands twice. Name all columns that tell rows apart, or blocks.clean the tables first."
            )


class JoinReader:
    """Reads aligned tables side by side.

    Args:
        aligned: The tables and which of their rows have a key that all of them have.
        keys: Columns of all tables.
    """

    ahead = False

    def __init__(self, aligned: Alignment, keys: Sequence[str]) -> None:
        self._keys, self._aligned = list(keys), aligned
        self._kept: list[Source] = []
        self._ordered: dict[int, Source] = {}
        self._columns: dict[str, int] = {}
        fields = []
        for at, (table, verdicts) in enumerate(zip(aligned.tables, aligned.verdicts, strict=True)):
            kept = KeptRows(table.source, aligned.kept(at), len(verdicts), {"join": {"keys": self._keys}})
            self._count = kept.count()
            self._kept.append(Source(kept))
            for field in table.source.schema:
                if field.name not in self._columns:
                    self._columns[field.name] = at
                    fields.append(field)
        self.schema = pa.schema(fields)

    def chunks(
        self, rows: int, columns: Sequence[str] | None = None, *, encoded: bool = False
    ) -> Generator[pa.RecordBatch]:
        """Gives the rows; see `Reader`.

        Raises:
            MalformedData: The rows are others than when their keys were read.
        """
        names = self.schema.names if columns is None else list(columns)
        wanted: dict[int, list[str]] = {}
        for name in names:
            wanted.setdefault(self._columns[name], []).append(name)
        with contextlib.ExitStack() as stack:
            streams = []
            for at, part in wanted.items():
                source = self._in_order(at)
                streams.append(
                    stack.enter_context(contextlib.closing(source.chunks(rows, columns=part, encoded=encoded)))
                )
            for batches in itertools.zip_longest(*streams):
                if len({None if batch is None else len(batch) for batch in batches}) > 1:
                    raise MalformedData("Joined tables have changed since their keys were read. Join them anew.")
                found = {
                    name: column
                    for part, batch in zip(wanted.values(), batches, strict=True)
                    for name, column in zip(part, batch.columns, strict=True)
                }
                yield pa.RecordBatch.from_arrays([found[name] for name in names], names=names)

    def _own(self, at: int) -> list[str]:
        """The columns that come from a table."""
        return [name for name, owner in self._columns.items() if owner == at]

    def _in_order(self, at: int) -> Source:
        """A table in the order of the first."""
        if at in self._ordered:
            return self._ordered[at]
        verdicts = self._aligned.verdicts[at]
        if _rising(verdicts):
            return self._kept[at]
        source = self._aligned.tables[at].source.select(self._own(at))
        place = aside("place", source.schema.names)
        schema = pa.schema([*source.schema, (place, pa.int64())])
        batches = _placed(source, verdicts, schema)
        held, size = [], 0
        for batch in batches:
            held.append(batch)
            size += batch.nbytes
            if size > IN_MEMORY_BYTES:
                found = Source(Sorted(schema, itertools.chain(held, batches), [place]))
                break
        else:
            found = read(pa.Table.from_batches(held, schema=schema).sort_by(place))
        self._ordered[at] = found
        return found

    def count(self) -> int | None:
        """Known."""
        return self._count

    def fingerprint(self) -> dict[str, Any]:
        """The tables', and their keys."""
        tables = zip(self._aligned.tables, self._kept, strict=True)
        return {"join": self._keys, "of": {table.name: source.fingerprint() for table, source in tables}}

    def description(self) -> str:
        """Of which tables."""
        return f"{', '.join(table.name for table in self._aligned.tables)} joined by {', '.join(self._keys)}"


def _rising(verdicts: np.ndarray) -> bool:
    """Whether the rows that stay come in the order of the first table."""
    last = -1
    for low in range(0, len(verdicts), 1 << 20):
        part = verdicts[low : low + (1 << 20)]
        part = part[part >= 0]
        if len(part):
            if part[0] < last or (part[1:] < part[:-1]).any():
                return False
            last = int(part[-1])
    return True


def _placed(source: Source, verdicts: np.ndarray, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """The rows that stay, each with its place in the first table."""
    begin = 0
    for batch in source.chunks(CHUNK_ROWS, exact=False):
        places = pa.array(verdicts[begin : begin + len(batch)])
        begin += len(batch)
        if len(places) < len(batch):
            raise rows_have_changed(source, len(verdicts), "more rows")
        placed = pa.RecordBatch.from_arrays([*batch.columns, places], schema=schema)
        yield placed.filter(pc.greater_equal(places, 0))
    if begin < len(verdicts):
        raise rows_have_changed(source, len(verdicts), f"{begin:,} rows")
