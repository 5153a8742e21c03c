"""One budget of memory for all statistics of a pass: how much each of them may hold."""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from blocks.errors import InvalidArgument
from blocks.statistics.statistic import Statistic
from blocks.statistics.working_memory import Room

DEFAULT_MEMORY: Final = 512 << 20
"""Bytes for the statistics of one `adapt` where the user says nothing."""

WORKING: Final = 4
"""How many times its bound a statistic takes, beside what it holds, while it puts tokens together: Arrow's hash table
and copies (measured with tokens of 12 bytes)."""

LEAST_SHARE: Final = 1 << 14
"""A share below this holds so few tokens that what is learned says little."""

_UNITS: Final = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}
_UNITS_OF_TWO: Final = {"kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40}


def memory_bytes(memory: int | str | None) -> int:
    """Memory as users give it, in bytes: a whole number of them, text such as "1GiB", or None for the default.

    Raises:
        InvalidArgument: It is neither, or not positive.

    Example:
        >>> memory_bytes("1.5 GiB") >> 20, memory_bytes("300MB"), memory_bytes(None) >> 20
        (1536, 300000000, 512)
        >>> memory_bytes("a lot")
        Traceback (most recent call last):
        blocks.errors.InvalidArgument: memory is a number of bytes, or text with a unit ("1GiB", "300MB"), and...
    """
    if memory is None:
        return DEFAULT_MEMORY
    found = 0
    if isinstance(memory, str):
        parts = re.fullmatch(r"\s*([0-9]{1,15}(?:\.[0-9]{1,6})?)\s*([A-Za-z]{0,3})\s*", memory)
        unit = (_UNITS | _UNITS_OF_TWO).get(parts[2].lower()) if parts else None
        found = int(float(parts[1]) * unit) if parts and unit else 0
    elif hasattr(memory, "__index__") and not isinstance(memory, bool):
        found = memory.__index__()
    if not 0 < found < 1 << 60:
        raise InvalidArgument(
            'memory is a number of bytes, or text with a unit ("1GiB", "300MB"), and positive. '
            f"Received: {memory!r}. Leave it out for {DEFAULT_MEMORY >> 20} MiB."
        )
    return found


class Budget:
    """How the memory of one adaptation is shared among its statistics: a bound for each, known before it begins.

    Every statistic gets what it wishes, up to a level that is the same for all: little ones are never cut for the sake
    of large ones. The level follows from the wishes and the memory alone, not from the rows, the threads or the
    machine, so that statistics made elsewhere by the same plan can be merged.

    Args:
        memory: Bytes for all: what the statistics hold, and what one or more of them work in.
        wishes: Of each statistic, `Statistic.wish`; those of 0 are not counted.

    Raises:
        InvalidArgument: So many statistics cannot be held in so little memory.

    Example:
        >>> Budget(100 << 20, [64 << 20] * 6).level >> 20
        10
    """

    def __init__(self, memory: int, wishes: Iterable[int]) -> None:
        wanted = sorted(wish for wish in wishes if wish)
        self.level = _level(memory, wanted)
        used = sum(min(wish, self.level) for wish in wanted)
        if wanted and self.level < min(LEAST_SHARE, wanted[-1]):
            least = (len(wanted) + WORKING) * LEAST_SHARE
            raise InvalidArgument(
                f"{len(wanted)} statistics need {least >> 10} KiB of memory at least. Received: memory={memory} bytes. "
                f'Give them more: adapt(..., memory="{-(-least >> 20)}MiB").'
            )
        self.room = Room(max(memory - used, 0))

    def share(self, statistics: Mapping[str, Statistic]) -> dict[str, Statistic]:
        """Fresh statistics within their shares."""
        given = {name: one.bounded(self.level) if one.wish > self.level else one for name, one in statistics.items()}
        for one in given.values():
            one.room = self.room
        return given


def _level(memory: int, wanted: list[int]) -> int:
    """The highest level at which all, and the largest `WORKING` times more, fit; the largest wish where they do."""
    below = 0
    for done, wish in enumerate(wanted):
        if below + (len(wanted) - done + WORKING) * wish > memory:
            return (memory - below) // (len(wanted) - done + WORKING)
        below += wish
    return wanted[-1] if wanted else 0
