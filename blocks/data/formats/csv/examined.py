"""A block of a CSV file, parsed by the types that are known so far, and what is noticed in it: in any thread."""

import dataclasses
import functools
from collections.abc import Collection, Mapping, Sequence

import pyarrow as pa

from blocks.data.files import File
from blocks.data.formats.csv.digits import Loss, largest, losses
from blocks.data.formats.csv.parser import BlockParser
from blocks.data.formats.csv.rejects import REJECTS_SCHEMA
from blocks.data.formats.csv.row_spans import RowSpan


@dataclasses.dataclass(frozen=True)
class Examined:
    """A block and what is noticed in it.

    Attributes:
        types: by which it was parsed.
        table: its rows of a right number of values.
        bad: its other rows.
        largest: the greatest size of the values of each int64 column that is not declared.
        losses: what columns of numbers would lose.
        error: why it could not be parsed; there is nothing else then.
    """

    types: Mapping[str, pa.DataType]
    table: pa.Table
    bad: pa.Table = dataclasses.field(default_factory=REJECTS_SCHEMA.empty_table)
    largest: Mapping[str, int] = dataclasses.field(default_factory=dict)
    losses: Mapping[str, Loss] = dataclasses.field(default_factory=dict)
    error: pa.ArrowInvalid | None = None


def examine(
    parser: BlockParser,
    file: File,
    block: RowSpan,
    names: Sequence[str] | None,
    columns: Sequence[str],
    types: Mapping[str, pa.DataType],
    undeclared: Collection[str],
    rounded: Collection[str],
    *,
    texts: bool,
) -> Examined:
    """Parses a block.

    Args:
        parser: of the file.
        file: for messages.
        block: whole rows.
        names: as of `BlockParser.parse`.
        columns: the names of all columns.
        types: of columns, as far as they are known.
        undeclared: columns whose types are to be found.
        rounded: columns of which it was said already that they are rounded.
        texts: whether columns of text are wanted too, which any value fits.
    """
    wanted = None if texts else [name for name in columns if types.get(name) != pa.string()] or columns[:1]
    try:
        table, bad = parser.parse(file, block, names, types, wanted)
    except pa.ArrowInvalid as error:
        return Examined(types, pa.table({}), error=error)
    found = dict(zip(table.schema.names, table.schema.types, strict=True))
    at_stake = {name for name in undeclared if found.get(name) in (pa.int64(), pa.float64())}
    numbers = {index: name for index, name in enumerate(columns) if name in at_stake}
    sizes = {name: largest(table[name]) for name in numbers.values() if found[name] == pa.int64()}
    lost = losses(
        block,
        parser.dialect,
        table,
        numbers,
        functools.cache(lambda: parser.cells(block, names)),
        lambda doubtful: parser.parse(file, block, names, dict.fromkeys(doubtful, pa.string()), doubtful)[0],
        rounded,
        begin=None if len(bad) else parser.first_data(block, names),
    )
    return Examined(types, table, bad, sizes, lost)
