"""blocks package: an export with all that serves it."""

import argparse

from blocks.cli.project_arguments import add_examples


def words(command: argparse.ArgumentParser) -> None:
    """Its arguments."""
    about = "Write an export with all that serves it: a Dockerfile, the wheel, pins and checksums."
    add_examples(command, about, "blocks package export/1", "blocks package export/1 income.tar.gz --name income")
    command.add_argument("export", metavar="EXPORT", help="the SavedModel's folder")
    command.add_argument(
        "out", metavar="OUT", nargs="?", help="an archive (.tar.gz), or a folder that is new (NAME-VERSION.tar.gz)"
    )
    command.add_argument("--name", help="what requests will call the model (the folder's name)")


def run(options: argparse.Namespace) -> int:
    """Run it."""
    from blocks.export.serving_package import package

    print(package(options.export, options.out, name=options.name))
    return 0
