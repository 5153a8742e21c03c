"""blocks report: what is to be known of a model as one page."""

import argparse
import sys
from typing import Any

from blocks.cli.project_arguments import add_examples, add_project, project_of, told


def words(command: argparse.ArgumentParser) -> None:
    """Its arguments."""
    about = "Write what is to be known of a model as one page without a network, and its numbers as JSON beside it."
    add_examples(command, about, "blocks report", "blocks report model.keras train=a.csv test=b.csv --by city")
    command.add_argument(
        "model", metavar="MODEL", nargs="?", help="a .keras file of Model.save, or an exported SavedModel's folder"
    )
    command.add_argument(
        "data", metavar="DATA", nargs="*", help="raw rows (CSV, Parquet, ...), several as SPLIT=DATA; or a store"
    )
    command.add_argument("--out", default="report.html", help="the page (report.html); its numbers go to .json")
    command.add_argument("--by", nargs="*", help="columns of groups to judge apart, times as COLUMN:month")
    command.add_argument("--export", help="the model's SavedModel, to be verified")
    add_project(command)


def run(options: argparse.Namespace) -> int:
    """Run it."""
    if options.model is None:
        from blocks.runs.steps.judgement import report as report_on

        # the page of a project lies with its other artefacts, judged by the groups of [evaluate]
        del options.out
        return told(options, report_on(project_of(options, "evaluate"), again=options.again))
    if not options.data:
        options.parser.error("the following arguments are required: DATA")
    from pathlib import Path

    from blocks.data import read
    from blocks.model import load
    from blocks.reporting import report
    from blocks.store import open_store

    by_split = [name.partition("=") for name in options.data if "=" in name and not Path(name).exists()]
    if len(by_split) != len(options.data) and len(options.data) > 1:
        print("blocks report: several splits are named: train=FILE test=FILE", file=sys.stderr)
        return 2
    data: Any
    if by_split:
        data = {split: read(path) for split, _, path in by_split}
    else:
        path = Path(options.data[0])
        data = open_store(path) if (path / "manifest.json").exists() else read(path)
    model = load(options.model) if Path(options.model).is_file() else options.model
    print(report(model, data, options.out, by=options.by, export=options.export))
    return 0
