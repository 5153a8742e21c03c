"""The first rows of a CSV file as Python's csv reads them: what a dialect is guessed from, and a diagnosis made of."""

import csv
import dataclasses
import functools
import io
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

SIZE: Final = 1 << 16
"""Bytes of a file that are looked at."""

NUMBERS: Final = r"^\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*$"
"""What Arrow takes for a number."""

_NUMBER: Final = re.compile(
    r"[+-]?[$€£]?(inf|infinity|\d+([.,]\d*)?|[.,]\d+|\d{1,3}(,\d{3})+(\.\d*)?|\d{1,3}(\.\d{3})+(,\d*)?)([eE][+-]?\d+)?%?",
    re.IGNORECASE,
)
_TIME: Final = re.compile(r"(\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4})?([ T]?\d{1,2}:\d{2}(:\d{2}.*)?)?")
_MISSING: Final = frozenset(["", "na", "n/a", "#n/a", "nan", "-nan", "null"])

NUMBER, TIME, TEXT, BLANK = "number", "time", "text", "blank"


@functools.lru_cache(1 << 14)
def kind(cell: str) -> str:
    """What a value looks like: a number, a time or a date, text, or nothing.

    Example:
        >>> [kind(cell) for cell in ("1,5", "2024-01-01", "x", "NA")]
        ['number', 'time', 'text', 'blank']
    """
    cell = cell.strip()
    if cell.lower() in _MISSING:
        return BLANK
    if _NUMBER.fullmatch(cell):
        return NUMBER
    return TIME if _TIME.fullmatch(cell) else TEXT


@dataclasses.dataclass(frozen=True)
class Sample:
    """Rows of the head of a file, blank lines left out.

    Attributes:
        rows: their values.
        lines: the line at which each begins.
        after_blank: whether a blank line stands before it.
        whole: whether the file holds no others.
        end: the line after the last.
    """

    rows: Sequence[list[str]]
    lines: Sequence[int]
    after_blank: Sequence[bool]
    whole: bool
    end: int

    @classmethod
    def of(cls, text: str, first_line: int, whole: bool, dialect: dict[str, Any]) -> "Sample":
        """Parses the head of a file.

        Args:
            text: its lines; the last row is left out unless the file is whole, as it may go on.
            first_line: the number of the first.
            whole: whether the file ends here.
            dialect: arguments of `csv.reader`.
        """
        reader = csv.reader(io.StringIO(text, newline=""), **dialect)
        rows, lines, after_blank = [], [], []
        line, blank = first_line, False
        try:
            for row in reader:
                if row:
                    rows.append(row)
                    lines.append(line)
                    after_blank.append(blank)
                blank = not row
                line = first_line + reader.line_num
        except csv.Error:
            pass  # what came before it will do
        keep = len(rows) if whole else len(rows) - 1
        return cls(rows[:keep], lines[:keep], after_blank[:keep], whole, line)

    @functools.cached_property
    def width(self) -> int:
        """The number of values that most rows have; the greater one of two."""
        counts = Counter(map(len, self.rows))
        return max(counts, key=lambda width: (counts[width], width), default=0)

    @functools.cached_property
    def share(self) -> float:
        """How many of the rows have that many."""
        return sum(len(row) == self.width for row in self.rows) / max(len(self.rows), 1)

    @functools.cached_property
    def numbers(self) -> Sequence[int]:
        """The columns that hold numbers alone, the first row apart, which may be names."""
        columns = zip(*(row for row in self.rows[1:] if len(row) == self.width), strict=True)
        filled = [[cell for cell in column if kind(cell) != BLANK] for column in columns]
        return [i for i, cells in enumerate(filled) if cells and all(re.match(NUMBERS, cell) for cell in cells)]

    @property
    def regular(self) -> bool:
        """Whether all rows have."""
        return self.share == 1.0


class NamedRows:
    """The rows of the modal width under their names, by columns."""

    def __init__(
        self, names: Sequence[str] | None, line: int, rows: Sequence[tuple[int, list[str]]], sample: Sample
    ) -> None:
        self.names = names
        self.line = line  # of the names, or of the first row
        self.rows = [row for _, row in rows]
        self.lines = [line for line, _ in rows]
        self.sample = sample
        self.columns = list(zip(*self.rows, strict=True)) if self.rows else []
        self.kinds = [[kind(cell) for cell in column] for column in self.columns]

    def name(self, column: int) -> str:
        """A column's name, for a message."""
        return repr(self.names[column]) if self.names and column < len(self.names) else f"number {column + 1}"

    def after_blank(self, row: int) -> bool:
        """Whether a blank line stands before a row."""
        return self.sample.after_blank[self.sample.lines.index(self.lines[row])]
