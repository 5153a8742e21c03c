"""What there is to point out of splits: columns that one lacks, or that hold something else there."""

import math
from collections.abc import Iterator, Mapping

from blocks.inspection.finding import Finding
from blocks.inspection.profile.column_findings import share
from blocks.inspection.profile.column_profile import ColumnProfile
from blocks.inspection.profile.profile_gathering import Gathered
from blocks.pages.content import format_value

SURE = 5.0
"""Standard errors from which a difference of splits is no chance, among many columns too."""

LEAST_SHIFT = 0.1
"""Standard deviations by which means must differ."""

LEAST_SHARE = 0.05
"""Share of rows by which missing values must differ."""


def split_findings(columns: Mapping[str, ColumnProfile], found: Gathered, target: str | None) -> Iterator[Finding]:
    """What there is to point out of splits.

    Args:
        columns: All columns' profiles, with parts.
        found: What was gathered.
        target: The column to predict.
    """
    for split, rows in found.rows.items():
        if not rows:
            yield Finding("error", "empty split", (), f"The split {split!r} has no row.", "Split anew.", (split,))
    for name, column in columns.items():
        without = tuple(split for split in found.rows if split not in column.parts)
        if without:
            grave = "note" if name == target else "warning"
            yield Finding(
                grave, "column not in all splits", (name,), f"{_named(without)} no column {name!r}.",
                "To be predicted it need not be there; to be judged, it must." if name == target
                else "A model cannot read it: leave it out, or mend the source.", without,
            )  # fmt: skip
        for split, other in found.others.get(name, {}).items():
            yield Finding(
                "error", "type differs between splits", (name,),
                f"{name!r} holds {column.holds} in other splits, and {other.kind} in {split!r}, whose values are in no "
                "number of this column.",
                "Read it with one type in all of them: read(..., column_types=...).", (split,),
            )  # fmt: skip
        yield from _differences(column)


def _named(splits: tuple[str, ...]) -> str:
    said = ", ".join(map(repr, splits))
    return f"{'The splits' if len(splits) > 1 else 'The split'} {said} ha{'ve' if len(splits) > 1 else 's'}"


def _differences(column: ColumnProfile) -> Iterator[Finding]:
    """Means and missing values that differ more than chance has them, between neighbours in order of what they have."""
    parts = {split: part for split, part in column.parts.items() if part.rows}
    by_missing = sorted(parts, key=lambda split: parts[split].missing / parts[split].rows)
    if len(by_missing) > 1:
        low, high = by_missing[0], by_missing[-1]
        n, m = parts[low].rows, parts[high].rows
        p, q = parts[low].missing / n, parts[high].missing / m
        both = (parts[low].missing + parts[high].missing) / (n + m)
        error = math.sqrt(both * (1 - both) * (1 / n + 1 / m))
        if q - p >= LEAST_SHARE and q - p >= SURE * error:
            yield Finding(
                "warning", "missing values differ between splits", (column.name,),
                f"{share(parts[high].missing, m)} of the rows of {high!r} have no {column.name!r}, and "
                f"{share(parts[low].missing, n)} of {low!r}.",
                "Look at how the splits were made: a model learns of one what is not so in the other.", (low, high),
            )  # fmt: skip
    std = column.numbers.std if column.numbers is not None else None
    means = {split: part.mean for split, part in parts.items() if part.mean is not None}
    if not std or len(means) < 2:
        return
    ranked = sorted(means, key=lambda split: means[split])
    low, high = ranked[0], ranked[-1]
    n, m = (parts[split].rows - parts[split].missing for split in (low, high))
    apart = means[high] / std - means[low] / std
    if n and m and apart >= LEAST_SHIFT and apart >= SURE * math.sqrt(1 / n + 1 / m):
        yield Finding(
            "note", "means differ between splits", (column.name,),
            f"The mean of {column.name!r} is {format_value(means[low])} in {low!r} and {format_value(means[high])} in "
            f"{high!r}, {format_value(apart)} standard deviations apart.",
            "Expected of splits by time; of others, look at how they were made. blocks.evaluate.drift tells more.",
            (low, high),
        )  # fmt: skip
