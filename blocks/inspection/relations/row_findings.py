"""What there is to point out of rows: those that stand more than once, and the order in which they stand."""

from collections.abc import Collection, Iterator, Sequence
from typing import Final

import pyarrow as pa

from blocks.inspection.finding import Finding
from blocks.inspection.relations.duplicate_rows import DuplicateRowsResult, EqualRows
from blocks.inspection.relations.order_in_time import OrderInTimeResult
from blocks.inspection.relations.row_order import Moving, moving_columns, sorted_by
from blocks.statistics.hash_tally import Estimate

MANY_SHARED: Final = 0.1
"""Share of a part's rows from which it matters that another part has them too."""

MANY_CONFLICTS: Final = 0.01
"""Share of rows from which it matters that equal contents have different targets."""

SOME_LATER: Final = 0.01
"""Share of rows of one part from which it is said that they are later than another's first."""

_NAMED = 8


def duplicate_findings(found: DuplicateRowsResult, target: str | None = None) -> Iterator[Finding]:
    """Rows and keys that stand twice, within parts and across them, and equal contents with different targets.

    Args:
        found: What was counted.
        target: The target's column, or None.
    """
    if "key" in found.equal:
        yield from _keys(found.equal["key"], found.keyless)
    several = len(found.rows) > 1
    for part in found.equal["rows"].parts if "rows" in found.equal else ():
        if part.repeated.value:
            where = (part.part,) if several else ()
            natural = _natural(part.distinct, part.rows)
            grave = "note" if natural or part.repeated.value < MANY_SHARED * part.rows else "warning"
            yield Finding(
                grave, "duplicate rows", (),
                f"{_counted(part.repeated, part.rows)} rows{_of(where)} stand there already, equal in all columns.",
                "With few columns of few values it is chance that rows are equal." if natural
                else "If each row should be one case, drop them: blocks.clean(..., duplicates='content').",
                where,
            )  # fmt: skip
    contents = found.equal.get("contents", found.equal.get("rows"))
    if contents is not None:
        yield from _shared(contents, found, target)
    yield from _conflicts(found, target)


def order_findings(
    rows: pa.Table | None,
    found: OrderInTimeResult,
    target: str | None = None,
    time: str | None = None,
    key: Collection[str] = (),
) -> Iterator[Finding]:
    """The order in which rows stand, and parts that lie in each other's future.

    Args:
        rows: A sample in the order of the rows, of one part (the largest, where there are several); None for none.
        found: What was seen of columns of times.
        target: The target's column, or None.
        time: The column that rows follow each other by, if the caller says so; else each in whose order they stand.
        key: Columns that name rows; nothing is said of them.
    """
    moving: Sequence[Moving] = ()
    if rows is not None:
        rows = rows.drop_columns([name for name in rows.schema.names if name in key and name != target])
        moving = moving_columns(rows)
        yield from _sorted_rows(sorted_by(rows), target)
    of_target = [one for one in moving if one.column == target]
    ordered = sorted({part.column for part in found.parts if part.rows > 2 and "rising" in part.order})
    yield from _moving(moving, target, ordered)
    for column in [time] if time is not None else ordered:
        yield from _futures(found, column, column == time or bool(of_target))


def _keys(equal: EqualRows, keyless: dict[str, int]) -> Iterator[Finding]:
    named = " and ".join(map(repr, equal.columns))
    several = len(equal.parts) > 1
    for part in equal.parts:
        where = (part.part,) if several else ()
        if part.repeated.value:
            yield Finding(
                "warning", "key stands twice", equal.columns,
                f"{_counted(part.repeated, part.rows)} rows{_of(where)} have a key ({named}) that an earlier row has.",
                "If it should tell rows apart, drop them (blocks.clean); if it names what rows belong to, split by "
                f"group={equal.columns[0]!r}.",
                where,
            )  # fmt: skip
        if keyless.get(part.part):
            yield Finding(
                "warning", "key is missing", equal.columns,
                f"{keyless[part.part]:,} rows{_of(where)} have no key ({named}).",
                "They cannot be told apart, nor be kept in one split: drop them (blocks.clean).",
                where,
            )  # fmt: skip
    for pair in equal.shared:
        if pair.distinct.value:
            yield Finding(
                "error", "key in two splits", equal.columns,
                f"{pair.distinct} keys ({named}) stand in {pair.one!r} and in {pair.other!r}: {pair.rows_of_one} and "
                f"{pair.rows_of_other} rows.",
                "What is learned of one of them is known of the other: split by key= or group=.",
                (pair.one, pair.other),
            )  # fmt: skip


def _shared(equal: EqualRows, found: DuplicateRowsResult, target: str | None) -> Iterator[Finding]:
    parts = {part.part: part for part in equal.parts}
    apart = f" in all columns but {target!r}" if target and target not in equal.columns else ""
    for pair in equal.shared:
        if not pair.distinct.value:
            continue
        sides = ((pair.one, pair.rows_of_one), (pair.other, pair.rows_of_other))
        shares = {name: rows.value / max(1, found.rows[name]) for name, rows in sides}
        natural = any(_natural(parts[name].distinct, parts[name].rows) for name in shares)
        grave = "warning" if max(shares.values()) >= MANY_SHARED and not natural else "note"
        yield Finding(
            grave, "rows in two splits", (),
            f"{sides[0][1]} rows of {pair.one!r} ({shares[pair.one]:.1%}) and {sides[1][1]} of {pair.other!r} "
            f"({shares[pair.other]:.1%}) are equal{apart}: {pair.distinct} different contents.",
            "With few columns of few values it is chance that rows are equal." if natural
            else "A test on rows that were trained on says nothing: drop duplicates before the split, or split by "
            "what they have in common (group=).",
            (pair.one, pair.other),
        )  # fmt: skip


def _conflicts(found: DuplicateRowsResult, target: str | None) -> Iterator[Finding]:
    rows = sum(found.rows.values())
    for conflict in found.conflicts:
        if conflict.part is None and conflict.rows.value:
            yield Finding(
                "warning" if conflict.rows.value >= MANY_CONFLICTS * rows else "note", "label conflicts",
                (target,) if target else (),
                f"{_counted(conflict.rows, rows)} rows are equal in all other columns to one with another {target!r}: "
                f"{conflict.contents} different contents.",
                "No model can tell them apart: look for a column that is lacking, or for wrong labels.",
            )  # fmt: skip


def _sorted_rows(names: Collection[str], target: str | None) -> Iterator[Finding]:
    for name in names:
        yield Finding(
            "warning" if name == target else "note", "sorted rows", (name,),
            f"The rows are sorted by {name!r}.",
            "Never take parts of them by position: split by key or seed, which source.split does.",
        )  # fmt: skip


def _moving(moving: Sequence[Moving], target: str | None, ordered: Sequence[str]) -> Iterator[Finding]:
    along = f", which stand in order of {ordered[0]!r}" if ordered else ""
    advice = (
        f"If later rows are to be predicted, split by time={ordered[0]!r}; a random split shows a better model than "
        "there will be."
        if ordered
        else "Ask what the order of the rows is. If it is one of time, split by it; if not, split at random."
    )
    for one in moving:
        if one.column == target:
            yield Finding(
                "warning", "target moves with the row number", (one.column,),
                f"{one.column!r} is distributed otherwise in the first third of the rows than in the last{along} "
                f"({_told(one)}, in {one.rows:,} sampled rows of each).",
                advice,
            )  # fmt: skip
    others = [one for one in moving if one.column != target]
    if others:
        listed = ", ".join(f"{one.column!r} ({_told(one)})" for one in others[:_NAMED])
        more = f", and {len(others) - _NAMED} more" if len(others) > _NAMED else ""
        yield Finding(
            "note", "columns move with the row number", tuple(one.column for one in others),
            f"Distributed otherwise in the first third of the rows than in the last{along}: {listed}{more}.", advice,
        )  # fmt: skip


def _told(one: Moving) -> str:
    words = {
        "kolmogorov_smirnov": "Kolmogorov-Smirnov distance {:.2f}",
        "mean": "means {:.2f} standard deviations apart",
        "chi_square": "{:.0%} of rows of another level",
        "missing": "{:.0%} more or fewer are missing",
        "new_tokens": "{:.0%} of rows of new levels",
        "infinite": "{:.0%} more or fewer are infinite",
    }
    return words[one.statistic].format(one.effect)


def _futures(found: OrderInTimeResult, column: str, matters: bool) -> Iterator[Finding]:
    """Of each two parts: that the one that should be known earlier has rows of the other's time, or later ones."""
    parts = [part.part for part in found.parts if part.column == column and part.rows > part.missing]
    if len(parts) < 2:
        return
    # what is learned from comes first, whatever the order in which parts are given
    earlier = next((part for part in parts if part.startswith("train")), parts[0])
    pairs = [pair for pair in found.pairs if pair.column == column and pair.part == earlier]
    pairs = [pair for pair in pairs if pair.within + pair.after >= SOME_LATER]
    if pairs:
        said = " and ".join(
            f"{pair.within + pair.after:.0%} of the rows of {earlier!r} are not earlier than the first of "
            f"{pair.seen_from!r} ({pair.after:.0%} are later than its last)"
            for pair in pairs
        )
        yield Finding(
            "warning" if matters else "note", "splits overlap in time", (column,), f"By {column!r}, {said}.",
            f"If the future is to be predicted, split by time={column!r}: what is learned must be earlier.",
            (earlier, *(pair.seen_from for pair in pairs)),
        )  # fmt: skip


def _natural(distinct: Estimate, rows: int) -> bool:
    """Whether so few rows differ that equal ones are no wonder."""
    return distinct.value < 0.5 * rows


def _of(where: tuple[str, ...]) -> str:
    return f" of {where[0]!r}" if where else ""


def _counted(count: Estimate, of: int) -> str:
    """A count among so many, with its share."""
    share = count.value / of if of else 0.0
    return f"{count} ({share:.1%})" if share >= 0.001 else f"{count}"
