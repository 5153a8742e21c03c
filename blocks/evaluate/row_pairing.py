"""Pairing: the rows of two tables side by side, by order or by key. What is compared lives in `paired_differences`."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from blocks.data import Source, read
from blocks.errors import InvalidArgument, warn
from blocks.evaluate.scoring.head_reader import HeadReader
from blocks.evaluate.scoring.row_selection import Rows, select_rows, split_by_group
from blocks.evaluate.tables.grouping import By
from blocks.evaluate.tables.prediction_table import PredictionTable


class Pair:
    """Two tables whose rows are read side by side.

    Args:
        one: The baseline; its keys join, and its columns make groups.
        two: The other.
        by: Columns that make groups.
        max_groups: More groups are refused.

    Raises:
        InvalidArgument: They are not of the same rows, target or classes.
    """

    def __init__(self, one: PredictionTable, two: PredictionTable, by: By, max_groups: int) -> None:
        heads = [table.chosen_head for table in (one, two)]
        self.readers = [HeadReader(table.chosen_head, table.schema) for table in (one, two)]
        if self.readers[0].is_classifier != self.readers[1].is_classifier or heads[0].classes != heads[1].classes:
            raise InvalidArgument(
                "Tables that are compared are of one target, with the same classes in the same order. Received: "
                f"{heads[0].classes} and {heads[1].classes}."
            )
        self.grouping = one.grouping(by, max_groups)
        keys = one.description.keys
        self._keys = keys if keys and all(name in two.schema.names for name in keys) else []
        self._sources: list[Source] = [one, two]
        self._columns = [
            list(dict.fromkeys([*self._keys, *reader.columns, *extra]))
            for reader, extra in zip(self.readers, (self.grouping.columns, []), strict=True)
        ]
        self._chunk_rows = one.chunk_rows
        if not self._aligned():
            self._join()

    def _chunks(self) -> Iterator[tuple[pa.RecordBatch | None, pa.RecordBatch | None]]:
        one, two = (
            source.chunks(self._chunk_rows, columns=columns)
            for source, columns in zip(self._sources, self._columns, strict=True)
        )
        while True:
            left, right = next(one, None), next(two, None)
            if left is None and right is None:
                return
            yield left, right

    def _aligned(self) -> bool:
        """Whether both tables have the same rows in the same order.

        Raises:
            InvalidArgument: They have not, and no keys to join by.
        """
        for left, right in self._chunks():
            names = [(key, key) for key in self._keys] or list(
                zip(*(reader.head.target_columns() for reader in self.readers), strict=True)
            )
            if (
                left is not None
                and right is not None
                and len(left) == len(right)
                and all(left.column(a).equals(right.column(b)) for a, b in names)
            ):
                continue
            if self._keys:
                return False
            raise InvalidArgument(
                "Tables without keys are compared row by row, so they have the same rows in the same order. Received: "
                f"{self._sources[0]!r} and {self._sources[1]!r}, which differ. Write them with keys=[...]."
            )
        return True

    def _join(self) -> None:
        """Bring both into the order of the first, by keys."""
        tables = [
            pa.Table.from_batches(list(source.chunks(columns=columns)))
            for source, columns in zip(self._sources, self._columns, strict=True)
        ]
        indexed = [
            table.select(self._keys).append_column(f"row {i}", pa.array(np.arange(len(table))))
            for i, table in enumerate(tables)
        ]
        joined = indexed[0].join(indexed[1], self._keys, join_type="inner").sort_by("row 0")
        if not len(joined):
            raise InvalidArgument(f"The tables share no row by {', '.join(self._keys)}.")
        if any(len(joined[f"row {i}"].unique()) < len(joined) for i in range(2)):
            raise InvalidArgument(f"The keys {', '.join(self._keys)} repeat, so rows cannot be joined one to one.")
        alone = sum(map(len, tables)) - 2 * len(joined)
        if alone:
            warn(f"{len(joined):,} rows are in both tables; {alone:,} are in one alone and left out.")
        self._sources = [read(table.take(joined[f"row {i}"])) for i, table in enumerate(tables)]

    def rows(self) -> Iterator[tuple[str, str, Any, Any]]:
        """The rows that both can judge: group, suffix, the baseline's and the other's."""
        start = 0
        for left, right in self._chunks():
            assert left is not None
            assert right is not None
            names, codes = self.grouping.groups(left)
            found = [reader.read(chunk, start) for reader, chunk in zip(self.readers, (left, right), strict=True)]
            start += len(left)
            for suffix in found[0].rows:
                kept = [part.kept[suffix] for part in found]
                rows: list[Rows] = [part.rows[suffix] for part in found]
                both, *places = np.intersect1d(kept[0], kept[1], assume_unique=True, return_indices=True)
                if not len(both):
                    continue
                pair = [select_rows(one, place) for one, place in zip(rows, places, strict=True)]
                if not np.array_equal(pair[0].target, pair[1].target):
                    raise InvalidArgument("Rows that are compared have one target. Received: tables that differ in it.")
                for name, part, inside in split_by_group(pair[0], codes[both], names):
                    yield name, suffix, part, select_rows(pair[1], inside)
