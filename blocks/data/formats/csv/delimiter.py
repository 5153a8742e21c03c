"""What separates the values of a CSV file, where the user has not said it: from the head of the file."""

import re
from typing import Any, Final

from blocks.data.formats.csv.first_lines import NUMBER, TEXT, TIME, Sample, kind

CANDIDATES: Final = (",", ";", "\t", "|")

_SAID: Final = re.compile(r'"?sep=([^\r\n"])"?[ \t]*(\r\n|\n|\r|$)', re.IGNORECASE)


def said_delimiter(text: str) -> str | None:
    r"""The delimiter that a first line names for spreadsheets.

    Example:
        >>> said_delimiter("sep=;\na;b\n")
        ';'
    """
    found = _SAID.match(text)
    return found[1] if found and found[1].isascii() else None


def sniffed_delimiter(text: str, first_line: int, whole: bool, default: str, dialect: dict[str, Any]) -> str:
    r"""The delimiter under which the rows have equally many values, and values that look like some.

    The default stays where it gives rows of one width, unless another one gives clearly better ones.

    Args:
        text: the head of the file.
        first_line: its number.
        whole: whether the file ends with it.
        default: what the extension suggests.
        dialect: further arguments of `csv.reader`.

    Example:
        >>> sniffed_delimiter("a;b\n1,5;x\n2,5;y\n", 1, True, ",", {})
        ';'
    """
    first = text.lstrip("\r\n").split("\n", 1)[0]
    others = [candidate for candidate in CANDIDATES if candidate != default and candidate in text]
    if not others:
        return default
    usual = Sample.of(text, first_line, whole, dialect | {"delimiter": default})
    if usual.width > 1 and usual.regular and not any(candidate in first for candidate in others):
        return default
    samples = {one: Sample.of(text, first_line, whole, dialect | {"delimiter": one}) for one in others}
    if 1 < usual.width != len(usual.rows[0]):
        # decimal commas: rows of as many values, and names of another number
        fits = [one for one, sample in samples.items() if sample.width > 1 and sample.regular]
        if fits:
            return max(fits, key=lambda one: samples[one].width)
    best, most = default, 1.25 * _score(usual)
    for candidate, sample in samples.items():
        enough = 0.8 if usual.width > 1 else 0.6
        if sample.width > 1 and sample.share >= enough and _begins(sample) and (score := _score(sample)) > most:
            best, most = candidate, score
    return best


def _begins(sample: Sample) -> bool:
    """Whether the table begins with the file, or with what can only be its names."""
    start = next(index for index, row in enumerate(sample.rows) if len(row) == sample.width)
    if start == 0:
        return True
    body = [row for row in sample.rows[start + 1 :] if len(row) == sample.width]
    names = all(kind(cell) == TEXT for cell in sample.rows[start])
    typed = any(all(kind(cell) in (NUMBER, TIME) for cell in column) for column in zip(*body, strict=True))
    return start <= 20 and names and typed


def _score(sample: Sample) -> float:
    """How regular the rows are, and how many of their values look like one value."""
    if sample.width < 2:
        return 0.0
    cells = [cell for row in sample.rows[1:] or sample.rows for cell in row]
    clean = sum(kind(cell) != TEXT or not any(candidate in cell for candidate in CANDIDATES) for cell in cells)
    return sample.share * (1 - 1 / sample.width) * clean / max(len(cells), 1)
