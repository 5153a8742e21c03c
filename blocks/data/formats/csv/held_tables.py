"""What a scan has parsed, held in memory for the passes that follow, within a limit for all readers of a process."""

import threading
import weakref
from typing import Final

import pyarrow as pa

HELD: Final = 256 << 20
"""Bytes that all readers of a process hold together."""


class HeldTables:
    """The first blocks of one reader, up to the limit; the readers that were used least recently give theirs up for it.

    So a small file is parsed once, whatever is done with it, and of a large one a part is.
    """

    def __init__(self) -> None:
        self._tables: dict[int, dict[int, pa.Table]] = {}
        self._size = 0
        self._full = False

    @property
    def full(self) -> bool:
        """Whether nothing more will be held."""
        return self._full

    def add(self, file: int, number: int, table: pa.Table) -> None:
        """Holds a block of a file, if there is room and nothing before it was left out."""
        size = table.get_total_buffer_size()
        with _lock:
            self._full = self._full or not _made_room(self, size)
            if not self._full:
                self._tables.setdefault(file, {})[number] = table
                self._size += size

    def of(self, file: int) -> dict[int, pa.Table]:
        """What is held of a file by block; this reader counts as used."""
        with _lock:
            _to_the_end(self)
            return dict(self._tables.get(file, {}))

    def clear(self) -> None:
        """Lets go of all."""
        self._tables, self._size, self._full = {}, 0, True


_lock = threading.Lock()
_used: list["weakref.ref[HeldTables]"] = []


def _to_the_end(holder: HeldTables) -> None:
    _used[:] = [ref for ref in _used if ref() not in (None, holder)]
    _used.append(weakref.ref(holder))


def _made_room(holder: HeldTables, size: int) -> bool:
    _to_the_end(holder)
    holders = [found for ref in _used if (found := ref()) is not None]
    free = HELD - sum(found._size for found in holders)
    if holder._size + size > HELD:
        return False
    for found in holders[:-1]:
        if free >= size:
            break
        free += found._size
        found.clear()
    return free >= size
