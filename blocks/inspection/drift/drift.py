"""Drift, column by column: every test of two tables' columns, and which of them are alarms.

What is compared, and what a user asks for, is in `evaluate.model_drift`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from blocks.data import Source
from blocks.errors import EmptySource, InvalidArgument
from blocks.inspection.column_kinds import Holds, fits, kind_of
from blocks.inspection.column_statistics import LENGTHS, ROWS, summarize, summarize_batches
from blocks.inspection.drift.difference_tests import (
    UNTOLD,
    Difference,
    TokenCounts,
    discovery_level,
    distributions,
    means,
    shares,
)
from blocks.inspection.drift.drift_reference import KeptColumn
from blocks.inspection.drift.two_sample_classifier import Separation
from blocks.inspection.observed_columns import LENGTHS_QUANTILES
from blocks.pages.notebook import shown_by_notebooks
from blocks.statistics import Budget, Counts, Missing, Moments, Quantiles, Statistic

SCHEMA = pa.schema(
    [
        ("column", pa.string()),
        ("statistic", pa.string()),
        ("value", pa.float64()),
        ("p_value", pa.float64()),
        ("effect", pa.float64()),
        ("alarm", pa.bool_()),
    ]
)

_NUMBERS = ("integer", "number", "duration", "time of day")
_TOKENS = ("text", "bytes", "boolean")
# the sketch of numbers beyond 262,144 of them: ranks within about 0.2%
_SKETCH = 2000
_BYTES_OF_TOKENS = 1 << 24


class DriftTest(NamedTuple):
    """What a test of a column found.

    Attributes:
        column: Its name; None where the table as a whole is meant.
        statistic: The test's name.
        found: Value, p-value and effect.
        least: The smallest effect that matters.
        if_told_apart: Whether it is an alarm where `AREA` is one; None where that follows from these.
    """

    column: str | None
    statistic: str
    found: Difference
    least: float
    if_told_apart: bool | None = None


AREA = "classifier_area"
"""The statistic of a two-sample classifier."""


class Levels(NamedTuple):
    """What speaks.

    Attributes:
        false_alarms: The false discovery rate, from 0 to 1.
        least_shift: Standard deviations by which means must differ for an alarm.
        least_share: Share of rows by which all else must differ.
    """

    false_alarms: float
    least_shift: float
    least_share: float

    def require_sense(self) -> None:
        """Refuse levels that are none.

        Raises:
            InvalidArgument: One is out of range.
        """
        for name in ("false_alarms", "least_share"):
            if not 0 <= (share := getattr(self, name)) <= 1:
                raise InvalidArgument(f"{name} is from 0 to 1. Received: {share!r}.")
        if not self.least_shift >= 0:
            raise InvalidArgument(f"least_shift is 0 at least. Received: {self.least_shift!r}.")


_CHANGED = Difference(np.nan, 0.0, 1.0)
"""What is another thing in every row."""


def _wanted(holds: Holds) -> dict[str, Statistic]:
    """What columns of a kind are compared by."""
    wanted: dict[str, Statistic] = {ROWS: Missing()}
    if holds.is_list:
        wanted |= {LENGTHS: Moments(), LENGTHS_QUANTILES: Quantiles(_SKETCH)}
    if holds.kind in _NUMBERS:
        wanted |= {"moments": Moments(), "quantiles": Quantiles(_SKETCH)}
    if holds.kind in _TOKENS:
        wanted["tokens"] = Counts(_BYTES_OF_TOKENS)
    return wanted


def columns_of(source: Source, names: Sequence[str], memory: int, chunk_rows: int, what: str) -> dict[str, KeptColumn]:
    """What some columns of a source, which must have rows, are compared by; in one pass.

    Args:
        source: The rows.
        names: The columns.
        memory: Bytes that tokens may take.
        chunk_rows: Rows read at once.
        what: The source's role, for messages.

    Raises:
        EmptySource: There is no row.
    """
    if not names:
        if not source.count():
            raise EmptySource(f"The {what} has no row. Received: {source!r}.")
        return {}
    rows = source.select(names)
    holds = {field.name: kind_of(field.type) for field in rows.schema}
    budget = Budget(memory, [one.wish for kind in holds.values() for one in _wanted(kind).values()])
    found = summarize(rows, lambda kind: budget.share(_wanted(kind)), chunk_rows)
    if not found[names[0]][ROWS].result().rows:
        raise EmptySource(f"The {what} has no row. Received: {source!r}. Check its path, filter or split.")
    return _with_results(holds, found)


def answers_of(batches: Iterable[pa.RecordBatch], memory: int) -> dict[str, KeptColumn]:
    """What answers are compared by.

    Args:
        batches: Of `answer_columns`, one at least.
        memory: Bytes that labels may take.
    """
    first, batches = next(given := iter(batches)), given
    holds = {field.name: kind_of(field.type) for field in first.schema}
    budget = Budget(memory, [one.wish for kind in holds.values() for one in _wanted(kind).values()])
    found = summarize_batches(first.schema, chain([first], batches), lambda kind: budget.share(_wanted(kind)))
    return _with_results(holds, found)


def _with_results(holds: Mapping[str, Holds], found: Mapping[str, Mapping[str, Statistic]]) -> dict[str, KeptColumn]:
    return {
        name: KeptColumn(holds[name], {key: statistic.result() for key, statistic in statistics.items()})
        for name, statistics in found.items()
    }


def drift_tests(
    names: Sequence[str], reference: Mapping[str, KeptColumn], current: Mapping[str, KeptColumn], levels: Levels
) -> Iterator[DriftTest]:
    """Every test of some columns; one that is not in the current table is one too."""
    for name in names:
        if name in current:
            yield from _compared(name, reference[name], current[name], levels.least_shift, levels.least_share)
        else:
            yield DriftTest(name, "column", _CHANGED, 0.0)


def drift_table(tests: Sequence[DriftTest], levels: Levels) -> pa.Table:
    """Tests as a table, with which of them are alarms."""
    p_values = np.array([test.found.p_value for test in tests], np.float64)
    effects = np.array([test.found.effect for test in tests], np.float64)
    changed = np.array([test.found is _CHANGED for test in tests], bool)
    parts = np.array([test.if_told_apart is not None for test in tests], bool)
    sure = _speaks([test.column for test in tests], np.where(changed | parts, np.nan, p_values), levels.false_alarms)
    speaks = changed | (sure & (effects >= [test.least for test in tests]))
    apart = any(one and test.statistic == AREA for one, test in zip(speaks, tests, strict=True))
    speaks |= [apart and bool(test.if_told_apart) for test in tests]
    made = {
        "column": [test.column for test in tests],
        "statistic": [test.statistic for test in tests],
        "value": [_told(test.found.value) for test in tests],
        "p_value": [_told(p) for p in p_values.tolist()],
        "effect": [_told(effect) for effect in effects.tolist()],
        "alarm": speaks.tolist(),
    }
    columns, alarms = len({test.column for test in tests} - {None}), int(speaks.sum())
    return shown_by_notebooks(pa.table(made, SCHEMA), f"Drift of {columns} columns: {alarms} alarms")


def _compared(
    name: str, reference: KeptColumn, current: KeptColumn, least_shift: float, least_share: float
) -> Iterator[DriftTest]:
    one, other = reference.results, current.results
    n, m = one[ROWS].rows, other[ROWS].rows
    if not fits(reference.holds, current.holds):
        yield DriftTest(name, "type", _CHANGED, 0.0)
        return
    both = one.keys() & other.keys()
    alike = max(_values_alike(one), _values_alike(other))
    for moments, quantiles, prefix in (("moments", "quantiles", ""), (LENGTHS, LENGTHS_QUANTILES, "length_")):
        if moments in both:
            weight = 1.0 if prefix else alike
            yield DriftTest(name, f"{prefix}mean", means(one[moments], other[moments], weight), least_shift)
            distance = distributions(one[quantiles], other[quantiles], weight) if quantiles in both else UNTOLD
            yield DriftTest(name, f"{prefix}kolmogorov_smirnov", distance, least_share)
    if "moments" in both:
        infinite = [x.negative_infinite + x.positive_infinite for x in (one["moments"], other["moments"])]
        if any(infinite):
            of = (int(x["moments"].rows / alike) for x in (one, other))
            found = shares(int(infinite[0] / alike), next(of), int(infinite[1] / alike), next(of))
            yield DriftTest(name, "infinite", found, least_share)
    if "tokens" in both:
        counts = TokenCounts(one["tokens"], other["tokens"])
        yield DriftTest(name, "chi_square", counts.groups(alike), least_share)
        if not reference.holds.is_list:  # which texts come alone by chance is known of texts that come alone
            yield DriftTest(name, "new_tokens", counts.new_tokens(), least_share)
    yield DriftTest(name, "missing", shares(one[ROWS].missing, n, other[ROWS].missing, m), least_share)


def _speaks(columns: Sequence[str | None], p_values: np.ndarray, level: float) -> np.ndarray:
    """Which tests speak: of a column with one that does, so often as a column may by chance (Bonferroni within it)."""
    told = ~np.isnan(p_values)
    places = {name: place for place, name in enumerate(dict.fromkeys(columns))}
    at = np.array([places[name] for name in columns], np.int64)
    tests = np.bincount(at, told)
    within = np.where(told, np.minimum(p_values * tests[at], 1.0), np.inf)
    of_columns = np.full(len(tests), np.inf)
    np.minimum.at(of_columns, at, within)
    return within <= discovery_level(np.where(np.isinf(of_columns), np.nan, of_columns), level)


def classifier_tests(found: Separation | None, columns: int, levels: Levels) -> Iterator[DriftTest]:
    """A two-sample classifier as tests: its area, that one's interval, and the columns by which it tells tables apart.

    Args:
        found: What it found; None where it could not be tried.
        columns: How many columns are compared.
        levels: What speaks.
    """
    if found is None:
        yield DriftTest(None, AREA, UNTOLD, levels.least_share)
        return
    yield DriftTest(None, AREA, Difference(found.area, found.p_value, 2 * found.area - 1), levels.least_share)
    for end in ("low", "high"):
        yield DriftTest(None, f"{AREA}_{end}", Difference(getattr(found, end), np.nan, np.nan), 0.0, False)
    for name, (less, p_value) in found.columns.items():
        moved = p_value * columns <= levels.false_alarms and 2 * less >= levels.least_share
        yield DriftTest(name, "classifier_importance", Difference(less, p_value, max(0.0, 2 * less)), 0.0, moved)


def _values_alike(results: Mapping[str, Any]) -> float:
    """How many values of a column's lists tell as much as one row, were those of a row all equal; 1 without lists."""
    lengths = results.get(LENGTHS)
    if lengths is None or not lengths.count or not lengths.mean:
        return 1.0
    return float(max(1.0, (lengths.variance + lengths.mean**2) / lengths.mean))


def _told(value: float) -> float | None:
    return None if np.isnan(value) else value
