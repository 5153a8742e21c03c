"""Columns that number rows rather than describe them: what storing left behind, by name, and row numbers, by count.

Such a column tells the rows that were seen apart, and nothing of any other. What a source itself knows (pandas' index,
the key of a split) is `Source.bookkeeping`.
"""

import math
import re
from typing import Final

import numpy as np
import pyarrow as pa

UNNAMED: Final = re.compile(r"Unnamed: 0(\.\d+)*|__index_level_\d+__")
"""What pandas calls the index of a frame that was written with it, when it is read again."""

LEAST_ROWS: Final = 100
"""Of fewer rows nothing is said."""

FIRST: Final = 1_024
LOOKED_AT: Final = 65_536

LEAST_REPEATS: Final = 20
"""So many repetitions that chance would make, where there are next to none: less likely than one in a million."""


def unnamed(name: str, position: int) -> bool:
    """Whether a column is called as the index of a frame that was written with it: "" alone where it is the first.

    Example:
        >>> unnamed("Unnamed: 0", 3), unnamed("", 0), unnamed("", 2), unnamed("Unnamed: 12", 0)
        (True, True, False, False)
    """
    return (position == 0 and not name.strip()) or UNNAMED.fullmatch(name) is not None


class Numbering:
    """Tells row numbers, dense, thinned out or shuffled, from integers that describe rows.

    Integers that are drawn independently from a range repeat, and do so least often when all are equally likely: of n
    numbers from a range of N about n - N (1 - exp(-n / N)) repeat another. Row numbers never do. Looks at the first
    65,536 whole numbers of a column.

    Example:
        >>> numbering = Numbering()
        >>> numbering.look(pa.array(np.random.default_rng(0).permutation(100_000)[:3_000]))
        >>> numbering.is_found
        True
    """

    def __init__(self) -> None:
        self._seen: np.ndarray = np.zeros(0)
        self._rows = 0
        self._over = False

    def look(self, values: pa.Array) -> None:
        """Look at a chunk of numbers."""
        start = 0
        # the first thousand tell most columns already
        for rows in (FIRST, LOOKED_AT):
            rows = min(rows, LOOKED_AT - self._rows)
            if not self._over and start < len(values) and rows:
                self._add(values.slice(start, rows))
            start += rows

    def _add(self, values: pa.Array) -> None:
        numbers = values.cast(pa.float64(), safe=False).drop_null().to_numpy()
        numbers = numbers[np.isfinite(numbers)]
        # fractions number nothing, and what repeats much among a thousand will among more
        self._over = bool((numbers != np.floor(numbers)).any())
        if not self._over:
            self._rows += len(numbers)
            self._seen = np.unique(np.concatenate([self._seen, numbers]))
            self._over = self._repeats > self._rows / 20 > FIRST / 40
        if self._over:
            self._seen = np.zeros(0)

    @property
    def _repeats(self) -> int:
        return self._rows - len(self._seen)

    @property
    def is_found(self) -> bool:
        """Whether the column numbers the rows, as far as was looked."""
        if self._over or self._rows <= LEAST_ROWS:
            return False
        span = float(self._seen[-1]) - float(self._seen[0]) + 1
        share = self._rows / span
        expected = self._rows * share / 2 if share < 1e-6 else self._rows + span * math.expm1(-share)
        return expected >= LEAST_REPEATS and self._repeats <= expected / 10
