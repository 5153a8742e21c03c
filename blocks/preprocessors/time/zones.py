"""Time zones as tables of transitions on int64 microseconds. No block lives here.

Governments change zones' rules, and machines differ in whether they know. So a zone is read from Python's `zoneinfo`
once, when a block is made, and its table travels with the block's configuration: a reloaded model, an export and a
machine without any zone database all shift by the same table.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final, Self
from zoneinfo import ZoneInfo

import numpy as np
import tensorflow as tf

from blocks.errors import InvalidArgument

FROM_YEAR: Final = 1840
"""Before it every place kept its own mean solar time: the first offset holds."""

TO_YEAR: Final = 2201
"""The table ends here; the last offset holds from then on."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIXED: Final = re.compile(r"([+-])([01][0-9]|2[0-3]):?([0-5][0-9])")


class Zone:
    """A zone's offsets from UTC, right from the year 1 to 2200.

    Args:
        name: As given by the user.
        transitions: Seconds since 1970 UTC at which the offset changes, rising.
        offsets: Seconds to add to UTC: one before the first transition, then one after each.

    Example:
        >>> zone = Zone.named("-05:00")
        >>> zone.to_local(tf.constant([0], tf.int64)).numpy()
        array([-18000000000])
    """

    def __init__(self, name: str, transitions: Any, offsets: Any) -> None:
        self.name = name
        self._transitions = np.asarray(transitions, np.int64)
        self._offsets = np.asarray(offsets, np.int64)

    @classmethod
    def named(cls, zone: "str | Mapping[str, Any]") -> Self:
        """A zone by name ("Europe/Paris", "+02:00", "UTC"), or as `config` described it.

        Raises:
            InvalidArgument: There is none of that name.
        """
        if isinstance(zone, Mapping):
            return cls(zone["name"], zone["transitions"], zone["offsets"])
        fixed = _FIXED.fullmatch(zone) if isinstance(zone, str) else None
        if fixed:
            sign, hours, minutes = fixed.groups()
            return cls(zone, [], [(-60 if sign == "-" else 60) * (60 * int(hours) + int(minutes))])
        if zone in ("UTC", "Z"):
            return cls(zone, [], [0])
        return cls(zone, *_table(zone))

    def config(self) -> dict[str, Any]:
        """The table as JSON-able data."""
        return {"name": self.name, "transitions": self._transitions.tolist(), "offsets": self._offsets.tolist()}

    def to_local(self, instants: Any) -> Any:
        """Microseconds of wall-clock time since 1970-01-01T00:00 on the wall."""
        return instants + self._offset(instants, self._transitions)

    def to_utc(self, local: Any) -> Any:
        """Instants of wall-clock time: the earlier of two; one that a change skipped counts from before the change.

        So `datetime` does with `fold=0` (PEP 495).
        """
        walls = self._transitions + np.maximum(self._offsets[:-1], self._offsets[1:])
        return local - self._offset(local, walls)

    def _offset(self, values: Any, changes: np.ndarray) -> Any:
        micros = tf.constant(self._offsets * 1_000_000, tf.int64)
        if not len(changes):
            return micros[0]
        # flat, since a search wants as many rows of places as of values
        flat = tf.searchsorted(tf.constant(changes * 1_000_000, tf.int64), tf.reshape(values, [-1]), side="right")
        return tf.reshape(tf.gather(micros, flat), tf.shape(values))


@lru_cache(maxsize=64)
def _table(name: str) -> tuple[list[int], list[int]]:
    """Transitions and offsets, found by asking `zoneinfo` for every day and halving where two days differ."""
    try:
        zone = ZoneInfo(name)
    except (KeyError, ValueError, TypeError, OSError) as error:
        raise InvalidArgument(
            "timezone is a name of the IANA database ('Europe/Paris'), an offset ('+02:00') or 'UTC'. "
            f"Received: {name!r}, which Python's zoneinfo does not know. `pip install tzdata` brings the database."
        ) from error

    def offset(seconds: int) -> int:
        local = (_EPOCH + timedelta(seconds=seconds)).astimezone(zone).utcoffset()
        assert local is not None
        return int(local.total_seconds())

    start, end = (int((datetime(year, 1, 1, tzinfo=UTC) - _EPOCH).total_seconds()) for year in (FROM_YEAR, TO_YEAR))
    transitions, offsets = [], [offset(start)]
    for low in range(start, end, 86_400):
        high = low + 86_400
        if offset(high) == offsets[-1]:
            continue
        after = offset(high)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if offset(middle) == offsets[-1] else (low, middle)
        transitions.append(high)
        offsets.append(after)
    return transitions, offsets
