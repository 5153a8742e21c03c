"""blocks check: every checksum, count and shape of a store."""

import argparse

from blocks.cli.project_arguments import add_examples, add_project, store_of


def words(command: argparse.ArgumentParser) -> None:
    """Its arguments."""
    add_examples(command, "Verify every checksum, count and shape of a store.", "blocks check", "blocks check store")
    command.add_argument("path", metavar="STORE", nargs="?", help="the store's folder (the project's)")
    add_project(command, again=False)


def run(options: argparse.Namespace) -> int:
    """Run it."""
    from blocks.store import open_store

    path = store_of(options)
    store = open_store(path, repairing=True)
    problems = store.check()
    for problem in problems:
        print(problem)
    print(f"{path}: {len(problems)} problems in {sum(store.rows.values()):,} rows")
    return 1 if problems else 0
