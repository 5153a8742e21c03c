"""Whole rows of numbers: all of them while they are few, a uniform sample beyond."""

import dataclasses
from typing import Any, Self

import numpy as np
import pyarrow as pa

from blocks.errors import InvalidArgument
from blocks.statistics.hashing import STEP, mix64
from blocks.statistics.statistic import Statistic, unsupported


@dataclasses.dataclass(frozen=True)
class RowSampleResult:
    """What `RowSample` holds.

    Attributes:
        rows: Rows seen.
        values: (kept, width) float64, in an order that depends on the rows alone.
        weights: (kept,) float64.
        exact: Whether all rows are kept.
    """

    rows: int
    values: np.ndarray
    weights: np.ndarray
    exact: bool


class RowSample(Statistic):
    """Holds rows of `width` numbers, or beyond `most` of them a uniform sample of `most`.

    The sample is of the rows with the smallest 64-bit hashes of what they hold and the seed: a pure function of the
    rows, so chunks, order and merging change nothing. Equal rows go in or stay out together.

    Args:
        width: Numbers of a row.
        most: Rows kept, 8 (width + 2) bytes each.
        seed: Another seed, another sample.

    Example:
        >>> sample = RowSample(width=2)
        >>> sample.update(pa.array([[1.0, 2.0], [3.0, 4.0]], pa.list_(pa.float64(), 2)))
        >>> sample.result().rows, sample.result().exact, float(sample.result().values.sum())
        (2, True, 10.0)

    Source: bottom-k sampling by Cohen and Kaplan, "Summarizing Data using Bottom-k Sketches" (2007); the hash is the
        finalizer of Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators" (2014).
    """

    def __init__(self, width: int, most: int = 1 << 18, seed: int = 0) -> None:
        if width < 1 or most < 1:
            raise InvalidArgument(f"width and most are 1 at least. Received: width={width}, most={most}.")
        self._width, self._most, self._seed = width, most, seed
        self._rows = 0
        self._kept = [np.zeros((0, width + 1))]
        self._hashes = [np.zeros(0, np.uint64)]

    def parameters(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {"width": self._width, "most": self._most, "seed": self._seed}

    def result(self) -> RowSampleResult:
        """Returns the rows kept so far."""
        self._compact()
        rows = self._kept[0].copy()
        return RowSampleResult(self._rows, rows[:, :-1], rows[:, -1], self._rows <= self._most)

    def _update(self, values: pa.Array, weights: np.ndarray | None) -> None:
        if not pa.types.is_fixed_size_list(values.type) or values.type.list_size != self._width or values.null_count:
            raise unsupported("RowSample", f"lists of {self._width} numbers, none of them null", values.type)
        numbers = values.flatten().cast(pa.float64()).to_numpy(zero_copy_only=False).reshape(-1, self._width)
        weight = np.ones(len(numbers)) if weights is None else weights
        # adding 0.0 turns -0.0 into 0.0: equal numbers, equal bits
        self._add(np.column_stack([numbers, weight]) + 0.0, len(numbers))

    def _merge(self, other: Self) -> None:
        for kept in other._kept:
            self._add(kept, 0)
        self._rows += other._rows

    def _add(self, rows: np.ndarray, seen: int) -> None:
        self._rows += seen
        if len(rows):
            self._kept.append(rows)
            self._hashes.append(_hashed(rows, self._seed))
        if sum(len(kept) for kept in self._kept) > 2 * self._most:
            self._compact()

    def _compact(self) -> None:
        rows, hashes = np.concatenate(self._kept), np.concatenate(self._hashes)
        if len(rows) > self._most:
            first = np.argpartition(hashes, self._most - 1)[: self._most]
            rows, hashes = rows[first], hashes[first]
        order = np.argsort(hashes, kind="stable")
        self._kept, self._hashes = [rows[order]], [hashes[order]]

    def _state(self) -> tuple[dict[str, Any], list[bytes]]:
        self._compact()
        return {"rows": self._rows}, [self._kept[0].astype("<f8").tobytes()]

    def _restore(self, state: dict[str, Any], parts: list[bytes]) -> None:
        rows = np.frombuffer(parts[0], "<f8").astype(np.float64).reshape(-1, self._width + 1)
        self._rows = 0
        self._add(rows, state["rows"])


def _hashed(rows: np.ndarray, seed: int) -> np.ndarray:
    hashes = np.full(len(rows), np.uint64(seed))
    for column in np.ascontiguousarray(rows.T).view(np.uint64):
        hashes = mix64((hashes * STEP) ^ column)
    return hashes
