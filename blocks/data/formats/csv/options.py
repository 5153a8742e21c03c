"""CSV options: keyword arguments under their Arrow names, checked and sorted."""

import codecs
import dataclasses
import difflib
import os
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.csv as pacsv

from blocks.arguments import check_whole_number
from blocks.data.formats.csv.dialect import Dialect
from blocks.errors import InvalidArgument

_READ: Final = ("autogenerate_column_names", "column_names", "skip_rows_after_names")
_PARSE: Final = ("delimiter", "double_quote", "escape_char", "ignore_empty_lines", "quote_char")
_CONVERT: Final = (
    "decimal_point",
    "false_values",
    "null_values",
    "quoted_strings_can_be_null",
    "strings_can_be_null",
    "timestamp_parsers",
    "true_values",
)
_OWN: Final = (
    "block_size",
    "column_types",
    "default_column_type",
    "encoding",
    "newlines_in_values",
    "on_bad_rows",
    "rejects",
    "skip_initial_space",
    "skip_rows",
)
CSV_OPTIONS: Final = tuple(sorted((*_READ, *_PARSE, *_CONVERT, *_OWN)))


@dataclasses.dataclass(frozen=True)
class CsvOptions:
    """Checked options; the defaults are those that are right, where Arrow's are the fastest."""

    read: Mapping[str, Any]
    parse: Mapping[str, Any]
    convert: Mapping[str, Any]
    column_types: Mapping[str, pa.DataType]
    default_column_type: pa.DataType | None = None
    block_size: int = 8 << 20
    encoding: str = "utf-8"
    newlines_in_values: bool = True
    skip_rows: int = 0
    rejects: str | None = None
    skip_lines: Collection[int] = ()
    skip_initial_space: bool = False
    given: Collection[str] = ()

    @classmethod
    def of(cls, **options: Any) -> "CsvOptions":
        """Sorts keyword arguments.

        Raises:
            InvalidArgument: if an option is unknown or of a wrong value.

        Example:
            >>> CsvOptions.of(delimiter=";", column_types={"zip": "string"}).column_types
            {'zip': DataType(string)}
        """
        for name in options:
            if name not in CSV_OPTIONS:
                close = difflib.get_close_matches(name, CSV_OPTIONS, n=1)
                hint = f" Did you mean {close[0]}?" if close else ""
                raise InvalidArgument(f"CSV files have no option {name!r}.{hint} They have: {', '.join(CSV_OPTIONS)}.")
        rejects = checked_rejects(options.get("on_bad_rows", "error"), options.get("rejects"))
        types = options.get("column_types") or {}
        declared = {
            n: to_type(n, t)
            for n, t in (zip(types.names, types.types, strict=True) if isinstance(types, pa.Schema) else types.items())
        }
        default = options.get("default_column_type")
        skip_rows = options.get("skip_rows", 0)
        skip_lines = _line_numbers(skip_rows, options) if isinstance(skip_rows, Collection) else ()
        made = cls(
            read={name: options[name] for name in _READ if name in options},
            parse={name: options[name] for name in _PARSE if name in options},
            convert={"strings_can_be_null": True} | {name: options[name] for name in _CONVERT if name in options},
            column_types=declared,
            default_column_type=None if default is None else to_type("default_column_type", default),
            block_size=check_whole_number("block_size", options.get("block_size", 8 << 20), 1),
            encoding=checked_encoding(options.get("encoding", "utf-8")),
            newlines_in_values=bool(options.get("newlines_in_values", True)),
            skip_rows=0 if skip_lines else check_whole_number("skip_rows", skip_rows),
            rejects=rejects,
            skip_lines=skip_lines,
            skip_initial_space=bool(options.get("skip_initial_space", False)),
            given=sorted(options),
        )
        made._validate()
        return made

    def _validate(self) -> None:
        try:
            self.read_options(None, 1 << 20, True).validate()
            self.parse_options(False, None).validate()
            self.convert_options({}, None)
        except (pa.ArrowException, TypeError, ValueError) as error:
            raise InvalidArgument(f"A CSV option has a value that Arrow does not take: {error}.") from None
        self.dialect()

    def dialect(self, *, lines: bool | None = None) -> Dialect:
        """What decides where a row ends.

        Args:
            lines: whether quotes and escapes count for nothing, so that every line is a row; None as the options say.
        """
        within = self.newlines_in_values if lines is None else not lines
        plain = self.parse_options(False, None)
        codes = {}
        for name in ("delimiter", "quote_char", "escape_char"):
            char = getattr(plain, name)
            if char and not char.isascii():
                raise InvalidArgument(f"{name} must be an ASCII character. Received: {char!r}.")
            codes[name] = ord(char) if char else None
        return Dialect(
            delimiter=codes["delimiter"] or ord(","),
            quote=codes["quote_char"] if within else None,
            double_quote=bool(plain.double_quote),
            escape=codes["escape_char"] if within else None,
            initial_space=self.skip_initial_space,
        )

    def declares(self, column: str) -> bool:
        """Whether the options say the column's type."""
        return column in self.column_types or self.default_column_type is not None

    @property
    def column_count(self) -> int | None:
        """The number of columns, if the options say it."""
        names = self.read.get("column_names")
        return len(names) if names else None

    @property
    def rows_before_data(self) -> int:
        """Rows after the names, or at the start if there is no row of names, that are not read."""
        return int(self.read.get("skip_rows_after_names", 0))

    def read_options(self, names: Sequence[str] | None, block_size: int, threads: bool) -> pacsv.ReadOptions:
        """Arrow's, for a block: the first of a file has `names` None."""
        given = dict(self.read) if names is None else {"column_names": list(names)}
        return pacsv.ReadOptions(use_threads=threads, block_size=block_size, **given)

    def parse_options(self, quoted_newlines: bool, invalid_row_handler: Any) -> pacsv.ParseOptions:
        """Arrow's, for a block."""
        return pacsv.ParseOptions(
            newlines_in_values=quoted_newlines, invalid_row_handler=invalid_row_handler, **self.parse
        )

    def convert_options(self, types: Mapping[str, pa.DataType], columns: Sequence[str] | None) -> pacsv.ConvertOptions:
        """Arrow's, for a block."""
        return pacsv.ConvertOptions(
            column_types=dict(types), include_columns=None if columns is None else list(columns), **self.convert
        )


def to_type(column: str, kind: Any) -> pa.DataType:
    """An Arrow type from itself or from its name.

    Example:
        >>> to_type("when", "timestamp[us]")
        TimestampType(timestamp[us])
    """
    if isinstance(kind, pa.DataType):
        return kind
    if isinstance(kind, str):
        try:
            return pa.type_for_alias(kind)
        except ValueError:
            pass
    raise InvalidArgument(
        f"The type of {column!r} is an Arrow type or its name, such as 'string', 'int64', 'float64', 'bool', 'date32', "
        f"'timestamp[us]' or pyarrow.decimal128(12, 2). Received: {kind!r}."
    )


def checked_rejects(on_bad_rows: Any, rejects: Any) -> str | None:
    """The file that bad rows are kept in; None where they are errors."""
    if on_bad_rows not in ("error", "keep"):
        raise InvalidArgument(f'on_bad_rows is "error" or "keep". Received: {on_bad_rows!r}.')
    if (on_bad_rows == "keep") != (rejects is not None):
        raise InvalidArgument(
            'on_bad_rows="keep" and rejects=PATH go together: bad rows are kept in that file (.parquet or .csv). '
            f"Received: on_bad_rows={on_bad_rows!r}, rejects={rejects!r}."
        )
    if rejects is not None and os.path.splitext(os.fspath(rejects))[1] not in (".parquet", ".csv"):
        raise InvalidArgument(f"rejects names a .parquet or a .csv file. Received: {os.fspath(rejects)!r}.")
    return None if rejects is None else os.fspath(rejects)


def _line_numbers(lines: Any, options: Mapping[str, Any]) -> Collection[int]:
    if isinstance(lines, (str, bytes)) or not (
        isinstance(lines, range) or all(isinstance(line, int) and not isinstance(line, bool) for line in lines)
    ):
        raise InvalidArgument(
            f"skip_rows is the number of lines before the names, or lines to leave out, from 1. Received: {lines!r}."
        )
    if len(lines) and min(lines) < 1:
        raise InvalidArgument(f"skip_rows counts lines from 1. Received among them: {min(lines)}.")
    if options.get("ignore_empty_lines") is False:
        raise InvalidArgument("skip_rows leaves lines empty, so it does not go with ignore_empty_lines=False.")
    return lines if isinstance(lines, range) else frozenset(lines)


def checked_encoding(name: Any) -> str:
    """Python's name of an encoding."""
    try:
        return codecs.lookup(name).name
    except (LookupError, TypeError):
        raise InvalidArgument(
            f"encoding is the name of one that Python knows, such as 'latin1'. Received: {name!r}."
        ) from None
