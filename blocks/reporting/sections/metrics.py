"""Metrics: with intervals, by class, split and group."""

import warnings
from typing import Any

import pyarrow as pa

from blocks.errors import BlocksWarning
from blocks.evaluate.metric_table import metrics
from blocks.evaluate.scoring.summed_table import FEW
from blocks.pages import figures
from blocks.pages.content import Figure, Section, Table
from blocks.reporting.report_input import ReportInput
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


def metrics_section(report_input: ReportInput) -> Section:
    """The section on metrics."""
    section = Section("metrics", "Metrics")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", BlocksWarning)
        found = metrics(report_input.table, by=report_input.by)
    section.text = [str(one.message) for one in caught if issubclass(one.category, BlocksWarning)]
    whole = [row for row in found.to_pylist() if row["group"] == "all"]
    section.numbers["rows"] = max(row["rows"] for row in whole)
    plain_names = [row for row in whole if "[" not in row["metric"]]
    columns = ("metric", "value", "low", "high", "note")
    section.tables = [
        Table(
            f"On {section.numbers['rows']:,} rows of {report_input.judged!r}, with 95% intervals",
            columns,
            [[row[name] for name in columns] for row in plain_names],
        )
    ]
    section.tables += _per_class(whole)
    section.tables += _per_split(report_input, plain_names)
    for head in report_input.heads:
        headline = _headline(head, plain_names)
        if report_input.by is not None and headline is not None:
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
    by_class: dict[str, dict[str, Any]] = {}
    few: set[str] = set()
    for row in rows:
        stem, _, of = row["metric"].partition("[")
        if of:
            by_class.setdefault(of[:-1], {"rows": row["rows"]})[stem] = row["value"]
            if row["few"]:
                few.add(of[:-1])
    if not by_class:
        return []
    names = list(dict.fromkeys(name for of in by_class.values() for name in of))
    several = len({one["rows"] for one in by_class.values()}) > 1
    order = sorted(by_class, key=lambda of: -by_class[of]["rows"]) if several else list(by_class)
    caption = "By class, level or target" + (", of most rows first" if several else "")
    caption += f"; * under {FEW} rows, which tell little" if few else ""
    return [Table(caption, ("of", *names), [(of + " *" * (of in few), *map(by_class[of].get, names)) for of in order])]


def _per_split(report_input: ReportInput, whole: list[dict[str, Any]]) -> list[Table]:
    names = _headlines(report_input.heads, whole)
    if len(report_input.tables) < 2 or not names:
        return []
    rows = []
    for split, table in report_input.tables.items():
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
