"""`blocks.clean`: rows that are unusable go, each with every reason, and what stays of several tables fits together."""

import dataclasses
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from blocks.arguments import checked
from blocks.data import Source
from blocks.data.formats.csv.rejects import RejectsTable
from blocks.data.schema import unify
from blocks.errors import InvalidArgument
from blocks.inspection.cleaning.alignment import CHUNK_ROWS, Alignment, KeyedTable, align, require_keys
from blocks.inspection.cleaning.cleaning_rules import rules_of
from blocks.inspection.cleaning.kept_rows import KeptRows, rows_have_changed
from blocks.statistics.canonical_types import canonical_type

ALONE = "rows"
"""What a table is called that was given without a name."""


class CleanTables(dict[str, Source]):
    """The rows that stay, by table, and how many go for what.

    Args:
        sources: By the tables' names.
        read: Rows that were read of each table.
        dropped: Rows of each table that went.
        reasons: Of each table, how many rows went for each reason; a row may have several.
    """

    def __init__(
        self,
        sources: Mapping[str, Source],
        read: Mapping[str, int],
        dropped: Mapping[str, int],
        reasons: Mapping[str, Mapping[str, int]],
    ) -> None:
        super().__init__(sources)
        self.read, self.dropped = dict(read), dict(dropped)
        self.reasons = {name: dict(found) for name, found in reasons.items()}

    @property
    def kept(self) -> dict[str, int]:
        """Rows of each table that stay: as many in each."""
        return {name: rows - self.dropped[name] for name, rows in self.read.items()}

    def __repr__(self) -> str:
        lines = []
        for name, rows in self.read.items():
            lines.append(f"{name}: {rows:,} rows read, {self.kept[name]:,} kept, {self.dropped[name]:,} dropped")
            lines += [f"  {count:,} {reason}" for reason, count in self.reasons[name].items()]
        return "\n".join(lines)


@checked()
def clean(
    tables: Any,
    *,
    keys: str | Sequence[str],
    rules: Mapping[str, Any] | None = None,
    rejects: str | os.PathLike[str] | None = None,
    duplicates: str = "key",
) -> Any:
    """Drops rows that a rule is true of, and aligns tables by key: each keeps the same keys, once each.

    Rules go first; null is not true. Of the rows that they leave, all of a key that stands more than once in a table
    go ("key stands twice"): nothing says which of them is right. Rows whose key is missing (null, NaN, "") go as well
    ("key is missing"). A key that a table has lost, or never had ("not in targets"), goes from all of them. One pass
    over keys and what rules look at decides, more keys than fit memory by DuckDB on disk; values are read when they
    are asked for.

    Args:
        tables: Names to Sources, or to anything that `read` takes; or one such thing alone, but a dict.
        keys: The column, or columns, that tell rows apart and that all tables have.
        rules: Table names to rules: a name, in any words, to an Arrow expression, or to a function from a batch to an
            array of booleans. Of one table alone, its rules.
        rejects: A .parquet or .csv file, written whole or not at all: a row for each reason of each row that goes, with
            `table`, `row` (its position, from 0), the keys, and `reason`; "targets: no target" where another table's
            row of that key went for it.
        duplicates: "key", or "content": of rows that are equal in all columns the first stays, and others go ("row
            stands twice"). As everywhere, null, NaN and "" are equal.

    Returns:
        A dict of names to Sources in the order of each table, with `read`, `kept` and `dropped`, rows by table, and
        `reasons`, rows by table and reason; it prints them. Of one table alone its Source, whose `rejected` says how
        many rows went.

    Raises:
        InvalidArgument: An argument is outside what is said here, or DuckDB is needed and not installed.
        SchemaMismatch: A table lacks a key or has it as another type, or a rule does not fit the columns.
        WriteError: The rejects cannot be written.
        MalformedData: The rows are others on another pass.

    Example:
        >>> import blocks
        >>> import pyarrow.compute as pc
        >>> prices = {"day": [1, 2, 3, 4], "price": [1.0, 2.0, 3.0, 4.0]}
        >>> targets = {"day": [1, 2, 3, 5], "up": [True, None, False, True]}
        >>> tables = {"prices": prices, "targets": targets}
        >>> found = blocks.clean(tables, keys="day", rules={"targets": {"no target": pc.field("up").is_null()}})
        >>> found
        prices: 4 rows read, 2 kept, 2 dropped
          1 not in targets
          1 targets: no target
        targets: 4 rows read, 2 kept, 2 dropped
          1 no target
          1 not in prices
        >>> found["prices"].to_table().to_pydict()
        {'day': [1, 3], 'price': [1.0, 3.0]}
    """
    alone = not isinstance(tables, Mapping)
    named = {ALONE: tables} if alone else dict(tables)
    given = {ALONE: rules or {}} if alone else dict(rules or {})
    if not named or not all(isinstance(name, str) and name for name in named):
        raise InvalidArgument(f"clean takes tables by their names, at least one. Received: {list(named)}.")
    if unknown := [name for name in given if name not in named]:
        raise InvalidArgument(
            f"Rules are given by table: {', '.join(named)}. Received: {', '.join(map(repr, unknown))}. Write "
            f"rules={{{next(iter(named))!r}: {{...}}}}."
        )
    if duplicates not in ("key", "content"):
        raise InvalidArgument(f"duplicates is 'key' or 'content'. Received: {duplicates!r}.")
    keyed = []
    for name, rows in named.items():
        table = KeyedTable.of(name, rows)
        rules_of_it = rules_of(name, given.get(name, {}), table.source.schema)
        keyed.append(dataclasses.replace(table, rules=rules_of_it))
    columns = require_keys(keyed, keys, "clean")
    schema = None if rejects is None else _rejects_schema(keyed, columns, os.fspath(rejects))
    aligned = align(keyed, columns, by_content=duplicates == "content")
    if rejects is not None and schema is not None:
        _write_rejects(os.fspath(rejects), schema, aligned, columns)
    made = _result(aligned, columns, duplicates)
    return made[ALONE] if alone else made


def _result(aligned: Alignment, keys: Sequence[str], duplicates: str) -> CleanTables:
    sources, read, dropped = {}, {}, {}
    reasons: dict[str, dict[str, int]] = {}
    said = {"keys": list(keys), "duplicates": duplicates}
    described = {table.name: {rule.name: rule.described for rule in table.rules} for table in aligned.tables}
    for at, table in enumerate(aligned.tables):
        rows = len(aligned.verdicts[at])
        why = {"clean": {**said, "table": table.name, "rules": described}}
        sources[table.name] = Source(KeptRows(table.source, aligned.kept(at), rows, why))
        by_set = aligned.rows_by_reasons(at).tolist()
        read[table.name], dropped[table.name] = rows, sum(by_set)
        counted: dict[str, int] = {}
        for found, count in zip(aligned.reasons, by_set, strict=True):
            for reason in found if count else ():
                counted[reason] = counted.get(reason, 0) + count
        reasons[table.name] = dict(sorted(counted.items(), key=lambda one: (-one[1], one[0])))
    return CleanTables(sources, read, dropped, reasons)


def _rejects_schema(tables: Sequence[KeyedTable], keys: Sequence[str], path: str) -> pa.Schema:
    if os.path.splitext(path)[1] not in (".parquet", ".csv"):
        raise InvalidArgument(f"rejects names a .parquet or a .csv file. Received: {path!r}.")
    before, after = [("table", pa.string()), ("row", pa.int64())], [("reason", pa.string())]
    kinds = [table.source.schema.field(name).type for table in tables for name in keys]
    if path.endswith(".csv") and any(canonical_type(kind) == pa.large_binary() for kind in kinds):
        raise InvalidArgument(f"A CSV file holds text. Received: rejects={path!r}, and keys of bytes. Name a .parquet.")
    if taken := [name for name in keys if name in ("table", "row", "reason")]:
        raise InvalidArgument(
            f"The rejects have columns table, row and reason beside the keys. Received: keys={list(keys)}. Rename "
            f"{', '.join(taken)}, or leave rejects out."
        )
    schemas = [(table.name, pa.schema([table.source.schema.field(name) for name in keys])) for table in tables]
    return pa.schema([*before, *unify(schemas), *after])


def _write_rejects(path: str, schema: pa.Schema, aligned: Alignment, keys: Sequence[str]) -> None:
    file = RejectsTable(path, schema, ("table", "reason"))
    try:
        for at in range(len(aligned.tables)):
            for part in _rejected(aligned, at, keys, schema):
                file.add(part)
    except BaseException:
        file.abandon()
        raise
    file.finish()


def _rejected(aligned: Alignment, at: int, keys: Sequence[str], schema: pa.Schema) -> Iterator[pa.Table]:
    """The rows of a table that go, a row for each of their reasons."""
    table, verdicts = aligned.tables[at], aligned.verdicts[at]
    lengths = np.array([len(found) for found in aligned.reasons], np.int64)
    starts = np.cumsum(lengths) - lengths
    flat = pa.array([reason for found in aligned.reasons for reason in found], pa.string())
    begin = 0
    for batch in table.source.chunks(CHUNK_ROWS, columns=keys, exact=False):
        part = verdicts[begin : begin + len(batch)]
        if len(part) < len(batch):
            raise rows_have_changed(table.source, len(verdicts), "more rows")
        goes = np.flatnonzero(part < 0)
        sets = -1 - part[goes]
        rows = np.repeat(goes, lengths[sets])
        within = np.arange(len(rows)) - np.repeat(np.cumsum(lengths[sets]) - lengths[sets], lengths[sets])
        columns = [batch.column(name).take(pa.array(rows)) for name in keys]
        said = flat.take(pa.array(np.repeat(starts[sets], lengths[sets]) + within))
        arrays = [pa.repeat(table.name, len(rows)), pa.array(begin + rows), *columns, said]
        yield pa.table([array.cast(field.type) for array, field in zip(arrays, schema, strict=True)], schema=schema)
        begin += len(batch)
    if begin < len(verdicts):
        raise rows_have_changed(table.source, len(verdicts), f"{begin:,} rows")
