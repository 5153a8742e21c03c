"""Observed columns: what is kept of raw columns while something else reads them, in no pass of its own.

Statistics that a model's blocks take of whole raw columns anyway are theirs; what is wanted beyond them is taken here.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from blocks.inspection.column_kinds import Holds, kind_of
from blocks.inspection.column_statistics import LENGTHS, ROW_TOKENS, ROWS, seen_by
from blocks.statistics import Counts, Missing, MissingResult, Moments, Quantiles, QuantilesResult, Statistic
from blocks.statistics.hashing import STEP, mix64

MOST_ROWS = 65_536
"""Rows, drawn at random, whose numbers' distributions stand for those of all."""

MOST_LISTS = 4096
"""The same, for the numbers inside of lists."""

LENGTHS_QUANTILES = "lengths quantiles"

_NUMBERS = ("integer", "number", "duration", "time of day")
_BYTES_OF_TOKENS = 1 << 22


class ObservedColumns:
    """Statistics of some columns, and a sample of rows.

    Texts are counted as long as 4 MiB hold what differs; bytes where a block counts them.

    Args:
        schema: Of the rows.
        names: The columns.
        taken: By column, statistics of its raw rows that something else updates.
        memory: Bytes, of which a small part is used.
    """

    def __init__(
        self, schema: pa.Schema, names: Sequence[str], taken: Mapping[str, Sequence[Statistic]], memory: int
    ) -> None:
        self.names = list(names)
        self._holds = {name: kind_of(schema.field(name).type) for name in names}
        bound = max(1 << 12, min(_BYTES_OF_TOKENS, memory // (16 * max(1, len(names)))))
        self._own: dict[tuple[str, str], Statistic] = {}
        self._others: dict[tuple[str, str], Statistic] = {}
        for name, holds in self._holds.items():
            there = {type(one): one for one in taken.get(name, ())}
            for key, made in _wanted(holds, bound).items():
                if not holds.is_list and key != ROWS and type(made) in there:
                    self._others[name, key] = there[type(made)]
                elif holds.kind != "bytes" or key != "tokens":
                    self._own[name, key] = made
            told = [(name, key) in self._others for key in ("moments", "tokens")]
            if any(told) or (holds.kind in _NUMBERS and not holds.is_list):
                del self._own[name, ROWS]  # which these tell too
        self._samples = {"": RowsAtRandom(MOST_ROWS), "quantiles": RowsAtRandom(MOST_LISTS)}

    @property
    def holds(self) -> dict[str, Holds]:
        """What the values of each column are."""
        return dict(self._holds)

    def updates(self, chunk: pa.RecordBatch, first: int) -> list[Callable[[], None]]:
        """What is to be done with a chunk, in any order or side by side, before the next one comes.

        Args:
            chunk: Rows with these columns, at least.
            first: The position of its first row.
        """
        todo: list[Callable[[], None]] = []
        for (name, key), statistic in self._own.items():
            if not (isinstance(statistic, Counts) and not statistic.exact):
                todo.append(partial(_update, statistic, key, chunk.column(name)))
        todo += [partial(self._draw, key, chunk, first) for key in self._samples]
        return todo

    def _draw(self, key: str, chunk: pa.RecordBatch, first: int) -> None:
        self._samples[key].add(self._drawn(chunk, key), first)

    def _drawn(self, chunk: pa.RecordBatch, key: str) -> dict[str, pa.Array]:
        """The columns of one of the samples: numbers and lengths, or lists of numbers."""
        if key:
            return {n: chunk.column(n) for n, holds in self._holds.items() if holds.is_list and holds.kind in _NUMBERS}
        measured = [name for name, holds in self._holds.items() if holds.is_list or holds.kind in _NUMBERS]
        return {n: seen_by(LENGTHS if self._holds[n].is_list else ROWS, chunk.column(n)) for n in measured}

    def results(self) -> dict[str, dict[str, Any]]:
        """By column, the results of its statistics, but for distributions; tokens are in no order."""
        found: dict[str, dict[str, Any]] = {name: {} for name in self.names}
        for (name, key), statistic in {**self._own, **self._others}.items():
            if not isinstance(statistic, Counts):
                found[name][key] = statistic.result()
            elif statistic.exact or (name, key) in self._others:
                found[name][key] = statistic.result(ordered=False)
        for results in found.values():
            if ROWS not in results:
                of = results.get("moments") or results["tokens"]
                results[ROWS] = MissingResult(of.rows, of.missing, of.missing / of.rows if of.rows else float("nan"))
        return found

    def distributions(self) -> "Distributions":
        """What stands for the distributions of all rows."""
        return Distributions(self._holds, {key: sample.columns() for key, sample in self._samples.items()})


class Distributions:
    """Rows at random, of which distributions are made when they are asked for: sorting is most of the work.

    Args:
        holds: What the values of each column are.
        samples: Numbers and lengths of lists by column, under ""; lists of numbers under "quantiles".
    """

    def __init__(self, holds: Mapping[str, Holds], samples: Mapping[str, Mapping[str, Sequence[pa.Array]]]) -> None:
        self._holds, self._samples = holds, samples

    def of(self, name: str) -> dict[str, QuantilesResult]:
        """The distributions of a column: of its numbers, and of how many values its lists have."""
        is_list = self._holds[name].is_list
        found = {LENGTHS_QUANTILES if is_list else "quantiles": self._samples[""].get(name, ())}
        if is_list:
            found["quantiles"] = [list_.flatten() for list_ in self._samples["quantiles"].get(name, ())]
        made = {}
        for key, pieces in found.items():
            quantiles = Quantiles(exact=1 << 62)
            for piece in pieces:
                quantiles.update(piece)
            if pieces:
                made[key] = quantiles.result()
        return made


class RowsAtRandom:
    """At most so many rows, any as likely as any other, whatever the chunks: those whose positions' hashes are least.

    Args:
        most: Rows.
        seed: Another seed, other rows.

    Example:
        >>> rows = RowsAtRandom(most=2)
        >>> rows.add({"x": pa.array([1, 2, 3, 4, 5])}, 0)
        >>> sum(len(piece) for piece in rows.columns()["x"])
        2
    """

    def __init__(self, most: int, seed: int = 0) -> None:
        self._most, self._seed = most, seed
        self._kept: list[tuple[np.ndarray, dict[str, pa.Array]]] = []
        self._bound = np.uint64(2**64 - 1)

    def add(self, columns: Mapping[str, pa.Array], first: int) -> None:
        """Draw from a chunk's columns; its first row is at this position."""
        if not columns:
            return
        positions = np.arange(first, first + len(next(iter(columns.values()))), dtype=np.uint64)
        self._kept += _below(self._bound, mix64((positions + np.uint64(self._seed)) * STEP), columns)
        if sum(len(hashes) for hashes, _ in self._kept) > 2 * self._most:
            self._prune()

    def columns(self) -> dict[str, list[pa.Array]]:
        """By column, the values of the rows, in their order, in pieces."""
        self._prune()
        names = self._kept[0][1] if self._kept else ()
        return {name: [columns[name] for _, columns in self._kept] for name in names}

    def _prune(self) -> None:
        hashes = np.concatenate([np.zeros(0, np.uint64), *(hashes for hashes, _ in self._kept)])
        if len(hashes) > self._most:
            self._bound = np.partition(hashes, self._most - 1)[self._most - 1]
            self._kept = [one for piece in self._kept for one in _below(self._bound, *piece)]


def _below(
    bound: np.uint64, hashes: np.ndarray, columns: Mapping[str, pa.Array]
) -> list[tuple[np.ndarray, dict[str, pa.Array]]]:
    """The rows whose hashes are at most a bound; none is no piece."""
    near = hashes <= bound
    if near.all():
        return [(hashes, dict(columns))] if len(near) else []
    at = pa.array(np.flatnonzero(near).astype(np.int32))
    return [(hashes[near], {name: column.take(at) for name, column in columns.items()})] if len(at) else []


def _update(statistic: Statistic, key: str, column: pa.Array) -> None:
    statistic.update(seen_by(key, column))


def _wanted(holds: Holds, bound: int) -> dict[str, Statistic]:
    """What a schema and drift need of a column, but for distributions."""
    wanted: dict[str, Statistic] = {ROWS: Missing()}
    if holds.is_list:
        wanted[LENGTHS] = Moments()
    if holds.kind in _NUMBERS:
        wanted["moments"] = Moments()
    if holds.kind == "text" and holds.is_list:
        wanted[ROW_TOKENS] = Counts(bound)
    elif holds.kind in ("text", "bytes", "boolean") and not holds.is_list:
        wanted["tokens"] = Counts(bound)
    return wanted
