"""What texts look like: how long they are, and whether they are numbers, dates or words for nothing at all."""

import dataclasses
import functools
from typing import Any, Final, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from blocks.errors import InvalidArgument
from blocks.statistics.canonical_types import canonical_type, is_text
from blocks.statistics.numeric import checked_fractions
from blocks.statistics.statistic import Statistic, unsupported
from blocks.statistics.tokens import DictionaryCounter, encoded

_TIME = r"\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?( ?[AaPp][Mm])?"
_ZONE = r" ?(Z|UTC|[+-]\d{2}:?\d{2})?"
_AFTER = rf"([T ]{_TIME}{_ZONE})?"
_MONTH = r"(?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-zA-Z]*\.?"
_NUMBER = r"\d+(\.\d*)?|\.\d+"

FORMS: Final = {
    "whole number": r"[+-]?\d+",
    "number": rf"[+-]?({_NUMBER})([eE][+-]?\d+)?",
    "number with thousands separators": r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?",
    "number with a decimal comma": r"[+-]?\d{1,3}((\.\d{3})+|\d*),\d+",
    "percentage": r"[+-]?\d+([.,]\d+)? ?%",
    "amount of money": r"[+-]?[$€£] ?[\d,.]*\d|[+-]?\d[\d,.]* ?[$€£]",
    "date as YYYY-MM-DD": rf"\d{{4}}-\d{{1,2}}-\d{{1,2}}{_AFTER}",
    "date as YYYY/MM/DD": rf"\d{{4}}/\d{{1,2}}/\d{{1,2}}{_AFTER}",
    "date as DD/MM/YYYY or MM/DD/YYYY": rf"\d{{1,2}}/\d{{1,2}}/(\d{{4}}|\d{{2}}){_AFTER}",
    "date as DD-MM-YYYY": rf"\d{{1,2}}-\d{{1,2}}-(\d{{4}}|\d{{2}}){_AFTER}",
    "date as DD.MM.YYYY": rf"\d{{1,2}}\.\d{{1,2}}\.(\d{{4}}|\d{{2}}){_AFTER}",
    "date with a month's name": rf"\d{{1,2}}[ -]{_MONTH}[ ,-]+(\d{{4}}|\d{{2}}){_AFTER}",
    "time of day": _TIME,
}
"""Name and RE2 pattern of each form that begins with a digit or sign; the first that fits counts."""

NUMBERS: Final = tuple(list(FORMS)[:6])
"""The forms that are numbers."""

DATES: Final = tuple(form for form in FORMS if form.startswith("date"))
"""Those that are dates, with a time of day or without."""

MONTH_FIRST: Final = rf"{_MONTH} \d{{1,2}}(,|st|nd|rd|th)* \d{{4}}{_AFTER}"
BOOLEANS: Final = {"true or false": ("true", "false"), "yes or no": ("yes", "no")}
"""Name and words, in lower case, of each form that is one of two."""

NO_VALUE: Final = "word for no value"
TEXT: Final = "text"
NO_VALUES: Final = (
    *("", "na", "n/a", "#n/a", "n.a.", "nan", "null", "nil", "none", "<na>", "(null)", "-", "--", "?", "??"),
    *("unknown", "missing", "undefined", "not available", "not applicable", "tbd", ".", "..."),
)
"""Words that stand for a value that is not there, in lower case, white space alone among them."""

_EXACT_LENGTHS = 4096


@dataclasses.dataclass(frozen=True)
class TextFormsResult:
    """What `TextForms` learned, of the rows that have a text.

    Attributes:
        count: How many there are.
        forms: Rows by form: those of `FORMS` and `BOOLEANS`, "word for no value" and "text"; forms of no row are
            left out.
        padded: Rows whose text begins or ends with white space.
        lengths: (lengths,) int64, rising: characters (of bytes, bytes); beyond 4,096 to three digits.
        rows: (lengths,) int64, rows of each length.
        min: Fewest characters, exact; 0 without rows.
        max: Most characters, exact.
        mean: Characters on average, exact; nan without rows.
    """

    count: int
    forms: dict[str, int]
    padded: int
    lengths: np.ndarray
    rows: np.ndarray
    min: int
    max: int
    mean: float

    def quantile(self, q: float) -> float:
        """Returns the length below which a fraction of the rows lies, as `numpy.quantile(method="inverted_cdf")` does.

        Args:
            q: From 0 to 1.
        """
        fraction = float(checked_fractions(q))
        if not self.count:
            return float("nan")
        rank = max(int(np.ceil(fraction * self.count)), 1)
        return float(self.lengths[np.searchsorted(np.cumsum(self.rows), rank)])


class TextForms(Statistic):
    """Counts the rows of a column of text by form and by length. Bytes have lengths alone; weights are refused.

    A text is looked at once for each dictionary that it stands in, not once for each row.

    Example:
        >>> forms = TextForms()
        >>> forms.update(pa.array(["12", "7.5", "n/a", "2024-03-01", "twelve", None]))
        >>> forms.result().forms["word for no value"], forms.result().forms["date as YYYY-MM-DD"]
        (1, 1)
    """

    def __init__(self) -> None:
        self._counter = DictionaryCounter()
        self._forms: dict[str, int] = {}
        self._lengths, self._rows = np.zeros(0, np.int64), np.zeros(0, np.int64)
        self._count = self._padded = self._characters = 0
        self._min, self._max = 1 << 62, 0

    def result(self) -> TextFormsResult:
        """Returns the forms of all rows seen so far."""
        self._take(self._counter)
        count = self._count
        return TextFormsResult(
            count, dict(sorted(self._forms.items())), self._padded, self._lengths.copy(), self._rows.copy(),
            self._min if count else 0, self._max, self._characters / count if count else float("nan"),
        )  # fmt: skip

    def _update(self, values: pa.Array, weights: np.ndarray | None) -> None:
        if weights is not None:
            raise InvalidArgument("TextForms takes no weights. Received: an array of them. Leave them out.")
        kind = canonical_type(values.type)
        if kind is None or not (is_text(kind) or pa.types.is_null(kind)):
            raise unsupported("TextForms", "text and bytes", values.type)
        if pa.types.is_null(kind):
            return
        values = encoded(values)
        if not self._counter.fits(values.dictionary):
            self._take(self._counter)
        self._counter.add(values, None)

    def _take(self, counter: DictionaryCounter, *, keep: bool = False) -> None:
        taken = counter.tokens() if keep else counter.take()
        if taken is None or not len(taken[0].values):
            return
        tokens, counts = taken[0].values, taken[0].counts
        if pa.types.is_large_string(tokens.type):
            lengths = np.asarray(pc.utf8_length(tokens)).astype(np.int64)
            trimmed = pc.utf8_trim_whitespace(tokens)
            self._padded += int(counts[np.asarray(pc.not_equal(trimmed, tokens))].sum())
            for form, found in _forms(trimmed):
                self._forms[form] = self._forms.get(form, 0) + int(counts[found].sum())
        else:
            lengths = np.asarray(pc.binary_length(tokens)).astype(np.int64)
        self._count += int(counts.sum())
        self._characters += int(np.dot(lengths, counts))
        self._min, self._max = min(self._min, int(lengths.min())), max(self._max, int(lengths.max()))
        self._add_lengths(lengths, counts)

    def _add_lengths(self, lengths: np.ndarray, rows: np.ndarray) -> None:
        lengths, rows = np.concatenate([self._lengths, _to_three_digits(lengths)]), np.concatenate([self._rows, rows])
        self._lengths, at = np.unique(lengths, return_inverse=True)
        self._rows = np.zeros(len(self._lengths), np.int64)
        np.add.at(self._rows, at, rows)

    def _merge(self, other: Self) -> None:
        for form, rows in other._forms.items():
            self._forms[form] = self._forms.get(form, 0) + rows
        self._count += other._count
        self._padded += other._padded
        self._characters += other._characters
        self._min, self._max = min(self._min, other._min), max(self._max, other._max)
        self._add_lengths(other._lengths, other._rows)
        self._take(other._counter, keep=True)

    def _state(self) -> tuple[dict[str, Any], list[bytes]]:
        self._take(self._counter)
        counts = [self._count, self._padded, self._characters, self._min, self._max]
        return {"forms": self._forms, "counts": counts}, [
            self._lengths.astype("<i8").tobytes(),
            self._rows.astype("<i8").tobytes(),
        ]

    def _restore(self, state: dict[str, Any], parts: list[bytes]) -> None:
        self._forms = dict(state["forms"])
        self._count, self._padded, self._characters, self._min, self._max = state["counts"]
        self._lengths, self._rows = (np.frombuffer(part, "<i8").astype(np.int64) for part in parts)


def _forms(texts: pa.Array) -> list[tuple[str, np.ndarray]]:
    """The places of the texts of each form."""
    found = []
    begins = np.asarray(pc.match_substring_regex(texts, r"^[-+.$€£]*\s?\d"))
    left = np.flatnonzero(begins)
    others = [np.flatnonzero(~begins)]
    for form, pattern in FORMS.items():
        if not len(left):
            break
        fits = np.asarray(pc.match_substring_regex(texts.take(pa.array(left)), f"^(?:{pattern})$"))
        found.append((form, left[fits]))
        left = left[~fits]
    others.append(left)
    rest = np.concatenate(others)
    lengths = np.asarray(pc.binary_length(texts))[rest]
    short = rest[lengths <= 14]
    words = pc.utf8_lower(texts.take(pa.array(short)))
    meant = {NO_VALUE: NO_VALUES, **BOOLEANS}
    named = [short[np.asarray(pc.is_in(words, _set_of(listed)))] for listed in meant.values()]
    found += zip(meant, named, strict=True)
    dated = rest[(lengths >= 10) & (lengths <= 40)]
    months = np.asarray(pc.match_substring_regex(texts.take(pa.array(dated)), f"^(?:{MONTH_FIRST})$"))
    found.append(("date with a month's name", dated[months]))
    found.append((TEXT, np.setdiff1d(rest, np.concatenate([*named, dated[months]]), assume_unique=True)))
    return [(form, places) for form, places in found if len(places)]


@functools.cache
def _set_of(words: tuple[str, ...]) -> pa.Array:
    return pa.array(words, pa.large_string())


def _to_three_digits(lengths: np.ndarray) -> np.ndarray:
    """Lengths of which there are few different ones, however long the texts."""
    if not len(lengths) or lengths.max() <= _EXACT_LENGTHS:
        return lengths
    unit = 10 ** np.maximum(np.floor(np.log10(np.maximum(lengths, 1))).astype(np.int64) - 2, 0)
    return np.where(lengths <= _EXACT_LENGTHS, lengths, (lengths + unit // 2) // unit * unit)
