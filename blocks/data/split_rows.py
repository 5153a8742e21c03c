"""Rows as users give them to what looks at splits: a dict of tables by name, or one table."""

import os
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from blocks.data.read import read
from blocks.data.source import Source
from blocks.errors import InvalidArgument


def as_splits(data: Any, split: str | None = None) -> dict[str | None, Source]:
    """Rows by the name of their split; None for rows of none.

    Raises:
        InvalidArgument: There are none at all.
    """
    if isinstance(data, Mapping) and not data:
        raise InvalidArgument('Rows are a dict of splits, {"test": rows}, or rows alone. Received: {}.')
    if isinstance(data, Mapping) and all(_is_table(part) for part in data.values()):
        if split is not None:
            raise InvalidArgument(f"split= names the rows of one source. Received: {split!r} and a dict of splits.")
        return {name: read(part) for name, part in data.items()}
    return {split: read(data)}


def _is_table(value: Any) -> bool:
    # a column is an array or a list
    return isinstance(value, Source | pa.Table | Mapping | str | os.PathLike) or hasattr(value, "columns")
