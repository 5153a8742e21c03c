"""`blocks.windows`: rows over time as one row a window."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from blocks.arguments import check_whole_number, checked
from blocks.data.read import read
from blocks.data.schema import require_columns
from blocks.data.source import Source
from blocks.data.splitting.durations import in_units_of, nanoseconds, require_time, unit_of
from blocks.data.windowing.cutting import Shape, ahead_of, require_single, windows_of
from blocks.data.windowing.rows_without_window import rows_without_window
from blocks.data.windowing.sorting import Sorted, in_order
from blocks.errors import InvalidArgument

CHUNK_ROWS = 65_536


@checked()
def windows(
    source: Any,
    *,
    length: int,
    order: str,
    horizon: int = 1,
    gap: int = 0,
    by: str | Sequence[str] | None = None,
    every: Any = None,
    columns: Sequence[str] | None = None,
    target: str | None = None,
    gaps: str = "drop",
    static: Sequence[str] = (),
    future: Sequence[str] = (),
    history: bool = False,
) -> Source:
    """A Source of windows: the last steps of one entity as lists, oldest first, and what came after them.

    A window of `length` holds the lags 0 to `length` - 1 of each column, the newest last: lags of a long table need
    nothing else. Rows may come in any order: those that do not come in the order of time of each entity are sorted on
    disk, by DuckDB. A chunk of rows and, for each entity, the steps of one window are held.

    Split rows by time first, then make the windows of each part: no target then lies in two parts. Windows of all rows,
    divided afterwards, share their values between parts.

    Args:
        source: A Source, or anything that `read` takes.
        length: Steps of a window.
        order: The column of times: timestamps, dates or whole numbers.
        horizon: Steps of `target` and `future` after the gap.
        gap: Steps between a window's last and the first of the horizon.
        by: The column, or columns, that tell entities apart; None where all rows are of one.
        every: The time between two steps, "1h" or a timedelta; None where each row is a step, whenever it came. A day
            is 24 hours: where clocks change, give dates rather than timestamps. Months differ in length: number them,
            12 * year + month, and give 1.
        columns: Whose values a window holds; None for all but those of `by`, `order`, `static` and `future`.
        target: The column to be foretold; None where there is none, as for serving.
        gaps: "drop": no window goes over a step without a row. "missing": such steps are nulls, in windows with a row
            at all whose target is there.
        static: Columns whose value at the window's last step is a column as it is.
        future: Columns that are known ahead of time, whose values over the horizon are wanted too.
        history: For a part of a split by `order`: windows may begin before the part, whose first targets would be
            without one otherwise. What is ahead lies in the part in any case.

    Returns:
        A Source; a row has the columns of `by`, `order` (of the window's last step), `static`, `columns` as fixed-size
        lists of `length`, and `<name>_ahead` for `future` and `target`: fixed-size lists of `horizon`, or a value where
        that is 1. Its `left_out` says how many rows are the last step of no window, and why. They come in the order in
        which they are complete: by time, where rows do.

    Raises:
        InvalidArgument: An argument is outside what is said here, or names collide.
        SchemaMismatch: A column is unknown, or `order` holds no times.
        MalformedData: While iterating, if an entity has two rows at a time.

    Example:
        >>> import blocks
        >>> rows = blocks.read({"hour": [1, 2, 3, 4, 5], "close": [1.0, 2.0, 3.0, 4.0, 5.0]})
        >>> blocks.windows(rows, length=2, horizon=1, order="hour", target="close").to_table().to_pylist()[0]
        {'hour': 2, 'close': [1.0, 2.0], 'close_ahead': 3.0}
        >>> blocks.windows(rows, length=2, horizon=1, order="hour", target="close").left_out
        {'fewer than 2 steps so far': 1, 'fewer than 1 steps to come': 1}
    """
    rows = read(source)
    schema = rows.schema
    entity = (by,) if isinstance(by, str) else tuple(by or ())
    fixed, coming = tuple(static), tuple(future)
    taken = {*entity, order, *fixed, *coming}
    wanted = tuple(columns) if columns is not None else tuple(name for name in schema.names if name not in taken)
    require_columns([*entity, order, *wanted, *fixed, *coming, *([target] if target else [])], schema.names, "windows")
    require_time(schema.field(order).type, order)
    ahead = (*coming, *([target] if target is not None and target not in coming else []))
    require_single(schema, [*wanted, *ahead])
    if gaps not in ("drop", "missing"):
        raise InvalidArgument(f"gaps is 'drop' or 'missing'. Received: {gaps!r}.")
    if gaps == "missing" and every is None:
        raise InvalidArgument(
            "Without every= each row is a step, and none is missing. Give every='1h', or gaps='drop'."
        )
    if not wanted:
        raise InvalidArgument("A window holds values of at least one column. Received: columns=[]. Name some.")
    rows, since = _reaching_back(rows, order) if history else (rows, None)
    shape = Shape(
        by=entity,
        order=order,
        length=check_whole_number("length", length, least=1),
        gap=check_whole_number("gap", gap) if ahead else 0,
        horizon=check_whole_number("horizon", horizon, least=1) if ahead else 0,
        every=None if every is None else _step(schema.field(order).type, every),
        fill=gaps == "missing",
        columns=wanted,
        ahead=ahead,
        static=fixed,
        since=since,
    )
    return Source(WindowReader(rows, shape), divisions=rows.division_records)


def _step(kind: pa.DataType, every: Any) -> int:
    if isinstance(every, str) and re.search(r"mon|year|quarter", every, re.IGNORECASE):
        raise InvalidArgument(
            f"every is a duration, and months and years differ in length. Received: {every!r}. Number them in a column "
            "of their own, 12 * year + month, and give order= that column and every=1."
        )
    if not pa.types.is_integer(kind) and nanoseconds(every, "every") % unit_of(kind):
        raise InvalidArgument(f"every is a whole number of the units of {kind}. Received: {every!r}.")
    if (step := in_units_of(kind, every, "every")) < 1:
        raise InvalidArgument(f"every is more than 0. Received: {every!r}.")
    return step


def _reaching_back(source: Source, order: str) -> tuple[Source, int]:
    found = source.before_its_start(order)
    if found is None:
        raise InvalidArgument(
            f"history=True is for a part of a split by time={order!r}, whose windows may begin before it. Received: "
            f"{source!r}. Leave history out, or split by time first."
        )
    return found


class WindowReader:
    """Gives the windows of a source; see `windows`.

    Args:
        source: The rows.
        shape: What a window is.
    """

    ahead = True

    def __init__(self, source: Source, shape: Shape) -> None:
        self._source, self._shape = source, shape
        self._rows: Source | None = None
        self._left_out: dict[str, int] | None = None
        rows = source.schema
        fields = [rows.field(name) for name in (*shape.by, shape.order, *shape.static)]
        fields += [pa.field(name, pa.list_(rows.field(name).type, shape.length)) for name in shape.columns]
        for name in shape.ahead:
            kind = rows.field(name).type
            fields.append(pa.field(ahead_of(name), pa.list_(kind, shape.horizon) if shape.horizon > 1 else kind))
        names = [field.name for field in fields]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise InvalidArgument(
                f"A row of windows has each name once. Received: {', '.join(twice)} more than once. Leave it out of "
                "all but one of by, order, static, columns and future, or rename a column that ends in _ahead."
            )
        self.schema = pa.schema(fields)

    def chunks(
        self, rows: int, columns: Sequence[str] | None = None, *, encoded: bool = False
    ) -> Iterator[pa.RecordBatch]:
        """Gives windows; see `Reader`."""
        names = self.schema.names if columns is None else list(columns)
        for batch in windows_of(self._ordered().chunks(CHUNK_ROWS, columns=self._shape.needed), self._shape):
            yield batch.select(names).cast(pa.schema([self.schema.field(name) for name in names]))

    def _ordered(self) -> Source:
        """The rows, as they are or sorted; which, one pass finds out, once."""
        if self._rows is None:
            shape, needed = self._shape, self._shape.needed
            times = self._source.chunks(CHUNK_ROWS, columns=[*shape.by, shape.order])
            if in_order(times, shape.by, shape.order):
                self._rows = self._source
            else:
                kept = self._source.select(needed)
                self._rows = Source(Sorted(kept.schema, kept.chunks(CHUNK_ROWS), [*shape.by, shape.order]))
        return self._rows

    @property
    def left_out(self) -> dict[str, int]:
        """How many rows end no window, by reason; a pass, once."""
        if self._left_out is None:
            times = self._ordered().chunks(CHUNK_ROWS, columns=[*self._shape.by, self._shape.order])
            self._left_out = rows_without_window(times, self._shape)
        return dict(self._left_out)

    def count(self) -> int | None:
        """Unknown without a pass."""
        return None

    def fingerprint(self) -> dict[str, Any]:
        """The rows', and what a window is."""
        shape = {name: list(v) if isinstance(v, tuple) else v for name, v in vars(self._shape).items()}
        return {"windows": shape, "of": self._source.fingerprint()}

    def description(self) -> str:
        """What the windows are of."""
        return f"windows of {self._source!r}"
