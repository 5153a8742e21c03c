"""Parts in the order of time, with what lies too near to a later part left out (purged).

Source: M. Lopez de Prado, Advances in Financial Machine Learning (2018), chapter 7: purging and embargo.
"""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from blocks.data.splitting.durations import as_counts
from blocks.errors import InvalidArgument

MOST_TIMES = 1 << 20
"""Distinct times that are counted apart; more are counted in ranges first, and those that matter in further passes."""

FARTHEST = 1 << 62

Times = Callable[[], Iterable[np.ndarray]]


@dataclasses.dataclass(frozen=True)
class Ranges:
    """How many times lie in each of some ranges, in rising order; a range that is one time is known exactly.

    Args:
        starts: The first time of each, int64.
        widths: Units of time in each, int64.
        counts: Times in each, int64.
    """

    starts: np.ndarray
    widths: np.ndarray
    counts: np.ndarray

    @property
    def before(self) -> np.ndarray:
        """How many times lie before each range, int64."""
        return np.cumsum(self.counts) - self.counts

    def around(self, targets: Sequence[int]) -> np.ndarray:
        """The positions of the ranges in which times of these ranks lie, and of their neighbours."""
        at = np.searchsorted(self.before, targets, side="right") - 1
        return np.unique(np.clip(np.concatenate([at - 1, at, at + 1]), 0, len(self.starts) - 1))


def count_ranges(parts: Iterable[np.ndarray], most: int = MOST_TIMES) -> Ranges:
    """Times counted in ranges of one width: one unit, or the least power of 2 by which there are at most so many.

    Args:
        parts: All times, int64, in pieces.
        most: Ranges that are held at once, at least 2.
    """
    shift, starts, counts = 0, np.zeros(0, np.int64), np.zeros(0, np.int64)
    for part in parts:
        values, times = np.unique(part >> shift << shift, return_counts=True)
        values, counted = np.concatenate([starts, values]), np.concatenate([counts, times])
        starts, which = np.unique(values, return_inverse=True)
        while len(starts) > most:
            shift += 1
            starts, which = np.unique(values >> shift << shift, return_inverse=True)
        counts = np.bincount(which, counted, len(starts)).astype(np.int64)
    return Ranges(starts, np.full(len(starts), 1 << shift), counts)


def borders(times: Times, shares: Sequence[float], most: int = MOST_TIMES) -> list[int]:
    """Where each part but the first begins: the time that leaves the share before it, as near as times allow.

    Args:
        times: Gives all times, int64, anew at each call; in any order.
        shares: Of the parts; they sum to 1.
        most: Ranges of time that are held at once, at least 2.

    Returns:
        Distinct times that occur, rising, one fewer than shares.

    Raises:
        InvalidArgument: There are fewer distinct times than parts.
    """
    most = max(most, 8 * len(shares))  # or what surrounds the borders would not become finer
    found = count_ranges(times(), most)
    total = int(found.counts.sum())
    targets = [round(share * total) for share in np.cumsum(np.asarray(shares, np.float64))[:-1]]
    while total and (found.widths[found.around(targets)] > 1).any():
        found = _finer(times, found, targets, most)
    starts, before = found.starts, found.before
    chosen: list[int] = []
    for target in targets:
        # of the two times around the target, the one that is nearer to it; the earlier of equally near ones
        right = int(np.searchsorted(before, target))
        near = [at for at in (right - 1, right) if 0 < at < len(starts)]
        if not near:
            raise _too_few(len(starts), len(shares))
        chosen.append(min(near, key=lambda at: abs(int(before[at]) - target)))
    return [int(starts[at]) for at in _apart(chosen, len(starts), len(shares))]


def _apart(chosen: list[int], count: int, parts: int) -> list[int]:
    """The same positions, moved as little as makes them rise."""
    for at in range(1, len(chosen)):
        chosen[at] = max(chosen[at], chosen[at - 1] + 1)
    for at in range(len(chosen) - 1, -1, -1):
        chosen[at] = min(chosen[at], count - len(chosen) + at)
    if chosen and chosen[0] < 1:
        raise _too_few(count, parts)
    return chosen


def _too_few(count: int, parts: int) -> InvalidArgument:
    return InvalidArgument(
        f"A split by time needs at least as many distinct times as parts. Received: {count} for {parts} parts. Give "
        "fewer parts, or a column that tells times apart."
    )


def _finer(times: Times, coarse: Ranges, targets: Sequence[int], most: int) -> Ranges:
    """The ranges around each target, counted in narrower ones by another pass; all others stay as they are."""
    wanted = coarse.around(targets)
    lows, widths = coarse.starts[wanted], coarse.widths[wanted]

    def inside() -> Iterator[np.ndarray]:
        for part in times():
            place = np.clip(np.searchsorted(lows, part, side="right") - 1, 0, None)
            yield part[(part >= lows[place]) & (part - lows[place] < widths[place])]

    inner = count_ranges(inside(), most)
    others = np.setdiff1d(np.arange(len(coarse.starts)), wanted)
    starts = np.concatenate([coarse.starts[others], inner.starts])
    order = np.argsort(starts)
    return Ranges(
        starts[order],
        np.concatenate([coarse.widths[others], inner.widths])[order],
        np.concatenate([coarse.counts[others], inner.counts])[order],
    )


@dataclasses.dataclass(frozen=True)
class Spans:
    """Keeps the rows whose time lies in one of some spans: one part of a split by time.

    Args:
        name: The part's.
        column: Of times.
        spans: (low, high) in the column's units, low included and high not.
        rows: How many rows there are.
        purged: How many rows were left out because they lie too near to another part.
        of: How many rows the source had.
    """

    name: str
    column: str
    spans: tuple[tuple[int, int], ...]
    rows: int
    purged: int
    of: int

    @property
    def columns(self) -> Sequence[str]:
        """The column of times."""
        return [self.column]

    @property
    def fraction(self) -> float | None:
        """The part's share."""
        return self.rows / self.of if self.of else 0.0

    def start(self) -> Callable[[pa.RecordBatch], pa.RecordBatch]:
        """A pass; no state is kept."""
        return self._kept

    def _kept(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        mask = within(as_counts(batch.column(self.column), self.column), self.spans)
        return batch if mask.all() else batch.filter(pa.array(mask))

    def describe(self) -> dict[str, Any]:
        """Everything that decides which rows stay."""
        return {"part": self.name, "time": self.column, "spans": [[str(low), str(high)] for low, high in self.spans]}


def within(times: np.ndarray, spans: Sequence[tuple[int, int]]) -> np.ndarray:
    """Which times lie in one of the spans, bool."""
    mask = np.zeros(len(times), bool)
    for low, high in spans:
        mask |= (times >= low) & (times < high)
    return mask


def parts_in_time(times: Times, column: str, shares: dict[str, float], gap: int) -> dict[str, Spans]:
    """The parts of a split by time, earliest first, by name.

    Args:
        times: As of `borders`.
        column: Of times.
        shares: By name; they sum to 1.
        gap: Horizon and embargo, in the column's units: a row of an earlier part stays if its time and the gap do not
            reach beyond the start of the next part.

    Raises:
        InvalidArgument: A part would be empty.
    """
    starts = borders(times, list(shares.values()))
    edges = [-FARTHEST, *starts, FARTHEST]
    spans = {
        name: ((low, min(high, high - gap + 1) if high < FARTHEST else high),)
        for name, low, high in zip(shares, edges[:-1], edges[1:], strict=True)
    }
    whole = {name: ((low, high),) for name, low, high in zip(shares, edges[:-1], edges[1:], strict=True)}
    return counted(times, column, spans, whole)


def counted(
    times: Times,
    column: str,
    spans: Mapping[str, tuple[tuple[int, int], ...]],
    whole: Mapping[str, tuple[tuple[int, int], ...]],
) -> dict[str, Spans]:
    """Parts with how many rows they have, and how many more they would have if none was left out; by one pass.

    Raises:
        InvalidArgument: One is empty.
    """
    kept, all_of, total = dict.fromkeys(spans, 0), dict.fromkeys(spans, 0), 0
    for part in times():
        total += len(part)
        for name in spans:
            kept[name] += int(within(part, spans[name]).sum())
            all_of[name] += int(within(part, whole[name]).sum())
    for name, rows in kept.items():
        if not rows:
            raise InvalidArgument(
                f"Every part of a split by time needs rows. Received: none in {name!r}, of whose {all_of[name]} rows "
                "all lie too near to the next part for this horizon and embargo. Lower these, or give the part more."
            )
    return {name: Spans(name, column, spans[name], kept[name], all_of[name] - kept[name], total) for name in spans}


def folds_in_time(times: Times, column: str, folds: int, gap: int) -> Iterator[dict[str, Spans]]:
    """Folds whose validation parts follow each other in time; training rows near to one are left out on both sides.

    Args:
        times: As of `borders`.
        column: Of times.
        folds: How many.
        gap: As of `parts_in_time`; it holds after the validation part too.
    """
    edges = [-FARTHEST, *borders(times, [1 / folds] * folds), FARTHEST]
    lasts = _last_before(times, edges[1:])
    for low, high, last in zip(edges[:-1], edges[1:], lasts, strict=True):
        before = [(-FARTHEST, low - gap + min(gap, 1))] if low > -FARTHEST else []
        after = [(max(high, last + gap), FARTHEST)] if high < FARTHEST else []
        spans = {"train": (*before, *after), "valid": ((low, high),)}
        outside = tuple(span for span in ((-FARTHEST, low), (high, FARTHEST)) if span[0] < span[1])
        yield counted(times, column, spans, {"train": outside, "valid": ((low, high),)})


def _last_before(times: Times, edges: Sequence[int]) -> list[int]:
    """The last time before each edge."""
    found = np.full(len(edges), -FARTHEST)
    limits = np.asarray(edges)
    for part in times():
        place = np.searchsorted(limits, part, side="right")
        np.maximum.at(found, place, part)
    return [int(time) for time in found]
