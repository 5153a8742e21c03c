"""blocks fit: the core is trained, and what calibrates learns from held-out rows."""

import argparse

from blocks.cli.project_arguments import add_examples, add_given, add_project, project_of, told


def words(command: argparse.ArgumentParser) -> None:
    """Its arguments."""
    about = (
        "Train on the store's split train and calibrate on valid, into artefacts/model.keras. Adapts and precomputes "
        "first where that is not done. Killed at any moment, the same command goes on to the same weights."
    )
    add_examples(
        command, about, "blocks fit", "blocks fit --profile local --set epochs=3",
        "blocks fit model:model train=a.csv valid=b.csv", "blocks fit artefacts/adapted.keras artefacts/store",
    )  # fmt: skip
    add_given(command)
    add_project(command)


def run(options: argparse.Namespace) -> int:
    """Train."""
    from blocks.runs.steps.fitting import fit

    return told(options, fit(project_of(options, "fit"), again=options.again))
