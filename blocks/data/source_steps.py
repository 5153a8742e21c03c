"""What a `Source` does to the rows of its reader: keep those that satisfy an expression, or those of one part.

A step is a value; `start` gives the mutable state of one pass.
"""

import dataclasses
import math
import re
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.acero as acero
import pyarrow.compute as pc

from blocks.data.schema import conform, require_columns
from blocks.errors import InvalidArgument, SchemaMismatch
from blocks.statistics.hashing import STEP, hash64, hash_rows


class Step(Protocol):
    """Rows in, some of them out, in order."""

    @property
    def columns(self) -> Sequence[str]:
        """The columns that the step looks at."""

    @property
    def fraction(self) -> float | None:
        """The share of rows that stays, None if unknown."""

    def start(self) -> Callable[[pa.RecordBatch], pa.RecordBatch]:
        """A fresh pass: a function to be called on every batch in order."""

    def describe(self) -> dict[str, Any]:
        """The step as JSON holds it."""


@dataclasses.dataclass(frozen=True, eq=False)
class Filter:
    """Keeps the rows for which an Arrow expression is true; null counts as false."""

    expression: pc.Expression
    schema: pa.Schema  # of the columns that the expression looks at

    fraction: float | None = dataclasses.field(default=None, init=False)

    @classmethod
    def checked(cls, expression: pc.Expression, schema: pa.Schema) -> "Filter":
        """A filter that fits the schema of the rows.

        Raises:
            InvalidArgument: if it is no expression, or not one that says true or false.
            SchemaMismatch: if a column is unknown, or of a type that the expression cannot compare.
        """
        if not isinstance(expression, pc.Expression):
            raise InvalidArgument(
                "filter takes a pyarrow.compute expression, such as pc.field('age') > 30. "
                f"Received: {type(expression).__name__}."
            )
        kind = _bound_type(expression, schema)
        if kind != pa.bool_():
            raise InvalidArgument(
                f"filter takes an expression that is true or false for a row; {expression} gives {kind}. "
                "Compare it with something."
            )
        text = str(expression)
        # An expression does not say which columns it reads, but prints their names: a superset is enough.
        seen = pa.schema([field for field in schema if field.name in text])
        try:
            _bound_type(expression, seen)
        except SchemaMismatch:
            seen = schema
        return cls(expression, seen)

    @property
    def columns(self) -> Sequence[str]:
        """The columns that the expression looks at, and perhaps some more."""
        return list(self.schema.names)

    def start(self) -> Callable[[pa.RecordBatch], pa.RecordBatch]:
        """A pass; a filter keeps no state."""
        return self._kept

    def _kept(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        seen = pa.Table.from_batches([conform(batch.select(self.columns), self.schema)])
        mask = evaluated(self.expression, seen).combine_chunks()
        return batch.filter(mask, null_selection_behavior="drop")

    def describe(self) -> dict[str, Any]:
        """The expression as text."""
        return {"filter": str(self.expression)}


def evaluated(expression: pc.Expression, table: pa.Table) -> pa.ChunkedArray:
    """What an expression is of each row."""
    source = acero.Declaration("table_source", acero.TableSourceNodeOptions(table))
    project = acero.Declaration("project", acero.ProjectNodeOptions([expression], ["keep"]))
    return acero.Declaration.from_sequence([source, project]).to_table(use_threads=False).column(0)


def _bound_type(expression: pc.Expression, schema: pa.Schema) -> pa.DataType:
    try:
        return evaluated(expression, schema.empty_table()).type
    except (pa.ArrowException, ValueError) as error:
        unknown = re.search(r"No match for FieldRef\.(?:Name\((.*?)\) in |Nested)", str(error))
        if unknown and unknown.group(1) is not None:
            require_columns([unknown.group(1)], schema.names, f"filter {expression}")
        raise SchemaMismatch(
            f"The filter {expression} does not fit the columns: {str(error).splitlines()[0]}. "
            "Compare columns with values of their own types, or cast first (pc.field('x').cast('string'))."
        ) from None


@dataclasses.dataclass(frozen=True)
class Part:
    """Keeps the rows whose hash falls into [low, high) of 2**64: one part of a split."""

    name: str
    low: int
    high: int
    key: tuple[str, ...]
    seed: int

    @property
    def columns(self) -> Sequence[str]:
        """The key."""
        return list(self.key)

    @property
    def fraction(self) -> float | None:
        """The part's share."""
        return (self.high - self.low) / 2**64

    def start(self) -> Callable[[pa.RecordBatch], pa.RecordBatch]:
        """A pass; without a key it counts the position of the rows."""
        hashes_of = self.hashes()

        def kept(batch: pa.RecordBatch) -> pa.RecordBatch:
            hashes = hashes_of(batch)
            # high may be 2**64, which no uint64 holds
            mask = (hashes >= np.uint64(self.low)) & (hashes <= np.uint64(self.high - 1))
            return batch if mask.all() else batch.filter(pa.array(mask))

        return kept

    def hashes(self) -> Callable[[pa.RecordBatch], np.ndarray]:
        """A pass: from a batch, in order, to the hash of each row's key or position, uint64 (rows,)."""
        position = 0

        def hashed(batch: pa.RecordBatch) -> np.ndarray:
            nonlocal position
            if self.key:
                return hash_rows([batch.column(name) for name in self.key], self.seed)
            begin, position = position, position + batch.num_rows
            return hash64(pa.array(np.arange(begin, position)), self.seed)

        return hashed

    def describe(self) -> dict[str, Any]:
        """Everything that decides which rows stay."""
        return {
            "part": self.name,
            "low": str(self.low),
            "high": str(self.high),
            "key": list(self.key),
            "seed": self.seed,
        }


def salted(seed: int, depth: int) -> int:
    """The seed of a split of a part of so many splits: parts of parts do not depend on the splits before."""
    return (seed + depth * int(STEP)) % 2**63


def parts(fractions: dict[str, float], key: tuple[str, ...], seed: int, depth: int) -> dict[str, Part]:
    """The parts of a split, by name.

    A part of a part must not depend on the outer split, or the inner one would be empty or everything: `depth`, the
    number of splits before this one, changes the hash.

    Args:
        fractions: positive shares that sum to 1 within 1e-9, in the order that they take of the hash range.
        key: key columns; () to split by the row's position.
        seed: at least 0.
        depth: the number of splits that the rows have gone through before.

    Raises:
        InvalidArgument: if the fractions are not positive or do not sum to 1.
    """
    if not fractions:
        raise InvalidArgument("split takes the parts by name, as in split(train=0.8, valid=0.1, test=0.1).")
    for name, value in fractions.items():
        if isinstance(value, bool) or not isinstance(value, (int, float, np.number)) or not 1e-12 <= value <= 1:
            raise InvalidArgument(f"A part's fraction must be positive (1e-12 to 1). Received: {name}={value!r}.")
    total = math.fsum(fractions.values())
    if abs(total - 1) > 1e-9:
        fix = f"Add a part, say rest={1 - total:.12g}." if total < 1 else "Lower them."
        raise InvalidArgument(f"The fractions of a split must sum to 1; these sum to {total:.12g}. {fix}")
    values = list(fractions.values())
    edges = [round(math.fsum(values[:i]) * 2**64) for i in range(len(values))] + [2**64]
    return {
        name: Part(name, low, high, key, salted(seed, depth))
        for name, low, high in zip(fractions, edges[:-1], edges[1:], strict=True)
    }


def sample_of(rows: int, total: int, seed: int, depth: int) -> Part:
    """The part of exactly so many of all rows, those whose positions have the lowest hashes.

    Args:
        rows: fewer than there are.
        total: how many there are.
        seed: at least 0.
        depth: the number of splits that the rows have gone through before.
    """
    mixed, lowest = salted(seed, depth), np.zeros(0, np.uint64)
    for begin in range(0, total, 1 << 20):
        hashes = hash64(pa.array(np.arange(begin, min(begin + (1 << 20), total))), mixed)
        lowest = np.concatenate([lowest, hashes])
        if len(lowest) > rows:
            lowest = np.partition(lowest, rows - 1)[:rows]
    return Part("sample", 0, int(lowest.max()) + 1, (), mixed)
