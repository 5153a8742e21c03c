"""Rows: what the writer is given and what a chunk read back is, and the form in which arrays are stored."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from blocks.errors import InvalidArgument, SchemaMismatch
from blocks.features.sparse import Sparse
from blocks.store.stored_array import MAX_KEY_BYTES, sparse_parts_fit


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


def storable(name: str, array: Any) -> Any:
    """Bring an array into the form that is stored: little-endian and C-contiguous, strings as bytes."""
    if isinstance(array, Sparse):
        if not sparse_parts_fit(array.values, array.indices, np.diff(array.offsets), array.columns):
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
