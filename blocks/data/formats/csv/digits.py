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

from blocks.data.formats.csv.dialect import Dialect
from blocks.data.formats.csv.widths import Cells

EXACT: Final = 1 << 53
"""Integers up to this size are float64 numbers, every one."""

_LONG: Final = 18
"""Characters of a number that may hold more than the 17 digits of a float64."""

_ENOUGH: Final = 100
"""Long fractions of a block that are looked at: where some are rounded, most are."""

_DIGITS: Final = np.isin(np.arange(256), np.frombuffer(b"0123456789", np.uint8))
_INTEGER: Final = r"^[+-]?[0-9]+$"


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
    data: bytes,
    dialect: Dialect,
    table: pa.Table,
    numbers: Mapping[int, str],
    cells: Callable[[], Cells],
    texts: Callable[[Sequence[str]], pa.Table],
    rounded: Collection[str],
) -> dict[str, Loss]:
    """What the columns that Arrow takes for numbers would lose in this block.

    Args:
        data: the block.
        dialect: what ends its values.
        table: what Arrow made of it.
        numbers: the columns at stake, by position, and their names: int64 and float64.
        cells: gives where the values are.
        texts: gives columns with their values as text.
        rounded: columns of which it was said already that they are rounded.
    """
    found: dict[str, Loss] = {}
    array = np.frombuffer(data, np.uint8)
    for name, position in _first_of_each(_codes(array, dialect), numbers, cells):
        why = "as a number would lose its leading zeros, or is hexadecimal"
        found[name] = Loss(cells().value_at(position), why, True)
    types = table.schema.types
    doubles = {i: n for i, n in numbers.items() if n not in found and types[i] == pa.float64()}
    if doubles:
        doubtful = {name for name, _ in _first_of_each(_places(array), doubles, cells)} - set(rounded)
        doubtful |= {name for index, name in doubles.items() if _size(table.column(index)) >= EXACT}
        read = texts(sorted(doubtful)) if doubtful else {}
        for name in sorted(doubtful):
            loss = _lost(read[name], table[name])
            if loss is not None and (loss.text or name not in rounded):
                found[name] = loss
    return found


def _first_of_each(at: np.ndarray, names: Mapping[int, str], cells: Callable[[], Cells]) -> Iterator[tuple[str, int]]:
    """The columns, of those named, that bytes of a block belong to, and the first of these bytes in each."""
    if not len(at):
        return
    at = at[cells().is_data(at)]
    columns, first = np.unique(cells().columns_at(at), return_index=True)
    for column, position in zip(columns.tolist(), at[first].tolist(), strict=True):
        if column in names:
            yield names[column], position


def largest(column: pa.ChunkedArray) -> int:
    """The greatest size of an int64 column's values."""
    ends = pc.min_max(column).as_py()
    return max(abs(ends["min"] or 0), abs(ends["max"] or 0))


def _size(column: pa.ChunkedArray) -> float:
    ends = pc.min_max(column).as_py()
    return max(abs(ends["min"] or 0.0), abs(ends["max"] or 0.0))


def _codes(data: np.ndarray, dialect: Dialect) -> np.ndarray:
    """Places of values like 00501 and 0x1F; most blocks have none."""
    edge = np.zeros(256, bool)
    edge[[*dialect.before_value, ord(" "), *([] if dialect.quote is None else [dialect.quote])]] = True
    at = np.flatnonzero(data[:-1] == ord("0"))
    following = data[at + 1]
    at = at[((following - ord("0")) < 10) | ((following | 32) == ord("x"))]  # as unsigned bytes
    before = data[at - 1]
    signed = at[(before == ord("-")) | (before == ord("+"))]
    signed = signed[(signed < 2) | edge[data[signed - 2]]]
    at = np.concatenate([at[edge[before] | (at == 0)], signed])
    hexadecimal = (data[at + 1] | 32) == ord("x")
    # What follows is digits alone, so it is no number with a point, no date, no time of day.
    after = at + 1 + hexadecimal
    going, ended = np.ones(len(at), bool), np.zeros(len(at), bool)
    for _ in range(_LONG + 2):
        here = data[np.minimum(after, len(data) - 1)]
        digit = (after < len(data)) & (_DIGITS[here] | (hexadecimal & np.isin(here | 32, np.arange(97, 103))))
        ended |= going & ~digit & ((after >= len(data)) | edge[here])
        going &= digit
        if not going.any():
            break
        after += digit
    return np.sort(at[ended | going])


def _places(data: np.ndarray) -> np.ndarray:
    """Places of numbers of very many digits, and of very small ones."""
    minus = np.flatnonzero(data == ord("-"))
    minus = minus[(minus > 0) & (minus + 3 < len(data))]
    tiny = minus[((data[minus - 1] | 32) == ord("e")) & _DIGITS[data[np.add.outer([1, 2, 3], minus)]].all(0)]
    return np.sort(np.concatenate([tiny, _long_numbers(data)]))


def _long_numbers(data: np.ndarray) -> np.ndarray:
    """Where `_LONG` digits and points in a row begin."""
    run = (data - ord(".")) < 12  # ./0123456789, as unsigned bytes
    length = 1
    while length < _LONG:
        step = min(length, _LONG - length)
        run, length = run[:-step] & run[step:], length + step
        if not run.any():
            break
    return np.flatnonzero(run)


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
    long = pc.fill_null(pc.greater_equal(pc.utf8_length(texts), _LONG), False)
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
