"""Worth: gains of acting on the best candidates first, and money by the user's own function."""

from typing import Any

from blocks.errors import EmptySource
from blocks.evaluate.decisions import best_threshold, gains
from blocks.evaluate.worth import Worth, value
from blocks.pages import figures
from blocks.pages.content import Figure, Section, Table
from blocks.reporting.report_input import ReportInput
from blocks.targets.description import HeadDescription


def worth_section(report_input: ReportInput, fn: Worth | None, positive: Any) -> Section:
    """The section on worth.

    Args:
        report_input: What the report is of.
        fn: The user's function to money, or None.
        positive: The class to act on; the second of two unless given.
    """
    section = Section("worth", "Worth")
    heads = [head for head in report_input.heads if not head.takes_labels]
    if fn is not None and heads:
        found = value(report_input.table, fn, by=report_input.by, head=heads[0].name).to_pylist()
        columns = ("group", "metric", "value", "low", "high", "rows", "few")
        section.tables.append(Table("By the function given", columns, [[row[c] for c in columns] for row in found]))
    if fn is None:
        section.text.append("Money is left out: no function of worth was given (worth=).")
    for place, head in enumerate(heads):
        classes = list(head.classes or ())
        if positive in classes or len(classes) == 2:
            try:
                _add_gains(report_input, head, section, fn if place == 0 else None, positive, place)
            except EmptySource as error:
                section.text.append(f"Left out: {error}")
    if not section.figures and not section.tables:
        section.text = [
            "Left out: there is no function of worth (worth=), and gains are of a class to act on, the second of two "
            "or positive=."
        ]
    return section


def _add_gains(
    report_input: ReportInput, head: HeadDescription, section: Section, fn: Worth | None, positive: Any, place: int
) -> None:
    classes = list(head.classes or ())
    name = classes[1] if positive is None else positive
    rows = gains(report_input.table, fn, positive=positive, points=50, head=head.name).to_pylist()
    columns = ("chosen", "rows", "threshold", "gain", "lift", *(("profit",) if fn is not None else ()))
    section.tables.append(
        Table(
            f"Acting on the rows of the highest probability of {name} first",
            columns,
            [[row[c] for c in columns] for row in rows[:: max(len(rows) // 10, 1)]],
        )
    )
    section.numbers[f"gains{place}"] = rows
    chosen = [0.0, *(row["chosen"] for row in rows)]
    series = [("gain", chosen, [0.0, *(row["gain"] for row in rows)])]
    svg = figures.lines(f"gain{place}", series, x="share of rows acted on", y=f"share of {name} among them",
                        diagonal=True)  # fmt: skip
    fifth = next(row for row in rows if row["chosen"] >= 0.2 or row is rows[-1])
    description = f"The first {fifth['chosen']:.0%} of the rows hold {fifth['gain']:.0%} of {name}."
    section.figures.append(Figure("Cumulative gain", svg, description))
    if fn is None:
        return
    profit = [("profit", chosen, [0.0, *(row["profit"] for row in rows)])]
    svg = figures.lines(f"profit{place}", profit, x="share of rows acted on", y="profit")
    best = max(rows, key=lambda row: row["profit"])
    description = f"Profit is largest, {best['profit']:.4g}, when {best['chosen']:.0%} of the rows are acted on."
    section.figures.append(Figure("Cumulative profit", svg, description))
    tuning = next((name for name in report_input.tables if name.startswith("valid")), None)
    if tuning is None or tuning == report_input.judged:
        section.text.append("Left out: the best threshold, which is chosen on a split 'valid' and judged on another.")
        return
    found = best_threshold(report_input.tables[tuning], report_input.table, fn, positive=positive, head=head.name)
    names = ("threshold", "tuned", "judged", "low", "high", "at_half", "rows")
    caption = f"The threshold that earns most on {tuning!r} (tuned), and mean money on {report_input.judged!r} (judged)"
    section.tables.append(Table(caption, names, [[getattr(found, name) for name in names]]))
