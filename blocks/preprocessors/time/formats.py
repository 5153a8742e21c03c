"""Text to instants with TensorFlow's own ops: formats compiled to RE2, fields put together by integer arithmetic.

The block is `Timestamp`, in the file beside; what a calendar is stands in `civil`.
"""

import re
from dataclasses import dataclass
from typing import Any, Final

import tensorflow as tf

from blocks.errors import InvalidArgument
from blocks.preprocessors.time.calendar import DAY, UNITS, days_from_civil, days_in_month
from blocks.preprocessors.time.iso_8601 import parse_usual

ISO: Final = "iso8601"
_D2: Final = "[0-9]{2}"
_OFFSET: Final = "[Zz]|UTC|[+-][0-9]{2}(?::?[0-9]{2})?"
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH_NAMES: Final = "January|February|March|April|May|June|July|August|September|October|November|December"
_DAY_NAMES: Final = "Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday"

_DIRECTIVES: Final = {
    "Y": ("[0-9]{4}", "2000"),
    "y": (_D2, "00"),
    "m": ("1[0-2]|0?[1-9]", "02"),
    "b": ("(?i:" + "|".join(_MONTHS) + ")", "Feb"),
    "B": (f"(?i:{_MONTH_NAMES})", "February"),
    "d": ("3[01]|[12][0-9]|0?[1-9]", "29"),
    "j": ("36[0-6]|3[0-5][0-9]|[12][0-9]{2}|0?[1-9][0-9]|0{0,2}[1-9]", "060"),
    "H": ("2[0-3]|[01]?[0-9]", "23"),
    "I": ("1[0-2]|0?[1-9]", "11"),
    "p": ("(?i:[ap]m)", "PM"),
    "M": ("[0-5]?[0-9]", "59"),
    "S": ("[0-5]?[0-9]", "58"),
    "f": ("[0-9]{1,9}", "123456"),
    "z": (_OFFSET, "+0000"),
}
"""Directive of `strptime` to (RE2, an example)."""

_IGNORED: Final = {"a": f"(?i:{'|'.join(day[:3] for day in _DAY_NAMES.split('|'))})", "A": f"(?i:{_DAY_NAMES})"}
_SAME: Final = {"Y": "year", "y": "year", "m": "month", "b": "month", "B": "month", "H": "hour", "I": "hour"}


@dataclass(frozen=True)
class Format:
    """One format, compiled.

    Args:
        valid: RE2 of the texts that have the format.
        extract: RE2 that captures the fields of those, 9 at most.
        fields: A directive for each captured group; ISO's are "date", "clock", "f" and "z".
        example: A text of the format.
    """

    valid: str
    extract: str
    fields: tuple[str, ...]
    example: str


def compile_format(text: Any) -> Format:
    """A format as RE2: "iso8601", or directives of `strptime`.

    Example:
        >>> compile_format("%d.%m.%Y").fields
        ('d', 'm', 'Y')

    Raises:
        InvalidArgument: A directive is not of the subset, stands twice, or the year is lacking.
    """
    if text == ISO:
        return _ISO
    if not isinstance(text, str):
        raise InvalidArgument(f"A format is 'iso8601' or a text of strptime's directives. Received: {text!r}.")
    pattern, example, fields = "", "", []
    for token in re.findall(r"%.?|\s+|[^%\s]+", text, re.DOTALL):
        directive = token[1:] if token[0] == "%" else None
        if directive is None:
            pattern += r"[ \t\n\r\f\v]+" if token.isspace() else re.escape(token)
            example += token
        elif directive == "%":
            pattern, example = pattern + "%", example + "%"
        elif directive in _IGNORED:
            pattern, example = pattern + _IGNORED[directive], example + {"a": "Tue", "A": "Tuesday"}[directive]
        elif directive in _DIRECTIVES:
            fields.append(directive)
            pattern += f"({_DIRECTIVES[directive][0]})"
            example += _DIRECTIVES[directive][1]
        else:
            raise InvalidArgument(
                f"A format is made of {' '.join('%' + d for d in (*_DIRECTIVES, *_IGNORED))} and %%. "
                f"Received: {token!r} in {text!r}."
            )
    of = [_SAME.get(field, field) for field in fields]
    if "year" not in of or len(set(of)) < len(of) or ("j" in fields and {"month", "d"} & set(of)):
        raise InvalidArgument(
            f"A format says the year once, and nothing twice (%j says month and day). Received: {text!r}."
        )
    return Format(pattern, pattern, tuple(fields), example)


def _iso() -> Format:
    offset, fraction = f"(?: ?(?:{_OFFSET}))?", "(?:[.,][0-9]+)?"
    clock = f"{_D2}(?::{_D2}(?::{_D2}{fraction})?)?"
    basic = f"{_D2}(?:{_D2}(?:{_D2}{fraction})?)?"
    valid = f"[0-9]{{4}}-{_D2}-{_D2}(?:[Tt ]{clock}{offset})?|[0-9]{{8}}(?:[Tt ]{basic}{offset})?"
    # four groups, since RE2 is several times faster with at most so many
    extract = f"([0-9]{{4}}-?{_D2}-?{_D2})(?:[Tt ]([0-9:]{{2,8}})(?:[.,]([0-9]+))?(?: ?({_OFFSET}))?)?"
    return Format(valid, extract, ("date", "clock", "f", "z"), "2000-02-29T23:59:58.123456Z")


_ISO: Final = _iso()


def parse(text: Any, form: Format) -> tuple[Any, Any, Any]:
    """Texts by one format.

    Args:
        text: string of shape (batch,).
        form: The format.

    Returns:
        Microseconds of wall-clock time (batch,) int64; those to subtract for the offset that the text says, int64; and
        two columns of booleans (batch, 2): whether the text is a valid time of the format, and whether it says an
        offset.
    """
    if form is not _ISO:
        return _parse_any(text, form)
    usual, found = parse_usual(text)

    def all_forms() -> tuple[Any, ...]:
        rest = tf.where(~usual)
        others = _parse_any(tf.gather_nd(text, rest), form)
        return tuple(tf.tensor_scatter_nd_update(*parts) for parts in zip(found, (rest,) * 3, others, strict=True))

    # usually there is no row left, and RE2 is many times slower
    micros, offset, flags = tf.cond(tf.reduce_all(usual), lambda: found, all_forms)
    return micros, offset, flags


def _parse_any(text: Any, form: Format) -> tuple[Any, Any, Any]:
    matches = tf.strings.regex_full_match(text, f"(?:{form.valid})")
    rewritten = tf.strings.regex_replace(
        text, f"^(?:{form.extract})$", "|".join(f"\\{i + 1}" for i in range(len(form.fields))), replace_global=False
    )
    rewritten = tf.where(matches, rewritten, "|" * (len(form.fields) - 1))
    if len(form.fields) == 1:
        columns = [rewritten]
    else:
        columns = tf.unstack(tf.reshape(tf.strings.split(rewritten, "|").values, (-1, len(form.fields))), axis=1)
    fields = dict(zip(form.fields, columns, strict=True))
    zero, one = (tf.fill(tf.shape(text), tf.constant(value, tf.int64)) for value in (0, 1))

    def number(field: str, otherwise: Any = zero) -> Any:
        return _number(fields[field]) if field in fields else otherwise

    if "date" in fields:
        date = _number(tf.strings.regex_replace(fields["date"], "-", ""))
        clock = tf.strings.join([tf.strings.regex_replace(fields["clock"], ":", ""), "000000"])
        clock = _number(tf.strings.substr(clock, 0, 6))
        (year, month, day), (hour, minute, second) = ((n // 10_000, n // 100 % 100, n % 100) for n in (date, clock))
    else:
        year = number("Y") if "Y" in fields else _century(number("y"))
        month = _month(fields["b" if "b" in fields else "B"]) if {"b", "B"} & set(fields) else number("m", one)
        day = number("d", one)
        hour = number("H") if "H" in fields else _half(number("I"), fields.get("p"))
        minute, second = number("M"), number("S")
    sane = (year >= 1) & (month >= 1) & (month <= 12) & (hour <= 23) & (minute <= 59) & (second <= 59)
    month = tf.clip_by_value(month, 1, 12)
    sane &= (day >= 1) & (day <= days_in_month(year, month))
    if "j" in fields:
        day = number("j")
        sane &= (day >= 1) & (day <= days_from_civil(year + 1, 1, 1) - days_from_civil(year, 1, 1))
    micros = days_from_civil(year, month, day) * DAY
    micros += hour * UNITS["hour"] + minute * UNITS["minute"] + second * UNITS["s"]
    if "f" in fields:
        micros += _number(tf.strings.substr(tf.strings.join([fields["f"], "000000"]), 0, 6))
    offset, says = zero, tf.zeros_like(matches)
    if "z" in fields:
        digits = tf.strings.regex_replace(fields["z"], "[^0-9]", "")
        clock = _number(tf.strings.substr(tf.strings.join([digits, "0000"]), 0, 4))
        sane &= (clock < 2400) & (clock % 100 < 60)
        behind = tf.strings.regex_full_match(fields["z"], "-.*")
        offset = (clock // 100 * UNITS["hour"] + clock % 100 * UNITS["minute"]) * tf.where(behind, -one, one)
        says = fields["z"] != ""
    return micros, offset, tf.stack([matches & sane, says], axis=-1)


def _number(digits: Any) -> Any:
    return tf.strings.to_number(tf.where(digits == "", "0", digits), tf.int64)


def _century(year: Any) -> Any:
    """Two digits as POSIX reads them: 69 to 99 are 1969 to 1999, 0 to 68 are 2000 to 2068."""
    return year + tf.where(year >= 69, tf.constant(1900, tf.int64), tf.constant(2000, tf.int64))


def _half(hour: Any, half: Any) -> Any:
    """An hour of 12 as one of 24."""
    if half is None:
        return hour % 12
    return hour % 12 + 12 * tf.cast(tf.strings.lower(half) == "pm", tf.int64)


def _month(name: Any) -> Any:
    first = tf.strings.lower(tf.strings.substr(tf.strings.join([name, "jan"]), 0, 3))
    return 1 + tf.argmax(tf.equal(first[:, tf.newaxis], tf.constant(_MONTHS)), axis=-1)
