"""What the writer is given and a chunk read back is: rows as arrays, and the entries that they are stored as."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
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
class Rows:
    """Consecutive rows of one split, every array with the rows on its first axis.

    An array handed to the writer must not be changed afterwards: it is written by another thread.

    Args:
        features: by entry name: "numeric" float32 (rows, n), "categorical" int32 (rows, m), any other (rows, ...), or
            numbers most of which are 0 as `blocks.features.sparse.Sparse`.
        target: (rows, ...), one array per head by name where there are several, or None.
        weight: sample weights, float32 (rows,), or None.
        keys: what identifies a row, by column name: numbers, booleans, or strings of at most 1,024 bytes (rows,).
            Strings are stored as UTF-8; arrays of dtype "S" are taken as they are, without Python for each row.

    Example:
        >>> rows = Rows({"numeric": np.zeros((3, 2), "f4")}, target=np.zeros(3, "i4"))
        >>> len(rows), sorted(rows.flat())
        (3, ['features/numeric', 'target'])
    """

    features: Mapping[str, Any]
    target: np.ndarray | Mapping[str, np.ndarray] | None = None
    weight: np.ndarray | None = None
    keys: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        for array in (*self.features.values(), self.weight, *self.keys.values()):
            if array is not None:
                return len(array)
        return 0

    def flat(self) -> dict[str, np.ndarray]:
        """Name every array by its entry, "features/numeric", "target", "weight", "keys/id", in storable form."""
        named: dict[str, Any] = {f"features/{name}": array for name, array in self.features.items()}
        if isinstance(self.target, Mapping):
            named |= {f"target/{name}": array for name, array in self.target.items()}
        elif self.target is not None:
            named["target"] = self.target
        if self.weight is not None:
            named["weight"] = self.weight
        named |= {f"keys/{name}": array for name, array in self.keys.items()}
        arrays = {name: storable(name, array) for name, array in sorted(named.items())}
        lengths = {name: len(array) for name, array in arrays.items()}
        if len(set(lengths.values())) > 1:
            raise SchemaMismatch(f"All entries of a chunk need the same number of rows. Received: {lengths}.")
        return arrays

    @classmethod
    def from_flat(cls, arrays: Mapping[str, np.ndarray]) -> "Rows":
        """Undo `flat`."""

        def below(role: str) -> dict[str, np.ndarray]:
            return {name.removeprefix(role): array for name, array in arrays.items() if name.startswith(role)}

        return cls(
            features=below("features/"),
            target=arrays.get("target", below("target/") or None),
            weight=arrays.get("weight"),
            keys=below("keys/"),
        )


@dataclass(frozen=True)
class SplitPlan:
    """Where the writer gets the rows of one split.

    Args:
        chunks: given the number of rows to skip, yields the rows after them in the source's order, in chunks of any
            size. A resumed write skips what is stored, so skipping should not transform.
        rows: how many rows are expected, for the estimated time alone; None where unknown.
    """

    chunks: Callable[[int], Iterator[Rows]]
    rows: int | None = None


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
        own = self.name.removeprefix(FEATURES)
        return (
            StoredArray(self.name, self.dtype, running=True),
            StoredArray(INDICES + own, "<i4", running=True),
            StoredArray(LENGTHS + own, "<i4"),
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
        told = {"name": self.name, "dtype": self.dtype, "shape": self.shape, "columns": self.columns}
        return {**told, "sparse": True} if self.sparse else told

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


def storable(name: str, array: Any) -> Any:
    """Bring an array into the form that is stored: little-endian and C-contiguous, strings as bytes."""
    if isinstance(array, Sparse):
        if not _fit(array.values, array.indices, np.diff(array.offsets), array.columns):
            raise InvalidArgument(
                f"Sparse rows have a column below their number for each value. Received: '{name}', {array}, whose "
                "values, indices and offsets do not fit."
            )
        return array
    array = np.asarray(array)
    if array.ndim == 0:
        raise InvalidArgument(f"Entry '{name}' needs the rows on its first axis. Received: a scalar.")
    if array.dtype.kind in "OUS":
        return _strings(name, array)
    if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
        raise InvalidArgument(
            f"Entry '{name}' must hold numbers, booleans or (as a key) strings. Received dtype: {array.dtype}. "
            "Cast it first; times are stored as int64 microseconds."
        )
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))


def _strings(name: str, array: np.ndarray) -> np.ndarray:
    if not name.startswith("keys/") or array.ndim != 1:
        raise InvalidArgument(
            f"Only a key may hold strings, of shape (rows,). Received: '{name}' of dtype {array.dtype}, shape "
            f"{array.shape}."
        )
    if array.dtype.kind != "S":
        try:
            texts = [b"" if v is None else v if isinstance(v, bytes) else v.encode() for v in array.tolist()]
        except (AttributeError, UnicodeEncodeError) as error:
            raise InvalidArgument(f"Key '{name[5:]}' must hold text, bytes or None in every row: {error}.") from None
        if any(text.endswith(b"\0") for text in texts):
            raise InvalidArgument(f"Key '{name[5:]}' holds a string that ends in NUL, which a fixed width cannot keep.")
        array = np.array(texts, dtype="S")
    if array.dtype.itemsize > MAX_KEY_BYTES:
        array = narrow(array)
        if array.dtype.itemsize > MAX_KEY_BYTES:
            raise InvalidArgument(
                f"A key identifies a row by at most {MAX_KEY_BYTES} bytes. Received: '{name[5:]}' with "
                f"{array.dtype.itemsize} bytes. Use another column as the key."
            )
    return np.ascontiguousarray(array)


def narrow(array: np.ndarray) -> np.ndarray:
    """Give strings the width of the longest, so that it does not depend on the chunks in which they came."""
    if array.dtype.kind != "S":
        return array
    return array.astype(f"S{max(1, int(np.char.str_len(array).max(initial=0)))}")


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
        role, _, own = name.partition("/")
        if "\0" in name:
            raise InvalidArgument(f"An entry's name must be text without NUL. Received: {name!r}.")
        given = (own,) if role == "keys" else columns.get(name)
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
            own = name.removeprefix(FEATURES)
            parts |= {name: array.values, INDICES + own: array.indices, LENGTHS + own: array.lengths}
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
            if not _fit(values, indices, lengths, entry.shape[0]):
                found.append(entry.name)
    return found


def _fit(values: np.ndarray, indices: np.ndarray, lengths: np.ndarray, columns: int) -> bool:
    if not len(values) == len(indices) == lengths.sum(dtype=np.int64) or lengths.min(initial=0) < 0:
        return False
    return bool(indices.min(initial=0) >= 0 and indices.max(initial=0) < max(columns, 1))


def mean_bytes(entry: StoredArray, array: Any) -> int:
    """Count the bytes of a row of these, on average where rows differ."""
    if not entry.sparse:
        return entry.row_bytes(0)
    return -(-sum(part.nbytes for part in apart({entry.name: array}).values()) // max(len(array), 1))
