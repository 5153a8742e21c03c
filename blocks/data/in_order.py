"""Work on items on all cores, given out in the items' order, a few ahead of whoever takes it."""

from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, TypeVar

import pyarrow as pa

_T = TypeVar("_T")
_R = TypeVar("_R")

_MOST: Final = 8


def in_order(items: Iterator[_T], work: Callable[[_T], _R]) -> Generator[_R]:
    """What `work` makes of each item, in order; the first one before the second is asked for, and without a thread.

    An error of `work` is raised where its result would be, one of `items` after all results before it. So many items
    are worked on at once as Arrow has threads, 8 at most. Where the caller stops early, the threads end before the
    generator's `close` returns.

    Example:
        >>> list(in_order(iter([3, 1, 2]), lambda item: item * 10))
        [30, 10, 20]
    """
    for first in items:
        yield work(first)
        break
    waiting: deque[Future[_R]] = deque()
    error: BaseException | None = None
    pool: ThreadPoolExecutor | None = None
    threads = min(pa.cpu_count(), _MOST)
    try:
        while True:
            try:
                item = next(items)
            except StopIteration:
                break
            except BaseException as caught:
                error = caught
                break
            pool = pool or ThreadPoolExecutor(threads, "blocks-in-order")
            waiting.append(pool.submit(work, item))
            del item  # else it would live until the next one is made
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
        if error is not None:
            raise error
    finally:
        for future in waiting:
            future.cancel()
        if pool is not None:
            pool.shutdown()
