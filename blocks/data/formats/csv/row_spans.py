"""Text files cut into blocks of whole rows, with the line at which each begins; quoting understood, nothing converted.

Arrow's streaming CSV reader works on one core, forgets where in the file a row stands, and cannot go back when a type
does not fit. Over blocks of whole rows Arrow's parallel reader does all three.
"""

import dataclasses
import re
from collections.abc import Collection, Iterator
from typing import Any, Final

import numpy as np
import pyarrow as pa

from blocks.errors import MalformedData

LONGEST_ROW: Final = 1 << 28
"""Bytes after which a row that has not ended is an error rather than a longer block."""

_LF, _CR, _SPACE = 10, 13, 32


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
        return (self.delimiter, _LF, _CR, *((_SPACE,) if self.initial_space else ()))


LINES: Final = Dialect(quote=None)
"""Every line is a row."""


@dataclasses.dataclass(frozen=True)
class RowSpan:
    r"""Whole rows of a text file.

    Attributes:
        data: the bytes.
        line: the line number, from 1, of the first byte.
        ends: positions of the newlines that end rows (of "\r\n" the second byte).
        quoted_newlines: whether some value holds a newline.
        stray: the position of the first closing quote that text follows, None if there is none.
    """

    data: bytes
    line: int
    ends: np.ndarray
    quoted_newlines: bool
    stray: int | None = None

    def arrow(self) -> pa.Buffer:
        """The bytes in Arrow's own memory, ended by a newline, as Arrow wants them.

        A buffer that Python owns would do, but for one thing: Arrow's pool threads let go of it a little after a parse
        has returned, and if the interpreter ends in that moment the process aborts.
        """
        ended = self.data.endswith((b"\n", b"\r"))
        buffer = pa.allocate_buffer(len(self.data) + (not ended))
        view = np.frombuffer(buffer, np.uint8)
        view[: len(self.data)] = np.frombuffer(self.data, np.uint8)
        view[len(self.data) :] = _LF
        return buffer

    def head(self, rows: int) -> "RowSpan":
        """The first rows alone."""
        if len(self.ends) <= rows:
            return self
        return dataclasses.replace(self, data=self.data[: int(self.ends[rows - 1]) + 1], ends=self.ends[:rows])

    def row_line(self, number: int, blank_lines_count: bool) -> int:
        """The line at which the `number`-th row, from 1, begins."""
        starts = np.concatenate([[0], self.ends + 1])
        starts = starts[starts < len(self.data)]
        if not blank_lines_count:
            data = np.frombuffer(self.data, np.uint8)
            after = data[np.minimum(starts + 1, len(data) - 1)]
            blank = (data[starts] == _LF) | ((data[starts] == _CR) & ((after == _LF) | (starts + 1 >= len(data))))
            blank |= (data[starts] == _CR) & np.isin(starts, self.ends)
            starts = starts[~blank]
        return self.line_at(int(starts[min(number, len(starts)) - 1]))

    def line_at(self, position: int) -> int:
        """The line of a byte."""
        return int(self.lines_at(np.array([position]))[0])

    def lines_at(self, positions: np.ndarray) -> np.ndarray:
        """The lines of bytes, in one pass over the block for all of them."""
        return self.line + np.searchsorted(line_ends(self.data, True), positions)


class WithoutLines:
    """A stream of bytes in which some lines are empty; every other byte, and every line's number, is as it was.

    Args:
        stream: has `read(n)`.
        lines: the numbers, from 1, of those.
    """

    def __init__(self, stream: Any, lines: Collection[int]) -> None:
        self._stream = stream
        self._lines = lines
        self._line = 1
        self._last = max(lines)
        self._held = b""

    def read(self, size: int) -> bytes:
        """The next bytes, up to `size` and one; none at the end alone."""
        while self._line <= self._last:
            read = bytes(self._stream.read(size))
            data = self._held + read
            # a carriage return may be half of what ends a line
            self._held = data[-1:] if read and data.endswith(b"\r") else b""
            data = data[: len(data) - len(self._held)]
            if not read and not data:
                return b""
            kept = self._kept(data) if data else b""
            if kept:
                return kept
        held, self._held = self._held, b""
        return held or bytes(self._stream.read(size))

    def _kept(self, data: bytes) -> bytes:
        array = np.frombuffer(data, np.uint8)
        ends = line_ends(data, True)
        starts, stops, _ = row_edges(array, ends)
        numbers = self._line + np.arange(len(starts))
        self._line += len(ends)
        if isinstance(self._lines, range):
            left_out = (numbers >= self._lines.start) & (numbers < self._lines.stop)
            left_out &= (numbers - self._lines.start) % self._lines.step == 0
        else:
            left_out = np.isin(numbers, list(self._lines))
        # Bytes in turn of no such line and of the text of one.
        turns = np.diff(np.stack([starts[left_out], stops[left_out]], 1).ravel(), prepend=0, append=len(data))
        return array[np.repeat(np.arange(len(turns)) % 2 == 0, turns)].tobytes()


def blocks(stream: Any, size: int, dialect: Dialect, *, skip_rows: int = 0, name: str = "") -> Iterator[RowSpan]:
    """Cuts a stream of bytes after the last row that ends within each `size` bytes.

    Args:
        stream: has `read(n)`; decoded to UTF-8 already.
        size: bytes of a block; a longer row makes a longer block.
        dialect: where a row ends.
        skip_rows: lines before the first row.
        name: the file, for messages.

    Yields:
        Blocks; together they are the stream, without the skipped lines and a byte order mark.

    Raises:
        MalformedData: if a quoted value is never closed.
    """
    carry, line, skip, first = b"", 1, skip_rows, True
    while True:
        read = bytes(stream.read(size))
        last = not read
        data = carry + read if carry else read
        if first and data:
            data, first = data.removeprefix(b"\xef\xbb\xbf"), False
        if skip and data:
            newlines = line_ends(data, last)
            if len(newlines) < skip and not last:
                carry = data
                continue
            cut = int(newlines[skip - 1]) + 1 if len(newlines) >= skip else len(data)
            data, line, skip = data[cut:], line + skip, 0
        if last and not data:
            return
        array = np.frombuffer(data, np.uint8)
        newlines = line_ends(data, last)
        quotes = quoted_spans(data, array, dialect)
        inside = np.searchsorted(quotes, newlines) % 2 == 1 if len(quotes) else None
        ends = newlines if inside is None else newlines[~inside]
        if last:
            cut = len(data)
            if len(quotes) % 2:
                opened = line + int(np.searchsorted(newlines, quotes[-1]))
                raise MalformedData(_unclosed(name, opened, dialect))
        elif len(ends):
            cut = int(ends[-1]) + 1
        elif len(data) > LONGEST_ROW:
            raise MalformedData(
                f"{name}, line {line}: a row does not end within {LONGEST_ROW >> 20} MiB. "
                + ("Pass quote_char=False if quotes are plain characters here." if len(quotes) % 2 else "Is this text?")
            )
        else:
            carry = data
            continue
        within = int(np.searchsorted(newlines, cut))
        quoted = bool(inside is not None and inside[:within].any())
        yield RowSpan(data[:cut], line, ends, quoted, _stray(array, quotes[quotes < cut], dialect))
        if last:
            return
        carry, line = data[cut:], line + within


def without_initial_space(block: RowSpan, dialect: Dialect) -> RowSpan:
    """A block without the spaces at the start of its values; those inside of quotes stay."""
    if b" " not in block.data:
        return block
    before = b"(?:(?<=[" + re.escape(bytes([dialect.delimiter, _LF, _CR])) + rb"])|\A)"
    quote = re.escape(bytes([dialect.quote])) if dialect.quote is not None else b""
    value = quote + b"(?:[^" + quote + b"]|" + quote + quote + b")*" + quote
    pattern = before + (b" *(" + value + b")|" if quote else b"()") + before + b" +"
    data = re.sub(pattern, rb"\1", block.data)
    ends = line_ends(data, True)
    spans = quoted_spans(data, np.frombuffer(data, np.uint8), dataclasses.replace(dialect, initial_space=False))
    inside = np.searchsorted(spans, ends) % 2 == 1
    return RowSpan(data, block.line, ends[~inside], bool(inside.any()), block.stray)


def _unclosed(name: str, line: int, dialect: Dialect) -> str:
    quote = chr(dialect.quote or 0)
    return (
        f"{name}, line {line}: a value opens with {quote} and is never closed, so every line after it would become "
        "part of it. Close it, or pass quote_char=False if quotes are plain characters here."
    )


def _stray(array: np.ndarray, quotes: np.ndarray, dialect: Dialect) -> int | None:
    """The first closing quote that something else than the end of the value follows."""
    closing = quotes[1::2]
    closing = closing[closing + 1 < len(array)]
    if not len(closing) or dialect.quote is None:
        return None
    after = array[closing + 1]
    stray = ~np.isin(after, (*dialect.before_value, *([dialect.quote] if dialect.double_quote else [])))
    stray &= array[closing] == dialect.quote
    return int(closing[np.argmax(stray)]) if stray.any() else None


def row_edges(data: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where each row or line begins, where its text stops, and where the next begins.

    Args:
        data: bytes.
        ends: the positions of the newlines that end rows; the last row may have none.
    """
    nexts = ends + 1
    if not len(nexts) or nexts[-1] < len(data):
        nexts = np.append(nexts, len(data))
    starts = np.concatenate([[0], nexts[:-1]])
    stops = nexts.copy()
    for newline in (_LF, _CR):
        # of "\r\n" both, of either one alone that one
        stops -= (stops > starts) & (data[np.maximum(stops - 1, 0)] == newline)
    return starts, stops, nexts


def line_ends(data: bytes, last: bool) -> np.ndarray:
    """Positions at which a line ends; a carriage return at the end of what is known may be half of a pair."""
    array = np.frombuffer(data, np.uint8)
    newlines = np.flatnonzero(array == _LF)
    if _CR not in data:
        return newlines
    returns = np.flatnonzero(array == _CR)
    after = array[np.minimum(returns + 1, len(array) - 1)]
    at_end = returns == len(array) - 1
    alone = returns[np.where(at_end, last, after != _LF)]
    return np.sort(np.concatenate([newlines, alone])) if len(alone) else newlines


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
