"""Numbers as people write them, read by TensorFlow's own ops: one grammar for each decimal mark. The block is `Number`.

A number is digits, plain or in groups of three by one separator; a decimal part; an exponent, "%", or a scale ("k",
"M"); a sign before or behind, or accountants' parentheses; and a currency or unit before or behind.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import tensorflow as tf

SCALES: Final = {"%": "e-2", "\N{PER MILLE SIGN}": "e-3", "k": "e3", "K": "e3", "M": "e6", "B": "e9", "bn": "e9"}
"""What may follow the digits, and the exponent that it stands for."""

MARKS: Final = (".", ",")

CURRENCIES: Final = (
    r"\p{Sc}|[A-Z]{1,3}\p{Sc}|kr|Rs\.?|USD|EUR|GBP|JPY|CHF|CNY|INR|AUD|CAD|NZD|SEK|NOK|DKK|PLN|CZK|HUF|RUB|TRY|BRL|MXN|"
    "ZAR|KRW|SGD|HKD|THB|IDR|MYR|PHP|ILS|AED|SAR"
)
"""RE2 of what may stand before a number; before letters of other kinds stand codes, as A12."""

UNITS: Final = r"[\pL\p{Sc}\x{b0}\x{2032}\x{2033}][\pL\pM\p{Sc}\x{b0}/\x{b2}\x{b3}]{0,11}\.?[23]?"
"""RE2 of what may stand behind one: "kg", "km/h", "m2"."""

_SPACE: Final = r"[\s\pZ\x{feff}]*"
_EXPONENT: Final = "[eE][-+]?[0-9]{1,3}"
_DIGITS: Final = (
    rf"[.,]?[0-9][0-9.,'\x{{2019}}_ \pZ]*(?:{_EXPONENT}\b)?(?:(?:{'|'.join(filter(str.isalpha, SCALES))})\b)?"
)
"""RE2 of a number's digits, in whatever groups, with exponent or scale."""


def pattern(decimal: str, before: str, behind: str, *, scales: bool = True) -> str:
    """RE2 of a number.

    Its groups: parenthesis, sign, before, sign, whole, decimals, exponent or scale, behind, sign or parenthesis.

    Args:
        decimal: The decimal mark, "." or ",".
        before: RE2 of what may stand before.
        behind: RE2 of what may stand behind.
        scales: Whether letters are scales; "%" always is.
    """
    mark, other = (r"\.", ",") if decimal == "." else (",", r"\.")
    # India's groups are of two digits but for the last
    usual = f"(?:{other}[0-9]{{2,3}})*{other}[0-9]{{3}}" if decimal == "." else f"(?:{other}[0-9]{{3}})+"
    groups = (usual, r"(?:['\x{2019}][0-9]{3})+", r"(?:[ \x{a0}\x{2009}\x{202f}][0-9]{3})+", "(?:_[0-9]{3})+")
    # a letter ends there: "3kg" is 3 of a unit, and not 3,000 of another
    letters = rf"(?:{'|'.join(filter(str.isalpha, SCALES))})\b|" if scales else ""
    return "".join(
        (
            rf"(\(?){_SPACE}([-+]?){_SPACE}((?:{before})?){_SPACE}([-+]?){_SPACE}",
            rf"([1-9][0-9]{{0,2}}(?:{'|'.join(groups)})|[0-9]+|)((?:{mark}[0-9]*)?)",
            rf"((?:{_EXPONENT}|{letters}{_SPACE}[%\x{{2030}}])?){_SPACE}",
            rf"((?:{behind})?){_SPACE}([-+]?\)?)",
        )
    )


def tidied(text: Any) -> Any:
    """Text without white space around it, its minus signs as ASCII has them."""
    text = tf.strings.regex_replace(text, rf"^{_SPACE}|{_SPACE}$", "")
    return tf.strings.regex_replace(text, r"[\x{2212}\x{2012}\x{2013}]", "-")


def parse(text: Any, decimal: str, unit: str) -> Any:
    """Numbers: float64 (n,), NaN where the text is none, has another unit, or one beyond float64.

    Args:
        text: String of shape (n,), `tidied`.
        decimal: The decimal mark, "." or ",".
        unit: The currency or unit that may stand at a number; "" for none.
    """
    text = _inside(text, quoted(unit), quoted(unit))
    whole = f"^(?:{pattern(decimal, quoted(unit), quoted(unit), scales=unit not in SCALES)})$"
    fits = tf.strings.regex_full_match(text, whole)
    text = tf.where(fits, text, "")

    def part(groups: str) -> Any:
        return tf.where(fits, tf.strings.regex_replace(text, whole, groups), "")

    signs = tf.strings.regex_replace(part(r"\1\2\4\9"), " ", "")
    digits = tf.strings.regex_replace(tf.strings.regex_replace(part(r"\5|\6"), "[^0-9|]", ""), r"\|", ".")
    tail = tf.strings.regex_replace(part(r"\7"), r"[\s\pZ]", "")
    exponent = tf.where(tail == "", "e0", tail)
    for scale, power in SCALES.items():
        exponent = tf.where(tail == scale, power, exponent)
    negative = (signs == "-") | (signs == "()")
    valid = fits & (negative | (signs == "") | (signs == "+")) & (digits != ".")
    sign = tf.where(negative, "-", "")
    # the scale is part of the text, and not multiplied, which would round twice
    number = tf.strings.to_number(tf.where(valid, tf.strings.join([sign, digits, exponent]), "nan"), tf.float64)
    return tf.where(tf.math.is_inf(number), np.float64(np.nan), number)


def _inside(text: Any, before: str, behind: str) -> Any:
    """Text whose unit stands within the parentheses of a negative number: "$(3)" as "($3)"."""
    text = tf.strings.regex_replace(text, rf"^({before}){_SPACE}\(([^()]*)\)$", r"(\1\2)")
    return tf.strings.regex_replace(text, rf"^\(([^()]*)\){_SPACE}({behind})$", r"(\1\2)")


def quoted(unit: str) -> str:
    """RE2 of just this text; of "" of nothing at all."""
    return re.escape(unit) or r"[^\x00-\x{10ffff}]"


def evidence(text: Any) -> Any:
    """By which decimal mark each text is a number, and its unit.

    Returns:
        String of shape (n,): the mark ("." or ","; "?" where it is a number by both), then the unit; "" where it is no
        number.
    """
    text = _inside(tidied(text), CURRENCIES, UNITS)
    digit = tf.strings.regex_full_match(text, r".*[0-9].*")
    dot, comma = (digit & tf.strings.regex_full_match(text, pattern(mark, CURRENCIES, UNITS)) for mark in MARKS)
    mark = tf.where(dot & comma, "?", tf.where(dot, ".", tf.where(comma, ",", "")))
    # "5 k" may be 5,000 or 5 of a unit: no number for `parse`, so none here
    apart = tf.strings.regex_full_match(text, rf".*[0-9.,][\s\pZ]+(?:{'|'.join(filter(str.isalpha, SCALES))})[-+)]*")
    dot, comma, mark = dot & ~apart, comma & ~apart, tf.where(apart, "", mark)
    number = tf.where(dot | comma, text, "")
    unit = tf.strings.regex_replace(number, _DIGITS, "", replace_global=False)
    return tf.strings.join([mark, tf.strings.regex_replace(unit, r"[-+()%\x{2030}\s\pZ]", "")])


def learned_from(counts: Mapping[str, int]) -> tuple[str, str]:
    """The decimal mark and the unit that counted evidence speaks for: "." and no unit where it says nothing.

    Example:
        >>> learned_from({"?kg": 5, ",kg": 2, ".": 1})
        (',', 'kg')
    """
    marks = {mark: sum(count for seen, count in counts.items() if seen[:1] == mark) for mark in MARKS}
    units: dict[str, int] = {}
    for seen, count in counts.items():
        if seen[1:]:
            units[seen[1:]] = units.get(seen[1:], 0) + count
    unit = min(units, key=lambda one: (-units[one], one.encode()), default="")
    return ("," if marks[","] > marks["."] else "."), unit
