"""From the statistics of a column to its profile: which statistics those are, and what they come to."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from blocks.inspection.column_kinds import Holds
from blocks.inspection.column_statistics import LENGTHS, ROWS
from blocks.inspection.profile.column_profile import (
    ColumnProfile,
    LengthsProfile,
    NumbersProfile,
    PartProfile,
    TextsProfile,
)
from blocks.inspection.profile.time_summary import instant, times_profile
from blocks.inspection.profile.value_distribution import beyond, of_numbers
from blocks.statistics import (
    Counts,
    CountsResult,
    Distinct,
    DistinctValues,
    FewCounts,
    Missing,
    Moments,
    NumberShape,
    QuantilesResult,
    SampledQuantiles,
    Statistic,
    TextForms,
)
from blocks.statistics.canonical_types import microseconds
from blocks.statistics.spelling import folded

NUMBERS = ("integer", "number")
CLOCKS = ("time of day", "duration")
TIMES = ("date", "timestamp", "timestamp with zone")

FRACTIONS = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
MOST_VALUES = 10
MOST_LISTED = 8
MOST_VARIANTS = 5
# the most frequent texts, among which those that differ in case alone are looked for
_LOOKED_AT = 20_000
_TOKENS = 1 << 24
# integers that float64 tells apart
_EXACT = 2.0**53
_SECOND = 1e6


def profile_statistics(holds: Holds) -> dict[str, Statistic]:
    """Fresh statistics of what a profile says of a column."""
    wanted: dict[str, Statistic] = {ROWS: Missing()}
    if holds.is_list:
        wanted |= {LENGTHS: Moments(), "lengths quantiles": SampledQuantiles()}
    if holds.kind in NUMBERS + CLOCKS:
        wanted |= {"moments": Moments(), "shape": NumberShape(), "quantiles": SampledQuantiles(), "few": FewCounts()}
        # the hash of numbers is of float64; integers that it does not hold are told apart by their text
        wanted["distinct"] = Distinct() if holds.kind == "integer" else DistinctValues(4096)
    if holds.kind in TIMES:
        wanted |= {"quantiles": SampledQuantiles(), "few": FewCounts(), "distinct": DistinctValues()}
    if holds.kind == "boolean":
        wanted["few"] = FewCounts()
    if holds.kind == "text":
        wanted |= {"tokens": Counts(_TOKENS), "distinct": Distinct(), "forms": TextForms()}
    if holds.kind == "bytes":
        wanted |= {"distinct": Distinct(), "forms": TextForms()}
    return wanted


@dataclasses.dataclass(frozen=True)
class Disclosure:
    """What may be told of single rows.

    Args:
        min_count: Rows that a value must have to be named.
        extremes: Whether the least and the largest numbers and dates may be told.
    """

    min_count: int = 5
    extremes: bool = True


def column_profile(
    field: pa.Field,
    holds: Holds,
    statistics: Mapping[str, Statistic],
    *,
    disclosure: Disclosure,
    sample: pa.ChunkedArray | None = None,
    parts: Mapping[str, Mapping[str, Statistic]] | None = None,
    role: str = "",
) -> ColumnProfile:
    """The profile of a column.

    Args:
        field: Its name and type.
        holds: What its values are.
        statistics: Of `profile_statistics`, updated.
        disclosure: What may be told of single rows.
        sample: Its values in rows drawn at random, for the frequent ones where there are too many to count.
        parts: The statistics by split.
        role: What it is to the caller.
    """
    found: dict[str, Any] = {name: one.result() for name, one in statistics.items()}
    rows = found[ROWS]
    values, source = _values(holds.kind, found, sample, rows.rows - rows.missing, disclosure.min_count)
    distinct, exact = _distinct(holds.kind, found)
    if holds.is_list:
        # how many rows hold a value is not known: one row may hold it many times
        values = []
        found.pop("tokens", None)
    distribution = _distribution(holds.kind, found, values, distinct, disclosure)
    if holds.is_list and distribution is not None and ("values" in distribution or "beside" in distribution):
        distribution = None
    made = ColumnProfile(
        name=field.name,
        kind=holds.kind,
        type=str(field.type),
        is_list=holds.is_list,
        role=role,
        rows=rows.rows,
        missing=rows.missing,
        distinct=distinct,
        distinct_exact=exact,
        values=tuple(values[:MOST_VALUES]),
        values_from=source if values else "",
        distribution=distribution,
        parts={} if parts is None else {name: _part(one) for name, one in parts.items()},
    )
    if holds.kind in NUMBERS + CLOCKS:
        unit = _SECOND if holds.kind in CLOCKS else 1.0
        made = dataclasses.replace(made, numbers=_numbers(found, disclosure, unit))
    if holds.kind in TIMES:
        made = dataclasses.replace(made, times=times_profile(found, holds.kind == "date", disclosure.extremes))
    if "forms" in found:
        made = dataclasses.replace(made, texts=_texts(found, disclosure.min_count))
    if (lengths := found.get(LENGTHS)) is not None and lengths.count:
        median = float(found["lengths quantiles"].quantile(0.5))
        found_lengths = LengthsProfile(int(lengths.min), lengths.mean, median, int(lengths.max))
        made = dataclasses.replace(made, lengths=found_lengths)
    return made


def _numbers(found: Mapping[str, Any], disclosure: Disclosure, unit: float) -> NumbersProfile:
    moments, of, shape = found["moments"], found["quantiles"], found["shape"]
    count = of.count
    # as many rows on both sides as a value must have to be named
    fractions = [q for q in FRACTIONS if disclosure.extremes or min(q, 1 - q) * count >= disclosure.min_count]
    quantiles = {f"{q:g}": value / unit for q, value in zip(fractions, of.quantile(fractions).tolist(), strict=True)}
    fences, outliers = None, (0, 0)
    if count:
        low, high = of.quantile([0.25, 0.75]).tolist()
        # halves, whose difference cannot overflow
        reach = 3 * (high / 2 - low / 2)
        if math.isfinite(low - reach) and math.isfinite(high + reach):
            fences = ((low - reach) / unit, (high + reach) / unit)
            outliers = beyond(of, low - reach, high + reach)
    return NumbersProfile(
        count=count,
        mean=_finite(moments.mean, unit),
        std=_finite(moments.std, unit),
        min=_finite(moments.min, unit) if disclosure.extremes else None,
        max=_finite(moments.max, unit) if disclosure.extremes else None,
        quantiles=quantiles if count else {},
        exact=of.exact,
        error=of.error,
        skewness=_finite(shape.skewness),
        kurtosis=_finite(shape.kurtosis),
        zeros=shape.zeros,
        negative=shape.negative,
        negative_infinite=moments.negative_infinite,
        positive_infinite=moments.positive_infinite,
        fences=fences,
        outliers=outliers,
    )


def _finite(value: float, unit: float = 1.0) -> float | None:
    return float(value) / unit if math.isfinite(value) else None


def _texts(found: Mapping[str, Any], min_count: int) -> TextsProfile:
    forms = found["forms"]
    variants, rows = _variants(found["tokens"], min_count) if "tokens" in found else ((), 0)
    return TextsProfile(
        forms.count, forms.min, forms.mean if forms.count else 0.0, forms.quantile(0.5) if forms.count else 0.0,
        forms.max, forms.forms, forms.padded, variants, rows,
    )  # fmt: skip


def _variants(tokens: CountsResult, min_count: int) -> tuple[tuple[tuple[str, ...], ...], int]:
    """Texts that differ in case, accents or spaces alone, of which two at least have enough rows; and their rows."""
    often = int(np.searchsorted(-tokens.counts, -min_count, side="right"))
    often = min(often, _LOOKED_AT)
    if often < 2:
        return (), 0
    values = tokens.values[:often]
    codes = folded(values).dictionary_encode()
    places = codes.indices.to_numpy()
    alike = np.flatnonzero(np.bincount(places, minlength=len(codes.dictionary)) > 1)
    rows = np.bincount(places, tokens.counts[:often], minlength=len(codes.dictionary))[alike]
    order = alike[np.argsort(-rows, kind="stable")]
    named = [values.filter(pa.array(places == at)).to_pylist() for at in order[:MOST_VARIANTS]]
    return tuple(map(tuple, named)), int(rows.sum())


def _distinct(kind: str, found: Mapping[str, Any]) -> tuple[int | None, bool]:
    """How many different values there are, and whether that is the very number."""
    if (few := found.get("few")) is not None and few.counts is not None:
        return few.counts.distinct, True
    of = found.get("quantiles")
    if kind in NUMBERS + CLOCKS and of is not None and of.exact and (kind != "integer" or _held(of)):
        return len(of.numbers(2)), True
    if (tokens := found.get("tokens")) is not None and tokens.exact:
        return tokens.distinct, True
    if (distinct := found.get("distinct")) is None:
        return None, False
    return round(distinct.estimate), distinct.exact


def _values(
    kind: str, found: Mapping[str, Any], sample: pa.ChunkedArray | None, present: int, min_count: int
) -> tuple[list[tuple[Any, int]], str]:
    """The most frequent values that enough rows have, and where their counts are from."""
    few = found.get("few")
    counts = found.get("tokens") if few is None else few.counts
    if counts is not None:
        rows = counts.counts[: MOST_VALUES * 2]
        listed = zip(_plain(kind, counts.values[: len(rows)]), rows.tolist(), strict=True)
        return [pair for pair in listed if pair[1] >= min_count], "all" if counts.exact else "bounded"
    if kind not in NUMBERS + CLOCKS + TIMES:
        return [], ""
    of = found["quantiles"]
    if of.exact and (kind != "integer" or _held(of)):
        numbers = of.numbers(2)
        rows = np.diff(np.round(of.rank(numbers) * of.count), prepend=0).astype(np.int64)
        first = np.argsort(-rows, kind="stable")[:MOST_VALUES]
        first = first[rows[first] >= min_count]
        kept = pa.array(numbers[first] if kind == "number" else numbers[first].astype(np.int64))
        return list(zip(_plain(kind, kept), rows[first].tolist(), strict=True)), "all"
    if sample is None or not len(sample):
        return [], ""
    seen = Counts(1 << 40, shared=False)
    seen.update(sample)
    result = seen.result()
    often = [place for place, rows in enumerate(result.counts[:MOST_VALUES].tolist()) if rows >= max(min_count, 5)]
    scale = present / max(result.total, 1)
    named = _plain(kind, result.values.take(pa.array(often, pa.int64())))
    return [(name, round(rows * scale)) for name, rows in zip(named, result.counts[often].tolist(), strict=True)], (
        "sample"
    )


def _held(of: QuantilesResult) -> bool:
    """Whether float64 tells all these integers apart."""
    return not of.count or max(abs(of.min), abs(of.max)) < _EXACT


def _plain(kind: str, values: pa.Array) -> list[Any]:
    """Values as JSON has them."""
    if kind in TIMES:
        return [instant(value, kind == "date") for value in _microseconds(values)]
    if kind in CLOCKS:
        return [value / _SECOND for value in _microseconds(values)]
    if kind == "number":
        return [float(value) for value in values.to_pylist()]
    return list(values.to_pylist())


def _microseconds(values: pa.Array) -> list[int]:
    return list((values if pa.types.is_integer(values.type) else microseconds(values)).to_pylist())


def _distribution(
    kind: str, found: Mapping[str, Any], values: Sequence[tuple[Any, int]], distinct: int | None, disclosure: Disclosure
) -> dict[str, Any] | None:
    """What is drawn of a column."""
    if kind in NUMBERS:
        return of_numbers(found["quantiles"], distinct or 0, disclosure.min_count, ends=disclosure.extremes)
    if kind in TIMES + CLOCKS:
        named = (lambda x: instant(x, kind == "date")) if kind in TIMES else (lambda x: f"{x / _SECOND:g}")
        drawn = of_numbers(
            found["quantiles"], distinct or 0, disclosure.min_count, ends=disclosure.extremes, named=named
        )
        if drawn is None or "edges" not in drawn:
            return drawn
        shown = named if kind in TIMES else (lambda x: x / _SECOND)
        beside = {"beside": [shown(drawn["beside"][0]), drawn["beside"][1]]} if "beside" in drawn else {}
        return {**drawn, "edges": [shown(edge) for edge in drawn["edges"]], **beside}
    counts = found.get("tokens") or (found["few"].counts if "few" in found else None)
    # a column of which every value stands alone is no bars
    if counts is None or not values or values[0][1] < 2:
        return None
    listed = [(str(value), rows) for value, rows in values[:MOST_LISTED]]
    rest = [("(others)", counts.total - sum(rows for _, rows in listed)), ("(missing)", found[ROWS].missing)]
    return {"values": [list(pair) for pair in listed + [pair for pair in rest if pair[1] > 0]]}


def _part(statistics: Mapping[str, Statistic]) -> PartProfile:
    rows = statistics[ROWS].result()
    mean = median = None
    if "moments" in statistics:
        moments, of = statistics["moments"].result(), statistics["quantiles"].result()
        mean, median = _finite(moments.mean), _finite(float(of.quantile(0.5)))
    return PartProfile(rows.rows, rows.missing, mean, median)
