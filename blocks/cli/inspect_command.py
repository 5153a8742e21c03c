"""blocks inspect: what is in the rows, and what of it somebody who knows data would point out."""

import argparse

from blocks.cli.project_arguments import add_examples, add_given, add_project, project_of, told


def words(command: argparse.ArgumentParser) -> None:
    """Its arguments."""
    about = "Describe the rows: types, missing values, what leaks, what stands twice. A page of it lies in artefacts."
    add_examples(
        command, about, "blocks inspect", "blocks inspect people.csv --target label",
        "blocks inspect train=a.parquet test=b.parquet --set key=id",
    )  # fmt: skip
    add_given(command, model=False)
    command.add_argument("--target", help="the column to predict (the model's, in a project)")
    add_project(command)


def run(options: argparse.Namespace) -> int:
    """Describe."""
    from blocks.runs.steps.preparing import inspect

    target = [] if options.target is None else [f"inspect.target={options.target}"]
    options.settings = [*options.settings, *target]
    return told(options, inspect(project_of(options, "inspect", alone="rows"), again=options.again))
