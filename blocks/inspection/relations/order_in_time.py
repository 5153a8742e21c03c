"""Whether rows stand in order of a time, from when to when each part goes, and whether one lies in another's future."""

import dataclasses
import math
from collections.abc import Sequence
from itertools import permutations
from typing import Any, Final, NamedTuple, Self

import numpy as np
import pyarrow as pa

from blocks.arguments import checked
from blocks.errors import InvalidArgument
from blocks.statistics import Quantiles
from blocks.statistics.mergeable import Mergeable
from blocks.statistics.numeric import finite_numbers

MOSTLY: Final = 0.99
"""Share of steps in one direction from which rows stand in order but for a few."""


class TimesOfPart(NamedTuple):
    """The times of a column in one part, in the order of its rows.

    Args:
        column: Its name.
        part: The part's name.
        rows: Rows of it.
        missing: Rows without a time.
        first: The earliest, in microseconds since 1970 UTC (of numbers, the number); nan without any.
        last: The latest.
        rising: Rows that are later than the one before them, among rows with a time.
        equal: Rows of the same time as the one before.
        falling: Rows that are earlier than it.
    """

    column: str
    part: str
    rows: int
    missing: int
    first: float
    last: float
    rising: int
    equal: int
    falling: int

    @property
    def order(self) -> str:
        """How rows stand: "rising", "falling", "mostly rising", "mostly falling", "mixed", or "constant"."""
        steps = self.rising + self.falling
        if not steps:
            return "constant"
        for named, with_it in (("rising", self.rising), ("falling", self.falling)):
            if with_it == steps:
                return named
            if with_it >= MOSTLY * steps:
                return f"mostly {named}"
        return "mixed"


class TimesOfParts(NamedTuple):
    """Where the rows of one part lie in time, seen from another.

    Args:
        column: The column of times.
        part: The part whose rows are counted.
        seen_from: The other part.
        before: The share of rows before the other's first.
        within: The share from its first to its last.
        after: The share after its last.
        error: What shares may be off by: 0.0 where they are exact.
    """

    column: str
    part: str
    seen_from: str
    before: float
    within: float
    after: float
    error: float


@dataclasses.dataclass(frozen=True)
class OrderInTimeResult:
    """What `OrderInTime` learned.

    Args:
        parts: Of each column in each part.
        pairs: Of each column, of each two parts, either seen from the other; those without times are left out.
    """

    parts: tuple[TimesOfPart, ...]
    pairs: tuple[TimesOfParts, ...]

    def as_dict(self) -> dict[str, Any]:
        """What JSON holds of it; null for what is not there."""
        parts = [{**one._asdict(), "order": one.order} for one in self.parts]
        parts = [{k: None if v != v else v for k, v in one.items()} for one in parts]
        return {"parts": parts, "pairs": [one._asdict() for one in self.pairs]}


@dataclasses.dataclass
class _Times:
    """Of one column in one part."""

    quantiles: Quantiles
    rows: int = 0
    count: int = 0
    steps: tuple[int, int, int] = (0, 0, 0)
    begin: float = math.nan
    """The time of the first row that has one."""

    end: float = math.nan
    """The time of the last row that has one."""


class OrderInTime(Mergeable):
    """Follows columns of dates, timestamps or numbers through the rows of parts, in their order.

    Chunks may have any length. Where two of them merge, the other's rows come after: `merge` is associative, and does
    not commute.

    Args:
        columns: The columns of times.

    Example:
        >>> times = OrderInTime(["day"])
        >>> times.update("train", pa.record_batch({"day": [1, 2, 2, 5]}))
        >>> times.update("test", pa.record_batch({"day": [4, 6, 9, 8]}))
        >>> found = times.result()
        >>> [part.order for part in found.parts], found.pairs[1].after
        (['rising', 'mixed'], 0.75)
    """

    @checked()
    def __init__(self, columns: Sequence[str]) -> None:
        if isinstance(columns, str):
            raise InvalidArgument(f"columns is a list of names. Use columns=[{columns!r}].")
        self._columns = tuple(columns)
        self._times: dict[tuple[str, str], _Times] = {}

    def parameters(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {"columns": list(self._columns)}

    def update(self, part: str, chunk: pa.RecordBatch) -> None:
        """Adds the next rows of a part; columns that it lacks are passed over.

        Raises:
            SchemaMismatch: A column holds no times and no numbers.
        """
        for name in self._columns:
            if name not in chunk.schema.names:
                continue
            column = chunk.column(name)
            values = finite_numbers("OrderInTime", column, None).values
            added = _Times(Quantiles(), len(column), len(values))
            if len(values):
                steps = np.diff(values)
                rising, falling = int((steps > 0).sum()), int((steps < 0).sum())
                added.steps = rising, len(steps) - rising - falling, falling
                added.begin, added.end = float(values[0]), float(values[-1])
                added.quantiles.update(pa.array(values))
            self._follow((name, part), added)

    def result(self) -> OrderInTimeResult:
        """Returns what was seen of all rows so far."""
        found = {key: times.quantiles.result() for key, times in self._times.items()}
        parts = tuple(
            TimesOfPart(*key, times.rows, times.rows - times.count, found[key].min, found[key].max, *times.steps)
            for key, times in self._times.items()
        )
        pairs = []
        for (column, part), (other_column, other) in permutations(found, 2):
            here, there = found[column, part], found[other_column, other]
            if column != other_column or not here.count or not there.count:
                continue
            before = float(here.rank(np.nextafter(there.min, -math.inf)))
            until = float(here.rank(there.max))
            pairs.append(TimesOfParts(column, part, other, before, until - before, 1 - until, here.error))
        return OrderInTimeResult(parts, tuple(pairs))

    def _follow(self, key: tuple[str, str], after: _Times) -> None:
        before = self._times.setdefault(key, _Times(Quantiles()))
        between = (0, 0, 0)
        if before.count and after.count:
            between = (after.begin > before.end, after.begin == before.end, after.begin < before.end)
        rising, equal, falling = (a + b + int(c) for a, b, c in zip(before.steps, after.steps, between, strict=True))
        before.steps = rising, equal, falling
        before.begin = before.begin if before.count else after.begin
        before.end = after.end if after.count else before.end
        before.rows += after.rows
        before.count += after.count
        before.quantiles.merge(after.quantiles)

    def _merge(self, other: Self) -> None:
        for key, times in other._times.items():
            self._follow(key, times)

    def _state(self) -> tuple[dict[str, Any], list[bytes]]:
        ends = [np.array([times.begin, times.end], "<f8").tobytes() for times in self._times.values()]
        state = [[*key, times.rows, times.count, *times.steps] for key, times in self._times.items()]
        sketches = [times.quantiles.to_bytes() for times in self._times.values()]
        return {"times": state}, [*ends, *sketches]

    def _restore(self, state: dict[str, Any], parts: list[bytes]) -> None:
        count = len(state["times"])
        if len(parts) != 2 * count:
            raise ValueError("each column in each part has its ends and its quantiles")
        for (column, part, rows, seen, *steps), ends, sketch in zip(
            state["times"], parts[:count], parts[count:], strict=True
        ):
            begin, end = np.frombuffer(ends, "<f8").tolist()
            rising, equal, falling = steps
            self._times[column, part] = _Times(
                Quantiles.from_bytes(sketch), rows, seen, (rising, equal, falling), begin, end
            )


def time_columns(schema: pa.Schema) -> list[str]:
    """The columns of dates and timestamps.

    Example:
        >>> time_columns(pa.schema([("day", pa.date32()), ("x", pa.int64())]))
        ['day']
    """
    return [field.name for field in schema if pa.types.is_date(field.type) or pa.types.is_timestamp(field.type)]
