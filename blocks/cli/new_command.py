"""blocks new: a project that runs as it is, from a template."""

import argparse

from blocks.cli.project_arguments import add_examples


def words(command: argparse.ArgumentParser) -> None:
    """Its arguments."""
    about = "Make a folder with a small project that runs as it is, on data that it makes itself."
    add_examples(command, about, "blocks new shop --template table", "blocks new forecasts --template series")
    command.add_argument("name", metavar="NAME", help="the folder, which is new or empty; its last part is the name")
    command.add_argument("--template", default="table", help="table, series, text or images (table)")


def run(options: argparse.Namespace) -> int:
    """Make it."""
    from pathlib import Path

    from blocks.runs.new_project import TEMPLATES, new_project

    path = Path(options.name)
    *files, source = new_project(path, options.template)
    print(f"new: {path}, {TEMPLATES[options.template].purpose}")
    for file in files:
        print(f"  {file}")
    print(f"Its environment gets blocks from {source} (requirements.txt).")
    print(f"next: cd {path}; make demo (every step), make test; or step by step: blocks inspect")
    return 0
