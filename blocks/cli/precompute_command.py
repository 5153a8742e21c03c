"""blocks precompute: every split's features in a store, once."""

import argparse

from blocks.cli.project_arguments import add_examples, add_given, add_project, project_of, told


def words(command: argparse.ArgumentParser) -> None:
    """Its arguments."""
    about = "Write all splits' features into artefacts/store; killed at any moment, the same command finishes it."
    add_examples(
        command, about, "blocks precompute", "blocks precompute --set format=tfrecord",
        "blocks precompute artefacts/adapted.keras train=a.csv valid=b.csv",
    )  # fmt: skip
    add_given(command)
    add_project(command)


def run(options: argparse.Namespace) -> int:
    """Write the store."""
    from blocks.runs.steps.preparing import precompute

    return told(options, precompute(project_of(options, "precompute"), again=options.again)[1])
