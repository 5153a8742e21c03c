"""Statistics of all columns of a source, in one pass: which ones, the caller says; of what, is said here."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from os import cpu_count
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from blocks.data import Source
from blocks.inspection.column_kinds import Holds, kind_of
from blocks.statistics import Statistic
from blocks.statistics.tokens import encoded

ROWS = "missing"
"""Name of the statistic that sees a column's rows as they are."""

LENGTHS = "lengths"
"""How the names of statistics begin that see how many values each row's list has."""

ROW_TOKENS = "row tokens"
"""Name of the statistic that sees each text of a row's list once, so that its counts are of rows."""

_TEXTS: Final = (Holds("text"), Holds("bytes"))

_WIDENED: Final = {
    (Holds("integer"), Holds("number")): pa.float64(),
    (Holds("date"), Holds("timestamp")): pa.timestamp("us"),
}

Beside = Callable[[pa.RecordBatch], object]
Wanted = Callable[[Holds], Mapping[str, Statistic]]


def summarize(
    source: Source,
    wanted: Wanted,
    chunk_rows: int = 65_536,
    *,
    beside: Sequence[Beside] = (),
    kinds: Mapping[str, Holds] = {},
) -> dict[str, Mapping[str, Statistic]]:
    """The statistics of each column.

    Args:
        source: The rows, read once.
        wanted: By what a column holds, fresh statistics by name: "missing" sees its rows, what begins with "lengths"
            the lengths of lists, "row tokens" the different texts of each list, any other the values, which of lists
            are all that are inside.
        chunk_rows: Rows read at once; changes nothing but memory.
        beside: What else sees each chunk in the same pass, one chunk after another.
        kinds: What columns hold, where they hold more than is seen here: integers may be numbers, dates timestamps.

    Example:
        >>> import blocks.data
        >>> from blocks.statistics import Missing
        >>> found = summarize(blocks.data.read({"x": [1, None]}), lambda holds: {"missing": Missing()})
        >>> found["x"]["missing"].result().missing
        1
    """
    chunks = source.chunks(chunk_rows, encoded=True, exact=False)
    return summarize_batches(source.schema, chunks, wanted, beside=beside, kinds=kinds)


def summarize_batches(
    schema: pa.Schema,
    batches: Iterable[pa.RecordBatch],
    wanted: Wanted,
    *,
    beside: Sequence[Beside] = (),
    kinds: Mapping[str, Holds] = {},
) -> dict[str, Mapping[str, Statistic]]:
    """The statistics of each column of some batches, as of `summarize`.

    Args:
        schema: The batches' columns.
        batches: Of these columns, in this order.
        wanted: As of `summarize`, and so are all others.
    """
    held = {field.name: kinds.get(field.name, kind_of(field.type)) for field in schema}
    found = {name: wanted(holds) for name, holds in held.items()}
    with ThreadPoolExecutor(cpu_count()) as pool:
        for chunk in batches:
            # those beside look at all columns and take longest: they begin first
            futures = [pool.submit(one, chunk) for one in beside]
            futures += [
                pool.submit(_update, found[name], column, holds)
                for column, (name, holds) in zip(chunk.columns, held.items(), strict=True)
            ]
            wait(futures)
            for future in futures:
                future.result()
    return found


def _update(statistics: Mapping[str, Statistic], column: pa.Array, holds: Holds) -> None:
    """Update the statistics of one column; texts are looked up once for all of them."""
    if len(statistics) > 1 and holds in _TEXTS:
        column = encoded(column)
    elif (widened := _WIDENED.get((kind_of(column.type), holds))) is not None:
        column = column.cast(widened, safe=False)
    for name, statistic in statistics.items():
        statistic.update(seen_by(name, column))


def items(column: pa.Array) -> pa.Array:
    """The values of a column: of lists, all that are inside."""
    return column.flatten() if _is_list(column.type) else column


def seen_by(name: str, column: pa.Array) -> pa.Array:
    """What of a column the statistic of a name sees."""
    if name == ROWS:
        return column
    if name == ROW_TOKENS:
        return _each_once(column)
    return pc.list_value_length(column) if name.startswith(LENGTHS) else items(column)


def _each_once(column: pa.Array) -> pa.Array:
    """The texts inside of lists, each once a row."""
    coded = encoded(column.flatten())
    parents = pc.list_parent_indices(column).to_numpy(zero_copy_only=False)
    at = pc.fill_null(coded.indices, -1).to_numpy(zero_copy_only=False)
    _, first = np.unique(parents.astype(np.int64) * (len(coded.dictionary) + 1) + at, return_index=True)
    return coded.take(pa.array(np.sort(first)))


def _is_list(type: pa.DataType) -> bool:
    return pa.types.is_list(type) or pa.types.is_large_list(type) or pa.types.is_fixed_size_list(type)
