"""Refusals of `Columns`: columns that a batch lacks or has too many, or that are not of one kind."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from blocks.data.raw_columns import RawColumn
from blocks.errors import SchemaMismatch
from blocks.preprocessors.columns.lanes import Lane


def require_batch(wanted: Sequence[str], names: Sequence[str]) -> None:
    """Refuse a batch that lacks a column or has one more.

    Raises:
        SchemaMismatch: Naming them.
    """
    missing, extra = sorted(set(wanted) - set(names)), sorted(set(names) - set(wanted))
    if missing or extra:
        raise SchemaMismatch(
            f"A batch of raw rows holds exactly the model's columns: {', '.join(wanted)}. Received: "
            + "; ".join(
                f"{what} {', '.join(map(repr, columns))}{_hint(columns, near)}"
                for what, columns, near in (("missing", missing, ()), ("extra", extra, missing))
                if columns
            )
            + "."
        )


def require_one_kind_of_time(lane: Lane, raw: Mapping[str, RawColumn]) -> None:
    """Refuse columns of several kinds where a block takes them all as one.

    Raises:
        SchemaMismatch: They are.
    """
    kinds = {column: raw[column] for column in lane.columns if raw[column].is_time}
    if len(set(kinds.values())) > 1 and any(block.one_kind_of_time for block in lane.blocks):
        raise SchemaMismatch(
            f"{type(lane.blocks[-1]).__name__} takes times of one kind. Received: "
            f"{', '.join(f'{column!r} as {kind}' for column, kind in kinds.items())}. Cast one: "
            "pyarrow.compute.assume_timezone(column, 'Europe/Rome') says whose clock a timestamp without a zone shows."
        )


def require_windows(lane: Lane, raw: Mapping[str, RawColumn]) -> None:
    """Refuse windows where blocks do not work value by value.

    Raises:
        SchemaMismatch: Columns that go through a block together are not of one shape, or a block learns from the target
            or gives more than features of a number.
    """
    shapes = {column: raw[column].shape for column in lane.columns}
    if not any(shapes.values()):
        return
    if len(set(shapes.values())) > 1:
        raise SchemaMismatch(
            f"{type(lane.blocks[-1]).__name__} takes numbers, or windows of one length. Received: "
            f"{', '.join(f'{column!r} as {raw[column]}' for column in shapes)}. Give it columns of one shape."
        )
    for block in lane.blocks:
        if block.uses_target or block.categories or block.entry(lane.name, lane.columns) is not None:
            raise SchemaMismatch(
                f"Blocks of numbers work on each value of a window. Received: {type(block).__name__} of "
                f"{lane.columns[0]!r}, {raw[lane.columns[0]].means}. Use Standardize() or Bucketize(...), or give it a "
                "column of its own: blocks.windows(..., static=[...]) takes the value at a window's last step."
            )


def _hint(names: Sequence[str], known: Sequence[str]) -> str:
    close = [match for name in names for match in get_close_matches(name, known, 1)]
    return f" (did you mean {', '.join(map(repr, close))}?)" if close else ""
