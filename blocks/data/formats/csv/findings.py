"""Findings: what was noticed in the head of a CSV file, as a sentence to warn or refuse with, and what settles it."""

import dataclasses
from collections.abc import Sequence


@dataclasses.dataclass(frozen=True)
class Finding:
    """A thing noticed.

    Attributes:
        options: those that settle it; if one of them was given, nothing is said.
        message: what was noticed, and what to pass.
        width: whether rows of a wrong width show it, so that a reading that does not keep bad rows will stop there.
    """

    options: tuple[str, ...]
    message: str
    width: bool = False


def line_numbers(lines: Sequence[int]) -> str:
    """Line numbers as an option takes them."""
    if len(lines) > 2 and lines[-1] - lines[0] == len(lines) - 1:
        return f"range({lines[0]}, {lines[-1] + 1})"
    return repr(list(lines))


def initial_spaces(*, stops: bool) -> Finding:
    """That spaces follow the delimiters; `stops`: and keep quotes from being any."""
    message = "spaces follow the delimiters, and became part of names and values. Pass skip_initial_space=True."
    return Finding(("skip_initial_space",), message, stops)


def quoted_otherwise(quote: str | bool) -> Finding:
    """That rows have one width if another character is the quote, or none is."""
    what = f"the rows have one width if {quote} is the quote" if quote else "the rows have one width without quotes"
    return Finding(("quote_char",), f"{what}. Pass quote_char={quote!r}.", True)


def stray_text(line: int, escaped: bool) -> str:
    """The message of text after a closing quote.

    Args:
        line: the first.
        escaped: whether a backslash stands before that quote.
    """
    fix = 'escape_char="\\\\"' if escaped else "quote_char=False if quotes are plain characters here"
    return f"line {line}: text follows a closing quote, and was taken for a part of the value. Pass {fix}."
