"""A profile as a page in the form of reports, and as what a notebook shows."""

from collections.abc import Sequence
from typing import Any

from blocks.inspection.profile.column_findings import duration, share
from blocks.inspection.profile.column_profile import ColumnProfile
from blocks.inspection.profile.distribution_figure import distribution_figure
from blocks.inspection.profile.profile_relations import relation_sections
from blocks.inspection.profile.profile_text import headline, what_it_holds
from blocks.pages.content import Point, Section, Table, format_value
from blocks.pages.figures import shortened
from blocks.pages.html_table import html_table
from blocks.pages.page import page

DRAWN = 40
"""Columns whose distributions are drawn; the tables have all."""

MOST_POINTS = 40
"""Findings that stand one below the other; the table after them has the others."""

MOST_SHOWN = 60
"""Rows of the tables that a notebook shows."""


def profile_page(profile: Any, title: str | None = None) -> str:
    """The page: findings, columns, distributions, numbers of each kind.

    Args:
        profile: What `blocks.describe` found.
        title: The page's title.
    """
    sections = [_findings(profile), _columns(profile), _distributions(profile)]
    sections += [*relation_sections(profile), *_details(profile)]
    return page(title or "Profile of the data", f"{headline(profile)}.", _highlights(profile), sections)


def profile_html(profile: Any) -> str:
    """What a notebook shows: findings and columns as tables."""
    made = []
    for table in (_finding_rows(profile), _overview(profile)):
        more = f", the first {MOST_SHOWN} of {len(table.rows):,}" if len(table.rows) > MOST_SHOWN else ""
        made.append(html_table(Table(table.caption + more, table.columns, table.rows[:MOST_SHOWN])))
    return f"<p>{html_text(headline(profile))}</p>" + "".join(made)


def html_text(text: str) -> str:
    """Text, escaped."""
    from markupsafe import escape

    return str(escape(text))


def _highlights(profile: Any) -> list[tuple[str, str, str]]:
    columns = list(profile.columns.values())
    cells = sum(column.rows for column in columns)
    missing = sum(column.missing for column in columns)
    counts = {severity: sum(one.severity == severity for one in profile.findings) for severity in _WORDS}
    grave = ", ".join(f"{count} {_WORDS[severity][count > 1]}" for severity, count in counts.items() if count)
    return [
        ("rows", format_value(profile.rows), ", ".join(f"{n} {rows:,}" for n, rows in profile.splits.items())),
        ("columns", format_value(len(columns)), f"target {profile.target}" if profile.target else ""),
        ("missing", share(missing, cells), f"{missing:,} of {cells:,} values"),
        ("findings", format_value(len(profile.findings)), grave),
    ]


_WORDS = {"error": ("error", "errors"), "warning": ("warning", "warnings"), "note": ("note", "notes")}


def _findings(profile: Any) -> Section:
    section = Section("findings", "Findings")
    if not profile.findings:
        section.text = ["Nothing was found that somebody who knows data would point out."]
    points = [Point(one.severity, one.kind, one.sentence, one.advice) for one in profile.findings]
    section.points = points[:MOST_POINTS]
    if len(points) > MOST_POINTS:
        rows = [(one.title, one.severity, one.text, one.advice) for one in points[MOST_POINTS:]]
        section.tables = [Table("Further findings", ("what", "severity", "found", "advice"), rows, wide=True)]
    return section


def _finding_rows(profile: Any) -> Table:
    rows = [(one.kind, one.severity, one.sentence, one.advice) for one in profile.findings]
    return Table("Findings, the gravest first", ("what", "severity", "found", "advice"), rows)


def _overview(profile: Any) -> Table:
    heads = ("column", "holds", "missing", "distinct", "values")
    rows = [
        (
            one.name,
            f"{one.holds}, {one.role}" if one.role else one.holds,
            share(one.missing, one.rows) if one.missing else None,
            None if one.distinct is None else f"{'' if one.distinct_exact else 'about '}{one.distinct:,}",
            what_it_holds(one, bars=False) or None,
        )
        for one in profile.columns.values()
    ]
    return Table("Columns", heads, rows, wide=True)


def _columns(profile: Any) -> Section:
    section = Section("columns", "Columns", tables=[_overview(profile)])
    section.text = [f"Values of fewer than {profile.min_count} rows are named nowhere on this page."]
    if any(one.distinct is not None and not one.distinct_exact for one in profile.columns.values()):
        section.text[0] += " Counts with about are estimates."
    if profile.splits:
        heads = ("column", *(f"{what}, {split}" for split in profile.splits for what in ("missing", "mean")))
        rows = []
        for one in profile.columns.values():
            cells: list[Any] = []
            for split in profile.splits:
                part = one.parts.get(split)
                missing = share(part.missing, part.rows) if part is not None and part.missing else None
                cells += ["no such column", None] if part is None else [missing, part.mean]
            if any(cell is not None for cell in cells):
                rows.append((one.name, *cells))
        section.tables.append(Table("Columns by split", heads, rows, wide=True))
    return section


def _distributions(profile: Any) -> Section:
    section = Section("distributions", "Distributions")
    columns = sorted(profile.columns.values(), key=lambda one: one.role != "target")
    drawn = [one for one in columns if one.distribution is not None]
    figures = [distribution_figure(f"column-{place}", one) for place, one in enumerate(drawn[:DRAWN])]
    section.figures = [one for one in figures if one is not None]
    if len(drawn) > DRAWN:
        section.text = [f"Drawn are the first {DRAWN} of {len(drawn)} columns."]
    if not section.figures:
        section.text = ["Left out: no column has values that may be drawn."]
    return section


def _details(profile: Any) -> list[Section]:
    columns = list(profile.columns.values())
    tables = [_numbers(columns), _times(columns), _texts(columns), _forms(columns), _frequent(columns)]
    found = [table for table in tables if table.rows]
    section = Section("details", "Numbers, dates and texts", tables=found)
    inexact = [one.numbers for one in columns if one.numbers is not None and not one.numbers.exact]
    if inexact:
        error = max(numbers.error for numbers in inexact)
        section.text = [
            f"Of columns with more than 262,144 numbers, quantiles and outliers are within {error:.2%} of the rows "
            "(99% confidence), and frequent numbers, where there are many, are scaled up from "
            f"{profile.sampled:,} rows that were drawn with the seed {profile.seed}."
        ]
    return [section] if found else []


def _numbers(columns: Sequence[ColumnProfile]) -> Table:
    heads = ("column", "mean", "deviation", "least", "5%", "25%", "median", "75%", "95%", "largest",
             "zeros", "negative", "infinite", "outliers", "skewness", "kurtosis")  # fmt: skip
    rows = []
    for one in columns:
        if (of := one.numbers) is not None and of.count:
            q = of.quantiles.get
            infinite = of.negative_infinite + of.positive_infinite
            middle = [q(fraction) for fraction in ("0.05", "0.25", "0.5", "0.75", "0.95")]
            shape = [of.zeros, of.negative, infinite, sum(of.outliers), of.skewness, of.kurtosis]
            rows.append((one.name, of.mean, of.std, of.min, *middle, of.max, *shape))
    return Table("Numbers (times of day and durations in seconds)", heads, rows)


def _times(columns: Sequence[ColumnProfile]) -> Table:
    heads = ("column", "first", "median", "last", "range", "step", "gaps", "steps without rows", "longest gap")
    rows = []
    for one in columns:
        if (of := one.times) is not None and of.count:
            longest = None if of.longest_gap is None else duration(of.longest_gap)
            step = None if of.step is None else duration(of.step)
            ends = [None if at is None else at.replace("T", " ") for at in (of.first, of.median, of.last)]
            rows.append((one.name, *ends, duration(of.days * 86_400), step, of.gaps, of.absent, longest))
    return Table("Dates and times", heads, rows)


def _texts(columns: Sequence[ColumnProfile]) -> Table:
    heads = ("column", "shortest", "mean length", "median length", "longest", "padded", "spelling variants")
    rows = [
        (one.name, of.min_length, of.mean_length, of.median_length, of.max_length, of.padded,
         "; ".join(", ".join(map(repr, alike)) for alike in of.variants) or None)
        for one in columns
        if (of := one.texts) is not None and of.count
    ]  # fmt: skip
    return Table("Texts and bytes", heads, rows)


def _forms(columns: Sequence[ColumnProfile]) -> Table:
    rows = [
        (one.name, form, count, share(count, one.texts.count))
        for one in columns
        if one.texts is not None
        for form, count in one.texts.forms.items()
        if len(one.texts.forms) > 1 or form != "text"
    ]
    return Table("What texts look like", ("column", "form", "rows", "share"), rows)


def _frequent(columns: Sequence[ColumnProfile]) -> Table:
    rows = [
        (one.name, ", ".join(f"{shortened(value, 40)} ({rows:,})" for value, rows in one.values),
         {"sample": "about, from the sample", "bounded": "at least", "all": None}[one.values_from])
        for one in columns
        if one.values
    ]  # fmt: skip
    return Table("Most frequent values (rows)", ("column", "values", "note"), rows)
