"""Dates and timestamps: from when to when, by which step, and where there is a gap."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from blocks.inspection.profile.column_profile import TimesProfile

_SECOND = 1e6
_DAY = 86_400.0
# how often a step must be seen to be one
_LEAST_STEPS = 3


def instant(microseconds: float, is_date: bool) -> str:
    """A time since 1970 in ISO 8601: to the day, the second, or the microsecond, as it needs.

    Example:
        >>> instant(0, True), instant(1.5e6, False)
        ('1970-01-01', '1970-01-01T00:00:01.500000')
    """
    at = round(microseconds)
    moment = np.datetime64(at, "us")
    return str(moment.astype("datetime64[D]") if is_date else moment if at % 1_000_000 else moment.astype("M8[s]"))


def times_profile(found: Mapping[str, Any], is_date: bool, extremes: bool) -> TimesProfile:
    """The profile of a column of dates or timestamps.

    Args:
        found: Results of its statistics: "quantiles", and "distinct" of its different times.
        is_date: Whether it has no time of day.
        extremes: Whether single times may be told.
    """
    of, times = found["quantiles"], found["distinct"]
    if not of.count:
        return TimesProfile(0, None, None, None, 0.0, True, None, None, None, None, None, None)
    apart = np.diff(times.values)
    step = gaps = absent = longest = None
    ends: list[str | None] = [None, None]
    if len(apart):
        at = int(apart.argmax())
        longest = float(apart[at]) / _SECOND
        if extremes:
            ends = [instant(times.values[at], is_date), instant(times.values[at + 1], is_date)]
        if times.exact and len(apart) >= _LEAST_STEPS:
            lengths, often = np.unique(apart, return_counts=True)
            usual = int(often.argmax())
            if 2 * often[usual] >= len(apart):
                wide = apart[apart > 1.5 * lengths[usual]]
                step, gaps = float(lengths[usual]) / _SECOND, len(wide)
                absent = int(np.sum(np.round(wide / lengths[usual]) - 1))
    first, last = (instant(end, is_date) if extremes else None for end in (of.min, of.max))
    middle = float(of.quantile(0.5))
    # a day is a whole one
    median = instant(math.floor(middle / (_DAY * _SECOND)) * _DAY * _SECOND if is_date else middle, is_date)
    days = (of.max - of.min) / (_DAY * _SECOND)
    return TimesProfile(of.count, first, last, median, days, times.exact, step, gaps, absent, longest, *ends)
