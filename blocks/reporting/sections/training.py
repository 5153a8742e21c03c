"""Training: loss and metrics by epoch, from the last `fit`."""

from blocks.pages import figures
from blocks.pages.content import Figure, Section, Table
from blocks.reporting.report_input import ReportInput


def training_section(report_input: ReportInput) -> Section:
    """The section on the training."""
    section = Section("training", "Training")
    history = None if report_input.exported else report_input.model.history.history
    if not history:
        why = "an exported SavedModel has none" if report_input.exported else "this model was never fitted"
        section.text = [f"Left out: there is no history of a fit; {why}."]
        return section
    names = [name for name in history if not name.startswith("val_")]
    epochs = list(range(1, 1 + max(len(values) for values in history.values())))
    for place, name in enumerate(names):
        curves = [(label, values) for label, values in (("training", history[name]), *_validation(history, name))]
        series = [(label, epochs[: len(values)], [float(value) for value in values]) for label, values in curves]
        svg = figures.lines(f"training-{place}", series, x="epoch", y=name, markers=len(epochs) < 40)
        first, last = series[-1][2][0], series[-1][2][-1]
        description = f"{name} by epoch, {series[-1][0]}: {first:.4g} at first, {last:.4g} at last."
        section.figures.append(Figure(name, svg, description))
    columns = list(history)
    rows = [(epoch, *(_at(history[name], epoch - 1) for name in columns)) for epoch in epochs]
    section.tables = [Table("Epochs", ("epoch", *columns), rows)]
    return section


def _validation(history: dict[str, list[float]], name: str) -> list[tuple[str, list[float]]]:
    return [("validation", history[f"val_{name}"])] if f"val_{name}" in history else []


def _at(values: list[float], place: int) -> float | None:
    return float(values[place]) if place < len(values) else None
