"""Which rows of some tables stay, by the keys that they share, and for what reasons the others go.

One pass over the keys of each table, and what its rules look at. Keys are compared by 128-bit hashes; 34 bytes a row go
to disk where there are many, and one bit a row is held.
"""

import dataclasses
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from blocks.data import Source, read
from blocks.data.schema import require_columns
from blocks.errors import InvalidArgument, SchemaMismatch
from blocks.inspection.cleaning.key_sorting import IN_MEMORY, RECORD, KeySorting
from blocks.statistics.canonical_types import canonical_type
from blocks.statistics.hashing import STEP, hash_rows, mix64
from blocks.statistics.missing import is_missing

CHUNK_ROWS = 65_536
MOST_RULES = 60
MISSING, TWICE, COPY, ABSENT = (np.uint64(1 << bit) for bit in range(MOST_RULES, MOST_RULES + 4))
"""Reasons beside the rules, which are the bits below."""

SAID = {int(MISSING): "key is missing", int(TWICE): "key stands twice", int(COPY): "row stands twice"}


@dataclasses.dataclass(frozen=True)
class Rule:
    """What makes a row unusable.

    Args:
        name: In the user's words.
        columns: That it looks at; None for all.
        holds: From a batch of these to a boolean for each row.
        described: What it is, for a fingerprint.
    """

    name: str
    columns: tuple[str, ...] | None
    holds: Callable[[pa.RecordBatch], np.ndarray]
    described: str


@dataclasses.dataclass(frozen=True)
class KeyedTable:
    """A table whose rows have keys.

    Args:
        name: In the user's words.
        source: The rows.
        rules: What makes them unusable.
    """

    name: str
    source: Source
    rules: tuple[Rule, ...] = ()

    @classmethod
    def of(cls, name: str, rows: Any) -> "KeyedTable":
        """A table of anything that `read` takes.

        Raises:
            InvalidArgument: It is a column.
        """
        paths = isinstance(rows, list) and all(isinstance(one, str | os.PathLike) for one in rows)
        if isinstance(rows, list | np.ndarray | pa.Array | pa.ChunkedArray) and not paths:
            raise InvalidArgument(
                f"A dict is of tables by their names. Received: {name!r} with a {type(rows).__name__}. Give a table of "
                "arrays as blocks.read({...})."
            )
        return cls(name, read(rows))


@dataclasses.dataclass(frozen=True)
class Alignment:
    """What becomes of each row.

    Args:
        tables: In their order.
        verdicts: Of each row of each table, int64 (rows,): that of the first table with its key, where it stays; below
            zero, -1 - n, where it goes for the n-th set of reasons.
        reasons: The sets that there are.
    """

    tables: tuple[KeyedTable, ...]
    verdicts: tuple[np.ndarray, ...]
    reasons: tuple[tuple[str, ...], ...]

    def kept(self, at: int) -> np.ndarray:
        """Whether each row of a table stays, a bit for each."""
        verdicts = self.verdicts[at]
        pieces = (np.packbits(verdicts[low : low + _STEP] >= 0) for low in range(0, len(verdicts), _STEP))
        return np.concatenate([np.zeros(0, np.uint8), *pieces])

    def rows_by_reasons(self, at: int) -> np.ndarray:
        """How many rows of a table go for each set of reasons."""
        found = np.zeros(len(self.reasons), np.int64)
        verdicts = self.verdicts[at]
        for low in range(0, len(verdicts), _STEP):
            part = verdicts[low : low + _STEP]
            found += np.bincount(-1 - part[part < 0], minlength=len(found))
        return found


_STEP = 1 << 20


def require_keys(tables: Sequence[KeyedTable], keys: Sequence[str], what: str) -> tuple[str, ...]:
    """Keys that all tables have, of one type in all.

    Raises:
        InvalidArgument: There are no keys.
        SchemaMismatch: A table lacks one, or has another type.
    """
    names = (keys,) if isinstance(keys, str) else tuple(keys)
    if not names or len(set(names)) < len(names):
        raise InvalidArgument(f"keys are columns that tell rows apart, each once. Received: {list(names)}. Name them.")
    for table in tables:
        require_columns(names, table.source.schema.names, f"{what}: {table.name}")
    for name in names:
        kinds = {table.name: table.source.schema.field(name).type for table in tables}
        first, *others = kinds
        for other in (first, *others):
            if _family(kinds[other]) is None:
                raise SchemaMismatch(
                    f"A key is one value a row, a number, time or text. Received: {name!r} of type {kinds[other]} in "
                    f"{other}. Name another column."
                )
            if _family(kinds[first]) != _family(kinds[other]):
                raise SchemaMismatch(
                    f"A key has one type in all tables. Received: {name!r} of type {kinds[first]} in {first} and of "
                    f"{kinds[other]} in {other}. Read them as one: column_types={{{name!r}: ...}}."
                )
    return names


def _family(kind: pa.DataType) -> str | None:
    """Types of one family hold equal values."""
    canonical = canonical_type(kind)
    if canonical is None:
        return None
    if pa.types.is_integer(canonical):
        return "integer"
    if pa.types.is_decimal(canonical):
        return "decimal"
    return f"{canonical} {getattr(kind, 'tz', None) is not None}"


def align(tables: Sequence[KeyedTable], keys: Sequence[str], *, by_content: bool = False) -> Alignment:
    """Finds the keys that stand in every table once, in a row that no rule is true of.

    Args:
        tables: At least one.
        keys: Columns of all of them.
        by_content: Whether rows that are equal in all columns count as one, the first.
    """
    with (
        tempfile.TemporaryDirectory(prefix="blocks-align-") as folder,
        KeySorting(folder, list(keys)) as sorting,
    ):
        read = []
        for at, table in enumerate(tables):
            count = 0
            for records in _records(table, at, keys, by_content):
                count += len(records)
                sorting.add(records)
            read.append(count)
        # a file without a name lives as long as the array that is mapped to it
        verdicts = tuple(
            np.zeros(count, np.int64)
            if count <= IN_MEMORY
            else np.memmap(Path(folder, f"{at}.verdicts"), np.int64, "w+", shape=(count,))
            for at, count in enumerate(read)
        )
        sets = _ReasonSets(tables)
        judged, stayed = np.zeros(len(tables), np.int64), np.zeros(len(tables), np.int64)
        for piece in sorting.by_key():
            records, reasons = _judged(piece, len(tables), by_content)
            _write(verdicts, records, reasons, sets)
            judged += np.bincount(records["table"], minlength=len(tables))
            stayed += np.bincount(records["table"][~reasons.any(axis=1)], minlength=len(tables))
    kept = [sum(int((part >= 0).sum()) for part in np.array_split(v, len(v) // _STEP + 1)) for v in verdicts]
    assert judged.tolist() == read, "what is kept and what is dropped together are what was read"
    assert kept == stayed.tolist()
    assert len(set(kept)) == 1, "aligned tables have as many rows"
    return Alignment(tuple(tables), verdicts, tuple(sets.said))


def _records(table: KeyedTable, at: int, keys: Sequence[str], by_content: bool) -> Iterator[np.ndarray]:
    position = 0
    columns: list[str] | None = None
    if not by_content and all(rule.columns is not None for rule in table.rules):
        columns = list(dict.fromkeys([*keys, *(name for rule in table.rules for name in rule.columns or ())]))
    for batch in table.source.chunks(CHUNK_ROWS, columns=columns, exact=False):
        made = np.zeros(len(batch), RECORD)
        made["row"] = np.arange(position, position + len(batch))
        made["table"] = at
        position += len(batch)
        for bit, rule in enumerate(table.rules):
            seen = batch if rule.columns is None else batch.select(list(rule.columns))
            made["reasons"] |= rule.holds(seen).astype(np.uint64) << np.uint64(bit)
        key = [batch.column(name) for name in keys]
        made["a"], made["b"] = _hash128(key)
        missing = np.logical_or.reduce([np.asarray(is_missing(column)) for column in key])
        made["reasons"][missing] |= MISSING
        # rows without a key have nothing to do with each other
        made["a"][missing], made["b"][missing] = mix64(made["row"][missing].astype(np.uint64)), at
        if by_content:
            made["c"], made["d"] = _hash128(batch.columns)
        yield made


def _hash128(columns: Sequence[pa.Array]) -> tuple[np.ndarray, np.ndarray]:
    exact = [part for column in columns for part in _exact(column)]
    return hash_rows(exact, 0), hash_rows(exact, 1)


def _exact(column: pa.Array) -> list[pa.Array]:
    """A column as what the hash tells apart: it cuts times to microseconds."""
    if getattr(column.type, "unit", None) is None:
        return [column]
    if column.type.unit != "ns":
        return [column, pa.repeat(0, len(column))]
    whole = column.view(pa.int64())
    return [column, pa.array(np.asarray(pc.fill_null(whole, 0)) % 1000)]


def _judged(records: np.ndarray, tables: int, by_content: bool) -> tuple[np.ndarray, np.ndarray]:
    """Every reason of each row, by the table that it is of.

    Args:
        records: Of whole keys.
        tables: How many there are.
        by_content: As of `align`.

    Returns:
        The records by key, table and row; and bits (records, tables): nothing at all where the row stays.
    """
    order = np.lexsort((records["row"], records["table"], records["b"], records["a"]))
    records = records[order]
    new = np.append(True, (records["a"][1:] != records["a"][:-1]) | (records["b"][1:] != records["b"][:-1]))
    group = np.cumsum(new) - 1
    groups = int(group[-1]) + 1
    place = group * tables + records["table"]
    reasons = records["reasons"].copy()
    if by_content:
        reasons[_copies(records, place, reasons)] |= COPY
    left = np.bincount(place[reasons == 0], minlength=groups * tables)
    reasons[(reasons == 0) & (left[place] > 1)] |= TWICE
    of_key = np.full(groups * tables, ABSENT)
    starts = np.flatnonzero(np.append(True, place[1:] != place[:-1]))
    of_key[place[starts]] = np.bitwise_or.reduceat(reasons, starts)
    of_key[left == 1] = 0
    of_row = of_key.reshape(groups, tables)[group]
    of_row[(records["reasons"] & MISSING) > 0] = 0
    of_row[np.arange(len(records)), records["table"]] = reasons
    return records, of_row


def _copies(records: np.ndarray, place: np.ndarray, reasons: np.ndarray) -> np.ndarray:
    """The rows, of those without a reason, that an earlier one of their table equals."""
    usable = np.flatnonzero(reasons == 0)
    order = usable[np.lexsort((records["row"][usable], records["d"][usable], records["c"][usable], place[usable]))]
    same = place[order][1:] == place[order][:-1]
    for name in ("c", "d"):
        same &= records[name][order][1:] == records[name][order][:-1]
    return order[1:][same]


class _ReasonSets:
    """The sets of reasons that there are, each with a number."""

    def __init__(self, tables: Sequence[KeyedTable]) -> None:
        self._tables = tables
        self._known: dict[tuple[int, ...], int] = {}
        self.said: list[tuple[str, ...]] = []

    def number(self, table: int, bits: Sequence[int]) -> int:
        """The number of a set, by the row's table and the reasons in each table."""
        found = self._known.get((table, *bits))
        if found is None:
            found = self._known[(table, *bits)] = len(self.said)
            self.said.append(tuple(dict.fromkeys(self._say(table, bits))))
        return found

    def _say(self, table: int, bits: Sequence[int]) -> Iterator[str]:
        for at in sorted(range(len(bits)), key=lambda other: other != table):
            one, mask = self._tables[at], int(bits[at])
            if mask & int(ABSENT):
                yield f"not in {one.name}"
            own = [rule.name for bit, rule in enumerate(one.rules) if mask >> bit & 1]
            own += [text for bit, text in SAID.items() if mask & bit]
            yield from own if at == table else (f"{one.name}: {text}" for text in own)


def _write(verdicts: Sequence[np.ndarray], records: np.ndarray, reasons: np.ndarray, sets: _ReasonSets) -> None:
    """Enter what became of the rows of whole keys."""
    stays = ~reasons.any(axis=1)
    found = np.empty(len(records), np.int64)
    # those that stay come key by key, one of each table, that of the first table first
    found[stays] = np.repeat(records["row"][stays][:: len(verdicts)], len(verdicts))
    goes = np.flatnonzero(~stays)
    code = mix64(records["table"][goes].astype(np.uint64))
    for bits in reasons[goes].T:
        code = mix64((code + STEP) ^ bits)
    _, first, which = np.unique(code, return_index=True, return_inverse=True)
    numbers = np.array(
        [sets.number(int(records["table"][goes[at]]), reasons[goes[at]].tolist()) for at in first], np.int64
    )
    found[goes] = -1 - numbers[which.reshape(-1)]
    for at, verdict in enumerate(verdicts):
        mine = records["table"] == at
        verdict[records["row"][mine]] = found[mine]
