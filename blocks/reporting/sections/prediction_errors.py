"""Errors: confusions and curves of classifiers, residuals of regressors."""

import numpy as np

from blocks.evaluate.curve_tables import confusion, curves
from blocks.evaluate.residuals import residuals
from blocks.pages import figures
from blocks.pages.content import Figure, Section, Table, flat
from blocks.reporting.class_order import judged_classes, worst_first
from blocks.reporting.report_input import ReportInput
from blocks.targets.description import HeadDescription

MOST_CLASSES = 12
"""Classes up to which the whole confusion matrix is shown in numbers."""

MOST_DRAWN = 60
"""Classes up to which it is drawn."""


def errors_section(report_input: ReportInput) -> Section:
    """The section on confusions, curves and errors."""
    section = Section("errors", "Errors")
    for place, head in enumerate(report_input.heads):
        part = Section(f"errors-{place}", head.name or "", numbers={})
        (_confusions if head.classes is not None else _errors)(report_input, head, part, f"errors{place}")
        section.parts.append(part)
    return flat(section)


def _confusions(report_input: ReportInput, head: HeadDescription, part: Section, name: str) -> None:
    found = confusion(report_input.table, head=head.name)
    for group in dict.fromkeys(found["group"].to_pylist()):
        rows = [row for row in found.to_pylist() if row["group"] == group]
        classes = list(dict.fromkeys(row["target"] for row in rows))
        counts = np.array([row["rows"] for row in rows]).reshape(len(classes), len(classes))
        suffix = "" if group == "all" else f" of {group.removeprefix('all')}"
        if len(classes) <= MOST_CLASSES:
            caption = f"Confusions{suffix}: rows by their class, columns by the label given"
            table = [(one, *map(_count, counts[place])) for place, one in enumerate(classes)]
            part.tables.append(Table(caption, ("class", *classes), table))
            shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
            svg = figures.matrix(f"{name}-confusion{len(part.figures)}", classes, shares)
            described = "; ".join(f"{one}: {shares[i, i]:.1%} right" for i, one in enumerate(classes))
            part.figures.append(Figure(f"Share of each class{suffix} by label", svg, described))
        else:
            off, support = counts * (1 - np.eye(len(classes))), counts.sum(axis=1)
            most = [place for place in np.argsort(-off, axis=None, kind="stable")[:20] if off.flat[place]]
            pairs = [divmod(int(place), len(classes)) for place in most]
            table = [(classes[i], classes[j], _count(off[i, j]), float(off[i, j] / support[i])) for i, j in pairs]
            columns = ("class", "label", "rows", "share of the class")
            part.tables.append(Table(f"The most frequent confusions{suffix}", columns, table))
            part.figures.append(_of_many(f"{name}-confusion{len(part.figures)}", classes, counts, suffix))
    _curves(report_input, head, part, name)


def _of_many(name: str, classes: list[str], counts: np.ndarray, suffix: str) -> Figure:
    """The confusion matrix of many classes, those of most rows first, as far as there is room."""
    order = np.argsort(-counts.sum(axis=1), kind="stable")[:MOST_DRAWN]
    shares = counts[np.ix_(order, order)] / np.maximum(counts.sum(axis=1)[order, None], 1)
    which = f"The {len(order)} classes of most rows of {len(classes)}" if len(order) < len(classes) else "All classes"
    worst = order[np.argsort(np.diag(shares), kind="stable")[:3]]
    described = f"{which}. Least often right: {', '.join(str(classes[i]) for i in worst)}."
    svg = figures.shades(name, [classes[i] for i in order], shares)
    return Figure(f"Share of each class{suffix} by label, classes of most rows first", svg, described)


def _curves(report_input: ReportInput, head: HeadDescription, part: Section, name: str) -> None:
    found = curves(report_input.table, head=head.name, points=120).to_pylist()
    classes = worst_first(judged_classes(report_input, head))
    worst = f", the {len(figures.SERIES)} classes of {len(classes)} that are told worst"
    axes = {"roc": ("false positive rate", "true positive rate"), "precision_recall": ("recall", "precision")}
    for kind, (x, y) in axes.items():
        of_kind = [row for row in found if row["curve"] == kind]
        there = dict.fromkeys(f"{row['class']}" for row in of_kind)
        ordered = [one.name for one in classes if one.name in there]
        labels = [*ordered, *(label for label in there if label not in ordered)]
        if not of_kind:
            part.text.append(f"Left out: the curve of {x} against {y}, which one class alone does not have.")
            continue
        series = [
            (
                figures.shortened(label),
                [row["x"] for row in of_kind if row["class"] == label],
                [row["y"] for row in of_kind if row["class"] == label],
            )
            for label in labels[: len(figures.SERIES)]
        ]
        svg = figures.lines(f"{name}-{kind}", series, x=x, y=y, diagonal=kind == "roc")
        title = "ROC curve" if kind == "roc" else "Precision and recall"
        of = worst if len(labels) > len(series) else f", {', '.join(label for label, *_ in series)}"
        part.figures.append(Figure(f"{title}{of}", svg, f"{y.capitalize()} against {x}."))
        part.numbers[kind] = [{key: row[key] for key in ("class", "threshold", "x", "y")} for row in of_kind]


def _errors(report_input: ReportInput, head: HeadDescription, part: Section, name: str) -> None:
    found = residuals(report_input.table, head=head.name)
    rows = found.to_pylist()
    columns = ("predicted", "residual", "low", "high", "q05", "q50", "q95", "rows")
    part.tables.append(
        Table("Errors by prediction: truth less prediction, in bins of equally many rows", columns,
              [[row[c] for c in columns] for row in rows])
    )  # fmt: skip
    x = [row["predicted"] for row in rows]
    band = (x, [row["q05"] for row in rows], [row["q95"] for row in rows])
    svg = figures.lines(
        f"{name}-residuals", [("mean error", x, [row["residual"] for row in rows])], x="prediction",
        y="truth less prediction", markers=True, band=band,
    )  # fmt: skip
    description = "Mean error by prediction; the area holds 90% of the errors."
    part.figures.append(Figure("Errors against predictions", svg, description))


def _count(value: float) -> float | int:
    return int(value) if float(value).is_integer() else float(value)
