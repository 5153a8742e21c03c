"""The data: schema, missing values and distributions, as `blocks.describe` has them, of the training rows."""

from collections.abc import Sequence
from typing import Any

from blocks.inspection.column_kinds import kind_of
from blocks.inspection.column_statistics import summarize
from blocks.inspection.profile.column_profile import ColumnProfile
from blocks.inspection.profile.column_summary import Disclosure, column_profile, profile_statistics
from blocks.inspection.profile.distribution_figure import distribution_figure
from blocks.pages import figures
from blocks.pages.content import Section, Table
from blocks.reporting.report_input import ReportInput

DRAWN = 24
"""Columns whose distributions are drawn; the table has all."""

FEW_ROWS = 5
"""Values of fewer rows are not listed where single rows are not to be told."""

COLUMNS = ("missing share", "distinct", "mean", "least", "median", "largest", "most frequent")


def data_section(report_input: ReportInput) -> Section:
    """The section on the data."""
    section = Section("data", "Data")
    if report_input.store is not None:
        counts = [(name, count, name == report_input.judged) for name, count in report_input.store.rows.items()]
        section.tables = [Table("Splits", ("split", "rows", "judged here"), counts)]
        section.text = [
            "Left out: schema, missing values and distributions. A store holds features, not the raw rows they are of."
        ]
        return section
    counts = [(name, source.count(), name == report_input.judged) for name, source in report_input.sources.items()]
    section.tables = [Table("Splits", ("split", "rows", "judged here"), counts)]
    source = report_input.sources[report_input.training]
    section.text = [f"Distributions are of the split {report_input.training!r}, every row of it."]
    disclosure = Disclosure(1 if report_input.shows_rows else FEW_ROWS, report_input.shows_rows)
    statistics = summarize(source, profile_statistics)
    found = {
        field.name: column_profile(field, kind_of(field.type), statistics[field.name], disclosure=disclosure)
        for field in source.schema
    }
    roles = _roles(report_input, source.schema.names)
    rows = [(name, column.type, roles[name], *_numbers(column)) for name, column in found.items()]
    section.tables.append(Table("Columns", ("column", "type", "role", *COLUMNS), rows))
    order = [*(name for name, role in roles.items() if role == "target"), *report_input.predictor.inputs]
    drawn = [(name, distribution_figure(f"data-{place}", found[name])) for place, name in enumerate(order)]
    shown = [(name, figure) for name, figure in drawn if figure is not None][:DRAWN]
    section.numbers["distributions"] = {name: found[name].distribution for name, _ in shown}
    section.figures = [figure for _, figure in shown]
    if len(shown) < len(found):
        section.text.append(
            f"Drawn are {len(shown)} of {len(found)} columns: targets, and what the model reads, in its order."
        )
    return section


def _roles(report_input: ReportInput, names: Sequence[str]) -> dict[str, str]:
    """What each column is to the model."""
    roles = dict.fromkeys(names, "not used")
    roles |= {name: "input" for name in report_input.predictor.inputs if name in roles}
    for head in report_input.heads:
        roles |= {name: "target" for name in head.targets if name in roles}
        roles |= {head.sample_weight: "weight"} if head.sample_weight in roles else {}
    return roles


def _numbers(column: ColumnProfile) -> list[Any]:
    """What the table has of a column."""
    ends: list[Any] = [None, None, None]
    if column.times is not None and column.times.count:
        ends = [column.times.first, column.times.median, column.times.last]
        ends = [end if end is None else end.replace("T", " ") for end in ends]
    if column.numbers is not None and column.numbers.count:
        ends = [column.numbers.min, column.numbers.quantiles.get("0.5"), column.numbers.max]
    mean = None if column.numbers is None else column.numbers.mean
    frequent = None
    if column.numbers is None and column.times is None and column.values:
        frequent = ", ".join(f"{figures.shortened(value)} ({rows:,})" for value, rows in column.values[:3])
    return [column.missing_share, column.distinct, mean, *ends, frequent]
