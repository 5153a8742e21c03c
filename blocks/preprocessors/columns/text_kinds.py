"""Written: what texts of a column say, where nearly all say numbers, or dates in one of the common formats.

The rules by which `Columns.infer` knows them live here; what it makes of a column then does not.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import tensorflow as tf

from blocks.block import Preprocessor
from blocks.data.raw_columns import MISSING_INT
from blocks.preprocessors.numeric.number import Number
from blocks.preprocessors.numeric.number_grammar import CURRENCIES, MARKS, UNITS, evidence, learned_from, pattern
from blocks.preprocessors.time.timestamp import Timestamp

NEARLY_ALL: Final = 0.95
"""The share of rows that must say a number or date, for the column to be one of them."""

MANY: Final = 0.5
"""The share from which it is said that they do."""

LOOKED_AT: Final = 2_000
"""Different texts that are looked at, spread over all of them."""

GLANCED_AT: Final = 100
"""How many of those, before the others are."""

FEW_CODES: Final = 20
"""Digits alone of so few kinds are codes: classes, ratings."""

_NAMED: Final = [
    [order.format(day=day, month=month) for day, month in (("%a", "%b"), ("%A", "%B"))]
    for order in (
        "%d {month} %Y",
        "{month} %d, %Y",
        "{month} %d %Y",
        "%d-{month}-%Y",
        "%d-{month}-%y",
        "%d {month} %y",
        "%Y-{month}-%d",
        "{day}, %d {month} %Y",
        "{day}, {month} %d, %Y",
    )
]
"""Formats with the month's name, short and long."""

_CLOCKS: Final = {
    r"\d [0-2]?\d:[0-5]\d$": " %H:%M",
    r"\d [0-2]?\d:[0-5]\d:[0-5]\d$": " %H:%M:%S",
    r":[0-5]\d\.\d+$": " %H:%M:%S.%f",
    r"\d [01]?\d:[0-5]\d [AaPp][Mm]$": " %I:%M %p",
    r"\d [01]?\d:[0-5]\d:[0-5]\d [AaPp][Mm]$": " %I:%M:%S %p",
    r"\d [01]?\d:[0-5]\d[AaPp][Mm]$": " %I:%M%p",
    r":[0-5]\d [+-]\d\d:?\d\d$": " %H:%M:%S %z",
}
"""RE2 of a text's end to what a format must have there."""


_BEGINS: Final = r"^[^a-zA-Z0-9]{0,3}(?:[A-Z][A-Za-z]{0,2}|kr)?[^a-zA-Z0-9]{0,2}[0-9]"
"""RE2 of how a number begins: most words and codes do not, and are told at once."""


@dataclass(frozen=True)
class Written:
    """What a column's texts say.

    Args:
        block: What reads them.
        share: The share of rows that it can read, among those with a text.
        described: In words.
        doubt: The other way in which all of them can be read, if there is one.
        codes: Whether the digits are rather codes than quantities.
    """

    block: Preprocessor
    share: float
    described: str
    doubt: str = ""
    codes: bool = False

    @property
    def sure(self) -> bool:
        """Whether the column is what it says."""
        return self.share >= NEARLY_ALL and not self.codes


def written(texts: pa.Array, counts: np.ndarray) -> Written | None:
    """What the different texts of a column, each with its number of rows, say; None where that is neither.

    Args:
        texts: (n,) Text, none missing.
        counts: (n,) Rows of each.
    """
    if not len(texts):
        return None
    places = np.unique(np.linspace(0, len(texts) - 1, LOOKED_AT).round().astype(np.int64))
    texts, rows = texts.take(pa.array(places)).cast(pa.large_string()), counts[places]
    found = [one for one in (_dates(texts, rows), _numbers(texts, rows)) if one is not None and one.share >= MANY]
    return max(found, key=lambda one: one.share, default=None)


def _numbers(texts: pa.Array, rows: np.ndarray) -> Written | None:
    if len(texts) <= FEW_CODES and pc.all(pc.match_substring_regex(texts, r"^\d+$")).as_py():
        return None
    if not _many(texts, _BEGINS) or not any(
        _many(texts, rf"^(?:{pattern(mark, CURRENCIES, UNITS)})$") for mark in MARKS
    ):
        return None
    seen = evidence(_tensor(texts)).numpy()
    forms: dict[str, int] = {}
    for form, count in zip(seen, rows.tolist(), strict=True):
        if form:
            forms[form.decode()] = forms.get(form.decode(), 0) + count
    if not forms:
        return None
    decimal, unit = learned_from(forms)
    block = Number(decimal, unit)
    numbers = block.compute(_tensor(texts)).numpy()
    share = float(rows @ ~np.isnan(numbers) / rows.sum())
    told = f"numbers, decimal mark {decimal!r}" + (f", in {unit!r}" if unit else "")
    if not any(form[0] in ".," for form in forms) and pc.any(pc.match_substring_regex(texts, r"\d[.,]\d")).as_py():
        told += " (all could be read by the other mark too)"
    return Written(block, share, told, codes=_are_codes(texts))


def _are_codes(texts: pa.Array) -> bool:
    """Whether all are digits alone that begin with zeros, are all as long, or of few kinds."""
    plain = pc.match_substring_regex(texts, r"^\s*\d+\s*$")
    leading = pc.match_substring_regex(texts, r"^\s*0\d+\s*$")
    if pc.any(leading).as_py():
        return True
    lengths = pc.utf8_length(pc.utf8_trim_whitespace(texts.filter(plain)))
    alone = (pc.sum(plain).as_py() or 0) >= NEARLY_ALL * len(texts)
    return bool(alone and (len(texts) <= FEW_CODES or (pc.min(lengths).as_py() == pc.max(lengths).as_py() >= 4)))


def _dates(texts: pa.Array, rows: np.ndarray) -> Written | None:
    texts = pc.utf8_trim_whitespace(texts)
    candidates = _candidates(texts)
    if not candidates:
        return None
    total = rows.sum()
    ends = [
        clock
        for end, clock in _CLOCKS.items()
        if rows @ np.asarray(pc.match_substring_regex(texts, end)) > 0.02 * total
    ]
    best: list[tuple[float, list[str]]] = []
    for bases in candidates:
        formats = [base + end for base in bases for end in (["", *ends] if len(ends) != 1 else [*ends, ""])]
        read = Timestamp(formats).compute(_tensor(texts)).numpy() != MISSING_INT
        best.append((float(rows @ read / total), formats))
    share, formats = max(best, key=lambda one: one[0])  # the first of equals
    used = [text for text in formats if (Timestamp(text).compute(_tensor(texts)).numpy() != MISSING_INT).any()]
    others = [other for rate, other in best if rate == share and other is not formats]
    told = " or ".join(used or formats[:1])
    return Written(Timestamp(used or formats[:1]), share, f"dates, {told}", others[0][0] if others else "")


def _candidates(texts: pa.Array) -> list[list[str]]:
    """Formats worth trying, the likelier first: where all dates can be read by two, the separator decides."""
    found: list[list[str]] = []
    for mark in "/.-":
        if not _many(texts, rf"^\d{{1,4}}[{mark}]\d{{1,2}}[{mark}]\d{{1,4}}\b"):
            continue
        orders = ["%m{0}%d{0}%Y", "%d{0}%m{0}%Y"] if mark == "/" else ["%d{0}%m{0}%Y", "%m{0}%d{0}%Y"]
        orders += [order.replace("%Y", "%y") for order in orders] + ["%Y{0}%m{0}%d"]
        found += [[order.format(mark)] for order in orders]
    if _many(texts, r"(?i)\b(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\b") and _many(texts, r"\d"):
        found += _NAMED
    return found


def _many(texts: pa.Array, pattern: str) -> bool:
    """Whether enough of some of the texts match to look at all of them."""
    some = texts.take(pa.array(np.unique(np.linspace(0, len(texts) - 1, GLANCED_AT).astype(np.int64))))
    return bool((pc.sum(pc.match_substring_regex(some, pattern)).as_py() or 0) >= MANY / 2 * len(some))


def _tensor(texts: pa.Array) -> tf.Tensor:
    return tf.constant(texts.to_numpy(zero_copy_only=False), tf.string)
