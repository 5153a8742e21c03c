"""Statistics of all columns of a source, in one pass: which ones, the caller says; of what, is said here."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count

import pyarrow as pa
import pyarrow.compute as pc

from blocks.data import Source
from blocks.inspection.column_kinds import Holds, kind_of
from blocks.statistics import Statistic, update_columns

ROWS = "missing"
"""Name of the statistic that sees a column's rows as they are."""

LENGTHS = "lengths"
"""How the names of statistics begin that see how many values each row's list has."""

Wanted = Callable[[Holds], Mapping[str, Statistic]]


def summarize(source: Source, wanted: Wanted, chunk_rows: int = 65_536) -> dict[str, Mapping[str, Statistic]]:
    """The statistics of each column.

    Args:
        source: The rows, read once.
        wanted: By what a column holds, fresh statistics by name: "missing" sees its rows, what
            begins with "lengths" the lengths of lists, any other the values, which of lists are all that are inside.
        chunk_rows: Rows read at once; changes nothing but memory.

    Example:
        >>> import blocks.data
        >>> from blocks.statistics import Missing
        >>> found = summarize(blocks.data.read({"x": [1, None]}), lambda holds: {"missing": Missing()})
        >>> found["x"]["missing"].result().missing
        1
    """
    found = {field.name: wanted(kind_of(field.type)) for field in source.schema}
    with ThreadPoolExecutor(cpu_count()) as pool:
        for chunk in source.chunks(chunk_rows, encoded=True, exact=False):
            updates = [
                (statistic, _seen(name, column), None)
                for column, statistics in zip(chunk.columns, found.values(), strict=True)
                for name, statistic in statistics.items()
            ]
            update_columns(updates, pool)
    return found


def items(column: pa.Array) -> pa.Array:
    """The values of a column: of lists, all that are inside."""
    return column.flatten() if _is_list(column.type) else column


def _seen(name: str, column: pa.Array) -> pa.Array:
    if name == ROWS:
        return column
    return pc.list_value_length(column) if name.startswith(LENGTHS) else items(column)


def _is_list(type: pa.DataType) -> bool:
    return pa.types.is_list(type) or pa.types.is_large_list(type) or pa.types.is_fixed_size_list(type)
