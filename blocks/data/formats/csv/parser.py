"""One block of a CSV file through Arrow's parser, and what Arrow says of it in terms of files, lines and columns."""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, NoReturn

import pyarrow as pa
import pyarrow.csv as pacsv

from blocks.data.files import File
from blocks.data.formats.csv.options import CsvOptions
from blocks.data.formats.csv.rejects import REJECTS_SCHEMA
from blocks.data.formats.csv.row_spans import RowSpan
from blocks.data.formats.csv.widths import Cells, without_bad_rows
from blocks.errors import MalformedData

_INNER_BLOCK: Final = 1 << 19
"""Bytes that one thread of Arrow parses."""

_MISFIT: Final = re.compile(
    r"In CSV column #(?P<column>\d+): (?:Row #(?P<row>\d+): )?CSV conversion error to .*?: (?P<why>.*)", re.DOTALL
)

_WIDTH: Final = re.compile(r"CSV parse error: (Row #\d+: )?Expected ")  # Arrow counts rows on one thread alone


class Misfit(NamedTuple):
    """A value that is not of its column's type.

    Attributes:
        column: its position in the file.
        row: its number in the block, from 1, if Arrow says it.
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
        self.options = options
        self._blank_lines_count = not options.parse_options(False, None).ignore_empty_lines
        self.dialect = dataclasses.replace(options.dialect(lines=False), initial_space=False)
        self._bad_before = False

    def parse(
        self,
        file: File,
        block: RowSpan,
        names: Sequence[str] | None,
        types: Mapping[str, pa.DataType],
        columns: Sequence[str] | None,
    ) -> tuple[pa.Table, pa.Table]:
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
        # What follows the first block is parsed on all cores already, a block on each.
        threads = names is None
        if not self._bad_before:
            try:
                return self._read(block, names, types, columns, None, threads=threads), REJECTS_SCHEMA.empty_table()
            except pa.ArrowInvalid as error:
                if not _WIDTH.match(str(error)):
                    raise
        good, bad = without_bad_rows(block, self.cells(block, names), file.name)
        # Where one block has bad rows the next has them too, more often than not: no try that is bound to fail.
        self._bad_before = len(bad) > 0
        return self._read(good, names, types, columns, None, threads=threads), bad

    def cells(self, block: RowSpan, names: Sequence[str] | None) -> Cells:
        """Where the values of a block are; names as in `parse`."""
        options = self.options
        exempt = options.rows_before_data if names is None else 0
        if names is None and options.read.get("autogenerate_column_names"):
            exempt -= 1  # the row that tells the number of columns is the first of these
        columns = options.column_count if names is None else len(names)
        return Cells.of(block, self.dialect, columns, exempt=exempt, blank_lines_count=self._blank_lines_count)

    def first_data(self, block: RowSpan, names: Sequence[str] | None) -> int | None:
        """Where the first row begins that is data, None if there is none near the start; names as in `parse`."""
        if names is not None:
            return 0
        cells = self.cells(block.head(self.options.rows_before_data + 10), None)
        return int(cells.starts[cells.first]) if cells.first < len(cells.starts) else None

    def _read(
        self,
        block: RowSpan,
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
        parse = self.options.parse_options(block.quoted_newlines, skip)
        convert = self.options.convert_options(types, columns)
        while True:
            read = self.options.read_options(names, inner, threads and skip is None)
            try:
                return pacsv.read_csv(
                    pa.BufferReader(data), read_options=read, parse_options=parse, convert_options=convert
                )
            except pa.ArrowInvalid as error:
                if "straddl" not in str(error) or inner > len(data):
                    raise
                inner = len(data) + 1

    def refuse(
        self,
        error: Exception,
        file: File,
        block: RowSpan,
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
                line = block.row_line(numbered.row, self._blank_lines_count)
        raise MalformedData(
            f"{file.name}, line {line}: column {name!r} is declared {types.get(name)}, but {found.why[:200]}. Correct "
            f"it, add it to null_values, or declare another type: column_types={{{name!r}: 'string'}}."
        ) from None


def refuse_bad_row(rows: pa.Table, hint: str = "") -> NoReturn:
    """Raises MalformedData for the first row with a wrong number of values; `hint` is what else was noticed."""
    row = rows.slice(0, 1).to_pylist()[0]
    text = row["text"] if len(row["text"]) <= 80 else row["text"][:77] + "..."
    fix = hint or "Fix the line, check delimiter and quote_char."
    raise MalformedData(
        f"{row['file']}, line {row['line']}: {row['reason']}: {text!r}. {fix} Or set such rows aside: "
        'on_bad_rows="keep", rejects="bad.csv".'
    )
