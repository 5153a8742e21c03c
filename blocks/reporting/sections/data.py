"""The data: schema, missing values and distributions, by `blocks.statistics`, in one pass over the training rows."""

from collections.abc import Sequence
from operator import itemgetter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.types as pt

from blocks.data.arrow_types import is_instant, is_number
from blocks.pages import figures
from blocks.pages.content import Figure, Section, Table
from blocks.reporting.report_input import ReportInput
from blocks.statistics import Counts, Distinct, Missing, Moments, Quantiles, Statistic, Summary

DRAWN = 24
"""Columns whose distributions are drawn; the table has all."""

BINS = 24
MOST_LISTED = 8
MOSTLY = 0.6
"""Share of rows that one number has from which the others are drawn without it, to be seen at all."""

ENOUGH = 100
"""Rows of other numbers from which these have a histogram of their own."""

FEW_ROWS = 5
"""Values of fewer rows are not listed where single rows are not to be told."""


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
    summary = Summary()
    for field in source.schema:
        for name, statistic in _statistics(field.type).items():
            summary[f"{field.name}/{name}"] = statistic
    for chunk in source.chunks(encoded=True, exact=False):
        for key, statistic in summary.items():
            statistic.update(chunk.column(key.rpartition("/")[0]))
    found = {
        field.name: _described(field, summary, 1 if report_input.shows_rows else FEW_ROWS) for field in source.schema
    }
    roles = _roles(report_input, source.schema.names)
    rows = [
        (name, str(source.schema.field(name).type), roles[name], *(one[key] for key in COLUMNS))
        for name, one in found.items()
    ]
    section.tables.append(Table("Columns", ("column", "type", "role", *COLUMNS), rows))
    order = [*(name for name, role in roles.items() if role == "target"), *report_input.predictor.inputs]
    drawn = [name for name in order if found[name]["drawing"] is not None][:DRAWN]
    section.numbers["distributions"] = {name: found[name]["drawing"] for name in drawn}
    section.figures = [_figure(place, name, found[name]) for place, name in enumerate(drawn)]
    if len(drawn) < len(found):
        section.text.append(
            f"Drawn are {len(drawn)} of {len(found)} columns: targets, and what the model reads, in its order."
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


COLUMNS = ("missing share", "distinct", "mean", "least", "median", "largest", "most frequent")


def _statistics(kind: pa.DataType) -> dict[str, Statistic]:
    if pt.is_nested(kind):
        return {"missing": Missing()}
    statistics: dict[str, Statistic] = {"missing": Missing(), "distinct": Distinct()}
    if is_number(kind) and not pt.is_boolean(kind):
        return {**statistics, "moments": Moments(), "quantiles": Quantiles()}
    if is_instant(kind):
        return {**statistics, "quantiles": Quantiles()}
    return {**statistics, "counts": Counts(1 << 22)}


def _described(field: pa.Field, summary: Summary, least: int) -> dict[str, Any]:
    """A column's row of the table, and the numbers of its drawing, of values that as many rows have."""
    results: dict[str, Any] = {name: summary[f"{field.name}/{name}"].result() for name in _statistics(field.type)}
    found: dict[str, Any] = dict.fromkeys([*COLUMNS, "drawing"])
    found["missing share"] = float(results["missing"].fraction)
    if "distinct" in results:
        found["distinct"] = round(results["distinct"].estimate)
    if "moments" in results and results["moments"].count:
        found["mean"] = float(results["moments"].mean)
    if "quantiles" in results and results["quantiles"].count:
        of = results["quantiles"]
        instant = is_instant(field.type)
        ends = [of.min, float(of.quantile(0.5)), of.max]
        found |= zip(("least", "median", "largest"), map(_moment, ends) if instant else ends, strict=True)
        if least > 1:
            found |= {"least": None, "largest": None}
        if not instant:
            found["drawing"] = _of_numbers(of, round(results["distinct"].estimate), least)
    if "counts" in results and results["counts"].total:
        of = results["counts"]
        listed = [
            (str(value.as_py()), int(count))
            for value, count in zip(of.values[:MOST_LISTED], of.counts[:MOST_LISTED], strict=True)
            if count >= least
        ]
        if not listed:
            return found
        found["most frequent"] = ", ".join(f"{figures.shortened(value)} ({count:,})" for value, count in listed[:3])
        others = of.total - sum(count for _, count in listed)
        if listed[0][1] > 1:
            rest = [("(others)", others), ("(missing)", of.missing)]
            found["drawing"] = {"values": listed + [(name, int(count)) for name, count in rest if count]}
    return found


def _of_numbers(of: Any, distinct: int, least: int) -> dict[str, Any] | None:
    """A histogram; of a column that is mostly one number, of the others if they are many, else how often it is."""
    frequent, share = max(((float(v), _share(of, float(v))) for v in of.quantile([0.25, 0.5, 0.75])), key=itemgetter(1))
    if share < MOSTLY:
        return _bins(of, least)
    rows, below = round(share * of.count), _below(of, frequent)
    above = 1 - below - share
    # one other number is called by itself
    under = f"{of.min:g}" if below and below == _share(of, of.min) else f"under {frequent:g}"
    over = f"{of.max:g}" if above and above <= _share(of, of.max) + 0.5 / of.count else f"over {frequent:g}"
    parts = [(f"{frequent:g}", rows), (under, round(below * of.count)), (over, round(above * of.count))]
    if of.count - rows < ENOUGH or distinct < BINS:
        return {"values": [(name, count) for name, count in parts if count >= least]}
    rest = (1 - share) * np.array([0.005, 0.995])
    low, high = (float(end) for end in of.quantile(np.where(rest < below, rest, rest + share)))
    edges = np.linspace(low, high, BINS + 1)
    # of numbers up to each edge, without the frequent one
    rank = of.rank(edges) - share * (edges >= frequent)
    rank[0] = _below(of, low) - share * (low > frequent)
    return {
        "edges": edges.tolist(),
        "rows": (np.diff(rank) * of.count).round().tolist(),
        "beside": [frequent, rows],
    }


def _below(of: Any, value: float) -> float:
    """The share of numbers that are less than one."""
    return float(of.rank(np.nextafter(value, -np.inf)))


def _share(of: Any, value: float) -> float:
    """The share of numbers that equal one."""
    return float(of.rank(value)) - _below(of, value)


def _bins(of: Any, least: int) -> dict[str, Any] | None:
    """Counts between even edges; without the outer 0.5% of long tails, or without `least` rows of each where hidden."""
    share = max(0.005, 0.0 if least == 1 else min(least / of.count, 0.5))
    low, high = (float(end) for end in of.quantile([share, 1 - share]))
    if least > 1 and not high > low:
        return None
    if least == 1 and (of.max - of.min) < 3 * (high - low):
        low, high = of.min, of.max
    edges = np.linspace(low, high, BINS + 1)
    rank = of.rank(edges)
    rank[0] = 0.0 if low == of.min else rank[0]
    return {"edges": edges.tolist(), "rows": (np.diff(rank) * of.count).round().tolist()}


def _moment(microseconds: float) -> str:
    return str(np.datetime64(round(microseconds), "us").astype("datetime64[s]")).replace("T", " ")


def _figure(place: int, name: str, found: dict[str, Any]) -> Figure:
    drawing, missing = found["drawing"], found["missing share"]
    absent = f", {missing:.1%} missing" if missing else ""
    if "beside" in drawing:
        value, rows = drawing["beside"]
        absent = f"; {value:g} in {rows:,} rows more, which are not drawn{absent}"
    if "edges" in drawing:
        svg = figures.histogram(f"data-{place}", drawing["edges"], drawing["rows"], x=figures.shortened(name, 40))
        ends = f"from {drawing['edges'][0]:.4g} to {drawing['edges'][-1]:.4g}"
        return Figure(name, svg, f"Histogram {ends}, median {found['median']:.4g}{absent}.")
    labels, counts = zip(*drawing["values"], strict=True)
    svg = figures.bars(f"data-{place}", labels, counts, x="rows")
    frequent = found["most frequent"] or ", ".join(f"{label} ({count:,})" for label, count in drawing["values"])
    return Figure(name, svg, f"Most frequent values: {frequent}{absent}.")
