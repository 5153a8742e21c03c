"""Drift: how the rows of today differ from those that a model was trained on, and which differences matter."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from blocks.arguments import checked
from blocks.data import Source, as_source
from blocks.data.schema import require_columns
from blocks.errors import EmptySource, InvalidArgument
from blocks.inspection.column_kinds import Holds, fits, kind_of
from blocks.inspection.column_statistics import LENGTHS, ROWS, summarize
from blocks.inspection.difference_tests import (
    Difference,
    TokenCounts,
    discovery_level,
    distributions,
    means,
    shares,
)
from blocks.pages.notebook import shown_by_notebooks
from blocks.statistics import Budget, Counts, Missing, Moments, Quantiles, Statistic, memory_bytes

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


class _Test(NamedTuple):
    column: str
    statistic: str
    found: Difference
    least: float
    """The smallest effect that matters."""


@checked()
def drift(
    reference: Any,
    current: Any,
    *,
    columns: Sequence[str] | None = None,
    false_alarms: float = 0.05,
    least_shift: float = 0.05,
    least_share: float = 0.02,
    memory: int | str | None = None,
    chunk_rows: int = 65_536,
) -> pa.Table:
    """How two tables differ, column by column; one pass over each, in bounded memory.

    Numbers are compared by `mean` (the larger p-value of Welch's and Student's test; the effect is in standard
    deviations) and `kolmogorov_smirnov` (the effect is the distance, less what sketches may be off by), texts and
    booleans by `chi_square` (the effect is the share of rows that would have to have another token) and `new_tokens`
    (rows whose token the reference does not have, more than names and ids have by chance), and all columns by
    `missing` and `infinite` (shares of rows). The lengths of lists are numbers: `length_mean`,
    `length_kolmogorov_smirnov`; what is inside counts as if the values of a row were all equal.
    Dates and timestamps go on, so that only what is missing of them is compared.

    An alarm is where both the p-value and the effect speak. Without any drift a table has one with a probability of at
    most `false_alarms`, and of many columns with alarms at most that share is expected to be wrong, at every number of
    rows (Bonferroni within a column, Benjamini and Yekutieli over them). A column that is gone (`column`), or holds
    values of another kind (`type`), is one too; leave out with `columns` what today's rows cannot have, such as the
    target.

    Args:
        reference: What a model was trained on: a `Source`, or whatever `blocks.read` takes.
        current: What it meets today.
        columns: Those to compare; all of the reference's unless given.
        false_alarms: The false discovery rate, from 0 to 1.
        least_shift: Standard deviations by which means must differ for an alarm.
        least_share: Share of rows by which all else must differ.
        memory: What the tokens of a table may take: bytes or text ("1GiB"); None for 512 MiB.
        chunk_rows: Rows read at once; changes nothing but memory.

    Returns:
        An Arrow table: column, statistic, value, p_value, effect, alarm. A mean's value is the difference (current less
        reference), a share's too, that of `kolmogorov_smirnov` the distance, of `chi_square` the sum, of `new_tokens`
        the rows. What cannot be told is null: means of fewer than 20 numbers, new tokens where tokens did not fit in
        memory, groups of fewer than 5 expected rows.

    Raises:
        EmptySource: One of both has no row.
        SchemaMismatch: The reference has no such column.
        InvalidArgument: A threshold is out of range.

    Example:
        >>> import numpy as np
        >>> random = np.random.default_rng(0)
        >>> before, now = random.normal(size=10_000), random.normal(0.1, size=10_000)
        >>> drift({"x": before}, {"x": now}).select(["statistic", "alarm"]).to_pylist()[0]
        {'statistic': 'mean', 'alarm': True}
    """
    for name, share in (("false_alarms", false_alarms), ("least_share", least_share)):
        if not 0 <= share <= 1:
            raise InvalidArgument(f"{name} is from 0 to 1. Received: {share!r}.")
    if not least_shift >= 0:
        raise InvalidArgument(f"least_shift is 0 at least. Received: {least_shift!r}.")
    if isinstance(columns, str):
        raise InvalidArgument(f"columns is a list of names. Use columns=[{columns!r}].")
    before, now = as_source(reference), as_source(current)
    names = before.schema.names if columns is None else list(columns)
    require_columns(names, before.schema.names, "drift")
    there = [name for name in names if name in now.schema.names]
    available = memory_bytes(memory)
    one = _statistics(before, there, available, chunk_rows, "reference")
    other = _statistics(now, there, available, chunk_rows, "current")
    tests: list[_Test] = []
    for name in names:
        if name not in other:
            tests.append(_Test(name, "column", _CHANGED, 0.0))
            continue
        kinds = [kind_of(source.schema.field(name).type) for source in (before, now)]
        tests += _compared(name, kinds, one[name], other[name], least_shift, least_share)
    p_values = np.array([test.found.p_value for test in tests], np.float64)
    effects = np.array([test.found.effect for test in tests], np.float64)
    changed = np.array([test.found is _CHANGED for test in tests], bool)
    sure = _speaks([test.column for test in tests], np.where(changed, np.nan, p_values), false_alarms)
    speaks = changed | (sure & (effects >= [test.least for test in tests]))
    made = {
        "column": [test.column for test in tests],
        "statistic": [test.statistic for test in tests],
        "value": [_told(test.found.value) for test in tests],
        "p_value": [_told(p) for p in p_values.tolist()],
        "effect": [_told(effect) for effect in effects.tolist()],
        "alarm": speaks.tolist(),
    }
    return shown_by_notebooks(pa.table(made, SCHEMA), f"Drift of {len(names)} columns: {int(speaks.sum())} alarms")


_CHANGED = Difference(np.nan, 0.0, 1.0)
"""What is another thing in every row."""


def _wanted(holds: Holds) -> dict[str, Statistic]:
    """What columns of a kind are compared by."""
    wanted: dict[str, Statistic] = {ROWS: Missing()}
    if holds.is_list:
        wanted |= {LENGTHS: Moments(), "lengths quantiles": Quantiles(_SKETCH)}
    if holds.kind in _NUMBERS:
        wanted |= {"moments": Moments(), "quantiles": Quantiles(_SKETCH)}
    if holds.kind in _TOKENS:
        wanted["tokens"] = Counts(_BYTES_OF_TOKENS)
    return wanted


def _statistics(
    source: Source, names: Sequence[str], memory: int, chunk_rows: int, what: str
) -> dict[str, Mapping[str, Statistic]]:
    """The statistics of some columns of a source that must have rows."""
    if not names:
        if not source.count():
            raise EmptySource(f"The {what} has no row. Received: {source!r}.")
        return {}
    rows = source.select(names)
    wishes = [one.wish for field in rows.schema for one in _wanted(kind_of(field.type)).values()]
    budget = Budget(memory, wishes)
    found = summarize(rows, lambda holds: budget.share(_wanted(holds)), chunk_rows)
    if not found[names[0]][ROWS].result().rows:
        raise EmptySource(f"The {what} has no row. Received: {source!r}. Check its path, filter or split.")
    return found


def _compared(
    name: str,
    kinds: Sequence[Holds],
    reference: Mapping[str, Statistic],
    current: Mapping[str, Statistic],
    least_shift: float,
    least_share: float,
) -> Iterator[_Test]:
    one, other = ({key: value.result() for key, value in each.items()} for each in (reference, current))
    n, m = one[ROWS].rows, other[ROWS].rows
    if not fits(*kinds):
        yield _Test(name, "type", _CHANGED, 0.0)
        return
    both = one.keys() & other.keys()
    alike = max(_values_alike(one), _values_alike(other))
    for moments, quantiles, prefix in (("moments", "quantiles", ""), (LENGTHS, "lengths quantiles", "length_")):
        if moments in both:
            weight = 1.0 if prefix else alike
            yield _Test(name, f"{prefix}mean", means(one[moments], other[moments], weight), least_shift)
            distance = distributions(one[quantiles], other[quantiles], weight)
            yield _Test(name, f"{prefix}kolmogorov_smirnov", distance, least_share)
    if "moments" in both:
        infinite = [x.negative_infinite + x.positive_infinite for x in (one["moments"], other["moments"])]
        if any(infinite):
            of = (int(x["moments"].rows / alike) for x in (one, other))
            found = shares(int(infinite[0] / alike), next(of), int(infinite[1] / alike), next(of))
            yield _Test(name, "infinite", found, least_share)
    if "tokens" in both:
        counts = TokenCounts(one["tokens"], other["tokens"])
        yield _Test(name, "chi_square", counts.groups(alike), least_share)
        if not kinds[0].is_list:  # which texts come alone by chance is known of texts that come alone
            yield _Test(name, "new_tokens", counts.new_tokens(), least_share)
    yield _Test(name, "missing", shares(one[ROWS].missing, n, other[ROWS].missing, m), least_share)


def _speaks(columns: Sequence[str], p_values: np.ndarray, level: float) -> np.ndarray:
    """Which tests speak: of a column with one that does, so often as a column may by chance (Bonferroni within it)."""
    told = ~np.isnan(p_values)
    _, at = np.unique(np.array(columns, object), return_inverse=True)
    tests = np.bincount(at, told)
    within = np.where(told, np.minimum(p_values * tests[at], 1.0), np.inf)
    of_columns = np.full(len(tests), np.inf)
    np.minimum.at(of_columns, at, within)
    return within <= discovery_level(np.where(np.isinf(of_columns), np.nan, of_columns), level)


def _values_alike(results: Mapping[str, Any]) -> float:
    """How many values of a column's lists tell as much as one row, were those of a row all equal; 1 without lists."""
    lengths = results.get(LENGTHS)
    if lengths is None or not lengths.count or not lengths.mean:
        return 1.0
    return float(max(1.0, (lengths.variance + lengths.mean**2) / lengths.mean))


def _told(value: float) -> float | None:
    return None if np.isnan(value) else value
