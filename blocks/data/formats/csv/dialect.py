"""Dialect: what the quotes of a text file are, and which of its bytes stand inside of them.

A quote opens a quoted value where a value begins, and the next one closes it; anywhere else it is a character like any
other. Two quotes in a row inside of a value are one of its characters, and so is whatever follows an escape.
"""

import dataclasses
import re
from typing import Final

import numpy as np

from blocks.data.formats.csv.lines import CR, LF

_SPACE: Final = 32


@dataclasses.dataclass(frozen=True)
class Dialect:
    """What decides where a row ends; single bytes, None where there is none."""

    delimiter: int = ord(",")
    quote: int | None = ord('"')
    double_quote: bool = True
    escape: int | None = None
    initial_space: bool = False

    @property
    def before_value(self) -> tuple[int, ...]:
        """The bytes after which a quote opens a quoted value; anywhere else it is a character like any other."""
        return (self.delimiter, LF, CR, *((_SPACE,) if self.initial_space else ()))


LINES: Final = Dialect(quote=None)
"""Every line is a row."""


def quoted_spans(data: bytes, array: np.ndarray, dialect: Dialect) -> np.ndarray:
    """Positions that open and close, in turn, spans in which neither a newline nor a delimiter ends anything.

    Odd in number if one is open at the end.
    """
    if dialect.escape is not None and dialect.escape in data:
        return _walked(data, dialect)
    if dialect.quote is None or dialect.quote not in data:
        return np.empty(0, np.int64)
    quotes = np.flatnonzero(array == dialect.quote)
    opening = quotes[0::2]
    before = array[np.maximum(opening - 1, 0)]
    fits = (opening == 0) | np.isin(before, dialect.before_value)
    if dialect.double_quote:
        fits[1:] |= opening[1:] == quotes[1::2][: len(opening) - 1] + 1
    # Quotes in pairs, each pair opened where a value begins, are what they seem; a stray one needs the slow walk.
    return quotes if fits.all() else _walked(data, dialect)


def _walked(data: bytes, dialect: Dialect) -> np.ndarray:
    """The same spans, quote by quote, for data with stray quotes or escapes."""
    special = bytes(byte for byte in (dialect.quote, dialect.escape) if byte is not None)
    spans: list[int] = []
    inside, after = False, -1
    for match in re.finditer(b"[" + re.escape(special) + b"]", data):
        at = match.start()
        if at < after:
            continue
        if data[at] == dialect.escape:
            after = at + 2
            if not inside and at + 1 < len(data) and data[at + 1] in dialect.before_value:
                spans += [at, at + 2]
        elif inside:
            if dialect.double_quote and data[at + 1 : at + 2] == data[at : at + 1]:
                after = at + 2
            else:
                inside = False
                spans.append(at)
        elif at == 0 or (at != after and data[at - 1] in dialect.before_value):
            inside = True
            spans.append(at)
    return np.array(spans, np.int64)


def stray_quote(array: np.ndarray, quotes: np.ndarray, dialect: Dialect) -> int | None:
    """The position of the first closing quote that something else than the end of the value follows."""
    closing = quotes[1::2]
    closing = closing[closing + 1 < len(array)]
    if not len(closing) or dialect.quote is None:
        return None
    after = array[closing + 1]
    stray = ~np.isin(after, (*dialect.before_value, *([dialect.quote] if dialect.double_quote else [])))
    stray &= array[closing] == dialect.quote
    return int(closing[np.argmax(stray)]) if stray.any() else None
