"""What there is to point out of columns taken together: leaks of the target, copies, and columns that go together."""

from collections.abc import Iterator, Sequence
from typing import Final

from blocks.inspection.finding import Finding
from blocks.inspection.relations.associations import Associations
from blocks.inspection.relations.copies import Copy
from blocks.inspection.relations.near_duplicates import SIMILAR, NearDuplicates
from blocks.inspection.relations.predictive_power import SUSPICIOUS, LinearSum, Power

MISSING_TELLS: Final = 0.5
"""Association with the target from which it matters that a column is missing."""

MISSING_TOGETHER: Final = 0.999

MANY_SIMILAR: Final = 0.1
"""Share of texts that are nearly equal to another from which it matters."""

_SAME: Final = {
    "equal": "holds the same values as",
    "one to one": "is another name for",
    "nearly one to one": "is nearly always another name for",
    "linear": "is a straight line of",
    "monotone": "rises or falls with",
}


def leaks(
    found: Associations, same: Sequence[Copy], power: Sequence[Power], total: LinearSum | None
) -> Iterator[Finding]:
    """Columns that tell what is to be predicted.

    Args:
        found: What goes together in a sample of rows.
        same: The copies in it.
        power: What each column alone tells of the target.
        total: Columns that add up to the target.
    """
    target = found.target
    copied = {one.column for one in same if one.other == target}
    for one in same:
        if one.other == target:
            yield Finding(
                "error", "copy of the target", (one.column,),
                f"{one.column!r} {_SAME[one.how]} {target!r}{_rate(one)} in {one.rows:,} sampled rows.",
                f"It is what is to be predicted: leave it out (exclude=[{one.column!r}]).",
            )  # fmt: skip
    if total is not None and not copied & {*total.columns}:
        yield Finding(
            "error", "target is a sum", total.columns,
            f"{target!r} is {_formula(total)} in each of {total.rows:,} sampled rows, to a thousandth of its standard "
            "deviation.",
            "They are parts of what is to be predicted: leave them out, or predict each of them.",
        )  # fmt: skip
    for told in power:
        if told.value >= SUSPICIOUS and told.column not in copied:
            yield Finding(
                "warning", "tells the target alone", (told.column,),
                f"{told.column!r} alone explains {told.value:.0%} of {target!r} in sampled rows that it was not "
                f"learned from ({SUSPICIOUS:.0%} or more is suspicious).",
                "Ask whether it is known before the prediction is made; if not, leave it out.",
            )  # fmt: skip
    for with_it in found.with_target:
        if with_it.measure in _MEASURES and with_it.value >= MISSING_TELLS:
            yield Finding(
                "warning", "missing tells the target", (with_it.column,),
                f"Whether {with_it.column!r} is missing goes with {target!r} ({_MEASURES[with_it.measure]} "
                f"{with_it.value:.2f} of 1, in sampled rows).",
                "Ask whether it is filled in once the outcome is known; if so, leave it out.",
            )  # fmt: skip


def copied_columns(same: Sequence[Copy], target: str | None) -> Iterator[Finding]:
    """Columns that say the same as another one."""
    for one in same:
        if one.other != target:
            yield Finding(
                "note", "copy of a column", (one.column, one.other),
                f"{one.column!r} {_SAME[one.how]} {one.other!r}{_rate(one)} in {one.rows:,} sampled rows.",
                "One of them is enough: importances and explanations are shared between copies.",
            )  # fmt: skip


def missing_together(found: Associations) -> Iterator[Finding]:
    """Columns that are missing in the same rows."""
    groups: list[list[str]] = []
    for one in found.among:
        if one.measure != "missing_together" or one.value < MISSING_TOGETHER:
            continue
        group = next((group for group in groups if one.column in group or one.other in group), None)
        if group is None:
            groups.append(group := [])
        group += [name for name in (one.column, one.other) if name not in group]
    for group in groups:
        yield Finding(
            "note", "missing together", tuple(group),
            f"{', '.join(map(repr, group))} are missing in the same rows of the sample.",
            "They come from one place: one missing-indicator is enough for all of them.",
        )  # fmt: skip


def similar_texts(found: Sequence[NearDuplicates]) -> Iterator[Finding]:
    """Columns in which texts are nearly equal to others."""
    for one in found:
        yield Finding(
            "warning" if one.similar >= MANY_SIMILAR * one.texts else "note", "nearly equal texts", (one.column,),
            f"{one.similar:,} of {one.texts:,} different texts of {one.column!r} in the sample are nearly equal to "
            f"another ({SIMILAR:.0%} of the word triples or more): {one.groups:,} group{'s' * (one.groups > 1)}, the "
            f"largest of {one.largest:,}. Of all rows there are more.",
            "Keep what belongs together in one split (group=), or a test asks for what was trained on.",
        )  # fmt: skip


_MEASURES: Final = {"missing_cramers_v": "Cramér's V", "missing_correlation_ratio": "correlation ratio"}


def _rate(one: Copy) -> str:
    if one.how in ("equal", "one to one"):
        return ""
    return f" ({one.value:.2%} of rows)" if one.how == "nearly one to one" else f" (correlation {one.value:.5g})"


def _formula(total: LinearSum) -> str:
    terms = ((weight, f"{name!r}") for weight, name in zip(total.weights, total.columns, strict=True))
    said = " + ".join(name if weight == 1 else f"{weight:g} * {name}" for weight, name in terms)
    return f"{said} + {total.constant:g}" if total.constant else said
