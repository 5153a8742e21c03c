"""Streams of record batches: rechunking to an exact size, and producing ahead in a background thread.

What the batches come from lives in the readers; what is done to their rows in `source_steps`.
"""

import atexit
import queue
import threading
from collections.abc import Callable, Generator, Iterator
from typing import Any, Final, TypeVar

import numpy as np
import pyarrow as pa

from blocks.data.schema import conform, natural_schema

_T = TypeVar("_T")

_MOST_ROWS: Final = 65_536
_CELLS: Final = 1 << 18
_CELLS_OF_A_LIST: Final = 64
_CELLS_OF_BYTES: Final = 1024
_MOST_OFFSET: Final = 2**31 - 1
"""Bytes of text, or values of lists, in an array of Arrow's with offsets of 32 bits."""


def worthwhile_rows(schema: pa.Schema) -> int:
    """The fewest rows that are read at once: what a batch costs beside its rows is little then, and so what it holds.

    About 250,000 values, 65,536 rows at most. A list counts as 64 values, bytes as 1,024: they may be an image.

    Example:
        >>> import pyarrow as pa
        >>> [worthwhile_rows(pa.schema([(f"x{i}", pa.float64()) for i in range(columns)])) for columns in (1, 40, 2000)]
        [65536, 6553, 131]
    """
    cells = sum(_cells(field.type) for field in schema)
    return min(_MOST_ROWS, max(1, _CELLS // max(cells, 1)))


def _cells(kind: pa.DataType) -> int:
    if pa.types.is_fixed_size_list(kind):
        return max(1, kind.list_size) * _cells(kind.value_type)
    if pa.types.is_struct(kind):
        return sum(_cells(field.type) for field in kind)
    if pa.types.is_nested(kind):
        return _CELLS_OF_A_LIST
    return _CELLS_OF_BYTES if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) else 1


def rechunk(batches: Iterator[pa.RecordBatch], rows: int, *, exact: bool = True) -> Generator[pa.RecordBatch]:
    """Regroups batches into ones of exactly `rows` rows (the last may be shorter), in order.

    Where so many rows have more than 2 GB of text or bytes in a column, which no Arrow array of theirs holds, a batch
    is of as many as fit: of the same rows always as many, however they come in.

    Rows are copied only where a chunk spans several batches; empty batches vanish.

    Args:
        batches: record batches of one schema, but that strings may be dictionaries in some.
        rows: rows of a chunk, at least 1.
        exact: False to give out what is there, however little, rather than to cut a batch and copy.

    Yields:
        Record batches.

    Example:
        >>> import pyarrow as pa
        >>> parts = (pa.record_batch({"a": [n] * n}) for n in (1, 4, 2))
        >>> [b["a"].to_pylist() for b in rechunk(parts, 3)]
        [[1, 4, 4], [4, 4, 2], [2]]
    """
    waiting: list[pa.RecordBatch] = []
    have = 0
    for batch in batches:
        if waiting and not exact and have + batch.num_rows > rows:
            yield from _all_joined(waiting)
            waiting, have = [], 0
        start = 0
        while start < batch.num_rows:
            piece = batch.slice(start, rows - have)
            start += piece.num_rows
            have += piece.num_rows
            waiting.append(piece)
            if have == rows:
                joined, waiting = _joined(waiting)
                have -= joined.num_rows
                yield joined
    yield from _all_joined(waiting)


def _all_joined(batches: list[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    while batches:
        joined, batches = _joined(batches)
        yield joined


def _joined(batches: list[pa.RecordBatch]) -> tuple[pa.RecordBatch, list[pa.RecordBatch]]:
    """One batch of as many rows as Arrow's offsets reach over, and what is left."""
    if len(batches) == 1:
        return batches[0], []
    if any(not batch.schema.equals(batches[0].schema) for batch in batches):
        natural = natural_schema(batches[0].schema, "a chunk")
        batches = [conform(batch, natural) for batch in batches]
    if sum(batch.nbytes for batch in batches) <= _MOST_OFFSET // 8:  # the values of lists may be bits
        return pa.concat_batches(batches), []
    so_far: Any = 0
    for at, batch in enumerate(batches):
        extents = _extents(batch)
        if np.all(so_far + extents <= _MOST_OFFSET):
            so_far = so_far + extents
            continue
        low, high = 0, batch.num_rows  # that many fit, that many do not
        while high - low > 1:
            middle = (low + high) // 2
            fits = np.all(so_far + _extents(batch.slice(0, middle)) <= _MOST_OFFSET)
            low, high = (middle, high) if fits else (low, middle)
        low = max(low, 1 if at == 0 else 0)
        first = [*batches[:at], *([batch.slice(0, low)] if low else [])]
        rest = [batch.slice(low), *batches[at + 1 :]] if low < batch.num_rows else batches[at + 1 :]
        return first[0] if len(first) == 1 else pa.concat_batches(first), rest
    return pa.concat_batches(batches), []


def _extents(batch: pa.RecordBatch) -> np.ndarray:
    """What offsets of 32 bits reach over in the columns of a batch, and inside them: int64 (offsets,)."""
    return np.array([extent for column in batch.columns for extent in _extents_of(column)], np.int64)


def _extents_of(array: pa.Array) -> Iterator[int]:
    kind = array.type
    if pa.types.is_string(kind) or pa.types.is_binary(kind):
        offsets = array.buffers()[1]
        bounds = None if offsets is None else np.frombuffer(offsets, np.int32)
        yield 0 if bounds is None or not len(array) else int(bounds[array.offset + len(array)] - bounds[array.offset])
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_map(kind):
        first, last = (array.offsets[0].as_py(), array.offsets[-1].as_py()) if len(array) else (0, 0)
        yield last - first if not pa.types.is_large_list(kind) else 0
        for inside in (array.keys, array.items) if pa.types.is_map(kind) else (array.values,):
            yield from _extents_of(inside.slice(first, last - first))
    elif pa.types.is_fixed_size_list(kind):
        yield from _extents_of(array.values.slice(array.offset * kind.list_size, len(array) * kind.list_size))
    elif pa.types.is_struct(kind):
        for at in range(kind.num_fields):
            yield from _extents_of(array.field(at))


class _End:
    """The last word of the background thread: done, or the error that stopped it."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def ahead(make: Callable[[threading.Event], Iterator[_T]], depth: int = 1) -> Generator[_T]:
    """Produces items in a background thread, at most `depth` ahead of the consumer, in order.

    An error of the producer is raised at the consumer. When the consumer stops early, the thread ends before the
    generator's `close` returns.

    Args:
        make: called in the background thread; gives the items, and may end early when the event is set: nobody waits
            for them any more.
        depth: finished items that may wait.

    Yields:
        The items of `make`.
    """
    finished: queue.SimpleQueue[_T | _End] = queue.SimpleQueue()
    slots = threading.Semaphore(depth)
    stop = threading.Event()

    def produce() -> None:
        error: BaseException | None = None
        try:
            for item in make(stop):
                finished.put(item)
                del item  # else it would live until the next one is made
                slots.acquire()
                if stop.is_set():
                    break
        except BaseException as caught:
            error = caught
        finished.put(_End(error))

    thread = threading.Thread(target=produce, name="blocks-read-ahead", daemon=True)

    def end() -> None:
        stop.set()
        slots.release()
        thread.join()

    _ends.add(end)
    thread.start()
    try:
        while not isinstance(item := finished.get(), _End):
            slots.release()
            yield item
            # A local that outlives the yield would keep one more batch in memory while the next is awaited.
            del item
        if item.error is not None:
            raise item.error
    finally:
        end()
        _ends.discard(end)


_ends: set[Callable[[], None]] = set()


@atexit.register
def _end_all() -> None:
    """Ends the threads of iterators still open: one that is inside Arrow when Python ends may abort the process."""
    for end in list(_ends):
        end()
