"""Values that do not fit their column: which they are, which rows hold them, and how a rejects file has those."""

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from blocks.data.formats.sql.database import Column, shortened

_WHOLE: Final = r"^\s*[-+]?([0-9]+|0[xX][0-9a-fA-F]+)\s*$"
_NUMBER: Final = r"(?i)^\s*[-+]?(([0-9]+\.?[0-9]*|\.[0-9]+)(e[-+]?[0-9]+)?|inf(inity)?|nan.*)\s*$"
_TIME: Final = r"^[-+0-9:.,TtZz\s]*$"
"""Texts that Arrow may read as such: any other is none, which is found out for all values at once."""


def cast(values: pa.Array, kind: pa.DataType) -> pa.Array:
    """Values as a type; texts of numbers may have spaces around them.

    Raises:
        ArrowInvalid: A value is none.
    """
    if pt.is_null(kind):
        return pa.nulls(len(values))
    if pt.is_binary(values.type) and not pt.is_binary(kind):
        values = values.cast(pa.string())
    if pt.is_string(values.type) and not (pt.is_string(kind) or pt.is_large_string(kind) or pt.is_binary(kind)):
        values = pc.utf8_trim_whitespace(values)
    return values.cast(kind)


def first_misfit(values: pa.Array, kind: pa.DataType) -> int:
    """The position of the first value that cannot be cast, where one is, by halving."""
    low, high = 0, len(values)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _fit(values.slice(low, middle - low), kind) else (low, middle)
    return low


def misfits(values: pa.Array, kind: pa.DataType) -> np.ndarray:
    """Which values cannot be cast: bool (rows,); each distinct one is looked at once.

    Example:
        >>> misfits(pa.array(["1", "x", None, "4,5", "x"]), pa.float64()).tolist()
        [False, True, False, True, True]
    """
    if _fit(values, kind):
        return np.zeros(len(values), np.bool_)
    coded = values.dictionary_encode()
    distinct = coded.dictionary
    if pt.is_binary(distinct.type) and _fit(distinct, pa.string()):
        distinct = distinct.cast(pa.string())
    bad = np.zeros(len(distinct), np.bool_)
    pattern = (
        _WHOLE if pt.is_integer(kind) else _NUMBER if pt.is_floating(kind) else _TIME if pt.is_temporal(kind) else None
    )
    if pattern is not None and pt.is_string(distinct.type):
        bad = ~pc.match_substring_regex(distinct, pattern).to_numpy(zero_copy_only=False)
    left = np.flatnonzero(~bad)
    bad[left[list(_halved(distinct.take(pa.array(left)), kind, 0))]] = True
    return np.append(bad, False)[pc.fill_null(coded.indices, len(distinct)).to_numpy(zero_copy_only=False)]


def _halved(values: pa.Array, kind: pa.DataType, begin: int) -> Iterator[int]:
    if not len(values) or _fit(values, kind):
        return
    if len(values) == 1:
        yield begin
        return
    middle = len(values) // 2
    yield from _halved(values.slice(0, middle), kind, begin)
    yield from _halved(values.slice(middle), kind, begin + middle)


def _fit(values: pa.Array, kind: pa.DataType) -> bool:
    try:
        cast(values, kind)
    except (pa.ArrowException, ValueError):
        return False
    return True


class RowMask:
    """Which rows of many: a bit each.

    Example:
        >>> mask = RowMask()
        >>> mask.append(np.array([True, False, True]))
        >>> mask.append(np.arange(9) == 8)
        >>> mask.rows, mask.marked, np.flatnonzero(mask.of(2, 10)).tolist()
        (12, 3, [0, 9])
    """

    def __init__(self) -> None:
        self.rows = self.marked = 0
        self._packed: list[np.ndarray] = []
        self._rest = np.zeros(0, np.bool_)

    def append(self, mask: np.ndarray) -> None:
        """Further rows, bool (rows,)."""
        self.rows, self.marked = self.rows + len(mask), self.marked + int(mask.sum())
        joined = np.concatenate([self._rest, mask])
        whole = len(joined) // 8 * 8
        self._packed.append(np.packbits(joined[:whole]))
        self._rest = joined[whole:]

    def of(self, begin: int, rows: int) -> np.ndarray:
        """Of some rows, bool (rows,)."""
        if len(self._packed) > 1:
            self._packed = [np.concatenate(self._packed)]
        first = begin // 8
        bits = np.unpackbits(self._packed[0][first : (begin + rows + 7) // 8]).astype(np.bool_)
        return np.concatenate([bits, self._rest])[begin - 8 * first :][:rows]


def rejected_rows(
    batch: pa.RecordBatch, columns: Sequence[Column], bad: Sequence[np.ndarray], told: Sequence[dict[str, Any]]
) -> tuple[list[str], list[str]]:
    """Texts and reasons of the rows of a batch that hold misfits.

    Args:
        batch: The rows alone, as they are read.
        columns: What they are.
        bad: For each column which of these rows do not fit it.
        told: For each row the values by column that the database itself has found not to fit, which are null in it.

    Returns:
        Each row as JSON, and every reason against it.
    """
    texts, reasons = [], []
    for at, row in enumerate(batch.to_pylist()):
        row |= told[at]
        against = [column for column, wrong in zip(columns, bad, strict=True) if wrong[at] or column.name in told[at]]
        texts.append(json.dumps({name: _plain(value) for name, value in row.items()}, default=str, ensure_ascii=False))
        reasons.append(
            "; ".join(
                f"{column.name!r} is read as {column.type} ({column.why}), and holds "
                f"{shortened(repr(_plain(row[column.name])))}"
                for column in against
            )
        )
    return texts, reasons


def _plain(value: Any) -> Any:
    return value.decode(errors="backslashreplace") if isinstance(value, bytes) else value
