"""One block of a CSV file through Arrow's parser, and what Arrow says of it in terms of files, lines and columns."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, NoReturn

import pyarrow as pa
import pyarrow.csv as pacsv

from blocks.data.csv_options import CsvOptions
from blocks.data.files import File
from blocks.data.rejects import BadRow
from blocks.data.text_blocks import Block
from blocks.errors import MalformedData

_INNER_BLOCK: Final = 1 << 20
"""Bytes that one thread of Arrow parses."""

_MISFIT: Final = re.compile(
    r"In CSV column #(?P<column>\d+): (?:Row #(?P<row>\d+): )?CSV conversion error to .*?: (?P<why>.*)", re.DOTALL
)


class Misfit(NamedTuple):
    """A value that is not of its column's type.

    Attributes:
        column: its position in the file.
        row: its number in the block, from 1, if Arrow told.
        why: Arrow's words.
    """

    column: int
    row: int | None
    why: str


def misfit(error: Exception) -> Misfit | None:
    """What a conversion error of Arrow says, None if it is another error."""
    found = _MISFIT.search(str(error))
    return found and Misfit(int(found["column"]), int(found["row"]) if found["row"] else None, found["why"])


class BlockParser:
    """Parses blocks of a CSV file.

    Args:
        options: see `CsvOptions`.
    """

    def __init__(self, options: CsvOptions) -> None:
        self._options = options
        self._blank_lines_count = not options.parse_options(False, None).ignore_empty_lines

    def parse(
        self,
        file: File,
        block: Block,
        names: Sequence[str] | None,
        types: Mapping[str, pa.DataType],
        columns: Sequence[str] | None,
    ) -> tuple[pa.Table, list[BadRow]]:
        """The rows of a block that have as many values as there are columns, and those that have not.

        Args:
            file: for messages.
            block: whole rows.
            names: of all columns; None if the block begins with a header, or with what options say instead.
            types: of columns; others are inferred from the block.
            columns: those wanted; None for all.

        Raises:
            pa.ArrowInvalid: if a value is not of its column's type; see `misfit`.
        """
        try:
            return self._read(block, names, types, columns, None), []
        except pa.ArrowInvalid as error:
            if "CSV parse error: Expected" not in str(error):
                raise
        # Bad rows are counted on one thread: Arrow numbers rows on one alone, and its pool threads should hold nothing
        # of Python's (see `Block.arrow`).
        skipped: list[Any] = []

        def skip(row: Any) -> str:
            skipped.append(row)
            return "skip"

        table = self._read(block, names, types, columns, skip)
        return table, [
            BadRow(file.name, self._line(block, row.number), row.expected_columns, row.actual_columns, row.text)
            for row in skipped
        ]

    def _read(
        self,
        block: Block,
        names: Sequence[str] | None,
        types: Mapping[str, pa.DataType],
        columns: Sequence[str] | None,
        skip: Any,
        *,
        threads: bool = True,
    ) -> pa.Table:
        data = block.arrow()
        # One inner block where bad rows are counted: a second try after a long row would count them twice.
        inner = _INNER_BLOCK if skip is None else len(data) + 1
        parse = self._options.parse_options(block.quoted_newlines, skip)
        convert = self._options.convert_options(types, columns)
        while True:
            read = self._options.read_options(names, inner, threads and skip is None)
            try:
                return pacsv.read_csv(
                    pa.BufferReader(data), read_options=read, parse_options=parse, convert_options=convert
                )
            except pa.ArrowInvalid as error:
                if "straddl" not in str(error) or inner > len(data):
                    raise
                inner = len(data) + 1

    def _line(self, block: Block, row: int) -> int:
        return block.row_line(row, self._blank_lines_count)

    def refuse(
        self,
        error: Exception,
        file: File,
        block: Block,
        names: Sequence[str] | None,
        types: Mapping[str, pa.DataType],
        all_names: Sequence[str],
    ) -> NoReturn:
        """Raises MalformedData for an error of `parse`: file, line, column, value and fix."""
        found = misfit(error)
        if found is None:
            raise MalformedData(f"{file.name}, from line {block.line}: {str(error)[:300]}.") from None
        name = all_names[found.column]
        line = block.line
        try:
            self._read(block, names, types, [name], lambda row: "skip")
        except pa.ArrowInvalid as again:
            numbered = misfit(again)
            if numbered is not None and numbered.row is not None:
                line = self._line(block, numbered.row)
        raise MalformedData(
            f"{file.name}, line {line}: column {name!r} is declared {types.get(name)}, but {found.why[:200]}. Correct "
            f"it, add it to null_values, or declare another type: column_types={{{name!r}: 'string'}}."
        ) from None


def refuse_bad_row(row: BadRow) -> NoReturn:
    """Raises MalformedData for a row with a wrong number of values."""
    text = row.text if len(row.text) <= 80 else row.text[:77] + "..."
    raise MalformedData(
        f"{row.file}, line {row.line}: {row.reason}: {text!r}. Fix the line, check delimiter and quote_char, or "
        'set such rows aside: on_bad_rows="keep", rejects="bad.csv".'
    )
