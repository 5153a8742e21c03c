"""What there is to point out of one column: from its profile to findings. Relations of columns are not looked at."""

from collections.abc import Iterator
from typing import Final

from blocks.inspection.finding import Finding
from blocks.inspection.profile.column_profile import ColumnProfile, NumbersProfile
from blocks.pages.content import format_value
from blocks.statistics.text_forms import BOOLEANS, DATES, NO_VALUE, NUMBERS

MOSTLY_MISSING: Final = 0.5
NEARLY_ALL: Final = 0.99
MOSTLY: Final = 0.95
"""Share of texts of one form from which the others are strangers among them."""

SOME: Final = 0.05
MANY_VALUES: Final = 1000
LEAST_ROWS: Final = 20
"""Rows below which it is no wonder that all values differ."""

LONGEST_ID: Final = 64
SURELY: Final = 10.0
"""Minus the logarithm of a probability that is none."""

SKEWED: Final = 3.0
OUTLYING: Final = 0.02
RARE_CLASS: Final = 50
MOST_CLASSES: Final = 100
EXACT_INTEGERS: Final = 2.0**53
PLACEHOLDERS: Final = frozenset(
    float(sign + digits) for digits in ("9", "99", "999", "9999", "99999", "999999", "9999999") for sign in ("", "-")
) | {-1.0}
PLACEHOLDER_DATES: Final = ("1970-01-01", "1900-01-01", "1899-12-30", "1601-01-01", "0001-01-01", "9999-12-31")


def column_findings(column: ColumnProfile, min_count: int) -> Iterator[Finding]:
    """What there is to point out of a column.

    Args:
        column: Its profile.
        min_count: Rows from which a form counts as one of several.
    """
    yield from _values_there(column)
    if not column.present:
        return
    yield from _different_values(column)
    if column.texts is not None and column.kind == "text":
        yield from _texts(column, min_count)
    if column.numbers is not None:
        yield from _numbers(column, column.numbers)
    if column.times is not None:
        yield from _times(column)
    if column.role == "target":
        yield from _classes(column)


def share(part: float, of: float) -> str:
    """A share in per cent, never rounded to none or all.

    Example:
        >>> share(1, 3), share(1, 100_000), share(99_999, 100_000), share(3, 3)
        ('33.3%', 'under 0.1%', 'over 99.9%', '100%')
    """
    found = part / of if of else 0.0
    if 0 < found < 0.0005:
        return "under 0.1%"
    if 0.9995 <= found < 1:
        return "over 99.9%"
    return f"{found:.0%}" if found in (0, 1) else f"{found:.1%}"


def found(severity: str, kind: str, column: ColumnProfile, sentence: str, advice: str) -> Finding:
    """A finding of one column."""
    return Finding(severity, kind, (column.name,), sentence, advice)


def _values_there(column: ColumnProfile) -> Iterator[Finding]:
    name, missing, rows = column.name, column.missing, column.rows
    if column.role == "target" and missing:
        yield found(
            "error", "missing target", column,
            f"{missing:,} of {rows:,} rows have no {name!r}, which is to be predicted.",
            f"Drop them: blocks.clean(rows, rules={{'no target': pc.field({name!r}).is_null()}}).",
        )  # fmt: skip
    elif rows and missing == rows:
        yield found(
            "warning", "empty column", column, f"{name!r} has no value in any row.", "Leave it out, or mend its source."
        )
    elif rows and missing / rows >= MOSTLY_MISSING:
        yield found(
            "warning", "mostly missing", column,
            f"{share(missing, rows)} of the rows have no {name!r}.",
            "Ask whether its absence means something (add_indicator=True); else leave it out.",
        )  # fmt: skip


def _different_values(column: ColumnProfile) -> Iterator[Finding]:
    name, distinct, present = column.name, column.distinct, column.present
    if distinct is None or column.is_list:
        return
    if distinct == 1 and column.distinct_exact:
        severity = "error" if column.role == "target" else "note" if column.missing else "warning"
        kind = "one value or none" if column.missing else "constant column"
        there = "where it has one" if column.missing else "in all rows"
        yield found(
            severity, kind, column, f"{name!r} has one and the same value {there}.",
            "Nothing can be learned of it." if column.role == "target"
            else "Whether it is there is all that it tells: make it a yes or no." if column.missing
            else "It tells nothing: leave it out.",
        )  # fmt: skip
        return
    most = column.values[0][1] if column.values and column.values_from != "sample" else 0
    if most / present >= NEARLY_ALL and column.role != "target":
        yield found(
            "note", "nearly constant", column,
            f"{name!r} has one and the same value in {share(most, present)} of its rows.",
            "Leave it out, unless the others are what matters.",
        )  # fmt: skip
    if column.role in ("key", "time") or present < LEAST_ROWS:
        return
    if _id_like(column, distinct):
        about = "" if column.distinct_exact else "about "
        all_differ = column.distinct_exact and distinct == present
        said = (
            "Every value"
            if all_differ
            else f"{about}{share(min(distinct, present), present)} of the values".capitalize()
        )
        yield found(
            "warning", "id-like column", column,
            f"{said} of {name!r} stand{'s' if all_differ else ''} in one row alone: it names rows.",
            f"It tells nothing of new rows: leave it out (exclude=[{name!r}]), or give it as key={name!r}.",
        )  # fmt: skip
    elif column.kind == "text" and column.role != "target" and distinct > MANY_VALUES and not _prose(column):
        yield found(
            "note", "many different values", column,
            f"{name!r} has {'' if column.distinct_exact else 'about '}{distinct:,} different texts in {present:,} "
            "rows.",
            "Keep the frequent ones (Vocabulary(min_count=...)), or use Hashing or TargetEncode.",
        )  # fmt: skip


def _prose(column: ColumnProfile) -> bool:
    return column.texts is not None and column.texts.mean_length > LONGEST_ID


def _id_like(column: ColumnProfile, distinct: int) -> bool:
    # three standard errors of an estimate
    least = NEARLY_ALL if column.distinct_exact else NEARLY_ALL - 0.04
    if column.role == "target" or distinct < least * column.present:
        return False
    if column.kind == "text":
        return not _prose(column)
    if column.kind != "integer" or column.numbers is None:
        return False
    quantiles = column.numbers.quantiles
    if "0.25" not in quantiles or "0.75" not in quantiles:
        return False
    # that so many numbers of such a range all differ by chance alone has a probability of exp(-n^2 / 2 range)
    spread = 2 * (quantiles["0.75"] - quantiles["0.25"])
    return column.present**2 >= 2 * spread * SURELY


def _texts(column: ColumnProfile, min_count: int) -> Iterator[Finding]:
    name, texts = column.name, column.texts
    assert texts is not None
    forms, count = texts.forms, texts.count
    nothing = forms.get(NO_VALUE, 0)
    for what, among, advice in (
        ("numbers", NUMBERS, f"read(..., column_types={{{name!r}: pa.float64()}}), or preprocessors.Number()"),
        ("dates", DATES, "preprocessors.Timestamp(formats)"),
    ):
        of = {form: forms[form] for form in among if form in forms}
        rows = sum(of.values())
        if not rows or (rows < SOME * count and what == "numbers") or rows < min_count:
            continue
        others = count - rows
        if not others:
            yield found(
                "warning", f"{what} stored as text", column, f"All texts of {name!r} are {what}.",
                f"If they are meant as {what} and not as names: {advice}.",
            )  # fmt: skip
        else:
            words = f", of which {nothing:,} are words for no value" if nothing else ""
            yield found(
                "warning", "type drift", column,
                f"{share(rows, count)} of the texts of {name!r} are {what}, and {others:,} rows hold something else"
                f"{words}.",
                f"Look at the others, and name those that mean no value (null_values=[...]); then {advice}.",
            )  # fmt: skip
        several = [form for form, rows in of.items() if rows >= min_count and form not in NUMBERS[:2]]
        plain = sum(of.get(form, 0) for form in NUMBERS[:2])
        if what == "numbers" and several and plain >= min_count:
            several.insert(0, "plain numbers")
        if len(several) > 1:
            said = ", ".join(f"{form} ({of.get(form, plain):,} rows)" for form in several)
            yield found(
                "warning", f"several forms of {what}", column, f"{name!r} writes {what} in several ways: {said}.",
                "Bring them into one form before they are read: the same text may mean two things."
            )  # fmt: skip
    of = {form: forms[form] for form in (*BOOLEANS, NUMBERS[0]) if forms.get(form, 0) >= min_count}
    if of.keys() & BOOLEANS.keys() and len(of) > 1 and sum(of.values()) + nothing >= MOSTLY * count:
        said = ", ".join(f"{form} ({rows:,} rows)" for form, rows in of.items())
        yield found(
            "warning", "several forms of yes and no", column, f"{name!r} says yes and no in several ways: {said}.",
            "preprocessors.Boolean() reads all of them; as texts one answer would be several.",
        )  # fmt: skip
    if nothing and not any(forms.get(form) for form in (*NUMBERS, *DATES)):
        yield found(
            "note", "words for no value", column,
            f"{nothing:,} rows of {name!r} hold a word for no value, such as 'NA', '?', '-', or white space alone.",
            "If they mean that there is none, say so: read(..., null_values=[...]).",
        )  # fmt: skip
    if texts.padded >= min_count:
        yield found(
            "note", "white space around texts", column,
            f"{texts.padded:,} rows of {name!r} begin or end with white space.",
            "Take it off (preprocessors.Normalize()), or one value becomes two.",
        )  # fmt: skip
    if texts.variants:
        shown = ", ".join(map(repr, texts.variants[0][:3]))
        yield found(
            "warning", "spelling variants", column,
            f"{texts.variant_rows:,} rows of {name!r} hold texts that differ in case, accents or spaces alone, such as "
            f"{shown}.",
            "Make one of them: preprocessors.Normalize() before Vocabulary().",
        )  # fmt: skip


def _numbers(column: ColumnProfile, numbers: NumbersProfile) -> Iterator[Finding]:
    name = column.name
    if infinite := numbers.negative_infinite + numbers.positive_infinite:
        yield found(
            "warning", "infinite values", column, f"{name!r} is infinite in {infinite:,} rows.",
            "Most often a division by zero: clip it (preprocessors.Clip), or make it missing at its source.",
        )  # fmt: skip
    if column.kind == "integer" and max(map(abs, numbers.quantiles.values()), default=0) >= EXACT_INTEGERS:
        yield found(
            "warning", "integers beyond 2^53", column,
            f"Numbers of {name!r} are larger than 2^53, where float64 tells neighbours apart no more.",
            "If they name something, use Vocabulary or Hashing, which keep every digit.",
        )  # fmt: skip
    if (placeholder := _placeholder(column, numbers)) is not None:
        value, rows = placeholder
        yield found(
            "warning", "placeholder number", column,
            f"{format_value(value)} stands in {rows:,} rows of {name!r}, far from all its other numbers.",
            "If it means that there is no number, make it missing: read(..., null_values=[...]).",
        )  # fmt: skip
    many = column.distinct is not None and column.distinct > LEAST_ROWS and not column.is_list
    if not many or column.role in ("key", "time") or numbers.count < LEAST_ROWS:
        return
    if _id_like(column, column.distinct or 0):
        return
    zeros = numbers.zeros or 0
    if 0.5 <= zeros / numbers.count < NEARLY_ALL:
        yield found(
            "note", "mostly zero", column, f"{share(zeros, numbers.count)} of the numbers of {name!r} are 0.",
            "Whether it is 0 may tell more than how much it is: Bucketize, or a second column.",
        )  # fmt: skip
    outlying = sum(numbers.outliers)
    if numbers.skewness is not None and abs(numbers.skewness) >= SKEWED:
        yield found(
            "note", "skewed numbers", column,
            f"{name!r} is skewed ({format_value(numbers.skewness)}); {share(outlying, numbers.count)} of its numbers "
            "lie beyond Tukey's fences.",
            "Use Log1p, PowerTransform or QuantileTransform before a network.",
        )  # fmt: skip
    elif outlying / numbers.count >= OUTLYING:
        yield found(
            "note", "outliers", column,
            f"{share(outlying, numbers.count)} of the numbers of {name!r} lie beyond Tukey's fences.",
            "If they are errors, drop or Clip them; else use RobustScale or QuantileTransform.",
        )  # fmt: skip


def _placeholder(column: ColumnProfile, numbers: NumbersProfile) -> tuple[float, int] | None:
    """A number such as -999 that many rows have, and that stands far from all others."""
    spread = numbers.fences
    if spread is None or column.distinct is None or column.distinct < 4:
        return None
    for value, rows in column.values:
        if isinstance(value, bool) or not isinstance(value, int | float) or float(value) not in PLACEHOLDERS:
            continue
        # one of nines has nothing to do with the others; -1 is the only one below zero
        lone = numbers.negative == rows if value == -1 else not spread[0] <= value <= spread[1]
        if lone and abs(value) != 9 and rows < numbers.count / 2:
            return float(value), rows
    return None


def _times(column: ColumnProfile) -> Iterator[Finding]:
    name, times = column.name, column.times
    assert times is not None
    held = [(value, rows) for value, rows in column.values if str(value)[:10] in PLACEHOLDER_DATES]
    if held:
        yield found(
            "warning", "placeholder date", column,
            f"{held[0][0]} stands in {held[0][1]:,} rows of {name!r}, what programs write for none.",
            "If it means that there is no date, make it missing.",
        )  # fmt: skip
    if times.first is not None and times.last is not None and (times.first[:4] < "1900" or times.last[:4] > "2100"):
        yield found(
            "warning", "dates out of range", column, f"{name!r} goes from {times.first[:10]} to {times.last[:10]}.",
            "Look at the ends: a wrong unit or a wrong century is likely.",
        )  # fmt: skip
    if times.step is not None and times.gaps:
        between = f", from {times.gap_from} to {times.gap_to}" if times.gap_from else ""
        yield found(
            "note", "gaps in time", column,
            f"{name!r} goes by steps of {duration(times.step)} with {times.gaps:,} gaps, in which {times.absent:,} "
            f"steps have no row; the longest is of {duration(times.longest_gap or 0)}{between}.",
            "Windows over time must know of them: blocks.windows(..., every=..., gaps='drop' or 'missing').",
        )  # fmt: skip
    elif times.longest_gap is not None and times.longest_gap >= 0.2 * times.days * 86_400 and times.count >= 100:
        yield found(
            "note", "gaps in time", column,
            f"{name!r} has no row for {duration(times.longest_gap)} of its {duration(times.days * 86_400)}.",
            "Ask whether rows are lost, and whether what is before it is still like what comes after.",
        )  # fmt: skip


def duration(seconds: float) -> str:
    """A duration in the largest unit that it fills.

    Example:
        >>> duration(5400), duration(86400), duration(0.25)
        ('1.5 hours', '1 day', '0.25 seconds')
    """
    for unit, size in (("day", 86_400), ("hour", 3600), ("minute", 60), ("second", 1)):
        if seconds >= size or size == 1:
            amount = format_value(seconds / size)
            return f"{amount} {unit}{'' if amount == '1' else 's'}"
    raise AssertionError


def _classes(column: ColumnProfile) -> Iterator[Finding]:
    """What is to be said of a target of classes."""
    name, distinct, present = column.name, column.distinct, column.present
    classes = column.kind in ("text", "boolean") or (column.kind == "integer" and (distinct or 0) <= LEAST_ROWS)
    if not classes or distinct is None or distinct < 2:
        return
    if distinct > MOST_CLASSES and distinct > 0.5 * present:
        yield found(
            "error", "as many classes as rows", column,
            f"{name!r} has {distinct:,} different values in {present:,} rows, most of them in one row alone.",
            "Nothing can be learned of a class with one row. Check that it is the target.",
        )  # fmt: skip
        return
    listed = [rows for _, rows in column.values]
    unnamed = distinct - len(listed)
    rare = unnamed > 0 and (present - sum(listed)) / unnamed < RARE_CLASS
    if rare or min(listed, default=0) < RARE_CLASS:
        yield found(
            "warning", "rare classes", column,
            f"Of the {distinct:,} classes of {name!r} some have fewer than {RARE_CLASS} rows.",
            "Join them, or split with stratify=, or every part may lack them.",
        )  # fmt: skip
    top = column.values[0][1] / present if column.values else 0.0
    if top >= 0.9:
        yield found(
            "note", "unbalanced target", column,
            f"{share(column.values[0][1], present)} of the rows are of one class of {name!r}.",
            "Accuracy says little here: look at log loss and the area under the precision-recall curve.",
        )  # fmt: skip
