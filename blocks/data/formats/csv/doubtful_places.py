"""Where a block of text holds what a number may not give back: leading zeros, hexadecimals, many digits, tiny values.

All at once, on bytes, a piece that the processor's cache holds at a time; what column a place belongs to is told by
`column_lookup`, and what its number loses by `digits`.
"""

from typing import Final

import numpy as np

from blocks.data.formats.csv.dialect import Dialect
from blocks.data.formats.csv.quote_bits import STEP, bits

LONG: Final = 18
"""Digits of a number that may be more than the 17 of a float64."""

_ZERO, _POINT, _MINUS, _X = b"0.-x"
_BELOW_DIGITS: Final = 45
"""Spaces, newlines, quotes, commas and signs are all at or below this byte."""

_DIGITS: Final = np.isin(np.arange(256), np.frombuffer(b"0123456789", np.uint8))
_HEXADECIMALS: Final = np.isin(np.arange(256), np.frombuffer(b"0123456789abcdefABCDEF", np.uint8))


def codes(data: np.ndarray, dialect: Dialect) -> np.ndarray:
    """Places of values like 00501 and 0x1F."""
    edge = np.zeros(256, bool)
    edge[[*dialect.before_value, ord(" "), *([] if dialect.quote is None else [dialect.quote])]] = True
    at = _led_by_zero(data, edge)
    following = data[at + 1]
    at = at[_DIGITS[following] | ((following | 32) == _X)]
    before = data[at - 1]
    signed = at[(before == _MINUS) | (before == ord("+"))]
    signed = signed[(signed < 2) | edge[data[signed - 2]]]
    at = np.concatenate([at[edge[before] | (at == 0)], signed])
    return np.sort(_of_digits_alone(data, at, edge))


def _led_by_zero(data: np.ndarray, edge: np.ndarray) -> np.ndarray:
    """Places of a zero that may begin a value, and that may have a digit or an x after it; and some more."""
    others = [byte for byte in np.flatnonzero(edge) if byte > _BELOW_DIGITS]
    found = [np.flatnonzero(data[:1] == _ZERO)] if len(data) > 1 else []
    for start in range(0, len(data) - 2, STEP):
        piece = data[start : start + STEP + 2]
        before = piece[:-2]
        may = before <= _BELOW_DIGITS
        for byte in others:
            may |= before == byte
        may &= piece[1:-1] == _ZERO
        may &= piece[2:] >= _ZERO
        found.append(np.flatnonzero(may) + (start + 1))
    return np.concatenate(found) if found else np.empty(0, np.int64)


def _of_digits_alone(data: np.ndarray, at: np.ndarray, edge: np.ndarray) -> np.ndarray:
    """Those after which digits follow alone: no number with a point, no date, no time of day."""
    found = []
    hexadecimal = (data[at + 1] | 32) == _X
    after = at + 1 + hexadecimal
    for _ in range(LONG + 2):
        if not len(at):
            break
        inside = after < len(data)
        here = data[np.minimum(after, len(data) - 1)]
        digit = inside & np.where(hexadecimal, _HEXADECIMALS[here], _DIGITS[here])
        found.append(at[~digit & (~inside | edge[here])])
        at, after, hexadecimal = at[digit], after[digit] + 1, hexadecimal[digit]
    return np.concatenate([*found, at])


def roundings(data: np.ndarray) -> np.ndarray:
    """Places in numbers of more digits than a float64 has, and in very small ones."""
    return np.sort(np.concatenate([_tiny(data), _long_numbers(data)]))


def _tiny(data: np.ndarray) -> np.ndarray:
    """Where three digits follow an e and a minus."""
    found = []
    for start in range(0, len(data) - 4, STEP):
        piece = data[start : start + STEP + 1]
        minus = piece[1:] == _MINUS
        minus &= (piece[:-1] | 32) == ord("e")
        found.append(np.flatnonzero(minus) + (start + 1))
    at = np.concatenate(found) if found else np.empty(0, np.int64)
    at = at[at + 3 < len(data)]
    return at[_DIGITS[data[np.add.outer([1, 2, 3], at)]].all(0)]


def _long_numbers(data: np.ndarray) -> np.ndarray:
    """Where `LONG` digits follow each other, the first no zero, perhaps with a point between them."""
    found = []
    # pieces overlap by more than such a number is long
    for start in range(0, len(data), STEP):
        piece = data[start : start + STEP + 64]
        digits, points = bits((piece - _ZERO) < 10), bits(piece == _POINT)  # as unsigned bytes
        long = _runs(digits, LONG) | _runs(digits | points, LONG + 1)
        if long.any():
            long &= digits & ~bits(piece == _ZERO)
            at = np.flatnonzero(np.unpackbits(long.view(np.uint8), bitorder="little"))
            found.append(at[at < STEP] + start)
    return np.concatenate(found) if found else np.empty(0, np.int64)


def _runs(words: np.ndarray, length: int) -> np.ndarray:
    """The bits with which so many in a row begin."""
    have = 1
    while have < length:
        step = min(have, length - have)
        moved = words >> np.uint64(step)
        moved[:-1] |= words[1:] << np.uint64(64 - step)
        words, have = words & moved, have + step
    return words
