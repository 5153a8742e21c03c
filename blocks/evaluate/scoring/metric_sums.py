"""MetricSums: what the rows of one head or target are summed up to. Which sums lives with each metric's kind."""

import abc
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np

from blocks.evaluate.scoring.estimate import Arrays, Estimate, Settings
from blocks.statistics.mergeable import Mergeable
from blocks.statistics.score_table import ScoreTable


class MetricSums(Mergeable):
    """Sums of rows of which metrics are functions, a statistic under the laws of `Mergeable`.

    Args:
        widths: Of the sums that intervals are made of, by name.
        buckets: Number of buckets of the bootstrap.
        arrays: What else is counted, by name; added up where two are merged, unless the subclass does so otherwise.
        score_tables: Sums by score.

    Attributes:
        rows: Rows seen.
        sums: (buckets, width) float64 by name.
        arrays: As given.
        score_tables: As given.
    """

    def __init__(
        self,
        widths: Mapping[str, int],
        buckets: int,
        arrays: Mapping[str, np.ndarray],
        score_tables: Sequence[ScoreTable],
    ) -> None:
        self.rows = 0
        self.sums = {name: np.zeros((buckets, width)) for name, width in widths.items()}
        self.arrays = dict(arrays)
        self.score_tables = list(score_tables)

    @abc.abstractmethod
    def update(self, rows: Any) -> None:
        """Adds a chunk: `ClassRows` or `NumberRows`."""

    @abc.abstractmethod
    def metrics(self, sums: Arrays) -> dict[str, np.ndarray]:
        """The metrics that are functions of sums, each (n,) of sums (n, width)."""

    @abc.abstractmethod
    def result(self, settings: Settings) -> dict[str, Estimate]:
        """Every metric by name."""

    def bucketed(self) -> dict[str, np.ndarray]:
        """All sums by bucket, (buckets, width) each, as `metrics` takes them."""
        return self.sums

    def rows_of(self, metric: str, suffix: str = "") -> int:
        """How many rows a metric is of, by its name and what is added to it for one of several targets."""
        return self.rows

    def _merge(self, other: Self) -> None:
        self.rows += other.rows
        for mine, theirs in ((self.sums, other.sums), (self.arrays, other.arrays)):
            for name, values in theirs.items():
                mine[name] = mine[name] + values
        for one, two in zip(self.score_tables, other.score_tables, strict=True):
            one.merge(two)

    def _state(self) -> tuple[dict[str, Any], list[bytes]]:
        arrays = [*self.sums.values(), *self.arrays.values()]
        parts = [array.astype(array.dtype.newbyteorder("<")).tobytes() for array in arrays]
        return {"rows": self.rows}, [*parts, *(table.to_bytes() for table in self.score_tables)]

    def _restore(self, state: dict[str, Any], parts: list[bytes]) -> None:
        self.rows = state["rows"]
        left = iter(parts)
        for arrays in (self.sums, self.arrays):
            for array in arrays.values():
                stored = np.frombuffer(next(left), array.dtype.newbyteorder("<"))
                array[...] = stored.reshape(array.shape)
        self.score_tables = [ScoreTable.from_bytes(part) for part in left]
