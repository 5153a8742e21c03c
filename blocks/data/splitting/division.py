"""Which way rows are divided, from what a user asked: by time, by group, by stratum, or by a hash."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from blocks.arguments import check_whole_number
from blocks.data.schema import require_columns
from blocks.data.source_steps import Part, Step, parts, salted
from blocks.data.splitting.balanced import (
    ByGroup,
    ByStratum,
    Chosen,
    Keys,
    assign_groups,
    count_pairs,
    require_few_classes,
)
from blocks.data.splitting.by_time import folds_in_time, parts_in_time
from blocks.data.splitting.durations import as_counts, in_units_of, require_time
from blocks.errors import EmptySource, InvalidArgument, SchemaMismatch
from blocks.statistics.canonical_types import canonical_type
from blocks.statistics.hashing import hash_rows

Read = Callable[[Sequence[str]], Iterator[pa.RecordBatch]]
Columns = str | Sequence[str] | None


class Division:
    """How rows are divided.

    Args:
        read: Gives some columns of all rows, in order, anew at each call.
        schema: Of the rows.
        key: Columns whose hash decides.
        group: Columns whose rows of equal values stay together, in parts of the right size.
        stratify: Columns whose classes have their share in every part.
        time: A column of times; parts follow each other.
        horizon: How far a row's target reaches into the future.
        embargo: What is left out beyond that.
        seed: Another seed, another division.

    Raises:
        InvalidArgument: These do not go together.
        SchemaMismatch: A column is unknown, or of a type that cannot divide rows.
    """

    def __init__(
        self,
        read: Read,
        schema: pa.Schema,
        *,
        key: Columns = None,
        group: Columns = None,
        stratify: Columns = None,
        time: str | None = None,
        horizon: Any = None,
        embargo: Any = None,
        seed: int = 0,
    ) -> None:
        self._read, self._schema = read, schema
        self.seed = check_whole_number("seed", seed, most=2**63 - 1)
        self.key = self._keys("key", key)
        self.group = self._keys("group", group)
        self.stratify = self._keys("stratify", stratify)
        self.time = time
        ways = [name for name in ("key", "group", "time") if getattr(self, name)]
        if len(ways) > 1 or (self.stratify and ways in (["key"], ["time"])):
            raise InvalidArgument(
                "Rows are divided by one of key, group and time; stratify goes with group, or alone. Received: "
                f"{', '.join([*ways, *(['stratify'] if self.stratify else [])])}. Leave all but one out."
            )
        if time is None and (horizon is not None or embargo is not None):
            raise InvalidArgument("horizon and embargo are durations of a split by time. Give time='...' too.")
        if time is not None:
            require_columns([time], schema.names, "split by time")
            kind = schema.field(time).type
            require_time(kind, time)
            asked = {"horizon": horizon, "embargo": embargo}
            self._gap = sum(in_units_of(kind, value, name) for name, value in asked.items() if value is not None)

    def _keys(self, name: str, given: Columns) -> tuple[str, ...]:
        if given is None:
            return ()
        columns = (given,) if isinstance(given, str) else tuple(given)
        if not columns:
            raise InvalidArgument(f"split takes a {name} of at least one column, or {name}=None.")
        require_columns(columns, self._schema.names, f"split by {name}")
        for column in columns:
            if canonical_type(kind := self._schema.field(column).type) is None:
                raise SchemaMismatch(
                    f"A {name} is one value a row, a number, time or text. Received: {column!r} of type {kind}. Split "
                    "by another column."
                )
        return columns

    def split(self, fractions: Mapping[str, float], depth: int) -> dict[str, Step]:
        """The step that each part keeps its rows by.

        Args:
            fractions: The parts' shares by name.
            depth: The number of splits that the rows have gone through before.
        """
        hashed = parts(dict(fractions), self.key, self.seed, depth)  # which also checks the fractions
        if self.time is not None:
            return dict(parts_in_time(self._times, self.time, dict(fractions), self._gap))
        if not (self.group or self.stratify):
            return dict(hashed)
        by = self._assigned(list(fractions.values()), depth)
        return {name: Chosen(name, by, (at,), share) for at, (name, share) in enumerate(fractions.items())}

    def folds(self, count: int, depth: int) -> list[dict[str, Step]]:
        """The steps of the training and the validation rows of each fold."""
        if self.time is not None:
            return list(map(dict, folds_in_time(self._times, self.time, count, self._gap)))
        shares = [1 / count] * count
        if self.group or self.stratify:
            by: Any = self._assigned(shares, depth)
        else:
            by = ByHash(tuple(parts({str(at): 1 / count for at in range(count)}, self.key, self.seed, depth).values()))
        return [
            {
                "train": Chosen("train", by, tuple(at for at in range(count) if at != fold), 1 - 1 / count),
                "valid": Chosen("valid", by, (fold,), 1 / count),
            }
            for fold in range(count)
        ]

    def _times(self) -> Iterator[np.ndarray]:
        assert self.time is not None
        for batch in self._read([self.time]):
            yield as_counts(batch.column(0), self.time)

    def _assigned(self, shares: Sequence[float], depth: int) -> ByGroup | ByStratum:
        seed = salted(self.seed, depth)
        counted = count_pairs(self._pairs())
        if not len(counted.rows):
            raise EmptySource("A split needs rows. Received: a source of none.")
        require_few_classes(counted, self.stratify)
        if self.group:
            hashes, part_of = assign_groups(counted, shares, seed)
            return ByGroup(self.group, self.stratify, hashes, part_of, seed)
        return ByStratum(self.stratify, counted.classes, counted.rows, tuple(shares), seed)

    def _pairs(self) -> Iterator[Keys]:
        for batch in self._read(list(dict.fromkeys([*self.group, *self.stratify]))):
            nothing = np.zeros(batch.num_rows, np.uint64)
            yield (
                hash_rows([batch.column(name) for name in self.group]) if self.group else nothing,
                hash_rows([batch.column(name) for name in self.stratify]) if self.stratify else nothing,
            )


class ByHash:
    """The part of a row, by a hash of its key or position.

    Args:
        parts: The ranges of the hash, in order.
    """

    def __init__(self, parts: tuple[Part, ...]) -> None:
        self._parts = parts

    @property
    def columns(self) -> Sequence[str]:
        """What the part depends on."""
        return self._parts[0].columns

    def start(self) -> Callable[[pa.RecordBatch], np.ndarray]:
        """A pass: from a batch, in order, to the part of each row."""
        hashes = self._parts[0].hashes()
        lows = np.array([part.low for part in self._parts], np.uint64)
        return lambda batch: np.searchsorted(lows, hashes(batch), side="right") - 1

    def describe(self) -> dict[str, Any]:
        """Everything that decides which part a row has."""
        return {"key": list(self._parts[0].key), "seed": self._parts[0].seed, "folds": len(self._parts)}
