"""What a profile says of one column: plain frozen values by the names of the JSON. Nothing is counted here."""

import dataclasses
from collections.abc import Mapping
from typing import Any


@dataclasses.dataclass(frozen=True)
class NumbersProfile:
    """Of a column's finite numbers; of times of day and durations, in seconds.

    Attributes:
        count: How many there are.
        mean: Their mean.
        std: Standard deviation of the population, as `numpy.std`.
        min: The least; None where ends are not told.
        max: The largest.
        quantiles: By fraction ("0.25"), as `numpy.quantile`; fewer where ends are not told.
        exact: Whether quantiles and outliers are exact; else within a share of rows of `error`.
        error: Rank error of the quantiles (99% confidence).
        skewness: As `scipy.stats.skew`; None where all are equal.
        kurtosis: As `scipy.stats.kurtosis`: 0 for the normal distribution.
        zeros: How many are 0.
        negative: How many are below 0.
        negative_infinite: Rows with -inf, which are no finite numbers.
        positive_infinite: Rows with inf.
        fences: Tukey's: quartiles, 1.5 times their distance beyond.
        outliers: How many lie below the first fence, and above the second.
    """

    count: int
    mean: float | None
    std: float | None
    min: float | None
    max: float | None
    quantiles: dict[str, float]
    exact: bool
    error: float
    skewness: float | None
    kurtosis: float | None
    zeros: int | None
    negative: int | None
    negative_infinite: int
    positive_infinite: int
    fences: tuple[float, float] | None
    outliers: tuple[int, int]


@dataclasses.dataclass(frozen=True)
class TimesProfile:
    """Of a column's dates or timestamps; those with a zone in UTC.

    Attributes:
        count: How many there are.
        first: The earliest, ISO 8601; None where ends are not told.
        last: The latest.
        median: The one in the middle.
        days: From the first to the last.
        exact: Whether steps and gaps are of all times; else of 65,536 different ones, drawn by a hash, and `step` is
            None.
        step: Seconds between one time and the next, where half of the differences at least are the same; else None.
        gaps: How often a time is followed by one more than one and a half steps later; None without a step.
        absent: How many steps there are no rows at, between the first and the last; None without a step.
        longest_gap: Seconds between the two neighbours that are farthest apart; None with fewer than two times.
        gap_from: The time before that gap; None where ends are not told.
        gap_to: The time after it.
    """

    count: int
    first: str | None
    last: str | None
    median: str | None
    days: float
    exact: bool
    step: float | None
    gaps: int | None
    absent: int | None
    longest_gap: float | None
    gap_from: str | None
    gap_to: str | None


@dataclasses.dataclass(frozen=True)
class TextsProfile:
    """Of a column's texts, empty ones apart; of bytes, their lengths alone.

    Attributes:
        count: How many there are.
        min_length: Characters of the shortest; of bytes, bytes.
        mean_length: On average.
        median_length: Of the one in the middle.
        max_length: Of the longest.
        forms: Rows by what they look like: "whole number", "date as YYYY-MM-DD", "word for no value", "text", ...
        padded: Rows that begin or end with white space.
        variants: Texts that differ in case, accents or spaces alone, a list for each of them, of those that enough rows
            hold; the most rows first.
        variant_rows: Rows with one of them.
    """

    count: int
    min_length: int
    mean_length: float
    median_length: float
    max_length: int
    forms: dict[str, int]
    padded: int
    variants: tuple[tuple[str, ...], ...]
    variant_rows: int


@dataclasses.dataclass(frozen=True)
class LengthsProfile:
    """How many values the rows of a column of lists hold.

    Attributes:
        min: The fewest.
        mean: On average.
        median: Of the one in the middle.
        max: The most.
    """

    min: int
    mean: float
    median: float
    max: int


@dataclasses.dataclass(frozen=True)
class PartProfile:
    """Of a column in one split.

    Attributes:
        rows: The split's.
        missing: Of these, without a value.
        mean: Of the finite numbers; None for other columns.
        median: Of the numbers.
    """

    rows: int
    missing: int
    mean: float | None
    median: float | None


@dataclasses.dataclass(frozen=True)
class ColumnProfile:
    """What there is to know of one column.

    Attributes:
        name: Its name.
        kind: What its values are, in the words of `Schema`: "text", "integer", "number", "boolean", "date", ...
        type: Its Arrow type.
        is_list: Whether a row holds any number of values; numbers, texts and values are then of all that are inside.
        role: "target", "key", "time", or "" for none of these.
        rows: Rows of the splits that have the column.
        missing: Rows with null, NaN or empty text.
        distinct: How many different values there are, or about; None where that is not looked at.
        distinct_exact: Whether it is the very number; else within 1.6% (one standard error).
        numbers: Of numbers, times of day and durations.
        times: Of dates and timestamps.
        texts: Of texts and bytes.
        lengths: Of lists.
        values: The most frequent values and their rows; those of fewer rows than `min_count` are left out, and those of
            lists, of which one row may hold one many times.
        values_from: "all" where the counts are exact, "bounded" where each may be too small by a little, as memory was
            short, "sample" where they are scaled up from the sampled rows, "" where there are none.
        distribution: `edges` and `rows` between them, `beside` with a frequent number and its rows that are not among
            them; or `values`, names and rows; or None.
        parts: By split, where there are several.
    """

    name: str
    kind: str
    type: str
    is_list: bool
    role: str
    rows: int
    missing: int
    distinct: int | None
    distinct_exact: bool
    numbers: NumbersProfile | None = None
    times: TimesProfile | None = None
    texts: TextsProfile | None = None
    lengths: LengthsProfile | None = None
    values: tuple[tuple[Any, int], ...] = ()
    values_from: str = ""
    distribution: dict[str, Any] | None = None
    parts: dict[str, PartProfile] = dataclasses.field(default_factory=dict)

    @property
    def present(self) -> int:
        """Rows with a value."""
        return self.rows - self.missing

    @property
    def missing_share(self) -> float:
        """Share of rows without a value; nan without rows."""
        return self.missing / self.rows if self.rows else float("nan")

    @property
    def holds(self) -> str:
        """Its kind, in words."""
        return f"lists of {self.kind}" if self.is_list else self.kind

    @classmethod
    def of_dict(cls, found: Mapping[str, Any]) -> "ColumnProfile":
        """The column that a dict of JSON's values says.

        Raises:
            TypeError, KeyError, AttributeError: It says none.
        """
        made = dict(found)
        for name, kind in _INNER.items():
            made[name] = None if found[name] is None else kind(**found[name])
        if made["numbers"] is not None:
            numbers = made["numbers"]
            fences = None if numbers.fences is None else tuple(numbers.fences)
            made["numbers"] = dataclasses.replace(numbers, fences=fences, outliers=tuple(numbers.outliers))
        if made["texts"] is not None:
            variants = tuple(map(tuple, made["texts"].variants))
            made["texts"] = dataclasses.replace(made["texts"], variants=variants)
        made["values"] = tuple((value, rows) for value, rows in found["values"])
        made["parts"] = {name: PartProfile(**part) for name, part in found["parts"].items()}
        return cls(**made)


_INNER: dict[str, Any] = {
    "numbers": NumbersProfile,
    "times": TimesProfile,
    "texts": TextsProfile,
    "lengths": LengthsProfile,
}
