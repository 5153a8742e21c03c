"""The rows of one CSV file as spans: cut in another thread, or read again where a scan has found that they begin."""

import contextlib
from collections.abc import Collection, Generator, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from blocks.data.chunking import ahead
from blocks.data.files import File, naming
from blocks.data.formats.csv.header import opened
from blocks.data.formats.csv.options import CsvOptions
from blocks.data.formats.csv.quote_bits import STEP
from blocks.data.formats.csv.row_spans import RowSpan, allocated, row_spans, without_initial_space
from blocks.errors import MalformedData


class Place(NamedTuple):
    """Where a span lies in its file, decompressed and decoded, and what a parse needs to know of it."""

    start: int
    size: int
    line: int
    quoted_newlines: bool

    @classmethod
    def of(cls, span: RowSpan) -> "Place":
        """That of a span."""
        return cls(span.start, span.buffer.size, span.line, span.quoted_newlines)


def spans_of(file: File, options: CsvOptions) -> Generator[RowSpan]:
    """The rows of one file, cut in another thread while those before are parsed.

    Raises:
        MalformedData: while iterating, if a quote is never closed.
    """
    return ahead(lambda stop: _cut(file, options))


def numbered(spans: Generator[RowSpan]) -> Generator[tuple[int, RowSpan | None]]:
    """Spans and their numbers; closing it closes them."""
    with contextlib.closing(spans):
        yield from enumerate(spans)


def spans_at(
    file: File, options: CsvOptions, places: Sequence[Place], skip: Collection[int]
) -> Generator[tuple[int, RowSpan | None]]:
    """The spans at known places of a file, with their numbers, read in another thread; None for those to skip."""
    if all(number in skip for number in range(len(places))):
        return ((number, None) for number in range(len(places)))
    return ahead(lambda stop: _read(file, options, places, skip))


def _read(
    file: File, options: CsvOptions, places: Sequence[Place], skip: Collection[int]
) -> Iterator[tuple[int, RowSpan | None]]:
    advice, dialect, at = f"It was read as {options.encoding}.", options.dialect(), 0
    with opened(file, options) as stream:
        for number, place in enumerate(places):
            with naming(file, advice):
                _exactly(stream, place.start - at)
                buffer = _exactly(stream, place.size)
            at = place.start + place.size
            yield number, None if number in skip else RowSpan(buffer, place.start, place.line, dialect, *place[3:])


def _exactly(stream: Any, size: int) -> pa.Buffer:
    """The next bytes of a stream."""
    buffer = allocated(size)
    view, have = np.frombuffer(buffer, np.uint8), 0
    while have < size:
        read = stream.readinto(view[have:])
        if not read:
            raise EOFError("it ends before the rows do that it had")
        have += read
    return buffer


def _cut(file: File, options: CsvOptions) -> Iterator[RowSpan]:
    with opened(file, options) as stream:
        cut = row_spans(stream, options.block_size, options.dialect(), skip_rows=options.skip_rows, name=file.name)
        while True:
            with naming(file, f"It was read as {options.encoding}: pass encoding=... if it is another."):
                block = next(cut, None)
            if block is None:
                return
            begin = bytes(block.array[:2])
            if begin in (b"\xff\xfe", b"\xfe\xff") and options.encoding == "utf-8" and block.line == 1:
                raise MalformedData(f"{file.name} is encoded as UTF-16, not UTF-8. Pass encoding='utf-16'.")
            if options.skip_initial_space:
                block = without_initial_space(block, options.dialect(lines=False))
            if block.array[0] not in b"\r\n" or block.data.strip(b"\r\n"):
                yield block


def require_utf8(file: File, block: RowSpan, options: CsvOptions) -> None:
    """Names the line of bytes that are no text; Arrow would call the column binary and go on.

    Raises:
        MalformedData: there are some, and no column is declared to be binary.
    """
    declared = [*options.column_types.values(), options.default_column_type]
    if any(kind is not None and _is_binary(kind) for kind in declared) or _is_utf8(block.array, block.buffer):
        return
    try:
        block.data.decode()
    except UnicodeDecodeError as error:
        raise MalformedData(
            f"{file.name}, line {block.line_at(error.start)}: {block.data[error.start : error.end]!r} is not valid "
            "UTF-8. Pass the file's encoding, often encoding='latin1', or declare the column 'binary'."
        ) from None


def _is_utf8(array: np.ndarray, buffer: pa.Buffer) -> bool:
    if all(array[start : start + STEP].max() < 128 for start in range(0, len(array), STEP)):
        return True
    offsets = pa.py_buffer(np.array([0, len(array)], np.int64))
    try:
        pa.Array.from_buffers(pa.large_binary(), 1, [None, offsets, buffer]).cast(pa.large_string())
    except pa.ArrowInvalid:
        return False
    return True


def _is_binary(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind))
