"""blocks export: the trained model as one SavedModel."""

import argparse

from blocks.cli.project_arguments import add_examples, add_project, project_of, told


def words(command: argparse.ArgumentParser) -> None:
    """Its arguments."""
    about = "Write the trained model as artefacts/export/1, and the next one as 2: what a server takes as versions."
    add_examples(command, about, "blocks export", "blocks export artefacts/model.keras --out elsewhere")
    command.add_argument("model", metavar="MODEL", nargs="?", help="instead of the project's: a .keras file")
    command.add_argument("--out", metavar="DIR", default="artefacts", help="in whose export/ it lies (artefacts)")
    add_project(command)


def run(options: argparse.Namespace) -> int:
    """Export."""
    from blocks.runs.steps.exporting import export

    return told(options, export(project_of(options, "export"), again=options.again))
