"""Values of a CSV block that Arrow takes for numbers, and that are not what the text says: digits that would be lost.

Only text that is at stake is looked at again: a block is searched for its few suspicious places, all at once.
"""

import decimal
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from blocks.data.formats.csv.column_lookup import first_of_each
from blocks.data.formats.csv.dialect import Dialect
from blocks.data.formats.csv.doubtful_places import LONG, codes, roundings
from blocks.data.formats.csv.row_spans import RowSpan
from blocks.data.formats.csv.widths import Cells

EXACT: Final = 1 << 53
"""Integers up to this size are float64 numbers, every one."""

_ENOUGH: Final = 100
"""Long fractions of a block that are looked at: where some are rounded, most are."""

_INTEGER: Final = r"^[+-]?[0-9]+$"
_LONG_NUMBER: Final = rf"[1-9]([0-9]{{{LONG - 1}}}|[0-9.]{{{LONG}}})"


class Loss(NamedTuple):
    """What a column of numbers would lose.

    Attributes:
        value: the text of the first such value.
        why: what about it.
        text: whether the column is kept as text; else its values are rounded.
    """

    value: str
    why: str
    text: bool


def losses(
    block: RowSpan,
    dialect: Dialect,
    table: pa.Table,
    numbers: Mapping[int, str],
    cells: Callable[[], Cells],
    texts: Callable[[Sequence[str]], pa.Table],
    rounded: Collection[str],
    *,
    begin: int | None,
) -> dict[str, Loss]:
    """What the columns that Arrow takes for numbers would lose in this block.

    Args:
        block: the block.
        dialect: what ends its values.
        table: what Arrow made of it.
        numbers: the columns at stake, by position, and their names: int64 and float64.
        cells: gives where the values are.
        texts: gives columns with their values as text.
        rounded: columns of which it was said already that they are rounded.
        begin: where the first row begins that is data, if all after it are in the table; else None.
    """
    found: dict[str, Loss] = {}
    if not numbers:
        return found
    rows = None if begin is None else (block, dialect, begin)
    for name, position in first_of_each(codes(block.array, dialect), numbers, cells, rows):
        why = "as a number would lose its leading zeros, or is hexadecimal"
        found[name] = Loss(cells().value_at(position), why, True)
    doubles = {i: n for i, n in numbers.items() if n not in found and table.schema.field(n).type == pa.float64()}
    if doubles:
        unsaid = {index: name for index, name in doubles.items() if name not in rounded}
        places = roundings(block.array) if unsaid else np.empty(0, np.int64)
        doubtful = {name for name, _ in first_of_each(places, unsaid, cells, rows)}
        doubtful |= {name for name in doubles.values() if _size(table[name]) >= EXACT}
        read = texts(sorted(doubtful)) if doubtful else {}
        for name in sorted(doubtful):
            loss = _lost(read[name], table[name])
            if loss is not None and (loss.text or name not in rounded):
                found[name] = loss
    return found


def largest(column: pa.ChunkedArray) -> int:
    """The greatest size of an int64 column's values."""
    ends = pc.min_max(column).as_py()
    return max(abs(ends["min"] or 0), abs(ends["max"] or 0))


def _size(column: pa.ChunkedArray) -> float:
    ends = pc.min_max(column).as_py()
    return max(abs(ends["min"] or 0.0), abs(ends["max"] or 0.0))


def _lost(texts: pa.ChunkedArray, numbers: pa.ChunkedArray) -> Loss | None:
    """The worst that happens to a column of text when it becomes float64."""
    texts, numbers = texts.combine_chunks(), numbers.combine_chunks()
    large = pc.greater_equal(pc.abs(numbers), float(EXACT))
    zero = pc.and_(pc.equal(numbers, 0.0), pc.match_substring_regex(texts, "[1-9].*[eE]"))
    edges = pc.fill_null(pc.or_(large, zero), False)
    for text, number in _pairs(texts, numbers, edges):
        if np.isinf(number) and not re.fullmatch(r"\s*[+-]?inf(inity)?\s*", text, re.IGNORECASE):
            return Loss(text, "is greater than any float64", True)
        if number == 0.0:
            return Loss(text, "is smaller than any float64", True)
        if re.fullmatch(_INTEGER, text.strip()) and int(text) != int(number):
            return Loss(text, "is an integer that neither int64 nor float64 holds", True)
    long = pc.fill_null(pc.match_substring_regex(texts, _LONG_NUMBER), False)
    for text, number in _pairs(texts, numbers, long, _ENOUGH):
        if np.isfinite(number) and not _same_digits(text.strip(), number):
            return Loss(text, "has more digits than a float64", False)
    return None


def _pairs(texts: pa.Array, numbers: pa.Array, mask: pa.Array, most: int | None = None) -> Iterator[tuple[str, float]]:
    chosen = pc.indices_nonzero(mask)
    chosen = chosen if most is None else chosen[:most]
    yield from zip(texts.take(chosen).to_pylist(), numbers.take(chosen).to_pylist(), strict=True)


def _same_digits(text: str, number: float) -> bool:
    """Whether a float64, written with as many digits as the text has, is the text: a float that was printed is."""
    try:
        said = decimal.Decimal(text)
    except decimal.InvalidOperation:
        return True
    digits = len(said.as_tuple().digits)
    with decimal.localcontext() as context:
        context.prec = max(digits, 1)
        return digits <= 17 or +decimal.Decimal(number) == said
