"""The parts of a profile's page on columns and rows taken together: the target, pairs of columns, duplicates, order."""

from typing import Any

from blocks.inspection.profile.column_findings import share
from blocks.inspection.profile.time_summary import instant
from blocks.pages import figures
from blocks.pages.content import Figure, Section, Table, format_value

MOST_DRAWN = 20
MOST_PAIRS = 60


def relation_sections(profile: Any) -> list[Section]:
    """The sections, those that have something to show."""
    found = [_target(profile), _pairs(profile), _rows(profile)]
    return [section for section in found if section.tables or section.parts]


def _target(profile: Any) -> Section:
    of = profile.relations
    section = Section("target", f"What goes with {profile.target}" if profile.target else "The target")
    part = Section("target-columns", "What each column alone tells of it, and how strongly it goes with it")
    if of.power:
        shown = of.power[:MOST_DRAWN]
        names, values = [one.column for one in shown], [one.value for one in shown]
        svg = figures.bars("power", names, values, x="share of the target that is explained")
        best = ", ".join(f"{one.column} {one.value:.2f}" for one in shown[:3])
        part.figures = [Figure("What each column alone explains", svg, f"The most: {best}.")]
    if of.with_target:
        section.text = [
            f"In {profile.sampled:,} rows drawn with the seed {profile.seed}. What a column alone explains is measured "
            "on rows that it was not learned from; 1 is all, and a column that tells nearly all is mostly one that is "
            "not known yet when the prediction is made."
        ]
        power = {one.column: one.value for one in of.power}
        rows = [
            (one.column, _measure(one.measure), one.value, power.get(one.column), one.rows) for one in of.with_target
        ]
        heads = ("column", "measure", "association", "explains alone", "rows")
        part.tables = [Table("Association with the target", heads, rows)]
        section.parts = [part]
    return section


def _pairs(profile: Any) -> Section:
    found = [one for one in profile.relations.among if abs(one.value) >= 0.1][:MOST_PAIRS]
    section = Section("pairs", "Columns that go together")
    if found:
        section.text = [f"The strongest associations between columns, in {profile.sampled:,} rows drawn at random."]
        rows = [(one.column, one.other, _measure(one.measure), one.value, one.rows) for one in found]
        section.tables = [Table("Associations of columns", ("column", "other", "measure", "value", "rows"), rows)]
    return section


def _rows(profile: Any) -> Section:
    section = Section("rows", "Rows")
    duplicates, order = profile.relations.duplicates, profile.relations.order
    compared = {"rows": "all columns", "contents": "all columns but key and target", "key": "the key"}
    twice, shared = [], []
    for by, found in duplicates.get("equal", {}).items():
        for part in found["parts"]:
            repeated, rows = part["repeated"]["value"], part["rows"]
            twice.append((compared[by], _part(part["part"], profile), rows, repeated, share(repeated, rows)))
        for pair in found["shared"]:
            counts = [pair[name]["value"] for name in ("distinct", "rows_of_one", "rows_of_other")]
            shared.append((compared[by], f"{pair['one']} and {pair['other']}", *counts))
    if twice:
        heads = ("compared by", "split", "rows", "equal to an earlier one", "share")
        section.tables.append(Table("Rows that stand twice", heads, twice))
        if not duplicates["exact"]:
            section.text.append(
                "There are so many rows that those standing twice are estimated from a fair part of them."
            )
    if shared:
        heads = ("compared by", "splits", "different ones", "rows of the first", "rows of the second")
        section.tables.append(Table("Rows that two splits share", heads, shared))
    parts = [one for one in order.get("parts", []) if one["missing"] < one["rows"]]
    if parts:
        rows = [
            (one["column"], _part(one["part"], profile), one["order"],
             *(_time(one["column"], one[end], profile) for end in ("first", "last")))
            for one in parts
        ]  # fmt: skip
        section.tables.append(Table("Order in time", ("column", "split", "rows stand", "first", "last"), rows))
    return section


def _part(name: str, profile: Any) -> str:
    return name if profile.splits else "all"


def _time(column: str, value: float | None, profile: Any) -> str | None:
    if value is None:
        return None
    of = profile.columns[column]
    return instant(value, of.kind == "date").replace("T", " ") if of.times is not None else format_value(value)


def _measure(name: str) -> str:
    """A measure in words."""
    return name.replace("_", " ").replace("cramers v", "Cramér's V").replace("spearman", "rank correlation")
