"""Text files cut into spans of whole rows, with the line at which each begins; quoting understood, nothing converted.

A row ends where a line does, outside of quotes. So much is parsed here, and no more: a file is read in pieces; in each,
NumPy finds where lines end and which quotes open and close a value (`dialect`), and a line's end with an odd number of
these before it stands inside of one. The piece is cut after the last end of a row, and what is left begins the next, so
that every piece begins at a row, outside of quotes, and nothing but a line number goes from one to the next. Arrow then
parses each span by itself, on all cores. Its own streaming reader works on one, forgets where in the file a row stands,
and cannot go back when a type does not fit.
"""

import dataclasses
import re
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import pyarrow as pa

from blocks.data.formats.csv.dialect import Dialect, quoted_spans, stray_quote
from blocks.data.formats.csv.lines import CR, LF, line_ends
from blocks.errors import MalformedData

BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"

LONGEST_ROW: Final = 1 << 28
"""Bytes after which a row that has not ended is an error rather than a longer span."""


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
        view[len(self.data) :] = LF
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
        stream: has `read(n)`; decoded to UTF-8 already.
        size: bytes of a span; a longer row makes a longer one.
        dialect: where a row ends.
        skip_rows: lines before the first row.
        name: the file, for messages.

    Yields:
        Spans; together they are the stream, without the skipped lines and a byte order mark.

    Raises:
        MalformedData: if a quoted value is never closed.
    """
    carry, line, skip, first = b"", 1, skip_rows, True
    while True:
        read = bytes(stream.read(size))
        last = not read
        data = carry + read if carry else read
        if first and data:
            data, first = data.removeprefix(BYTE_ORDER_MARK), False
        if skip and data:
            newlines = line_ends(data, last)
            if len(newlines) < skip and not last:
                carry = data
                continue
            cut = int(newlines[skip - 1]) + 1 if len(newlines) >= skip else len(data)
            # Arrow leaves out a mark at the start of what it parses, here too
            data, line, skip = data[cut:].removeprefix(BYTE_ORDER_MARK), line + skip, 0
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
        yield RowSpan(data[:cut], line, ends, quoted, stray_quote(array, quotes[quotes < cut], dialect))
        if last:
            return
        carry, line = data[cut:], line + within


def without_initial_space(block: RowSpan, dialect: Dialect) -> RowSpan:
    """A block without the spaces at the start of its values; those inside of quotes stay."""
    if b" " not in block.data:
        return block
    before = b"(?:(?<=[" + re.escape(bytes([dialect.delimiter, LF, CR])) + rb"])|\A)"
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
