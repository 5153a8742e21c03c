"""Sparse: rows of numbers most of which are 0, as NumPy holds them: values, their columns, and where each row begins.

What packs them, stores them and embeds them lives elsewhere; all hand rows over in this form, and batches as `pairs`.
"""

from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np

MOST_COLUMNS = 1 << 24
"""Columns are numbered in float32 within `pairs`, which holds whole numbers up to here."""

_ROUNDED = 8


class Sparse:
    """Compressed sparse rows (CSR): what SciPy's `csr_array((values, indices, offsets), shape)` takes.

    It can be cut, indexed by rows, taken from and concatenated as a NumPy array of shape (rows, columns) can.

    Args:
        values: (stored,) float32, row after row.
        indices: (stored,) int32, the column of each.
        offsets: (rows + 1,) int64, where each row begins among the values; the last is where all end.
        columns: How many there are.

    Example:
        >>> rows = Sparse.from_dense(np.array([[0.0, 2.0, 0.0], [0.0, 0.0, 0.0], [1.0, 0.0, 3.0]], "f4"))
        >>> rows.values.tolist(), rows.indices.tolist(), rows.offsets.tolist()
        ([2.0, 1.0, 3.0], [1, 0, 2], [0, 1, 1, 3])
        >>> rows[[2, 0]].dense().tolist()
        [[1.0, 0.0, 3.0], [0.0, 2.0, 0.0]]
    """

    ndim = 2
    dtype = np.dtype("<f4")

    def __init__(self, values: np.ndarray, indices: np.ndarray, offsets: np.ndarray, columns: int) -> None:
        self.values, self.indices, self.offsets, self.columns = values, indices, offsets, columns

    @classmethod
    def from_lengths(cls, values: np.ndarray, indices: np.ndarray, lengths: np.ndarray, columns: int) -> Self:
        """Rows of so many values each."""
        return cls(values, indices, np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]), columns)

    @classmethod
    def from_dense(cls, array: np.ndarray) -> Self:
        """Rows of a dense array (rows, columns), without what is 0."""
        there = array != 0
        values, indices = array[there].astype(np.float32), np.nonzero(there)[1].astype(np.int32)
        return cls.from_lengths(values, indices, there.sum(axis=1), array.shape[1])

    @classmethod
    def from_pairs(cls, pairs: np.ndarray, columns: int) -> Self:
        """Rows of what `pairs` gave, or a preprocessor: float32 (rows, most, 2)."""
        there = pairs[..., 1] != 0
        held = pairs[there]
        return cls.from_lengths(held[:, 1].copy(), held[:, 0].astype(np.int32), there.sum(axis=1), columns)

    @classmethod
    def empty(cls, columns: int) -> Self:
        """No rows."""
        return cls(np.zeros(0, np.float32), np.zeros(0, np.int32), np.zeros(1, np.int64), columns)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __repr__(self) -> str:
        return f"Sparse({len(self)} rows, {self.columns} columns, {len(self.values)} values)"

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return len(self), self.columns

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self.values.nbytes + self.indices.nbytes + self.offsets.nbytes

    @property
    def lengths(self) -> np.ndarray:
        """(rows,) How many values each row has, int32."""
        return np.diff(self.offsets).astype(np.int32)

    def __getitem__(self, rows: Any) -> "Sparse":
        if not isinstance(rows, slice):
            rows = np.asarray(rows)
            return self.take(np.flatnonzero(rows) if rows.dtype == bool else rows)
        start, stop, step = rows.indices(len(self))
        if step != 1:
            return self.take(np.arange(start, stop, step))
        offsets = self.offsets[start : max(start, stop) + 1]
        held = slice(offsets[0], offsets[-1])
        return Sparse(self.values[held], self.indices[held], offsets - offsets[0], self.columns)

    def take(self, rows: np.ndarray, axis: int = 0) -> "Sparse":
        """Rows by their positions, in the order given."""
        begin, lengths = self.offsets[:-1][rows], np.diff(self.offsets)[rows]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        held = np.arange(offsets[-1]) + np.repeat(begin - offsets[:-1], lengths)
        return Sparse(self.values[held], self.indices[held], offsets, self.columns)

    def __array_function__(self, function: Callable[..., Any], types: Any, args: Any, kwargs: Any) -> Any:
        if function is not np.concatenate:
            return NotImplemented
        return _joined(*args, **kwargs)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self.pairs().astype(dtype or self.dtype)

    def pairs(self) -> np.ndarray:
        """The rows as batches have them: float32 (rows, most, 2), of each value its column and itself.

        `most` is the number of values of the longest row, rounded up to a multiple of 8; shorter rows end in (0, 0).
        """
        lengths = np.diff(self.offsets)
        most = -(-max(int(lengths.max(initial=0)), 1) // _ROUNDED) * _ROUNDED
        out = np.zeros((len(self), most, 2), np.float32)
        row = np.repeat(np.arange(len(self)), lengths)
        place = np.arange(len(self.values)) - np.repeat(self.offsets[:-1], lengths)
        out[row, place, 0] = self.indices
        out[row, place, 1] = self.values
        return out

    def dense(self) -> np.ndarray:
        """The rows as a dense array (rows, columns), float32."""
        out = np.zeros(self.shape, np.float32)
        out[np.repeat(np.arange(len(self)), np.diff(self.offsets)), self.indices] = self.values
        return out


def _joined(parts: Sequence[Sparse], axis: int = 0) -> Sparse:
    """Rows of all parts, one after the other."""
    begins = np.cumsum([0, *(len(part.values) for part in parts)])
    return Sparse(
        np.concatenate([part.values for part in parts]),
        np.concatenate([part.indices for part in parts]),
        np.concatenate([[0], *(part.offsets[1:] + begin for part, begin in zip(parts, begins, strict=False))]),
        parts[0].columns,
    )


def as_batch_form(array: Any) -> Any:
    """What a core takes of an entry's rows: `Sparse.pairs`, anything else as it is."""
    return array.pairs() if isinstance(array, Sparse) else array
