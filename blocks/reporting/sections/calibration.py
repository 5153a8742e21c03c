"""Calibration: reliability of probabilities, what each postprocessor changes, coverage of intervals."""

from typing import Any

from blocks.errors import EmptySource, InvalidArgument
from blocks.evaluate.reliability import calibration, calibration_stages
from blocks.evaluate.residuals import quantile_coverage
from blocks.pages import figures
from blocks.pages.content import Figure, Section, Table, flat
from blocks.reporting.class_order import judged_classes
from blocks.reporting.report_input import ReportInput
from blocks.targets.description import HeadDescription


def calibration_section(report_input: ReportInput) -> Section:
    """The section on calibration."""
    section = Section("calibration", "Calibration")
    for place, head in enumerate(report_input.heads):
        part = Section(f"calibration-{place}", head.name or "")
        (_reliability if head.classes is not None else _coverage)(report_input, head, part, f"calibration{place}")
        section.parts.append(part)
    return flat(section)


def _reliability(report_input: ReportInput, head: HeadDescription, part: Section, name: str) -> None:
    for strategy, bins in (("quantile", "bins of equally many rows"), ("uniform", "bins of equal width")):
        try:
            rows = calibration(report_input.table, strategy=strategy, head=head.name).to_pylist()
        except EmptySource as error:
            part.text.append(f"Left out: {error}")
            return
        there = dict.fromkeys(row["class"] for row in rows)
        most = [one.name for one in judged_classes(report_input, head) if one.name in there]
        classes = [*most, *(name for name in there if name not in most)]
        columns = ("class", "predicted", "observed", "low", "high", "rows")
        table = [[row[c] for c in columns] for row in rows]
        part.tables.append(Table(f"Predicted probability and observed share, {bins}", columns, table))
        if strategy == "quantile":
            first = [row for row in rows if row["class"] == classes[0]]
            band = ([row["predicted"] for row in first], [row["low"] for row in first], [row["high"] for row in first])
            svg = figures.lines(name, _reliabilities(rows, "class", classes), x="predicted probability",
                                y="observed share", diagonal=True, markers=True,
                                band=band if len(classes) == 1 else None)  # fmt: skip
            gap = max(abs(row["predicted"] - row["observed"]) for row in rows)
            description = f"Observed share against predicted probability; the largest gap of a bin is {gap:.3f}."
            drawn = ", ".join(map(str, classes[: len(figures.SERIES)]))
            of = f"the classes of most rows: {drawn}" if len(classes) > len(figures.SERIES) else drawn
            part.figures.append(Figure(f"Reliability, {of}", svg, description))
    if report_input.exported or report_input.store is not None or not head.exclusive:
        return
    rows = calibration_stages(report_input.model, report_input.sources[report_input.judged], head=head.name).to_pylist()
    stages = _that_change(rows)
    if len(stages) > 1:
        of = next((one.name for one in judged_classes(report_input, head)), rows[-1]["class"])
        of_class = [row for row in rows if row["class"] == of]
        svg = figures.lines(f"{name}-stages", _reliabilities(of_class, "stage", stages), x="predicted probability",
                            y="observed share", diagonal=True, markers=True)  # fmt: skip
        description = f"Reliability of {of} after {', then '.join(stages)}."
        part.figures.append(Figure("What each postprocessor changes", svg, description))
        part.numbers["stages"] = rows


def _that_change(rows: list[dict[str, Any]]) -> list[str]:
    """The stages after which the curves are others than before."""
    changing: list[str] = []
    before: Any = None
    for stage in dict.fromkeys(row["stage"] for row in rows):
        curves = [(row["class"], row["predicted"], row["observed"]) for row in rows if row["stage"] == stage]
        if curves != before:
            changing.append(stage)
        before = curves
    return changing


def _reliabilities(rows: list[dict[str, Any]], by: str, names: list[str]) -> list[Any]:
    return [
        (
            figures.shortened(name),
            [row["predicted"] for row in rows if row[by] == name],
            [row["observed"] for row in rows if row[by] == name],
        )
        for name in names[: len(figures.SERIES)]
    ]


def _coverage(report_input: ReportInput, head: HeadDescription, part: Section, name: str) -> None:
    try:
        rows = quantile_coverage(report_input.table, head=head.name).to_pylist()
    except InvalidArgument:
        part.text.append(
            "Left out: the model gives neither quantiles nor intervals, so there is nothing to be sure of."
        )
        return
    columns = ("level", "observed", "low", "high", "rows")
    table = [[row[c] for c in columns] for row in rows]
    part.tables.append(Table("Share of truths at or below each quantile; without a level, inside the interval", columns,
                             table))  # fmt: skip
    levels = [row for row in rows if row["level"] is not None]
    if levels:
        series = [("", [row["level"] for row in levels], [row["observed"] for row in levels])]
        svg = figures.lines(name, series, x="level", y="observed share", diagonal=True, markers=True)
        part.figures.append(Figure("Coverage of quantiles", svg, "Observed share against level."))
