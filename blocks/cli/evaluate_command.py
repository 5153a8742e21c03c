"""blocks evaluate: how good the trained model is on rows that it did not see."""

import argparse

from blocks.cli.project_arguments import add_examples, add_given, add_project, project_of, told


def words(command: argparse.ArgumentParser) -> None:
    """Its arguments."""
    about = "Answer the test rows into artefacts/answers.parquet and judge them, with intervals and by group."
    add_examples(
        command, about, "blocks evaluate", "blocks evaluate --set 'by=[\"city\"]'",
        "blocks evaluate artefacts/model.keras new.csv --out elsewhere",
    )  # fmt: skip
    add_given(command)
    add_project(command)


def run(options: argparse.Namespace) -> int:
    """Judge."""
    from blocks.runs.steps.judgement import evaluate

    return told(options, evaluate(project_of(options, "evaluate", alone="test"), again=options.again))
