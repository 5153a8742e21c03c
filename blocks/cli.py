"""The command line: parses arguments, and imports what a command needs when it runs."""

import argparse
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: Words after `python -m blocks`; None for the process's own.

    Returns:
        The exit status: 0 when all is well, 1 when something was found wrong, 2 for wrong words.
    """
    parser = argparse.ArgumentParser(prog="blocks", description=__doc__.partition(":")[0] if __doc__ else None)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    verify = commands.add_parser("verify", help="prove that a SavedModel gives the bits that were computed offline")
    verify.add_argument("path", metavar="EXPORT", help="the SavedModel's folder")
    verify.add_argument("--data", help="raw rows to replay besides the golden ones (CSV, Parquet, ...)")
    verify.add_argument("--store", help="the store that was made of these rows")
    verify.add_argument("--split", help="which of the store's splits")

    check = commands.add_parser("check", help="verify every checksum, count and shape of a store")
    check.add_argument("path", metavar="STORE", help="the store's folder")

    options = parser.parse_args(arguments)
    from blocks.errors import BlocksError  # cheap, but not needed for --help

    try:
        return {"verify": _verify, "check": _check}[options.command](options)
    except BlocksError as error:
        print(f"blocks {options.command}: {error}", file=sys.stderr)
        return 1


def _verify(options: argparse.Namespace) -> int:
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


def _check(options: argparse.Namespace) -> int:
    from blocks.store import open_store

    store = open_store(options.path)
    problems = store.check()
    for problem in problems:
        print(problem)
    print(f"{options.path}: {len(problems)} problems in {store.rows:,} rows")
    return 1 if problems else 0
