"""How good the model is, and where it errs: metrics with intervals, by split and group; confusions and curves."""

import warnings
from typing import Any

import numpy as np
import pyarrow as pa

from blocks.errors import BlocksWarning
from blocks.evaluate.curve_tables import confusion, curves
from blocks.evaluate.metric_table import metrics
from blocks.evaluate.reliability import residuals
from blocks.evaluate.scoring.summed_table import FEW
from blocks.pages import figures
from blocks.pages.content import Figure, Section, Table, flat
from blocks.reporting.class_order import judged_classes, worst_first
from blocks.reporting.subject import ReportInput
from blocks.targets.description import HeadDescription

HEADLINES = (
    "accuracy",
    "balanced_accuracy",
    "log_loss",
    "roc_auc",
    "roc_auc_ovr",
    "brier_score",
    "root_mean_squared_error",
    "mean_absolute_error",
    "r2",
    "coverage",
)
MOST_CLASSES = 12
"""Classes up to which the whole confusion matrix is shown in numbers."""

MOST_DRAWN = 60
"""Classes up to which it is drawn."""


def judgement(subject: ReportInput) -> Section:
    """The section on metrics."""
    section = Section("metrics", "How good it is")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", BlocksWarning)
        found = metrics(subject.table, by=subject.by)
    section.text = [str(one.message) for one in caught if issubclass(one.category, BlocksWarning)]
    whole = [row for row in found.to_pylist() if row["group"] == "all"]
    section.numbers["rows"] = max(row["rows"] for row in whole)
    plain_names = [row for row in whole if "[" not in row["metric"]]
    columns = ("metric", "value", "low", "high", "note")
    section.tables = [
        Table(
            f"On {section.numbers['rows']:,} rows of {subject.judged!r}, with 95% intervals",
            columns,
            [[row[name] for name in columns] for row in plain_names],
        )
    ]
    section.tables += _per_class(whole)
    section.tables += _per_split(subject, plain_names)
    for head in subject.heads:
        headline = _headline(head, plain_names)
        if subject.by is not None and headline is not None:
            _add_groups(section, found, headline, place=head.name)
    return section


def _headline(head: HeadDescription, rows: list[dict[str, Any]]) -> str | None:
    names = [row["metric"] for row in rows if row["value"] is not None]
    return next((name for name in map(head.prefixed, HEADLINES) if name in names), None)


def _headlines(heads: list[HeadDescription], rows: list[dict[str, Any]]) -> list[str]:
    wanted = {head.prefixed(name) for head in heads for name in HEADLINES}
    return [row["metric"] for row in rows if row["metric"] in wanted]


def _per_class(rows: list[dict[str, Any]]) -> list[Table]:
    """What is of a class, a level or a target, in a row each."""
    held: dict[str, dict[str, Any]] = {}
    few: set[str] = set()
    for row in rows:
        stem, _, of = row["metric"].partition("[")
        if of:
            held.setdefault(of[:-1], {"rows": row["rows"]})[stem] = row["value"]
            if row["few"]:
                few.add(of[:-1])
    if not held:
        return []
    names = list(dict.fromkeys(name for of in held.values() for name in of))
    several = len({one["rows"] for one in held.values()}) > 1
    order = sorted(held, key=lambda of: -held[of]["rows"]) if several else list(held)
    caption = "By class, level or target" + (", of most rows first" if several else "")
    caption += f"; * under {FEW} rows, which tell little" if few else ""
    return [Table(caption, ("of", *names), [(of + " *" * (of in few), *map(held[of].get, names)) for of in order])]


def _per_split(subject: ReportInput, whole: list[dict[str, Any]]) -> list[Table]:
    names = _headlines(subject.heads, whole)
    if len(subject.tables) < 2 or not names:
        return []
    rows = []
    for split, table in subject.tables.items():
        found = {row["metric"]: row["value"] for row in metrics(table, bootstrap=0).to_pylist()}
        rows.append((split, *(found.get(name) for name in names)))
    return [Table("By split; splits beside the judged one by a sample of their rows", ("split", *names), rows)]


def _add_groups(section: Section, found: pa.Table, headline: str, place: str) -> None:
    rows = [row for row in found.to_pylist() if row["metric"] == headline]
    columns = ("group", "value", "low", "high", "rows", "few", "note")
    section.tables.append(
        Table(f"{headline} by group", ("group", headline, *columns[2:]), [[row[c] for c in columns] for row in rows])
    )
    drawn = [row for row in rows if row["low"] is not None][:40]
    if drawn:
        values = {name: [row[name] for row in drawn] for name in ("group", "value", "low", "high")}
        svg = figures.dots(
            f"groups{place}", values["group"], values["value"], values["low"], values["high"], x=headline
        )
        ends = f"from {min(values['value']):.4g} to {max(values['value']):.4g}"
        section.figures.append(Figure(f"{headline} by group, with 95% intervals", svg, f"Values lie {ends}."))


def mistakes(subject: ReportInput) -> Section:
    """The section on confusions, curves and errors."""
    section = Section("mistakes", "Where it errs")
    for place, head in enumerate(subject.heads):
        part = Section(f"mistakes-{place}", head.name or "", numbers={})
        (_confusions if head.classes is not None else _errors)(subject, head, part, f"mistakes{place}")
        section.parts.append(part)
    return flat(section)


def _confusions(subject: ReportInput, head: HeadDescription, part: Section, name: str) -> None:
    found = confusion(subject.table, head=head.name)
    for group in dict.fromkeys(found["group"].to_pylist()):
        rows = [row for row in found.to_pylist() if row["group"] == group]
        classes = list(dict.fromkeys(row["target"] for row in rows))
        counts = np.array([row["rows"] for row in rows]).reshape(len(classes), len(classes))
        suffix = "" if group == "all" else f" of {group.removeprefix('all')}"
        if len(classes) <= MOST_CLASSES:
            caption = f"Confusions{suffix}: rows by their class, columns by the label given"
            table = [(one, *map(_whole, counts[place])) for place, one in enumerate(classes)]
            part.tables.append(Table(caption, ("class", *classes), table))
            shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
            svg = figures.matrix(f"{name}-confusion{len(part.figures)}", classes, shares)
            described = "; ".join(f"{one}: {shares[i, i]:.1%} right" for i, one in enumerate(classes))
            part.figures.append(Figure(f"Share of each class{suffix} by label", svg, described))
        else:
            off, support = counts * (1 - np.eye(len(classes))), counts.sum(axis=1)
            most = [place for place in np.argsort(-off, axis=None, kind="stable")[:20] if off.flat[place]]
            pairs = [divmod(int(place), len(classes)) for place in most]
            table = [(classes[i], classes[j], _whole(off[i, j]), float(off[i, j] / support[i])) for i, j in pairs]
            columns = ("class", "label", "rows", "share of the class")
            part.tables.append(Table(f"The most frequent confusions{suffix}", columns, table))
            part.figures.append(_of_many(f"{name}-confusion{len(part.figures)}", classes, counts, suffix))
    _curves(subject, head, part, name)


def _of_many(name: str, classes: list[str], counts: np.ndarray, suffix: str) -> Figure:
    """The confusion matrix of many classes, those of most rows first, as far as there is room."""
    order = np.argsort(-counts.sum(axis=1), kind="stable")[:MOST_DRAWN]
    shares = counts[np.ix_(order, order)] / np.maximum(counts.sum(axis=1)[order, None], 1)
    told = f"The {len(order)} classes of most rows of {len(classes)}" if len(order) < len(classes) else "All classes"
    worst = order[np.argsort(np.diag(shares), kind="stable")[:3]]
    described = f"{told}. Least often right: {', '.join(str(classes[i]) for i in worst)}."
    svg = figures.shades(name, [classes[i] for i in order], shares)
    return Figure(f"Share of each class{suffix} by label, classes of most rows first", svg, described)


def _curves(subject: ReportInput, head: HeadDescription, part: Section, name: str) -> None:
    found = curves(subject.table, head=head.name, points=120).to_pylist()
    classes = worst_first(judged_classes(subject, head))
    told = f", the {len(figures.SERIES)} classes of {len(classes)} that are told worst"
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
        of = told if len(labels) > len(series) else f", {', '.join(label for label, *_ in series)}"
        part.figures.append(Figure(f"{title}{of}", svg, f"{y.capitalize()} against {x}."))
        part.numbers[kind] = [{key: row[key] for key in ("class", "threshold", "x", "y")} for row in of_kind]


def _errors(subject: ReportInput, head: HeadDescription, part: Section, name: str) -> None:
    found = residuals(subject.table, head=head.name)
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
    told = "Mean error by prediction; the area holds 90% of the errors."
    part.figures.append(Figure("Errors against predictions", svg, told))


def _whole(value: float) -> float | int:
    return int(value) if float(value).is_integer() else float(value)
