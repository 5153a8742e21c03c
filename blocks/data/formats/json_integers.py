"""Numbers of JSON lines that float64 would round: found among the few that are large, and kept as text.

Rows are looked at one by one in Python only where a block holds such numbers, or a column of text holds numbers.
"""

import decimal
import json
import re
from collections.abc import Collection, Iterator
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from blocks.data.formats.csv.row_spans import RowSpan
from blocks.errors import MalformedData

EXACT: Final = 1 << 53
"""Integers up to this size are float64 numbers, every one."""

_LONG: Final = re.compile(rb"\d{16}")


def rounded(block: RowSpan, table: pa.Table, skip: Collection[str]) -> dict[str, str]:
    """Columns of a block that hold an integer which float64 rounds, nested ones too, and the first such.

    Args:
        block: the rows.
        table: what Arrow made of them.
        skip: columns not to look at.
    """
    names = [name for name in table.schema.names if name not in skip and _largest(table[name], floating=True) >= EXACT]
    found: dict[str, str] = {}
    if not names or not _LONG.search(block.data):
        return found
    for line in _lines(block):
        row = _loaded(line, parse_int=_Whole, parse_float=float)
        for name in names if isinstance(row, dict) else ():
            lost = None if name in found else _lost(row.get(name))
            if lost is not None:
                found[name] = lost
    return found


def largest(column: pa.ChunkedArray) -> int:
    """The greatest size of the integers of a column; 0 where it holds none."""
    return int(_largest(column, floating=False))


def with_texts(block: RowSpan, texts: Collection[str]) -> RowSpan:
    """The block with the numbers of some columns as text, digit for digit.

    Raises:
        MalformedData: such a column holds a list or an object.
    """
    lines = []
    for number, line in enumerate(block.data.split(b"\n")):
        row = _loaded(line) if line.strip() else None
        if isinstance(row, dict):
            literal = _loaded(line, parse_int=str, parse_float=str)
            for name in texts & row.keys():
                row[name] = _text(literal[name], name, block.line + number)
            line = json.dumps(row).encode()
        lines.append(line)
    return block.with_data(b"\n".join(lines))


class _Whole(str):
    """An integer as it is written."""

    __slots__ = ()


def _lost(value: Any) -> str | None:
    """The first integer in a value that float64 rounds."""
    if isinstance(value, _Whole):
        return None if decimal.Decimal(value) == decimal.Decimal(float(value)) else str(value)
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return next((lost for lost in map(_lost, inner) if lost is not None), None)


def _text(value: Any, name: str, line: int) -> str | None:
    if isinstance(value, dict | list):
        raise MalformedData(
            f"Column {name!r} is read as text, and line {line} has {json.dumps(value)[:60]} in it. Declare another "
            f"type for it: column_types={{{name!r}: ...}}."
        )
    return str(value).lower() if isinstance(value, bool) else value


def _lines(block: RowSpan) -> Iterator[bytes]:
    return (line for line in block.data.split(b"\n") if line.strip())


def _loaded(line: bytes, **parsers: Any) -> Any:
    try:
        return json.loads(line.decode("utf-8", "replace"), **parsers)
    except ValueError:
        return None  # Arrow says what is wrong with it


def _largest(column: pa.ChunkedArray, *, floating: bool) -> float:
    kind = column.type
    if pa.types.is_struct(kind):
        return max((_largest(part, floating=floating) for part in column.flatten()), default=0)
    if pa.types.is_list(kind):
        return _largest(pc.list_flatten(column), floating=floating)
    if not (pa.types.is_floating(kind) if floating else pa.types.is_integer(kind)):
        return 0
    ends = pc.min_max(column).as_py()
    return max(abs(ends["min"] or 0), abs(ends["max"] or 0))
