"""How often each value of a column occurs, where it has few different ones: numbers that are codes, classes, years."""

import dataclasses
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from blocks.errors import InvalidArgument
from blocks.statistics.counts import Counts, CountsResult
from blocks.statistics.statistic import Statistic
from blocks.statistics.tokens import encoded


@dataclasses.dataclass(frozen=True)
class FewCountsResult:
    """What `FewCounts` learned.

    Attributes:
        counts: All values and how often each is there, exact; None where the column has more than `most` of them.
    """

    counts: CountsResult | None


class FewCounts(Statistic):
    """Counts the different values of a column while there are few, and costs nothing from where there are many.

    What it says depends on the set of values alone: chunks, order and merging change nothing.

    Args:
        most: Different values that are counted, 1 at least.

    Example:
        >>> few = FewCounts(most=2)
        >>> few.update(pa.array([1990, 1991, 1990]))
        >>> few.result().counts.counts.tolist()
        [2, 1]
        >>> few.update(pa.array([1992]))
        >>> few.result().counts is None
        True
    """

    def __init__(self, most: int = 4096) -> None:
        if most < 1:
            raise InvalidArgument(f"most is 1 at least. Received: {most}.")
        self._most = most
        # never full: it is given up long before
        self._counts: Counts | None = Counts(1 << 62, shared=False)
        self._unsure = 0  # how many values it may hold

    def parameters(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {"most": self._most}

    def result(self) -> FewCountsResult:
        """Returns the counts of all rows seen so far."""
        self._give_up_where_many(sure=True)
        return FewCountsResult(None if self._counts is None else self._counts.result())

    def _update(self, values: pa.Array, weights: np.ndarray | None) -> None:
        if self._counts is None:
            return
        if not pa.types.is_null(values.type):
            # a few rows tell of most columns that there are many
            if len(values) > 2 * self._most and _many(values.slice(0, 2 * self._most), self._most):
                self._counts = None
                return
            values = encoded(values)
            if len(values.dictionary) > self._most and _many(values, self._most):
                self._counts = None
                return
            self._unsure += min(len(values.dictionary), len(values))
        self._counts.update(values, weights)
        self._give_up_where_many(sure=False)

    def _give_up_where_many(self, sure: bool) -> None:
        if self._counts is None or (self._unsure <= self._most and not sure):
            return
        self._unsure = self._counts.result().distinct
        if self._unsure > self._most:
            self._counts = None

    def _merge(self, other: Self) -> None:
        if self._counts is None or other._counts is None:
            self._counts = None
            return
        self._counts.merge(other._counts)
        self._unsure += other._unsure
        self._give_up_where_many(sure=False)

    def _state(self) -> tuple[dict[str, Any], list[bytes]]:
        self._give_up_where_many(sure=True)
        return {"few": self._counts is not None}, [] if self._counts is None else [self._counts.to_bytes()]

    def _restore(self, state: dict[str, Any], parts: list[bytes]) -> None:
        self._counts = Counts.from_bytes(parts[0]) if state["few"] else None
        self._unsure = self._most + 1


def _many(values: pa.Array, most: int) -> bool:
    """Whether values, missing and infinite ones apart, are more than so many different ones."""
    # two infinities, two zeros, null and NaN
    found = pc.count_distinct(values.indices if pa.types.is_dictionary(values.type) else values)
    return bool(found.as_py() > most + 5)
