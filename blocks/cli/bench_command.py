"""blocks bench: a store's batches next to what disk and memory can give."""

import argparse

from blocks.cli.project_arguments import add_examples, add_project, store_of


def words(command: argparse.ArgumentParser) -> None:
    """Its arguments."""
    about = "Measure a store's batches next to what disk and memory can give."
    add_examples(command, about, "blocks bench", "blocks bench store --batch-size 4096")
    command.add_argument("path", metavar="STORE", nargs="?", help="the store's folder (the project's)")
    add_project(command, again=False)
    command.add_argument("--split", help="which of its splits; the largest unless given")
    command.add_argument("--batch-size", type=int, default=1024, help="rows of a batch (1024)")
    command.add_argument("--seconds", type=float, default=4.0, help="about how long to take (4)")


def run(options: argparse.Namespace) -> int:
    """Run it."""
    from blocks.store import open_store
    from blocks.store.benchmark import bench, table

    path = store_of(options)
    store = open_store(path)
    print(f"{path}: {store}, batches of {options.batch_size:,}")
    print(table(bench(store, options.split, batch_size=options.batch_size, seconds=options.seconds)))
    return 0
