"""Stored arrays: the entries that rows are stored as, and the dense parts that files hold of each."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from blocks.errors import InvalidArgument, SchemaMismatch
from blocks.features.sparse import MOST_COLUMNS, Sparse

MAX_KEY_BYTES = 1024
STRING = "S"
FEATURES, INDICES, LENGTHS = "features/", "indices/", "lengths/"
_BORDER = 64
_SPARSE = "sparse "


@dataclass(frozen=True)
class StoredArray:
    """One array of a store: its name, the dtype and shape of one row, and what its columns are called.

    There is a name for each column of the last axis, or one for the whole: of a number a row, of tokens, of an image.
    A sparse one is stored as its `parts`: the values of all rows, their columns, and how many each row has.
    """

    name: str
    dtype: str
    shape: tuple[int, ...] = ()
    columns: tuple[str, ...] | None = None
    sparse: bool = False
    running: bool = False
    """Whether it is a part of which a row has any number: values follow each other over the rows of a chunk."""

    @property
    def parts(self) -> tuple["StoredArray", ...]:
        """What is stored of it, each a dense array: itself, unless it is sparse."""
        if not self.sparse:
            return (self,)
        name = self.name.removeprefix(FEATURES)
        return (
            StoredArray(self.name, self.dtype, running=True),
            StoredArray(INDICES + name, "<i4", running=True),
            StoredArray(LENGTHS + name, "<i4"),
        )

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "StoredArray":
        """Undo `to_json`."""
        columns = content["columns"]
        return cls(
            content["name"],
            content["dtype"],
            tuple(content["shape"]),
            None if columns is None else tuple(columns),
            content.get("sparse", False),
        )

    def to_json(self) -> dict[str, Any]:
        """Itself as a manifest has it."""
        content = {"name": self.name, "dtype": self.dtype, "shape": self.shape, "columns": self.columns}
        return {**content, "sparse": True} if self.sparse else content

    @property
    def is_key(self) -> bool:
        """Whether it identifies rows, and is not trained on."""
        return self.name.startswith("keys/")

    @property
    def is_string(self) -> bool:
        """Whether rows are byte strings, whose width is each shard's own."""
        return self.dtype == STRING

    def row_bytes(self, width: int = 0) -> int:
        """Count the bytes of a row; `width` is that of a string."""
        return width if self.is_string else np.dtype(self.dtype).itemsize * int(np.prod(self.shape, dtype=np.int64))

    def buffer_bytes(self, rows: int, width: int = 0) -> int:
        """Count the bytes that `over` needs."""
        return rows * self.row_bytes(width) + _BORDER

    def over(self, owner: np.ndarray, rows: int, width: int = 0) -> np.ndarray:
        """View bytes as rows, on a 64-byte border, where TensorFlow takes memory over without a copy."""
        start = -owner.ctypes.data % _BORDER
        dtype = f"S{max(width, 1)}" if self.is_string else self.dtype
        return owner[start : start + rows * self.row_bytes(width)].view(dtype).reshape(rows, *self.shape)

    def empty(self, rows: int, width: int = 0) -> np.ndarray:
        """Allocate rows, or of a running part values."""
        return self.over(np.empty(self.buffer_bytes(rows, width), np.uint8), rows, width)


def describe(arrays: Mapping[str, Any], columns: Mapping[str, Any]) -> tuple[StoredArray, ...]:
    """Derive the entries of a store from its first rows.

    Args:
        arrays: what `Rows.flat` returned.
        columns: by entry, the name of each of its columns on its last axis, or one name for the whole; entries may be
            left out. A key is called what it is.

    Returns:
        The entries, by name in ascending order.

    Raises:
        InvalidArgument: a name that cannot be stored, or column names whose number does not fit.

    Example:
        >>> [entry] = describe({"features/numeric": np.zeros((1, 2), "f4")}, {"features/numeric": ["age", "income"]})
        >>> entry.name, entry.dtype, entry.shape, entry.columns
        ('features/numeric', '<f4', (2,), ('age', 'income'))
    """
    entries = []
    for name, array in arrays.items():
        role, _, key = name.partition("/")
        if "\0" in name:
            raise InvalidArgument(f"An entry's name must be text without NUL. Received: {name!r}.")
        given = (key,) if role == "keys" else columns.get(name)
        names = None if given is None else tuple(map(str, given))
        if names is not None and len(names) not in (1, *array.shape[1:][-1:]):
            raise InvalidArgument(
                f"Entry '{name}' of shape {array.shape} needs one name per column, on its last axis, or one for the "
                f"whole. Received {len(names)} names."
            )
        dtype, sparse = STRING if array.dtype.kind == "S" else array.dtype.str, isinstance(array, Sparse)
        if sparse and not (role == "features" and array.columns < MOST_COLUMNS):
            raise InvalidArgument(
                f"Sparse rows are features of fewer than {MOST_COLUMNS:,} columns. Received: '{name}' of "
                f"{array.columns:,}."
            )
        entries.append(StoredArray(name, dtype, array.shape[1:], names, sparse))
    if not any(entry.name.startswith("features/") for entry in entries):
        raise InvalidArgument(f"Rows need at least one entry of features. Received: {sorted(arrays)}.")
    return tuple(entries)


def conform(arrays: Mapping[str, np.ndarray], entries: tuple[StoredArray, ...]) -> None:
    """Refuse rows whose entries are not those of the store.

    Raises:
        SchemaMismatch: an entry is missing, extra, or of another dtype or shape.
    """
    found = {
        name: (_SPARSE * isinstance(a, Sparse) + (STRING if a.dtype.kind == "S" else a.dtype.str), a.shape[1:])
        for name, a in arrays.items()
    }
    expected = {entry.name: (_SPARSE * entry.sparse + entry.dtype, entry.shape) for entry in entries}
    if found != expected:
        name = min(n for n in found.keys() | expected.keys() if found.get(n) != expected.get(n))
        raise SchemaMismatch(
            f"Every chunk of a store has the same entries: '{name}' should be {expected.get(name, 'absent')} "
            "(dtype, shape). "
            f"Received: {found.get(name, 'nothing')}."
        )


def parted(entries: Iterable[StoredArray]) -> tuple[StoredArray, ...]:
    """The parts of all entries: the dense arrays that files hold."""
    return tuple(part for entry in entries for part in entry.parts)


def apart(arrays: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Arrays by entry as arrays by part.

    Example:
        >>> rows = Sparse.from_dense(np.array([[0, 5], [0, 0]], "f4"))
        >>> {name: array.tolist() for name, array in apart({"features/text": rows}).items()}
        {'features/text': [5.0], 'indices/text': [1], 'lengths/text': [1, 0]}
    """
    parts: dict[str, np.ndarray] = {}
    for name, array in arrays.items():
        if isinstance(array, Sparse):
            column = name.removeprefix(FEATURES)
            parts |= {name: array.values, INDICES + column: array.indices, LENGTHS + column: array.lengths}
        else:
            parts[name] = array
    return parts


def together(parts: Mapping[str, np.ndarray], entries: Iterable[StoredArray]) -> dict[str, Any]:
    """Undo `apart`."""
    arrays: dict[str, Any] = {}
    for entry in entries:
        if entry.sparse:
            values, indices, lengths = (parts[part.name] for part in entry.parts)
            arrays[entry.name] = Sparse.from_lengths(values, indices, lengths, entry.shape[0])
        else:
            arrays[entry.name] = parts[entry.name]
    return arrays


def disordered(parts: Mapping[str, np.ndarray], entries: Iterable[StoredArray]) -> list[str]:
    """Name the sparse entries, of those that are given, whose parts do not fit each other or their columns."""
    found = []
    for entry in entries:
        if entry.sparse and entry.name in parts:
            values, indices, lengths = (parts[part.name] for part in entry.parts)
            if not sparse_parts_fit(values, indices, lengths, entry.shape[0]):
                found.append(entry.name)
    return found


def sparse_parts_fit(values: np.ndarray, indices: np.ndarray, lengths: np.ndarray, columns: int) -> bool:
    """Whether sparse rows have as many values as columns and as lengths say, and columns below their number."""
    if not len(values) == len(indices) == lengths.sum(dtype=np.int64) or lengths.min(initial=0) < 0:
        return False
    return bool(indices.min(initial=0) >= 0 and indices.max(initial=0) < max(columns, 1))


def mean_bytes(entry: StoredArray, array: Any) -> int:
    """Count the bytes of a row of these, on average where rows differ."""
    if not entry.sparse:
        return entry.row_bytes(0)
    return -(-sum(part.nbytes for part in apart({entry.name: array}).values()) // max(len(array), 1))
