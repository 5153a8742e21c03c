"""blocks verify: that a SavedModel gives the bits that were computed offline."""

import argparse
import sys

from blocks.cli.project_arguments import add_examples, add_project, project_of, told


def words(command: argparse.ArgumentParser) -> None:
    """Its arguments."""
    about = (
        "Replay golden rows, and others, through an export in a process that cannot import blocks; compare all bits."
    )
    add_examples(command, about, "blocks verify", "blocks verify export/1 --data test.csv --store store --split test")
    command.add_argument("path", metavar="EXPORT", nargs="?", help="the SavedModel's folder (the project's newest)")
    command.add_argument("--data", help="raw rows to replay besides the golden ones (CSV, Parquet, ...)")
    command.add_argument("--store", help="the store that was made of these rows")
    command.add_argument("--split", help="which of the store's splits")
    add_project(command, again=False)


def run(options: argparse.Namespace) -> int:
    """Run it."""
    if options.path is None:
        from blocks.runs.steps.exporting import verify as verify_newest

        return told(options, verify_newest(project_of(options, "verify")))
    from blocks.data import read
    from blocks.export import verify
    from blocks.store import open_store

    if (options.store is None) != (options.split is None) or (options.store and options.data is None):
        print("blocks verify: --store goes with --split and --data", file=sys.stderr)
        return 2
    source = None if options.data is None else read(options.data)
    store = None if options.store is None else open_store(options.store)[options.split]
    report = verify(options.path, source, store)
    print(report)
    return 0 if report.ok else 1
