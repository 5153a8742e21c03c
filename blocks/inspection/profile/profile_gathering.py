"""One pass over each split: the statistics of every column, rows drawn at random, and whatever else sees the chunks."""

import dataclasses
from collections.abc import Mapping, Sequence

import pyarrow as pa

from blocks.data import Source
from blocks.data.sample import RowDraw
from blocks.inspection.column_kinds import Holds, kind_of
from blocks.inspection.column_statistics import ROWS, Beside, summarize
from blocks.inspection.profile.column_summary import profile_statistics
from blocks.progress import Progress, Verbose
from blocks.statistics import Budget, Statistic

_STREAM = 0x726F7773
_NOT_DRAWN = ("bytes", "nested", "unknown")
_ONE = {frozenset({"integer", "number"}): "number", frozenset({"date", "timestamp"}): "timestamp"}


@dataclasses.dataclass(frozen=True)
class Gathered:
    """What was learned of all splits.

    Attributes:
        fields: The columns of all splits, by name, the first split's first.
        kinds: What each of them holds.
        statistics: By column, of all rows.
        parts: By split and column.
        others: By column, the splits in which it holds values of another kind, and what these are; their statistics
            are in none of those of all rows.
        rows: By split.
        sample: Rows drawn at random, of columns of single values; None without rows.
        ordered: Those of them that are of the largest split.
    """

    fields: dict[str, pa.Field]
    kinds: dict[str, Holds]
    statistics: dict[str, Mapping[str, Statistic]]
    parts: dict[str, dict[str, Mapping[str, Statistic]]]
    others: dict[str, dict[str, Holds]]
    rows: dict[str, int]
    sample: pa.Table | None
    ordered: pa.Table | None


def gather(
    splits: Mapping[str, Source],
    *,
    sample_rows: int,
    seed: int,
    memory: int,
    chunk_rows: int,
    verbose: Verbose,
    beside: Mapping[str, Sequence[Beside]],
) -> Gathered:
    """Reads every split once.

    Args:
        splits: By name.
        sample_rows: Rows to draw.
        seed: Decides which.
        memory: Bytes that the statistics may take.
        chunk_rows: Rows read at once.
        verbose: How much to show.
        beside: By split, what else sees its chunks.
    """
    fields: dict[str, pa.Field] = {}
    for source in splits.values():
        for field in source.schema:
            fields.setdefault(field.name, field)
    held = {
        name: {split: kind_of(source.schema.field(name).type) for split, source in splits.items() if _has(source, name)}
        for name in fields
    }
    kinds = {name: _common(list(of.values())) for name, of in held.items()}
    others = {
        name: {split: found for split, found in of.items() if not _one_kind(found, kinds[name])}
        for name, of in held.items()
    }
    wishes = [one.wish for of in held.values() for found in of.values() for one in profile_statistics(found).values()]
    budget = Budget(memory, wishes)
    drawn = [fields[name] for name in fields if kinds[name].kind not in _NOT_DRAWN and not kinds[name].is_list]
    schema = pa.schema([_widened(field, kinds[field.name]) for field in drawn if not others[field.name]])
    # numbers that a user has drawn with the same seed must have nothing to do with which rows are drawn
    draw = RowDraw(sample_rows, [seed, _STREAM], schema)
    total = [source.estimated_rows() for source in splits.values()]
    parts = {}
    known = None if None in total else sum(rows for rows in total if rows is not None)
    with Progress("describe", known, verbose, note=f"{len(fields)} columns") as progress:
        for split, source in splits.items():
            seen = [lambda chunk: progress.advance(len(chunk)), *beside.get(split, ())]
            if schema.names:
                seen.append(draw.add)
            mine = {name: kinds[name] for name in source.schema.names if split not in others[name]}
            mine = {
                name: holds for name, holds in mine.items() if kind_of(source.schema.field(name).type).kind != "unknown"
            }
            wanted = lambda holds: budget.share(profile_statistics(holds))  # noqa: E731
            parts[split] = summarize(source, wanted, chunk_rows, beside=seen, kinds=mine)
    rows = {split: _rows(of) for split, of in parts.items()}
    largest = max(rows, key=lambda split: rows[split])
    before = sum(rows[split] for split in list(rows)[: list(rows).index(largest)])
    return Gathered(
        fields,
        kinds,
        {name: _merged(name, parts, others[name]) for name in fields},
        parts,
        {name: of for name, of in others.items() if of},
        rows,
        draw.table(),
        draw.between(before, before + rows[largest]),
    )


def _has(source: Source, name: str) -> bool:
    return name in source.schema.names


def _common(kinds: Sequence[Holds]) -> Holds:
    """What a column holds, all splits together; the first one's where they do not go together."""
    known = [holds for holds in kinds if holds.kind != "unknown"]
    if not known:
        return kinds[0]
    both = _ONE.get(frozenset(holds.kind for holds in known))
    if both is not None and not any(holds.is_list for holds in known):
        return Holds(both)
    return known[0]


def _one_kind(found: Holds, common: Holds) -> bool:
    if found == common or found.kind == "unknown":
        return True
    return not (found.is_list or common.is_list) and _ONE.get(frozenset({found.kind, common.kind})) == common.kind


def _widened(field: pa.Field, holds: Holds) -> pa.Field:
    """A field that holds what all splits have."""
    if kind_of(field.type) == holds:
        return field
    return pa.field(field.name, pa.float64() if holds.kind == "number" else pa.timestamp("us"))


def _merged(
    name: str, parts: Mapping[str, Mapping[str, Mapping[str, Statistic]]], others: Mapping[str, Holds]
) -> Mapping[str, Statistic]:
    """The statistics of a column over the splits that have it, and values of its kind."""
    found = [of[name] for split, of in parts.items() if name in of and split not in others]
    if len(found) == 1:
        return found[0]
    # of a split without any value, rows alone are known
    most = max(found, key=len)
    merged = {key: one.empty() for key, one in most.items()}
    for one in merged.values():
        one.room = most[ROWS].room
    for statistics in found:
        for key, one in statistics.items():
            merged[key].merge(one)
    return merged


def _rows(statistics: Mapping[str, Mapping[str, Statistic]]) -> int:
    return next((of[ROWS].result().rows for of in statistics.values()), 0)
