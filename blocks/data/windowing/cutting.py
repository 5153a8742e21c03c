"""Cutting windows from a stream of rows: the steps of each entity that no later window needs are let go.

What is held is a chunk and, of each entity, the last steps of an unfinished window, however long the stream is.
"""

import dataclasses
import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from blocks.data.splitting.durations import as_counts
from blocks.errors import InvalidArgument, MalformedData
from blocks.statistics.hashing import hash_rows

MOST_VALUES = 1 << 22
"""Values of all columns in a batch of windows, at most, unless one window has more."""


@dataclasses.dataclass(frozen=True)
class Shape:
    """What a window is.

    Args:
        by: Columns that tell entities apart; () for one entity.
        order: The column of times.
        length: Steps of the input.
        gap: Steps between the input and what is ahead.
        horizon: Steps ahead, 0 where none are asked for.
        every: Time between two steps, in the column's units; None where each row is a step.
        fill: Whether steps that lack a row are missing values; else no window goes over them.
        columns: Whose values over the input are wanted.
        ahead: Whose values ahead are wanted.
        static: Whose value at the input's last step is wanted.
        since: The first time that what is ahead (or, without a horizon, the input's end) may have; None for any.
    """

    by: tuple[str, ...]
    order: str
    length: int
    gap: int
    horizon: int
    every: int | None
    fill: bool
    columns: tuple[str, ...]
    ahead: tuple[str, ...]
    static: tuple[str, ...]
    since: int | None

    @property
    def span(self) -> int:
        """Steps from the first of the input to the last ahead."""
        return self.length + (self.gap + self.horizon if self.horizon else 0)

    @property
    def needed(self) -> list[str]:
        """The columns that are read."""
        return list(dict.fromkeys([*self.by, self.order, *self.static, *self.columns, *self.ahead]))


def windows_of(chunks: Iterator[pa.RecordBatch], shape: Shape) -> Iterator[pa.RecordBatch]:
    """The windows of rows that come in the order of time of each entity, in the order in which they are complete.

    Args:
        chunks: Of the columns that are needed.
        shape: What a window is.

    Returns:
        Batches: by, order (of the input's last step), static, columns as fixed-size lists, ahead likewise.

    Raises:
        MalformedData: An entity's times do not rise.
        InvalidArgument: With `fill`, times are no whole number of steps apart.
    """
    for steps in stretches(chunks, shape):
        yield from steps.windows(shape)


def stretches(chunks: Iterator[pa.RecordBatch], shape: Shape) -> Iterator["Steps"]:
    """Rows as they come, each time with the earlier ones that an unfinished window holds.

    Args:
        chunks: Of `by` and `order` at least.
        shape: What a window is.

    Raises:
        MalformedData: An entity's times do not rise.
        InvalidArgument: With `fill`, times are no whole number of steps apart.
    """
    tail: pa.Table | None = None
    waiting: list[pa.RecordBatch] = []
    read = fresh = 0
    for chunk in itertools.chain(chunks, [None]):
        held = 0 if tail is None else tail.num_rows
        if chunk is not None:
            waiting.append(chunk)
            fresh += len(chunk)
        # at least as many new rows as are held of entities, or those would be looked at again and again
        if not fresh or (chunk is not None and fresh < held):
            continue
        rows = pa.Table.from_batches(waiting)
        if tail is not None:
            rows = pa.concat_tables([tail, rows]).combine_chunks()
        position = np.concatenate([np.full(held, -1), np.arange(read, read + fresh)])
        steps = Steps.of(rows, position, shape)
        yield steps
        tail = rows.take(pa.array(steps.unfinished(shape)))
        waiting, read, fresh = [], read + fresh, 0


@dataclasses.dataclass(frozen=True)
class Steps:
    """Rows in the order of entity and time, with a place for every missing step.

    Args:
        rows: As they came.
        row: Of each step, -1 for a missing one.
        time: Of each step.
        run: Steps of one number follow each other without a break.
        entity: A number for each.
        completed: The position in the stream of the row that completes the step, -1 if it was there before.
    """

    rows: pa.Table
    row: np.ndarray
    time: np.ndarray
    run: np.ndarray
    entity: np.ndarray
    completed: np.ndarray

    @classmethod
    def of(cls, rows: pa.Table, position: np.ndarray, shape: Shape) -> "Steps":
        """Order rows; see `windows_of`."""
        time = as_counts(rows.column(shape.order).combine_chunks(), shape.order)
        count = len(time)
        hashes = hash_rows([rows.column(name) for name in shape.by]) if shape.by else np.zeros(count, np.uint64)
        order = np.argsort(hashes, kind="stable")
        time, hashes, position = time[order], hashes[order], position[order]
        same = np.append(False, hashes[1:] == hashes[:-1])[:count]
        if (wrong := np.flatnonzero(same[1:] & (time[1:] <= time[:-1]))).size:
            later = int(wrong[0]) + 1
            _refuse_order(rows.slice(int(order[later]), 1), shape, bool(time[later] == time[later - 1]))
        entity = np.cumsum(~same)
        if shape.every is None:
            return cls(rows, order, time, entity, entity, position)
        apart = np.diff(time, prepend=time[:1])
        if (wrong := np.flatnonzero(same & (apart < 0))).size:
            raise InvalidArgument(
                "Two rows of an entity lie less than 2^63 units of time apart. Received: "
                f"{_entity(rows.slice(int(order[wrong[0]]), 1), shape)}. Cast the times to a coarser unit."
            )
        steps = np.where(same, apart // shape.every, 0)
        regular = same & (apart == steps * shape.every)
        if not shape.fill:
            return cls(rows, order, time, np.cumsum(~(regular & (steps == 1))), entity, position)
        if (wrong := np.flatnonzero(same & ~regular)).size:
            _refuse_steps(rows.slice(int(order[wrong[0]]), 1), shape)
        # of a long hole only those steps that a window with a row can reach, at both of its ends
        reach = shape.span - 1
        holes = np.where(same, steps - 1, 0)
        added = np.minimum(holes, 2 * reach)
        at = np.repeat(np.arange(count), added + 1)
        # how many steps before the row each of them is: the row itself comes last
        back = np.repeat(np.cumsum(added + 1), added + 1) - 1 - np.arange(len(at))
        cut = (holes > added)[at]
        first_end = cut & (back > reach)
        moment = time[at] - (back + np.where(first_end, (holes - added)[at], 0)) * shape.every
        broken = ((back == added[at]) & ~same[at]) | (cut & (back == reach))
        row = np.where(back == 0, order[at], -1)
        return cls(rows, row, moment, np.cumsum(broken), entity[at], position[at])

    def starts(self, shape: Shape) -> np.ndarray:
        """The first steps of the windows that are complete now and were not before."""
        span, count = shape.span, len(self.row)
        starts = np.arange(max(count - span + 1, 0))
        last = starts + span - 1
        good = (self.run[starts] == self.run[last]) & (self.completed[last] >= 0)
        end = starts + shape.length - 1
        if shape.fill:
            before = np.append(0, np.cumsum(self.row < 0))
            good &= before[end + 1] - before[starts] < shape.length
            if shape.horizon:
                good &= before[last + 1] == before[last + 1 - shape.horizon]
        if shape.since is not None:
            good &= self.time[last + 1 - shape.horizon if shape.horizon else end] >= shape.since
        return starts[good]

    def windows(self, shape: Shape) -> Iterator[pa.RecordBatch]:
        """The windows that are complete now and were not before."""
        starts = self.starts(shape)
        starts = starts[np.lexsort((self.time[starts], self.completed[starts + shape.span - 1]))]
        most = max(1, MOST_VALUES // (shape.length * len(shape.columns) + shape.horizon * len(shape.ahead)))
        for begin in range(0, len(starts), most):
            yield self._batch(starts[begin : begin + most], shape)

    def _batch(self, starts: np.ndarray, shape: Shape) -> pa.RecordBatch:
        end = starts + shape.length - 1
        # a missing step has no row that would say whose it is: any row of the window does
        known = self._row_within(starts, shape.length)
        arrays = [self.rows.column(name).combine_chunks().take(pa.array(known)) for name in shape.by]
        kind = self.rows.schema.field(shape.order).type
        arrays.append(_times(self.time[end], kind))
        arrays += [self._values(name, known) for name in shape.static]
        arrays += self._lists(shape.columns, starts, shape.length)
        first = starts + shape.length + shape.gap
        if shape.horizon > 1:
            arrays += self._lists(shape.ahead, first, shape.horizon)
        else:
            arrays += [self._values(name, self.row[first]) for name in shape.ahead]
        names = [*shape.by, shape.order, *shape.static, *shape.columns, *(ahead_of(name) for name in shape.ahead)]
        return pa.RecordBatch.from_arrays(arrays, names=names)

    def _row_within(self, starts: np.ndarray, length: int) -> np.ndarray:
        """The last row of each window's input."""
        latest = np.maximum.accumulate(np.where(self.row >= 0, np.arange(len(self.row)), -1))
        return self.row[latest[starts + length - 1]]

    def _values(self, name: str, rows: np.ndarray) -> pa.Array:
        return self.rows.column(name).combine_chunks().take(_places(rows))

    def _lists(self, names: Sequence[str], starts: np.ndarray, length: int) -> list[pa.Array]:
        places = _places(self.row[starts[:, None] + np.arange(length)].ravel())
        columns = (self.rows.column(name).combine_chunks().take(places) for name in names)
        return [pa.FixedSizeListArray.from_arrays(column, length) for column in columns]

    def unfinished(self, shape: Shape) -> np.ndarray:
        """The rows, in the order in which they came, that a later window may need."""
        real = self.row >= 0
        row, entity = self.row[real], self.entity[real]
        from_end = following(entity)
        return np.sort(row[from_end < max(shape.span - 1, 1)])


def following(of: np.ndarray) -> np.ndarray:
    """How many of the same number come after each, where equal ones lie together."""
    last = np.flatnonzero(np.append(of[1:] != of[:-1], True)[: len(of)])
    return last[np.searchsorted(last, np.arange(len(of)))] - np.arange(len(of))


def ahead_of(name: str) -> str:
    """What values ahead are called."""
    return f"{name}_ahead"


def _places(rows: np.ndarray) -> pa.Array:
    """Positions of rows, null for a missing one."""
    missing = rows < 0
    return pa.array(rows, mask=missing) if missing.any() else pa.array(rows)


def _times(times: np.ndarray, kind: pa.DataType) -> pa.Array:
    whole = pa.array(times, pa.int64())
    return whole.cast(pa.int32()).cast(kind) if pa.types.is_date32(kind) else whole.cast(kind)


def _entity(row: pa.Table, shape: Shape) -> str:
    told = [f"{name}={row.column(name)[0].as_py()!r}" for name in (*shape.by, shape.order)]
    return ", ".join(told)


def _refuse_order(row: pa.Table, shape: Shape, twice: bool) -> None:
    if twice:
        raise MalformedData(
            f"An entity has one row at a time. Received: two of {_entity(row, shape)}. Leave one out, or tell the "
            "entities apart by another column: by=[...]."
        )
    raise MalformedData(
        f"Rows of one entity come in the order of time. Received: {_entity(row, shape)} after a later one."
    )


def _refuse_steps(row: pa.Table, shape: Shape) -> None:
    raise InvalidArgument(
        f"With gaps='missing' an entity's times are whole numbers of steps apart. Received: {_entity(row, shape)}, "
        "which is none from the row before. Round the times, or give gaps='drop'."
    )


def require_single(schema: pa.Schema, names: Sequence[str]) -> None:
    """Refuse to make lists of lists.

    Raises:
        InvalidArgument: A column is nested already.
    """
    for name in names:
        if pa.types.is_nested(kind := schema.field(name).type):
            raise InvalidArgument(
                f"Windows are made of columns of one value a row. Received: {name!r} of type {kind}. Leave it out of "
                "columns."
            )
