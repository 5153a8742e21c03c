"""How fast a store gives batches on this machine, next to what its disk and its memory could give at most."""

import os
import time
from collections.abc import Callable, Generator, Iterator
from functools import partial
from statistics import median
from typing import NamedTuple

import numpy as np

from blocks.errors import InvalidArgument
from blocks.files.place import Remote
from blocks.store.store import Store

_BUFFER = 8 << 20
_ROUNDS = 3

Pieces = Iterator[tuple[float, int]]


class Rate(NamedTuple):
    """What one way gives: rows and bytes a second."""

    way: str
    rows: float
    bytes: float


def bench(store: Store, split: str | None = None, *, batch_size: int = 1024, seconds: float = 4.0) -> list[Rate]:
    """Measure a split: its files read, memory copied, and shuffled batches from `stream` and from `dataset`.

    Rates are those of work that goes on: each way begins once and goes round and round; what it does first, in all and
    after each turn of the others (threads that start, what lies ready), is not counted.

    The ways take turns, so that what else the machine does falls on all alike; medians count. Files are read, by
    `stream` and `dataset` too, as they lie in the system's cache after a first turn, unless they are larger than it.
    `disk read` empties that cache of each file before it is read: a store larger than memory is streamed no faster.
    It is left out where files cannot be told to leave the cache: behind a URL, and outside Linux.

    Args:
        store: The store.
        split: Its name; the one of most rows unless given.
        batch_size: Rows of a batch.
        seconds: About how long to take.

    Returns:
        The rates, ceilings first. Bytes are those of features, targets and weights, and for files all that is in them.

    Raises:
        InvalidArgument: There is no such split, it is empty, or an argument is not positive.
        CorruptShard: A chunk is not what was written.

    Example:
        >>> import tempfile
        >>> from blocks.store import Rows, SplitPlan, write
        >>> plan = SplitPlan(lambda skip: iter([Rows({"numeric": np.ones((99 - skip, 2), "f4")})]))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     store = write(folder, {"train": plan}, fingerprint={}, verbose=0)
        ...     [rate.way for rate in bench(store, seconds=0.1)]
        ['files read', 'disk read', 'memory copied', 'stream()', 'dataset()']
    """
    split = max(store.rows, key=store.rows.__getitem__) if split is None else split
    chosen = store[split]
    if not chosen.rows:
        raise InvalidArgument(f"bench needs rows. Received: the split {split!r}, which has none.")
    if not seconds > 0:
        raise InvalidArgument(f"seconds is a positive number. Received: {seconds!r}.")
    row = chosen.row_bytes
    stream = chosen.stream(batch_size)
    batches = chosen.stream(batch_size).dataset()

    def files(cached: bool = True) -> Pieces:
        buffer = np.empty(_BUFFER, np.uint8)
        for shard in store.manifest.splits[split]:
            with (store.path / shard.file).open("rb", buffering=0) as file:
                if not cached:
                    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
                while count := file.readinto(buffer.data):
                    yield count * shard.rows / shard.bytes, count

    def copies() -> Pieces:
        source = np.ones(min(_BUFFER, row * chosen.rows), np.uint8)
        target = np.empty_like(source)
        while True:
            np.copyto(target, source)
            yield len(source) / row, len(source)

    def streamed() -> Pieces:
        for batch in stream:
            rows = len(next(iter(batch[0].values())))
            yield rows, rows * row

    def dataset() -> Pieces:
        for batch in batches:
            rows = int(next(iter(batch[0].values())).shape[0])
            yield rows, rows * row

    ways = {"files read": files, "memory copied": copies, "stream()": streamed, "dataset()": dataset}
    each = seconds / (_ROUNDS + 0.5) / (len(ways) + 1)
    running = {name: _endless(way) for name, way in ways.items()}
    for pieces in running.values():
        _rate(pieces, each / 2)  # caches and traces
    found: dict[str, list[tuple[float, float]]] = {"files read": []}
    if hasattr(os, "posix_fadvise") and not isinstance(store.path, Remote):
        found["disk read"] = []
    found |= {name: [] for name in ways}
    for _ in range(_ROUNDS):
        for name, pieces in running.items():
            found[name].append(_rate(pieces, each))
    if "disk read" in found:
        # at the end, since it takes from the others what they read from
        found["disk read"] = [_rate(_endless(partial(files, cached=False)), each) for _ in range(_ROUNDS)]
    for pieces in running.values():
        pieces.close()
    return [Rate(name, median(r for r, _ in rates), median(b for _, b in rates)) for name, rates in found.items()]


def _endless(way: Callable[[], Pieces]) -> Generator[tuple[float, int], None, None]:
    """A way that is begun again where it ends."""
    while True:
        yield from way()


def _rate(pieces: Pieces, seconds: float) -> tuple[float, float]:
    """Rows and bytes a second of what goes on, over about so many seconds, the first quarter of them not counted."""
    start = begin = time.perf_counter()
    rows, size, counts = 0.0, 0, False
    while True:
        count, bytes = next(pieces)
        now = time.perf_counter()
        if counts:
            rows, size = rows + count, size + bytes
            if now - start >= seconds:
                return rows / (now - begin), size / (now - begin)
        elif now - start >= seconds / 4:
            begin, counts = now, True


def table(rates: list[Rate]) -> str:
    """Lay rates out as a small table, each way beside the first ceiling.

    Example:
        >>> print(table([Rate("files read", 2e6, 4e8), Rate("stream()", 1e6, 2e8)]))
        way                   rows/s       MB/s   of files read
        files read         2,000,000        400            1.00
        stream()           1,000,000        200            0.50
    """
    first = rates[0]
    lines = [f"{'way':<16}{'rows/s':>12}{'MB/s':>11}{'of ' + first.way:>16}"]
    lines += [f"{way:<16}{rows:>12,.0f}{size / 1e6:>11,.0f}{rows / first.rows:>16.2f}" for way, rows, size in rates]
    return "\n".join(lines)
