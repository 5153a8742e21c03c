"""Which bytes of a text stand inside of quotes, as bits, 64 bytes a word: at the cost of a few reads of the text.

For quotes that come in pairs, each pair opened where a value begins. Text with other quotes is left to `dialect`, which
walks from quote to quote.
"""

import dataclasses
from typing import Final

import numpy as np

from blocks.data.formats.csv.dialect import Dialect
from blocks.data.formats.csv.lines import LF

STEP: Final = 1 << 18
"""Bytes of a text that are worked on at once: a processor's cache holds them, and what is made of them."""

_TOP: Final = np.uint64(63)
_ONE: Final = np.uint64(1)


@dataclasses.dataclass(frozen=True)
class Quoting:
    """How the quotes of a text divide it.

    Attributes:
        last_end: the position of the last newline outside of quotes, None if there is none.
        open: whether a quote is open at the end.
        quoted_newlines: whether a newline stands inside of quotes, before the last end.
        stray: the position of the first closing quote, before the last end, that text follows; None if there is none.
    """

    last_end: int | None
    open: bool
    quoted_newlines: bool
    stray: int | None


def contains(data: np.ndarray, byte: int) -> bool:
    """Whether a byte is among others."""
    return any((data[start : start + STEP] == byte).any() for start in range(0, len(data), STEP))


def count(data: np.ndarray, byte: int) -> int:
    """How often a byte is among others."""
    return sum(int(np.count_nonzero(data[start : start + STEP] == byte)) for start in range(0, len(data), STEP))


def quoting(data: np.ndarray, dialect: Dialect, *, to_end: bool) -> Quoting | None:
    r"""How quotes divide a text without escapes in which no carriage return stands alone.

    Args:
        data: begins outside of quotes.
        dialect: with a quote.
        to_end: whether all of it counts, not just what ends with the last end.

    Returns:
        None where a quote stands elsewhere than where a value begins or ends.

    Example:
        >>> quoting(np.frombuffer(b'a,"b\nc"\n"d', np.uint8), Dialect(), to_end=False)
        Quoting(last_end=7, open=True, quoted_newlines=True, stray=None)
    """
    assert dialect.quote is not None
    quotes = _bits(data, dialect.quote)
    newlines = _bits(data, LF)
    edges = _bits(data, *dialect.before_value)
    inside = _inside(quotes)
    opening, closing = quotes & inside, quotes & ~inside
    before = _following(edges | closing if dialect.double_quote else edges)
    before[0] |= _ONE  # the start of the text is one of a value
    if (opening & ~before).any():
        return None
    ends = newlines & ~inside
    last_end = _last(ends)
    stop = len(data) - 1 if to_end else (-1 if last_end is None else last_end)
    quoted = _first(newlines & inside)
    after = _preceding(edges | quotes if dialect.double_quote else edges)
    stray = _first(closing & ~after)
    # the last byte has nothing after it
    stray = None if stray is not None and (stray > stop or stray + 1 >= len(data)) else stray
    return Quoting(last_end, bool(inside[-1] >> _TOP), quoted is not None and quoted <= stop, stray)


def bits(mask: np.ndarray) -> np.ndarray:
    """Booleans as bits, the first one the lowest of the first word; the last word is filled up with zeros.

    Example:
        >>> bits(np.array([True, False, True])).tolist()
        [5]
    """
    words = np.zeros(-(-len(mask) // 64), np.uint64)
    packed = np.packbits(mask, bitorder="little")
    words.view(np.uint8)[: len(packed)] = packed
    return words


def _bits(data: np.ndarray, *wanted: int) -> np.ndarray:
    words = np.zeros(-(-len(data) // 64), np.uint64)
    packed = words.view(np.uint8)
    for start in range(0, len(data), STEP):
        piece = data[start : start + STEP]
        found = piece == wanted[0]
        for byte in wanted[1:]:
            found |= piece == byte
        made = np.packbits(found, bitorder="little")
        packed[start // 8 : start // 8 + len(made)] = made
    return words


def _inside(quotes: np.ndarray) -> np.ndarray:
    """The bits from each opening quote on to the byte before its closing one."""
    odd = quotes.copy()
    for shift in (1, 2, 4, 8, 16, 32):
        odd ^= odd << np.uint64(shift)
    # a word that begins inside is the other way round
    parity = np.bitwise_xor.accumulate((odd >> _TOP).astype(np.uint8))
    odd[1:] ^= np.negative(parity[:-1].astype(np.int64)).view(np.uint64)
    return odd


def _following(words: np.ndarray) -> np.ndarray:
    """The bit after each."""
    moved = words << _ONE
    moved[1:] |= words[:-1] >> _TOP
    return moved


def _preceding(words: np.ndarray) -> np.ndarray:
    """The bit before each."""
    moved = words >> _ONE
    moved[:-1] |= words[1:] << _TOP
    return moved


def _first(words: np.ndarray) -> int | None:
    at = int(np.argmax(words != 0))
    word = int(words[at])
    return at * 64 + (word & -word).bit_length() - 1 if word else None


def _last(words: np.ndarray) -> int | None:
    at = len(words) - 1 - int(np.argmax(words[::-1] != 0))
    word = int(words[at])
    return at * 64 + word.bit_length() - 1 if word else None
