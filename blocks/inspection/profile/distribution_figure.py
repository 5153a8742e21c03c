"""The drawing of a column's distribution, and what it shows in words: of a profile's page, and of a report's."""

import numpy as np

from blocks.inspection.profile.column_profile import ColumnProfile
from blocks.pages import figures
from blocks.pages.content import Figure, format_value


def distribution_figure(name: str, column: ColumnProfile) -> Figure | None:
    """The figure; None where there is nothing to draw.

    Args:
        name: Of the drawing, unlike that of every other of the page.
        column: What is drawn: its distribution.
    """
    drawing = column.distribution
    if drawing is None or not drawing.get("values", True):
        return None
    absent = f", {column.missing_share:.1%} missing" if column.missing else ""
    if "beside" in drawing:
        value, rows = drawing["beside"]
        absent = f"; {_named(value)} in {rows:,} rows more, which are not drawn{absent}"
    label = figures.shortened(column.name, 40)
    if "edges" in drawing:
        edges, times = drawing["edges"], column.times is not None
        drawn = np.array(edges, "datetime64[us]").astype(np.int64).tolist() if times else edges
        svg = figures.histogram(name, drawn, drawing["rows"], x=label, dates=times)
        middle = column.times.median if column.times is not None else _median(column)
        ends = f"from {_named(edges[0])} to {_named(edges[-1])}"
        median = f", median {_named(middle)}" if middle else ""
        return Figure(column.name, svg, f"Histogram {ends}{median}{absent}.")
    labels, counts = zip(*drawing["values"], strict=True)
    svg = figures.bars(name, labels, counts, x="rows")
    listed = [(value, rows) for value, rows in drawing["values"] if value not in ("(others)", "(missing)")][:3]
    frequent = ", ".join(f"{figures.shortened(value)} ({rows:,})" for value, rows in listed)
    return Figure(column.name, svg, f"Most frequent values: {frequent}{absent}.")


def _median(column: ColumnProfile) -> str:
    median = None if column.numbers is None else column.numbers.quantiles.get("0.5")
    return "" if median is None else format_value(median)


def _named(value: float | str) -> str:
    return value.replace("T", " ")[:16] if isinstance(value, str) else format_value(value)
