"""UnreadableRows: values that were there and could not be read, images say, counted over a pass of a source."""

import threading
from collections import Counter
from collections.abc import Mapping

from blocks.errors import warn

_SHOWN = 3


class UnreadableRows:
    """Counts by column and reason, and the first rows of each column; several threads may add."""

    def __init__(self) -> None:
        self.counts: dict[str, Counter[str]] = {}
        self._first: dict[str, dict[int, str]] = {}
        self._lock = threading.Lock()

    def add(self, column: str, reasons: Mapping[int, str]) -> None:
        """Count rows of a column: their positions in the source, and why each could not be read."""
        if not reasons:
            return
        with self._lock:
            self.counts.setdefault(column, Counter()).update(reasons.values())
            rows = {**self._first.get(column, {}), **reasons}
            self._first[column] = dict(sorted(rows.items())[:_SHOWN])

    def warn(self, source: object) -> None:
        """Say what was counted."""
        for column, counts in self.counts.items():
            warn(
                f"Column {column!r} of {source!r}: {counts.total():,} values cannot be read and count as missing: "
                f"{told(self._first[column], counts.total())}."
            )


def told(reasons: Mapping[int, str], total: int) -> str:
    """The first rows and their reasons, as text.

    Example:
        >>> told({7: "it is cut off", 9: "it is cut off"}, 12)
        'row 7 (it is cut off), row 9 (it is cut off) and 10 more'
    """
    shown = sorted(reasons.items())[:_SHOWN]
    more = f" and {total - len(shown):,} more" if total > len(shown) else ""
    return ", ".join(f"row {row} ({why})" for row, why in shown) + more
