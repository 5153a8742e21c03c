"""Judgement: how good the trained model is on rows that it did not see, as numbers and as a page."""

import json

import pyarrow as pa

import blocks.evaluate
from blocks.files import durable
from blocks.reporting import report as write_report
from blocks.runs.made_things import MadeThings, content_digest, digest_of
from blocks.runs.project import ANSWERS, Project
from blocks.runs.steps.fitting import trained
from blocks.runs.steps.outcome import Outcome, reason

_BY_GROUP = ("accuracy", "log_loss", "mean_absolute_error")
"""What is told of each group; the file has the rest."""


def evaluate(project: Project, *, again: bool = False) -> Outcome:
    """Answer the test rows into `answers.parquet`, and judge the answers, with intervals and by group."""
    model, file = trained(project)
    told = project.configuration.table("evaluate")
    split = told.get("split") or project.split_name("test", "valid")
    rows = project.split(split)
    keys, by = told.get("keys", []), told.get("by", [])
    key = {"model": content_digest(file), "rows": digest_of(rows.fingerprint()), "settings": {**told, "split": split}}
    answers, numbers = project.place(ANSWERS), project.place("metrics.json")
    made = MadeThings(project.artefacts)
    differing = made.differs("evaluate", key, [answers, numbers])
    reused = not again and not differing
    if not reused:
        kept = list(dict.fromkeys([*keys, *(name.partition(":")[0] for name in by)]))
        table = model.predict_table(rows, answers, keys=kept, split=split, overwrite=True)
        found = blocks.evaluate.metrics(table, by=by or None)
        durable.write_text(numbers, json.dumps(found.to_pylist(), indent=1, default=str) + "\n")
        made.note("evaluate", key, [answers, numbers])
    lines = metric_lines(pa.Table.from_pylist(json.loads(numbers.read_text())))
    shown = f"{project.shown(answers)} and {numbers.name}: the rows of {split}, judged"
    return Outcome("evaluate", shown, [*([] if reused else reason(differing)), *lines], reused=reused)


def metric_lines(table: pa.Table) -> list[str]:
    """Metrics as lines of at most 80 columns: name, value and interval of all rows, and the main ones by group."""
    lines = []
    for row in table.to_pylist():
        group, name = row.get("group"), row["metric"]
        overall = group in (None, "", "all")
        if "[" in name or name.endswith("_weighted") or not (overall or name in _BY_GROUP):
            continue
        interval = "" if row.get("low") is None else f"({row['low']:.4g} to {row['high']:.4g})"
        value = "-" if row["value"] is None else f"{row['value']:.4g}"
        lines.append(f"{name if overall else f'{group} {name}':<38.38} {value:>9}  {interval}".rstrip())
    return [*lines, "with intervals of 95%; all metrics are in metrics.json"]


def report(project: Project, *, again: bool = False) -> Outcome:
    """Write the page on the model, verified against its export where there is one of it."""
    model, file = trained(project)
    told = project.configuration.table("evaluate")
    made = MadeThings(project.artefacts)
    noted = made.of("export")
    is_its = noted.get("key", {}).get("model") == content_digest(file)
    export = project.artefacts / next(iter(noted["files"])) if is_its else None
    export = export if export is not None and export.exists() else None
    key = {
        "model": content_digest(file),
        "rows": digest_of({name: rows.fingerprint() for name, rows in project.splits.items()}),
        "export": None if export is None else export.name,
        "settings": told,
    }
    page = project.place("report.html")
    differing = made.differs("report", key, [page])
    if not again and not differing:
        return Outcome("report", project.shown(page), reused=True)
    write_report(model, project.splits, page, title=project.name, by=told.get("by") or None, export=export)
    made.note("report", key, [page])
    return Outcome("report", f"{project.shown(page)}, and its numbers in report.json", reason(differing))
