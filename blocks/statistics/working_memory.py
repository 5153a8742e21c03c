"""Memory that threads work in beside each other, and wait for: what statistics take for a moment is bounded too."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Room:
    """Bytes that several threads work in: each waits until there is room for what it takes, or all others are done.

    Args:
        size: Bytes; None for as many as anybody takes.

    Example:
        >>> with Room(100).taken(70):
        ...     pass
    """

    def __init__(self, size: int | None = None) -> None:
        self._size = size
        self._used = 0
        self._changed = threading.Condition()

    @contextmanager
    def taken(self, size: int) -> Iterator[None]:
        """Work in so many bytes."""
        if self._size is None:
            yield
            return
        limit = self._size
        with self._changed:
            # what is larger than the whole works alone
            self._changed.wait_for(lambda: not self._used or self._used + size <= limit)
            self._used += size
        try:
            yield
        finally:
            with self._changed:
                self._used -= size
                self._changed.notify_all()
