"""The head of a CSV file: its bytes as text, the dialect that it is read in, and what is noticed in it."""

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from blocks.data.files import File, naming
from blocks.data.formats.csv.delimiter import said_delimiter, sniffed_delimiter
from blocks.data.formats.csv.diagnosis import diagnose
from blocks.data.formats.csv.findings import Finding, initial_spaces, quoted_otherwise
from blocks.data.formats.csv.first_lines import SIZE, Sample
from blocks.data.formats.csv.lines import WithoutLines, line_ends
from blocks.data.formats.csv.options import CsvOptions
from blocks.errors import warn


@contextlib.contextmanager
def opened(file: File, options: CsvOptions) -> Iterator[Any]:
    """The bytes of a file in UTF-8, without the text of the lines that are left out one by one."""
    with contextlib.closing(file.stream()) as stream:
        read: Any = stream
        if options.encoding != "utf-8":
            read = pa.transcoding_input_stream(pa.PythonFile(stream, "r"), options.encoding, "utf-8")
        yield WithoutLines(read, options.skip_lines) if options.skip_lines else read


@dataclasses.dataclass(frozen=True)
class Head:
    """The first lines of a file.

    Attributes:
        text: they.
        line: the number of the first.
        whole: whether there are no others.
    """

    text: str
    line: int
    whole: bool

    @classmethod
    def of(cls, file: File, options: CsvOptions) -> "Head":
        """Reads as many bytes as a sample takes; bytes that are no text are the reader's concern."""
        advice = f"It was read as {options.encoding}: pass encoding=... if it is another."
        with naming(file, advice), opened(file, options) as stream:
            data = b""
            while read := bytes(stream.read(max(SIZE + 1 - len(data), 0))):
                data += read
        whole = len(data) <= SIZE
        ends = line_ends(data, whole)
        if options.skip_rows:
            start = int(ends[options.skip_rows - 1]) + 1 if len(ends) >= options.skip_rows else len(data)
        else:
            start = 0
        text = data[start:].decode(errors="replace").removeprefix("\ufeff")
        return cls(text, options.skip_rows + 1, whole)


def said_dialect(file: File, head: Head, options: CsvOptions) -> CsvOptions:
    """The options with the delimiter that the file shows, where none was given; a choice is said.

    Args:
        file: for messages.
        head: its first lines.
        options: as given.
    """
    default = options.parse_options(False, None).delimiter
    said = None if "skip_rows" in options.given else said_delimiter(head.text)
    if said is not None:
        given = "delimiter" in options.given
        warn(
            f"{file.name}: line 1 says that {said!r} separates the values; it was "
            + (f"left out, and {default!r} taken, as you say. " if given else "followed, and left out. ")
            + f"Pass delimiter={default if given else said!r}, skip_rows=1."
        )
        return _with(options, default if given else said, options.skip_rows + 1)
    if "delimiter" in options.given:
        return options
    found = sniffed_delimiter(head.text, head.line, head.whole, default, _csv_dialect(options))
    if found == default:
        return options
    warn(f"{file.name}: {found!r} separates the values, not {default!r}, and was followed. Pass delimiter={found!r}.")
    return _with(options, found, options.skip_rows)


def sampled(head: Head, options: CsvOptions) -> Sample:
    """The rows of the head of a file.

    Args:
        head: of the file.
        options: those in which it is read.
    """
    text, line = head.text, head.line
    if options.skip_rows >= line:  # a line that names the delimiter
        text, line = text[text.index("\n") + 1 :] if "\n" in text else "", options.skip_rows + 1
    delimiter = options.parse_options(False, None).delimiter
    return Sample.of(text, line, head.whole, _csv_dialect(options) | {"delimiter": delimiter})


def diagnosed(head: Head, sample: Sample, options: CsvOptions) -> Iterator[Finding]:
    """What is noticed in the head of a file, but for what an option settles.

    Args:
        head: of the file.
        sample: its rows.
        options: those in which it is read.
    """
    found = list(
        diagnose(
            sample,
            names=options.read.get("column_names"),
            generated=bool(options.read.get("autogenerate_column_names")),
            delimiter=options.parse_options(False, None).delimiter,
        )
    )
    if not sample.regular and not {"quote_char", "skip_initial_space"} & set(options.given):
        if sampled(head, dataclasses.replace(options, skip_initial_space=True)).regular:
            found = [initial_spaces(stops=True)]
        else:
            quote = next((quote for quote in ("'", False) if _quoted(head, options, quote).regular), None)
            found = found if quote is None else [quoted_otherwise(quote)]
    yield from (finding for finding in found if not set(finding.options) & set(options.given))


def _quoted(head: Head, options: CsvOptions, quote: str | bool) -> Sample:
    return sampled(head, dataclasses.replace(options, parse={**options.parse, "quote_char": quote}))


def _with(options: CsvOptions, delimiter: str, skip_rows: int) -> CsvOptions:
    return dataclasses.replace(options, parse={**options.parse, "delimiter": delimiter}, skip_rows=skip_rows)


def _csv_dialect(options: CsvOptions) -> dict[str, Any]:
    """The arguments of `csv.reader` that say the same."""
    plain = options.parse_options(False, None)
    quote = plain.quote_char or None
    return {
        "skipinitialspace": options.skip_initial_space,
        "quotechar": quote,
        "quoting": 0 if quote else 3,
        "doublequote": bool(plain.double_quote),
        "escapechar": plain.escape_char or None,
    }
