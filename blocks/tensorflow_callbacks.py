"""Python that TensorFlow's threads call back: what it needs, held while its dataset lives, and how it ends.

TensorFlow keeps the function of every `from_generator` and `numpy_function` for good, in its default graph, and
whatever the function refers to with it: windows of rows, open files, a user's table. A function that refers to a
`HeldFor` keeps none of them.

A thread of TensorFlow that waits for the interpreter's lock when the interpreter ends never gets it, and whoever waits
for that thread waits for ever. So before the interpreter ends, calls are refused, and those that are under way awaited.
"""

import atexit
import threading
import time
import weakref
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from itertools import islice
from typing import Any, Generic, TypeVar

from blocks.errors import InvalidArgument

T = TypeVar("T")

_QUIET, _PATIENCE = 0.05, 10.0


class _Calls:
    """The calls of TensorFlow's threads into Python."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made = self._under_way = 0
        self._ending = False

    @contextmanager
    def one(self) -> Iterator[None]:
        with self._lock:
            self._made += 1
            self._under_way += 1
        try:
            if self._ending:
                raise RuntimeError("The interpreter ends: no more batches are made.")
            yield
        finally:
            with self._lock:
                self._under_way -= 1

    def end(self) -> None:
        """Refuse calls from now on; wait until the last has returned, and no other came for a moment."""
        if not self._made:
            return
        self._ending = True
        seen, until = -1, time.monotonic() + _PATIENCE
        while (self._under_way or seen != self._made) and time.monotonic() < until:
            seen = self._made
            time.sleep(_QUIET)


_calls = _Calls()
called_by_tensorflow = _calls.one
"""A context for what a thread of TensorFlow does in Python."""

atexit.register(_calls.end)


def items_for_tensorflow(make: Callable[[], Generator[T]]) -> Callable[[], Generator[T]]:
    """A generator function for `from_generator`: each item is made in `called_by_tensorflow`.

    Example:
        >>> list(items_for_tensorflow(lambda: (n for n in range(3)))())
        [0, 1, 2]
    """

    def items() -> Generator[T]:
        with closing(make()) as made:
            while True:
                with called_by_tensorflow():
                    item = list(islice(made, 1))
                if not item:
                    return
                yield item.pop()

    return items


class HeldFor(Generic[T]):
    """A value that is given back when a dataset is gone.

    Args:
        value: What the dataset's function needs.

    Example:
        >>> class Dataset: ...
        >>> held, dataset = HeldFor([1, 2, 3]), Dataset()
        >>> held.ends_with(dataset)
        >>> held.value
        [1, 2, 3]
        >>> del dataset
        >>> held.value
        Traceback (most recent call last):
        blocks.errors.InvalidArgument: A dataset is read for as long as there is a reference to it. ...
    """

    def __init__(self, value: T):
        self._held = [value]

    @property
    def value(self) -> T:
        """The value.

        Raises:
            InvalidArgument: The dataset is gone.
        """
        if not self._held:
            raise InvalidArgument(
                "A dataset is read for as long as there is a reference to it. Received: one that is gone. Keep the "
                "dataset, or one made of it."
            )
        return self._held[0]

    def ends_with(self, dataset: Any) -> None:
        """Give the value back when the dataset is gone; those made of it keep it."""
        weakref.finalize(dataset, self._held.clear).atexit = False
