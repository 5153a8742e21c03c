"""Columns of a sample of rows as small whole numbers: in rising order for what can be ordered, by level for the rest.

What is computed from them lives elsewhere: associations, copies, how well one column tells the target.
"""

import dataclasses
from collections.abc import Sequence
from typing import Final

import numpy as np
import pyarrow as pa

from blocks.statistics.canonical_types import canonical, canonical_type, is_text, microseconds
from blocks.statistics.missing import is_missing

NUMBER: Final = "number"
CATEGORY: Final = "category"

FEW: Final = 20
"""Different whole numbers up to which a target is one of classes."""

LEAST_OF_A_LEVEL: Final = 10
"""Rows that a level has at least; rarer ones are one level, so that they do not look associated by chance."""

MOST_LEVELS: Final = 50
"""Levels that are told apart; all others are one."""


@dataclasses.dataclass(frozen=True, eq=False)
class SampledColumn:
    """One column of a sample.

    Args:
        name: Its name.
        kind: "number" (dates, times and durations are numbers too) or "category" (text, bytes, booleans).
        codes: (rows,) int64: 0, 1, ... for its different values, of numbers in rising order; -1 where missing.
        size: How many different values there are.
        values: (rows,) float64 of numbers, NaN where missing; dates and times in microseconds. None of categories.
    """

    name: str
    kind: str
    codes: np.ndarray
    size: int
    values: np.ndarray | None = None

    @property
    def present(self) -> np.ndarray:
        """(rows,) Whether there is a value."""
        return self.codes >= 0

    def taken(self, rows: np.ndarray) -> "SampledColumn":
        """Some of the rows; its codes stay what they are."""
        values = None if self.values is None else self.values[rows]
        return dataclasses.replace(self, codes=self.codes[rows], values=values)

    def as_category(self) -> "SampledColumn":
        """The same values, without their order."""
        return dataclasses.replace(self, kind=CATEGORY, values=None)

    def pooled(self) -> "SampledColumn":
        """A category whose rare levels are one: the commonest come first, what is pooled last."""
        counts = np.bincount(self.codes[self.present], minlength=self.size)
        order = np.argsort(-counts, kind="stable")
        kept = int((counts >= LEAST_OF_A_LEVEL).sum())
        kept = kept if kept <= MOST_LEVELS else MOST_LEVELS - 1
        new = np.full(self.size + 1, -1)
        new[order] = np.minimum(np.arange(self.size), kept)
        size = min(kept + 1, int((counts > 0).sum()))
        return dataclasses.replace(self, codes=new[self.codes], size=size)


def sampled_columns(rows: pa.Table, names: Sequence[str] | None = None) -> list[SampledColumn]:
    """The columns of a table that hold single values and more than nulls; lists and structs are left out.

    Args:
        rows: The sample.
        names: Those wanted; None for all.

    Example:
        >>> (column,) = sampled_columns(pa.table({"x": [3.5, None, 1.0, 3.5]}))
        >>> column.kind, column.codes.tolist(), column.size
        ('number', [1, -1, 0, 1], 2)
    """
    wanted = rows.schema.names if names is None else names
    found = (_sampled(name, rows.column(name)) for name in wanted)
    return [column for column in found if column is not None]


def target_column(columns: Sequence[SampledColumn], target: str | None) -> SampledColumn | None:
    """The target among the columns, as a category where its values are few whole numbers; None where it is not there.

    Example:
        >>> columns = sampled_columns(pa.table({"survived": [0, 1, 1, 0]}))
        >>> target_column(columns, "survived").kind
        'category'
    """
    column = next((one for one in columns if one.name == target), None)
    if column is None or column.values is None or column.size > FEW:
        return column
    present = column.values[column.present]
    return column.as_category() if np.array_equal(present, np.trunc(present)) else column


def _sampled(name: str, chunked: pa.ChunkedArray) -> SampledColumn | None:
    array = chunked.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    kind = canonical_type(array.type)
    if kind is None or pa.types.is_null(kind):
        return None
    array = canonical(array)
    there = ~np.asarray(is_missing(array))
    codes = np.full(len(array), -1)
    if is_text(kind) or pa.types.is_boolean(kind):
        encoded = array.filter(pa.array(there)).dictionary_encode()
        codes[there] = encoded.indices.to_numpy()
        return SampledColumn(name, CATEGORY, codes, len(encoded.dictionary))
    if pa.types.is_temporal(kind):
        array = microseconds(array)
    elif pa.types.is_decimal(kind):
        array = array.cast(pa.float64())
    # integers are told apart as integers: float64 holds them to 2^53 alone
    numbers = array.filter(pa.array(there)).to_numpy()
    different, codes[there] = np.unique(numbers, return_inverse=True)
    values = np.full(len(array), np.nan)
    values[there] = numbers
    return SampledColumn(name, NUMBER, codes, len(different), values)
