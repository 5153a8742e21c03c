"""Text files cut into spans of whole rows, with the line at which each begins; quoting understood, nothing converted.

A row ends where a line does, outside of quotes. So much is parsed here, and no more: a file is read in pieces; in each,
NumPy finds where lines end and which quotes open and close a value (`dialect`), and a line's end with an odd number of
these before it stands inside of one. The piece is cut after the last end of a row, and what is left begins the next, so
that every piece begins at a row, outside of quotes, and nothing but a line number goes from one to the next. Arrow then
parses each span by itself, on all cores. Its own streaming reader works on one, forgets where in the file a row stands,
and cannot go back when a type does not fit.
"""

import dataclasses
import functools
import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa

from blocks.data.formats.csv.dialect import Dialect, quoted_spans, stray_quote
from blocks.data.formats.csv.lines import CR, LF, line_ends
from blocks.data.formats.csv.quote_bits import STEP, contains, count, quoting
from blocks.errors import MalformedData

BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"

LONGEST_ROW: Final = 1 << 28
"""Bytes after which a row that has not ended is an error rather than a longer span."""


@dataclasses.dataclass(frozen=True)
class RowSpan:
    r"""Whole rows of a text file.

    Attributes:
        buffer: the bytes, in Arrow's own memory.
        start: their position in the file, decompressed and decoded.
        line: the line number, from 1, of the first byte.
        dialect: where a row ends.
        quoted_newlines: whether some value holds a newline.
        stray: the position of the first closing quote that text follows, None if there is none.
        regular: whether it is known that quotes come in pairs, each pair opened where a value begins, and that there is
            no escape.
    """

    buffer: pa.Buffer
    start: int
    line: int
    dialect: Dialect
    quoted_newlines: bool
    stray: int | None = None
    regular: bool = False

    @functools.cached_property
    def array(self) -> np.ndarray:
        """The bytes, as numbers."""
        return np.frombuffer(self.buffer, np.uint8)

    @functools.cached_property
    def data(self) -> bytes:
        """A copy of the bytes."""
        return bytes(self.buffer.to_pybytes())

    @functools.cached_property
    def ends(self) -> np.ndarray:
        r"""Positions of the newlines that end rows (of "\r\n" the second byte)."""
        ends = line_ends(self.data, True)
        quotes = quoted_spans(self.data, self.array, self.dialect)
        return ends[np.searchsorted(quotes, ends) % 2 == 0] if len(quotes) else ends

    def with_data(self, data: bytes) -> "RowSpan":
        """The same with other bytes."""
        return dataclasses.replace(self, buffer=_copied(np.frombuffer(data, np.uint8)), regular=False)

    def arrow(self) -> pa.Buffer:
        """The bytes in Arrow's own memory, ended by a newline, as Arrow wants them.

        A buffer that Python owns would do, but for one thing: Arrow's pool threads let go of it a little after a parse
        has returned, and if the interpreter ends in that moment the process aborts.
        """
        if len(self.array) and self.array[-1] in (LF, CR):
            return self.buffer
        return _copied(self.array, np.array([LF], np.uint8))

    def head(self, rows: int) -> "RowSpan":
        """The first rows alone."""
        size = 1 << 16  # enough, mostly
        while True:
            part = self._cut(size)
            if len(part.ends) > rows:
                return self._cut(int(part.ends[rows - 1]) + 1)
            if part is self:
                return self
            size *= 8

    def _cut(self, size: int) -> "RowSpan":
        return self if size >= self.buffer.size else dataclasses.replace(self, buffer=self.buffer.slice(0, size))

    def row_line(self, number: int, blank_lines_count: bool) -> int:
        """The line at which the `number`-th row, from 1, begins."""
        starts = np.concatenate([[0], self.ends + 1])
        starts = starts[starts < len(self.data)]
        if not blank_lines_count:
            data = np.frombuffer(self.data, np.uint8)
            after = data[np.minimum(starts + 1, len(data) - 1)]
            blank = (data[starts] == LF) | ((data[starts] == CR) & ((after == LF) | (starts + 1 >= len(data))))
            blank |= (data[starts] == CR) & np.isin(starts, self.ends)
            starts = starts[~blank]
        return self.line_at(int(starts[min(number, len(starts)) - 1]))

    def line_at(self, position: int) -> int:
        """The line of a byte."""
        return int(self.lines_at(np.array([position]))[0])

    def lines_at(self, positions: np.ndarray) -> np.ndarray:
        """The lines of bytes, in one pass over the block for all of them."""
        return self.line + np.searchsorted(line_ends(self.data, True), positions)


def row_spans(stream: Any, size: int, dialect: Dialect, *, skip_rows: int = 0, name: str = "") -> Iterator[RowSpan]:
    """Cuts a stream of bytes after the last row that ends within each `size` bytes.

    Args:
        stream: has `read(n)`, or `readinto`; decoded to UTF-8 already.
        size: bytes of a span; a longer row makes a longer one.
        dialect: where a row ends.
        skip_rows: lines before the first row.
        name: the file, for messages.

    Yields:
        Spans; together they are the stream, without the skipped lines and a byte order mark.

    Raises:
        MalformedData: if a quoted value is never closed.
    """
    carry, start, line, skip, first = np.empty(0, np.uint8), 0, 1, skip_rows, True
    while True:
        buffer, last = _filled(stream, carry, size)
        if first and buffer.size:
            buffer, start, first = *_unmarked(buffer, start), False
        if skip and buffer.size:
            newlines = line_ends(buffer.to_pybytes(), last)
            if len(newlines) < skip and not last:
                carry = np.frombuffer(buffer, np.uint8)
                continue
            cut = int(newlines[skip - 1]) + 1 if len(newlines) >= skip else buffer.size
            # Arrow leaves out a mark at the start of what it parses, here too
            buffer, start = _unmarked(buffer.slice(cut), start + cut)
            line, skip = line + skip, 0
        if last and not buffer.size:
            return
        array = np.frombuffer(buffer, np.uint8)
        found = _quick_cut(array, last, dialect) or _slow_cut(array, last, dialect, line, name)
        if found is None:
            carry = array
            continue
        yield RowSpan(buffer.slice(0, found.at), start, line, dialect, found.quoted, found.stray, found.regular)
        if last:
            return
        carry, start, line = array[found.at :], start + found.at, line + found.lines


class _Cut(NamedTuple):
    """Where a span ends, and what is known of it: lines, and as of `RowSpan`."""

    at: int
    lines: int
    quoted: bool
    stray: int | None
    regular: bool


def _quick_cut(array: np.ndarray, last: bool, dialect: Dialect) -> _Cut | None:
    """The cut in text without escapes and lone carriage returns, whose quotes are regular; else None."""
    if not len(array) or (dialect.escape is not None and contains(array, dialect.escape)):
        return None
    if contains(array, CR):
        alone = array[:-1] == CR
        alone &= array[1:] != LF
        if alone.any() or (last and array[-1] == CR):
            return None
    end, quoted, stray = None, False, None
    if dialect.quote is not None and contains(array, dialect.quote):
        found = quoting(array, dialect, to_end=last)
        if found is None or (last and found.open):
            return None
        end, quoted, stray = found.last_end, found.quoted_newlines, found.stray
    else:
        end = _last_newline(array)
    if last:
        return _Cut(len(array), 0, quoted, stray, True)
    return None if end is None else _Cut(end + 1, count(array[: end + 1], LF), quoted, stray, True)


def _last_newline(array: np.ndarray) -> int | None:
    for stop in range(len(array), 0, -STEP):
        begin = max(0, stop - STEP)
        found = array[begin:stop][::-1] == LF
        if found.any():
            return stop - 1 - int(np.argmax(found))
    return None


def _slow_cut(array: np.ndarray, last: bool, dialect: Dialect, line: int, name: str) -> _Cut | None:
    """The cut in any text, None if no row ends in it."""
    data = array.tobytes()
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
        return None
    within = int(np.searchsorted(newlines, cut))
    quoted = bool(inside is not None and inside[:within].any())
    return _Cut(cut, within, quoted, stray_quote(array, quotes[quotes < cut], dialect), False)


def _filled(stream: Any, carry: np.ndarray, size: int) -> tuple[pa.Buffer, bool]:
    """What was left over and up to `size` bytes more, in Arrow's memory; whether there are none."""
    if not hasattr(stream, "readinto"):
        more = np.frombuffer(stream.read(size), np.uint8)
        return _copied(carry, more), not len(more)
    buffer = allocated(len(carry) + size)
    view = np.frombuffer(buffer, np.uint8)
    view[: len(carry)] = carry
    read = stream.readinto(view[len(carry) :])
    return buffer.slice(0, len(carry) + read), not read


def allocated(size: int) -> pa.Buffer:
    """Arrow's memory that is not wiped and mapped again for each span, as that of its default pool may be."""
    return pa.allocate_buffer(size, memory_pool=pa.system_memory_pool())


def _unmarked(buffer: pa.Buffer, start: int) -> tuple[pa.Buffer, int]:
    mark = len(BYTE_ORDER_MARK)
    marked = buffer.size >= mark and buffer.slice(0, mark).to_pybytes() == BYTE_ORDER_MARK
    return (buffer.slice(mark), start + mark) if marked else (buffer, start)


def _copied(*parts: np.ndarray) -> pa.Buffer:
    buffer = allocated(sum(map(len, parts)))
    np.concatenate(parts, out=np.frombuffer(buffer, np.uint8))
    return buffer


def without_initial_space(block: RowSpan, dialect: Dialect) -> RowSpan:
    """A block without the spaces at the start of its values; those inside of quotes stay."""
    if b" " not in block.data:
        return block
    before = b"(?:(?<=[" + re.escape(bytes([dialect.delimiter, LF, CR])) + rb"])|\A)"
    quote = re.escape(bytes([dialect.quote])) if dialect.quote is not None else b""
    value = quote + b"(?:[^" + quote + b"]|" + quote + quote + b")*" + quote
    pattern = before + (b" *(" + value + b")|" if quote else b"()") + before + b" +"
    bare = dataclasses.replace(dialect, initial_space=False)
    made = dataclasses.replace(block.with_data(re.sub(pattern, rb"\1", block.data)), dialect=bare)
    return dataclasses.replace(made, quoted_newlines=len(made.ends) < len(line_ends(made.data, True)))


def _unclosed(name: str, line: int, dialect: Dialect) -> str:
    quote = chr(dialect.quote or 0)
    return (
        f"{name}, line {line}: a value opens with {quote} and is never closed, so every line after it would become "
        "part of it. Close it, or pass quote_char=False if quotes are plain characters here."
    )
