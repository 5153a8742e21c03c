"""EncodedRows: a Source as encoded rows (features, target, weight, keys), for stores and for training on the fly."""

import os
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import keras
import numpy as np
import pyarrow as pa

from blocks.block import Head
from blocks.data import Source
from blocks.data.arrow_types import is_text, is_time
from blocks.data.raw_arrays import to_raw
from blocks.data.raw_columns import RawColumn, raw_column
from blocks.data.schema import require_columns
from blocks.errors import BadTarget, BlocksError, EmptySource, warn
from blocks.offline.out_of_fold import OutOfFold
from blocks.offline.transform import Transform
from blocks.offline.unreadable_rows import UnreadableRows
from blocks.store.rows import Rows
from blocks.targets.sample_weights import sample_weights

CHUNK_ROWS = 65_536
_MOST_WEIGHT = 1e30
WORKERS = min(os.cpu_count() or 1, 8)


class EncodedRows:
    """Encoded rows of a source, chunk by chunk and in its order.

    Args:
        source: The rows.
        transform: Raw columns to features.
        head: Encodes the target and names the sample weights; None for features and keys alone.
        keys: Columns that travel along as they are.

    Raises:
        SchemaMismatch: The source lacks a column.
    """

    def __init__(self, source: Source, transform: Transform, head: Head | None, keys: Sequence[str] = ()) -> None:
        self.source = source
        self.transform = transform
        self.head = head
        self.keys = tuple(keys)
        wanted = [*transform.inputs, *self.keys]
        if head is not None:
            wanted += [*head.targets] + ([head.sample_weight] if head.sample_weight is not None else [])
        self.columns = list(dict.fromkeys(wanted))
        require_columns(self.columns, source.schema.names, "The source, of what the model reads")
        self.features = OutOfFold(transform, source)
        self.skipped = 0
        self.gaps: Counter[str] = Counter()
        """By head of several, how many rows it lacks a usable target of, which other heads can use."""
        self.unreadable = UnreadableRows()
        self.error: BlocksError | None = None

    def chunks(self, skip: int = 0, rows: int = CHUNK_ROWS) -> Iterator[Rows]:
        """Chunks of usable rows, after leaving out the first `skip` of them without transforming these.

        Raises:
            BadTarget: A row's target is unusable, and the head does not skip such rows; or all rows weigh 0.
            EmptySource: No row is usable.
        """
        self.skipped = 0
        self.gaps.clear()
        self.unreadable = UnreadableRows()
        rows = min(rows, self.transform.most_rows or rows)
        self._any, self._weight = False, 0.0
        with ThreadPoolExecutor(WORKERS, "blocks-transform") as pool:
            # chunks are transformed on all cores and given out in order, a few ahead
            waiting: deque[Future[Rows]] = deque()
            try:
                for usable in self._usable(skip, rows):
                    waiting.append(pool.submit(self._rows, *usable))
                    if len(waiting) > WORKERS:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()
        if not self._any:
            raise EmptySource(
                f"There is no row to work on. Received: {self.source!r} ({self.skipped:,} rows had no usable target)."
            )
        if self.head is not None and self.head.sample_weight is not None and not self._weight:
            raise BadTarget(
                f"Some row must weigh more than 0. Received: {self.head.sample_weight!r} with 0 in every usable row of "
                f"{self.source!r}. Give other weights, or the head sample_weight=None."
            )

    def warn(self) -> None:
        """Say what the last pass left out or could not read, if any: in the caller's thread, when the pass is done."""
        self.unreadable.warn(self.source)
        if self.skipped:
            warn(f"{self.skipped:,} rows of {self.source!r} have no usable target and are left out.")
        for name, rows in self.gaps.items():
            warn(
                f"The head {name!r} has no usable target in {rows:,} rows of {self.source!r}: each counts for the "
                "other heads alone."
            )

    def _usable(self, skip: int, rows: int) -> Iterator[tuple[pa.RecordBatch, Any, Any, np.ndarray]]:
        """Chunks, encoded targets, weights and positions in the source of the rows that can be used."""
        first = 0
        chunks = self.source.chunks(rows, columns=self.columns, encoded=True, exact=False)
        for chunk in self.features.with_positions(chunks):
            target, weight, usable = self._target(chunk)
            numbers = np.arange(first, first + len(chunk))
            first += len(chunk)
            if usable is not None and not usable.all():
                self.skipped += int(len(usable) - usable.sum())
                chunk, numbers = chunk.filter(pa.array(usable)), numbers[usable]
                target = None if target is None else _taken(target, usable)
                weight = None if weight is None else weight[usable]
            self._any = self._any or len(chunk) > 0
            self._weight += 0.0 if weight is None else float(weight.sum())
            if self.head is not None and isinstance(target, dict):
                for name, one in self.head.heads.items():
                    if gaps := int(np.count_nonzero(one.gaps(target[name]))):
                        self.gaps[name] += gaps
            if skip >= len(chunk):
                skip -= len(chunk)
                continue
            rest = slice(skip, None)
            yield chunk.slice(skip), _taken(target, rest), _taken(weight, rest), numbers[rest]
            skip = 0

    def _rows(self, chunk: pa.RecordBatch, target: Any, weight: Any, numbers: np.ndarray) -> Rows:
        keys = {name: _key(chunk.column(name), name) for name in self.keys}
        return Rows(self.features(chunk, numbers, self.unreadable), target, weight, keys)

    def _target(self, chunk: pa.RecordBatch) -> tuple[Any, Any, np.ndarray | None]:
        if self.head is None:
            return None, None, None
        target, usable = self.head.encode_rows(chunk)
        weight = None
        if self.head.sample_weight is not None:
            column = chunk.column(self.head.sample_weight)
            # losses are weighed in float32
            weight = sample_weights(column, self.head.sample_weight, most=_MOST_WEIGHT).astype(np.float32)
        return target, weight, usable


def _taken(values: Any, rows: Any) -> Any:
    """Some rows of an array, or of each in a dict of them."""
    return None if values is None else keras.tree.map_structure(lambda part: part[rows], values)


def _key(values: pa.Array, name: str) -> np.ndarray:
    """A key column as a store holds it: numbers, int64 microseconds, or strings."""
    if is_text(values.type):
        return to_raw(values, RawColumn("string"), name)
    if is_time(values.type):
        return to_raw(values, raw_column(values.type), name)
    if pa.types.is_integer(values.type) or pa.types.is_boolean(values.type):
        return to_raw(values, RawColumn("int64"), name)
    return to_raw(values, RawColumn("float64"), name)
