"""From statistics of a column to what is expected of others like it: wide enough that chance alone breaks nothing."""

import math
import sys
from collections.abc import Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from typing import Any

import pyarrow as pa

from blocks.inspection.column_kinds import Holds
from blocks.inspection.column_statistics import LENGTHS, ROW_TOKENS, ROWS
from blocks.inspection.schema.column_schema import ColumnSchema, Number
from blocks.statistics import Counts, Missing, Moments, Statistic

LEAST_MASS = 0.9
"""Share of a column's values that a domain must cover to be one."""

_DIGITS = 2
_FARTHEST = sys.float_info.max
_EXACT = 2.0**53


def statistics_for(holds: Holds) -> dict[str, Statistic]:
    """Fresh statistics of what a schema is inferred from."""
    wanted: dict[str, Statistic] = {ROWS: Missing()}
    if holds.is_list:
        wanted[LENGTHS] = Moments()
    if holds.kind in ("integer", "number"):
        wanted["moments"] = Moments()
    if holds.kind == "text":
        wanted[ROW_TOKENS if holds.is_list else "tokens"] = Counts(1 << 20)
    return wanted


def inferred(holds: Holds, results: Mapping[str, Any], min_count: int, max_tokens: int) -> ColumnSchema:
    """What is expected of a column.

    Args:
        holds: What its values are.
        results: Of the statistics of `statistics_for`; others, and none of tokens or numbers, may be there.
        min_count: Rows of a text that is named.
        max_tokens: Texts of a domain, at most.
    """
    rows, missing = results[ROWS].rows, results[ROWS].missing
    made = ColumnSchema(holds.kind if missing < rows else "unknown", holds.is_list)
    if missing == rows:
        return made
    # half of a share that is not whole: finer changes are drift, which knows the number of rows
    made.min_fraction = 1.0 if not missing else (1 - missing / rows) / 2
    if (lengths := results.get(LENGTHS)) is not None and lengths.count:
        low, high = int(lengths.min), int(lengths.max)
        made.min_values, made.max_values = (low, high) if low == high else (min(low, 1), 2 * high)
    if (numbers := results.get("moments") if holds.kind in ("integer", "number") else None) is not None:
        made.allow_infinite = holds.kind == "integer" or numbers.negative_infinite + numbers.positive_infinite > 0
        if numbers.count:
            made.min, made.max = _range(numbers.min, numbers.max, holds.kind == "integer")
    tokens = results.get(ROW_TOKENS if holds.is_list else "tokens") if holds.kind == "text" else None
    if tokens is not None and tokens.exact and 0 < tokens.distinct <= max_tokens:
        often = tokens.counts >= min_count
        mass = int(tokens.counts[often].sum()) / tokens.total
        if mass >= LEAST_MASS:
            made.domain = sorted(tokens.values.filter(pa.array(often)).to_pylist())
            # twice as many others as there were
            made.min_domain_mass = 1.0 if often.all() else max(0.0, 2 * mass - 1)
    return made


def _range(low: float, high: float, whole: bool) -> tuple[Number, Number]:
    """Ends as far again as the numbers lie apart, in two digits, that do not cross zero."""
    # halves, whose difference cannot overflow
    apart = 2 * min(high / 2 - low / 2, _FARTHEST / 2)
    least, most = _outward(low - apart, up=False), _outward(high + apart, up=True)
    least, most = (max(least, 0.0) if low >= 0 else least), (min(most, 0.0) if high <= 0 else most)
    return (_whole(least, up=False), _whole(most, up=True)) if whole else (least, most)


def _outward(value: float, up: bool) -> float:
    """The next number of two digits: no end is a row's own value, and people can read it."""
    value = min(max(value, -_FARTHEST), _FARTHEST)
    rounded = float(Context(_DIGITS, ROUND_CEILING if up else ROUND_FLOOR).create_decimal(Decimal(value)))
    return rounded if math.isfinite(rounded) else math.copysign(_FARTHEST, value)


def _whole(value: float, up: bool) -> int:
    if abs(value) >= _EXACT:  # the statistic has rounded the integers
        value = math.nextafter(value, math.inf if up else -math.inf) if math.isfinite(value) else value
    return math.ceil(value) if up else math.floor(value)
