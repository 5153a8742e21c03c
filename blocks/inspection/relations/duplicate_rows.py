"""Rows that stand more than once: within each part, shared by parts, by key, and with different targets."""

import dataclasses
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any, NamedTuple, Self

import numpy as np
import pyarrow as pa

from blocks.arguments import checked
from blocks.errors import InvalidArgument, SchemaMismatch
from blocks.statistics.hash_tally import Entries, Estimate, HashTally
from blocks.statistics.mergeable import Mergeable
from blocks.statistics.missing import is_missing
from blocks.statistics.value_hashes import ColumnHashes, combined


class RepeatedRows(NamedTuple):
    """Rows of one part.

    Args:
        part: Its name.
        rows: Rows of it; of keys, those that have one.
        distinct: Different ones among them.
        repeated: Rows that have an equal one before them.
    """

    part: str
    rows: int
    distinct: Estimate
    repeated: Estimate


class SharedRows(NamedTuple):
    """Rows that two parts have both.

    Args:
        one: A part.
        other: Another part.
        distinct: Different ones that stand in both.
        rows_of_one: Rows of the one part that stand in the other too.
        rows_of_other: Rows of the other part that stand in the one too.
    """

    one: str
    other: str
    distinct: Estimate
    rows_of_one: Estimate
    rows_of_other: Estimate


class LabelConflicts(NamedTuple):
    """Equal contents with different targets.

    Args:
        part: Where; None for all parts together.
        contents: Different contents that have more than one target.
        rows: Rows of them.
    """

    part: str | None
    contents: Estimate
    rows: Estimate


@dataclasses.dataclass(frozen=True)
class EqualRows:
    """What stands more than once, of rows that are compared by some columns.

    Args:
        by: "rows", all columns; "contents", all but key and target; "key".
        columns: Those that are compared.
        share: The share of what is different that the counts are estimated from; 1.0 where they are exact.
        parts: Of each part.
        shared: Of each two parts.
    """

    by: str
    columns: tuple[str, ...]
    share: float
    parts: tuple[RepeatedRows, ...]
    shared: tuple[SharedRows, ...]


@dataclasses.dataclass(frozen=True)
class DuplicateRowsResult:
    """What `DuplicateRows` learned.

    Args:
        rows: Rows of each part.
        equal: By all columns, by contents (where there is a key or target), by key (where there is one).
        conflicts: Of each part and, last, of all together; none without a target or contents.
        keyless: Rows of each part whose key is missing; they are equal to none.
    """

    rows: dict[str, int]
    equal: dict[str, EqualRows]
    conflicts: tuple[LabelConflicts, ...]
    keyless: dict[str, int]

    @property
    def exact(self) -> bool:
        """Whether all counts are the very numbers (two rows with one 64-bit hash aside)."""
        return all(found.share == 1.0 for found in self.equal.values())

    def as_dict(self) -> dict[str, Any]:
        """What JSON holds of it."""
        found: dict[str, Any] = _plain(dataclasses.asdict(self))
        return {**found, "exact": self.exact}


class DuplicateRows(Mergeable):
    """Counts rows that stand more than once, in bounded memory, whatever the order and length of the chunks.

    Rows are equal where all values are (`statistics.value_hashes`): 1 and 1.0, -0.0 and 0.0, NaN and NaN; null only
    with null. Columns are told by their names, in any order. 64-bit hashes are compared: of 10 million rows two that
    differ are taken for equal with a probability of 3 in a million.

    Args:
        key: Columns that tell rows apart, or none.
        target: The column whose values are labels, or None; a missing one conflicts with none, and parts to be
            predicted need not have it.
        exclude: Columns that count for nothing, such as one that was added.
        most: Different rows, summed over parts, up to which counts are exact. Beyond, they are estimated from a fair
            sample of at most so many, each with all of its occurrences. Of 10 million it holds 160 MB, and 360 MB at
            most while it works; with a key three times as much.

    Example:
        >>> rows = DuplicateRows(key=["id"], target="label")
        >>> rows.update("train", pa.record_batch({"id": [1, 2, 3], "x": [5, 5, 6], "label": ["a", "b", "a"]}))
        >>> rows.update("test", pa.record_batch({"id": [4, 1], "x": [6, 7], "label": ["a", "a"]}))
        >>> found = rows.result()
        >>> found.equal["contents"].shared[0].distinct.value, found.equal["key"].shared[0].distinct.value
        (1, 1)
        >>> found.conflicts[-1].rows.value
        2
    """

    @checked()
    def __init__(
        self,
        key: Sequence[str] = (),
        target: str | None = None,
        exclude: Sequence[str] = (),
        most: int = 10_000_000,
    ) -> None:
        for name, names in (("key", key), ("exclude", exclude)):
            if isinstance(names, str):
                raise InvalidArgument(f"{name} is a list of columns. Use {name}=[{names!r}].")
        self._key, self._target, self._exclude, self._most = tuple(key), target, tuple(exclude), most
        self._columns: list[str] | None = None
        self._rows: dict[str, int] = {}
        self._keyless: dict[str, int] = {}
        self._tallies: dict[str, HashTally] = {}
        self._hashes: dict[str, ColumnHashes] = {}

    def parameters(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            "key": list(self._key),
            "target": self._target,
            "exclude": list(self._exclude),
            "most": self._most,
        }

    def update(self, part: str, chunk: pa.RecordBatch) -> None:
        """Adds rows of a part.

        Raises:
            SchemaMismatch: A key is not there, or the columns differ from those before.
        """
        if self._target is not None and self._target not in chunk.schema.names:
            chunk = chunk.append_column(self._target, pa.nulls(len(chunk)))
        names = sorted(name for name in chunk.schema.names if name not in self._exclude)
        if self._columns is None:
            self._begin(names)
        elif names != self._columns:
            differ = sorted(set(names) ^ set(self._columns))
            raise SchemaMismatch(
                f"Rows are compared over the same columns. Received: {differ} in some chunks alone. "
                "Name them in exclude."
            )
        self._rows[part] = self._rows.get(part, 0) + len(chunk)
        self._keyless.setdefault(part, 0)
        columns = {name: chunk.column(name) for name in names}
        hashes = {name: self._hashes[name].of(column) for name, column in columns.items()}
        for by, tally in self._tallies.items():
            compared = combined([hashes[name] for name in self._compared(by)])
            labels = None
            if by == "key":
                there = ~np.logical_or.reduce([np.asarray(is_missing(columns[name])) for name in self._key])
                self._keyless[part] += int((~there).sum())
                compared = compared[there]
            elif by == "contents" and self._target is not None:
                labels = _labels(columns[self._target], hashes[self._target])
            tally.update(part, compared, labels)

    def result(self) -> DuplicateRowsResult:
        """Returns the counts of all rows seen so far."""
        equal: dict[str, EqualRows] = {}
        for by in ("rows", "contents", "key"):
            if by in self._tallies:
                equal[by] = self._equal(by, self._tallies[by], pairs=False)
            elif by == "rows" and "contents" in self._tallies:
                equal[by] = self._equal(by, self._tallies["contents"], pairs=True)
        labelled = self._target is not None and "contents" in self._tallies
        conflicts = tuple(_conflicts(self._tallies["contents"])) if labelled else ()
        keyless = dict(self._keyless) if self._key else {}
        return DuplicateRowsResult(dict(self._rows), equal, conflicts, keyless)

    def _begin(self, names: list[str]) -> None:
        wanted = [*self._key, *([] if self._target is None else [self._target])]
        if lacking := [name for name in wanted if name not in names]:
            raise SchemaMismatch(f"Keys are columns. Received: {lacking}. The columns are {names}.")
        self._columns = names
        self._hashes = {name: ColumnHashes() for name in names}
        apart = bool(wanted) and bool(self._compared("contents"))
        # without a key, whole rows are contents with their labels
        views = (["rows"] if self._key or not apart else []) + (["contents"] if apart else [])
        self._tallies = {by: HashTally(self._most) for by in (*views, *(["key"] if self._key else []))}

    def _compared(self, by: str) -> list[str]:
        """The columns that rows are compared by."""
        if by == "key":
            return list(self._key)
        names = self._columns or []
        return names if by == "rows" else [name for name in names if name not in (*self._key, self._target)]

    def _equal(self, by: str, tally: HashTally, pairs: bool) -> EqualRows:
        distinct = dict.fromkeys(tally.parts, 0)
        repeated = {part: np.zeros(2, np.int64) for part in tally.parts}
        shared = {pair: np.zeros((3, 2), np.int64) for pair in combinations(tally.parts, 2)}
        for entries in tally.entries(pairs):
            for part, found in entries.items():
                distinct[part] += len(found.hashes)
                repeated[part] += _sums(found.rows - 1)
            for pair, sums in shared.items():
                sums += _shared(*(entries[part] for part in pair))
        rows = self._rows if by != "key" else {part: n - self._keyless[part] for part, n in self._rows.items()}
        parts = (
            RepeatedRows(part, rows[part], tally.estimate(distinct[part]), tally.estimate(*repeated[part].tolist()))
            for part in tally.parts
        )
        pairwise = (
            SharedRows(*pair, *(tally.estimate(*one.tolist()) for one in sums)) for pair, sums in shared.items()
        )
        return EqualRows(by, tuple(self._compared(by)), tally.share, tuple(parts), tuple(pairwise))

    def _merge(self, other: Self) -> None:
        if other._columns is None:
            return
        if self._columns is None:
            self._begin(other._columns)
        elif self._columns != other._columns:
            raise SchemaMismatch(
                f"Rows are compared over the same columns. Received: {self._columns}, {other._columns}."
            )
        for mine, theirs in ((self._rows, other._rows), (self._keyless, other._keyless)):
            for part, count in theirs.items():
                mine[part] = mine.get(part, 0) + count
        for by, tally in self._tallies.items():
            tally.merge(other._tallies[by])

    def _state(self) -> tuple[dict[str, Any], list[bytes]]:
        state = {"columns": self._columns, "rows": self._rows, "keyless": self._keyless}
        return state, [tally.to_bytes() for tally in self._tallies.values()]

    def _restore(self, state: dict[str, Any], parts: list[bytes]) -> None:
        if state["columns"] is not None:
            self._begin(state["columns"])
        self._rows, self._keyless = dict(state["rows"]), dict(state["keyless"])
        self._tallies = {by: HashTally.from_bytes(part) for by, part in zip(self._tallies, parts, strict=True)}


def _labels(column: pa.Array, hashes: np.ndarray) -> np.ndarray:
    """(rows,) uint32: 0 where a target is missing, else something of its own, below 2^32 - 1."""
    labels = (hashes >> np.uint64(32)) % np.uint64((1 << 32) - 2) + np.uint64(1)
    return np.where(np.asarray(is_missing(column)), 0, labels).astype(np.uint32)


def _sums(numbers: np.ndarray) -> np.ndarray:
    """Their sum, and that of their squares."""
    return np.array([numbers.sum(), (numbers**2).sum()], np.int64)


def _shared(one: Entries, other: Entries) -> np.ndarray:
    """Sums over what stands in both: of 1, of rows of the one, of rows of the other."""
    if len(one.hashes) > len(other.hashes):
        return _shared(other, one)[[0, 2, 1]]
    place = np.searchsorted(other.hashes, one.hashes)
    inside = place < len(other.hashes)
    inside[inside] = other.hashes[place[inside]] == one.hashes[inside]
    rows = one.rows[inside], other.rows[place[inside]]
    return np.stack([_sums(np.ones_like(rows[0])), *map(_sums, rows)])


def _conflicts(tally: HashTally) -> Iterator[LabelConflicts]:
    found: dict[str | None, np.ndarray] = {part: np.zeros((2, 2), np.int64) for part in (*tally.parts, None)}
    for entries in tally.entries():
        for part, one in entries.items():
            found[part] += _conflicting(one.rows, one.low, one.high)
        hashes, rows, low, high = (
            np.concatenate([getattr(one, name) for one in entries.values()]) for name in Entries._fields
        )
        if len(hashes):
            order = np.argsort(hashes)
            starts = np.flatnonzero(np.append(True, np.diff(hashes[order]) > 0))
            found[None] += _conflicting(
                np.add.reduceat(rows[order], starts),
                np.minimum.reduceat(low[order], starts),
                np.maximum.reduceat(high[order], starts),
            )
    for of, sums in found.items():
        yield LabelConflicts(of, *(tally.estimate(*one.tolist()) for one in sums))


def _conflicting(rows: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    rows = rows[low < high]
    return np.stack([_sums(np.ones_like(rows)), _sums(rows)])


def _plain(value: Any) -> Any:
    """With dicts for what has fields."""
    if hasattr(value, "_asdict"):
        return {name: _plain(one) for name, one in value._asdict().items()}
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, tuple | list) else value
