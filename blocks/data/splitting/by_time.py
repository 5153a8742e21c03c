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

MERGE_ROWS = 1 << 18
"""Times that wait to be counted, at least, so that what is counted already is not sorted again for each chunk."""

FIRST, BEYOND = -(1 << 63), 1 << 63
"""The first of all times of int64, and what comes after the last."""

Times = Callable[[], Iterable[np.ndarray]]
Span = tuple[tuple[int, int], ...]


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
    for part in _joined(parts):
        values, times = np.unique(part >> shift << shift, return_counts=True)
        values, counted = np.concatenate([starts, values]), np.concatenate([counts, times])
        starts, which = np.unique(values, return_inverse=True)
        while len(starts) > most:
            shift += 1
            starts, which = np.unique(values >> shift << shift, return_inverse=True)
        counts = np.bincount(which, counted, len(starts)).astype(np.int64)
    return Ranges(starts, np.full(len(starts), 1 << shift), counts)


def _joined(parts: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """The same, in larger pieces."""
    waiting: list[np.ndarray] = []
    for part in parts:
        waiting.append(part)
        if sum(map(len, waiting)) >= MERGE_ROWS:
            yield np.concatenate(waiting)
            waiting = []
    if waiting:
        yield np.concatenate(waiting)


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
            # how far beyond the low end, which int64 may not hold
            beyond = part.view(np.uint64) - lows[place].view(np.uint64)
            yield part[(part >= lows[place]) & (beyond < widths[place].view(np.uint64))]

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
    spans: Span
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
        first, last = max(low, FIRST), min(high, BEYOND) - 1
        if first <= last:
            mask |= (times >= first) & (times <= last)
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
    edges = [FIRST, *starts, BEYOND]
    spans: dict[str, Span] = {
        name: ((low, min(high, high - gap + 1) if high < BEYOND else high),)
        for name, low, high in zip(shares, edges[:-1], edges[1:], strict=True)
    }
    whole: dict[str, Span] = {
        name: ((low, high),) for name, low, high in zip(shares, edges[:-1], edges[1:], strict=True)
    }
    return _counted(times, column, [spans], [whole])[0]


def _counted(
    times: Times, column: str, spans: Sequence[Mapping[str, Span]], whole: Sequence[Mapping[str, Span]]
) -> list[dict[str, Spans]]:
    """Parts with how many rows they have, and how many more they would have if none was left out; by one pass.

    Args:
        times: As of `borders`.
        column: Of times.
        spans: Of each division, the parts' by name.
        whole: The same, with nothing left out.

    Raises:
        InvalidArgument: A part is empty.
    """
    each = [(at, name) for at, parts in enumerate(spans) for name in parts]
    kept, all_of, total = dict.fromkeys(each, 0), dict.fromkeys(each, 0), 0
    for part in times():
        total += len(part)
        for at, name in each:
            kept[at, name] += int(within(part, spans[at][name]).sum())
            all_of[at, name] += int(within(part, whole[at][name]).sum())
    for (at, name), rows in kept.items():
        if not rows:
            raise InvalidArgument(
                f"Every part of a split by time has rows. Received: none in {name!r}, of whose {all_of[at, name]} "
                "rows all lie too near to another part for this horizon and embargo. Lower them, or give it more."
            )
    return [
        {
            name: Spans(name, column, parts[name], kept[at, name], all_of[at, name] - kept[at, name], total)
            for name in parts
        }
        for at, parts in enumerate(spans)
    ]


def folds_in_time(times: Times, column: str, folds: int, gap: int) -> list[dict[str, Spans]]:
    """Folds whose validation parts follow each other in time; training rows near to one are left out on both sides.

    Args:
        times: As of `borders`.
        column: Of times.
        folds: How many.
        gap: As of `parts_in_time`; it holds after the validation part too.
    """
    edges = [FIRST, *borders(times, [1 / folds] * folds), BEYOND]
    lasts = _last_before(times, edges[1:-1])
    spans: list[dict[str, Span]] = []
    whole: list[dict[str, Span]] = []
    for low, high, last in zip(edges[:-1], edges[1:], [*lasts, BEYOND], strict=True):
        before = ((FIRST, min(low, low - gap + 1)),) if low > FIRST else ()
        after = ((max(high, last + gap), BEYOND),) if high < BEYOND else ()
        spans.append({"train": (*before, *after), "valid": ((low, high),)})
        whole.append({"train": ((FIRST, low), (high, BEYOND)), "valid": ((low, high),)})
    return _counted(times, column, spans, whole)


def _last_before(times: Times, edges: Sequence[int]) -> list[int]:
    """The last time before each edge; there is one."""
    limits = np.asarray(edges)
    found = np.full(len(edges) + 1, FIRST)
    for part in times():
        np.maximum.at(found, np.searchsorted(limits, part, side="right"), part)
    return [int(time) for time in found[:-1]]
