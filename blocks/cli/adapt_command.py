"""blocks adapt: what preprocessors and heads learn of the training rows."""

import argparse

from blocks.cli.project_arguments import add_examples, add_given, add_project, project_of, told


def words(command: argparse.ArgumentParser) -> None:
    """Its arguments."""
    about = "Learn statistics and the target's classes from the training rows alone, into artefacts/adapted.keras."
    add_examples(command, about, "blocks adapt", "blocks adapt --profile local", "blocks adapt model:model people.csv")
    add_given(command)
    add_project(command)


def run(options: argparse.Namespace) -> int:
    """Adapt."""
    from blocks.runs.steps.preparing import adapt

    return told(options, adapt(project_of(options, "adapt"), again=options.again)[1])
