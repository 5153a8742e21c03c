"""The command line: parses arguments, and imports what a command needs when it runs."""

import argparse
import sys
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any


def _verify_words(command: argparse.ArgumentParser) -> None:
    command.add_argument("path", metavar="EXPORT", help="the SavedModel's folder")
    command.add_argument("--data", help="raw rows to replay besides the golden ones (CSV, Parquet, ...)")
    command.add_argument("--store", help="the store that was made of these rows")
    command.add_argument("--split", help="which of the store's splits")


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


def _check_words(command: argparse.ArgumentParser) -> None:
    command.add_argument("path", metavar="STORE", help="the store's folder")


def _check(options: argparse.Namespace) -> int:
    from blocks.store import open_store

    store = open_store(options.path, repairing=True)
    problems = store.check()
    for problem in problems:
        print(problem)
    print(f"{options.path}: {len(problems)} problems in {sum(store.rows.values()):,} rows")
    return 1 if problems else 0


def _bench_words(command: argparse.ArgumentParser) -> None:
    command.add_argument("path", metavar="STORE", help="the store's folder")
    command.add_argument("--split", help="which of its splits; the largest unless given")
    command.add_argument("--batch-size", type=int, default=1024, help="rows of a batch (1024)")
    command.add_argument("--seconds", type=float, default=4.0, help="about how long to take (4)")


def _bench(options: argparse.Namespace) -> int:
    from blocks.store import open_store
    from blocks.store.benchmark import bench, table

    store = open_store(options.path)
    print(f"{options.path}: {store}, batches of {options.batch_size:,}")
    print(table(bench(store, options.split, batch_size=options.batch_size, seconds=options.seconds)))
    return 0


def _report_words(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "model", metavar="MODEL", help="a .keras file of Model.save, or an exported SavedModel's folder"
    )
    command.add_argument(
        "data", metavar="DATA", nargs="+", help="raw rows (CSV, Parquet, ...), several as SPLIT=DATA; or a store"
    )
    command.add_argument("--out", default="report.html", help="the page (report.html); its numbers go to .json")
    command.add_argument("--by", nargs="*", help="columns of groups to judge apart, times as COLUMN:month")
    command.add_argument("--export", help="the model's SavedModel, to be verified")


def _report(options: argparse.Namespace) -> int:
    from pathlib import Path

    from blocks.data import read
    from blocks.model import load
    from blocks.reporting import report
    from blocks.store import open_store

    by_split = [name.partition("=") for name in options.data if "=" in name and not Path(name).exists()]
    if len(by_split) != len(options.data) and len(options.data) > 1:
        print("blocks report: several splits are named: train=FILE test=FILE", file=sys.stderr)
        return 2
    data: Any
    if by_split:
        data = {split: read(path) for split, _, path in by_split}
    else:
        path = Path(options.data[0])
        data = open_store(path) if (path / "manifest.json").exists() else read(path)
    model = load(options.model) if Path(options.model).is_file() else options.model
    print(report(model, data, options.out, by=options.by, export=options.export))
    return 0


def _predict_words(command: argparse.ArgumentParser) -> None:
    command.add_argument("export", metavar="EXPORT", help="the SavedModel's folder")
    command.add_argument("data", metavar="DATA", help="raw rows: a file, a folder, a pattern, or the URI of a database")
    command.add_argument(
        "out", metavar="OUT", help="where the answers go: .parquet, .csv, .jsonl, .db, ..., or the URI of a database"
    )
    command.add_argument("--keys", nargs="*", default=[], help="columns of the rows to keep, to know them by")
    command.add_argument("--targets", action="store_true", help="keep the targets too")
    command.add_argument("--format", help="of the rows, where no extension tells: images, texts, csv, ...")
    command.add_argument("--table", help="of the database that the rows come from")
    command.add_argument("--query", help="instead of a table, what gives the rows")
    command.add_argument(
        "--rejects", metavar="FILE", help="leave bad rows out and write them there (a bad row is an error)"
    )
    command.add_argument("--out-table", help="of the database that the answers go to")
    command.add_argument("--overwrite", action="store_true", help="replace what is there")


def _predict(options: argparse.Namespace) -> int:
    from blocks.data import read
    from blocks.evaluate.tables.write_answers import require_apart, write_answers

    require_apart(options.data, options.out, table=options.table, target_table=options.out_table)
    chosen = {"format": options.format, "table": options.table, "query": options.query, "rejects": options.rejects}
    chosen = {name: value for name, value in chosen.items() if value is not None}
    source = read(options.data, **chosen, **({"on_bad_rows": "keep"} if options.rejects else {}))
    written = write_answers(
        options.export, source, options.out,
        keys=options.keys, targets=options.targets, table=options.out_table, overwrite=options.overwrite,
    )  # fmt: skip
    count = written.count()
    rejected = f"; {source.rejected:,} bad rows in {options.rejects}" if options.rejects else ""
    print(f"{options.out}: {count:,} rows, columns {', '.join(written.schema.names)}{rejected}")
    return 0


def _serve_words(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "models", metavar="EXPORT", nargs="+",
        help="an export's folder, or that of its versions, with --name; or several as NAME=FOLDER",
    )  # fmt: skip
    command.add_argument("--name", help="what requests call the model (the folder's name)")
    command.add_argument("--host", default="127.0.0.1", help="the address to listen at (127.0.0.1)")
    command.add_argument("--port", type=int, default=8501, help="the port (8501)")
    command.add_argument("--seconds", type=float, default=30.0, help="the most that a request may wait (30)")
    command.add_argument(
        "--drain", type=float, default=1.0, help="seconds between not being ready and taking no more connections (1)"
    )
    command.add_argument(
        "--log", metavar="DIR", help="keep a sample of requests and answers there as Parquet (nothing is kept)"
    )
    command.add_argument("--log-share", type=float, metavar="SHARE", help="of the rows to keep, up to 1 (0.01)")
    command.add_argument(
        "--log-keys",
        nargs="+",
        metavar="KEY",
        help="what requests may carry beside the model's columns, to know rows by",
    )
    command.add_argument(
        "--unexpected", choices=["warn", "refuse", "ignore"], default="warn",
        help="what is done about values that training rows did not have (warn)",
    )  # fmt: skip


def _serve(options: argparse.Namespace) -> int:
    from pathlib import Path

    named = [one.partition("=") for one in options.models if "=" in one and not Path(one).exists()]
    if named and (len(named) != len(options.models) or options.name):
        print("blocks serve: each model is named: blocks serve NAME=FOLDER NAME=FOLDER", file=sys.stderr)
        return 2
    if not named and len(options.models) > 1:
        print("blocks serve: several models are named: blocks serve NAME=FOLDER NAME=FOLDER", file=sys.stderr)
        return 2
    if len({name for name, _, _ in named}) != len(named):
        print("blocks serve: each model has a name of its own", file=sys.stderr)
        return 2
    folder = Path(options.models[0])
    own = folder.parent.name if folder.name.isdecimal() else folder.name
    models = {name: path for name, _, path in named} or {options.name or own or "model": folder}
    try:
        from blocks.serving import Limits, PredictionLog, app
        from blocks.serving.server import log_as_json, run_graphs_in_one_thread, serve
    except ImportError as error:
        print(f"blocks serve: pip install 'ml-blocks[serve]' is needed ({error})", file=sys.stderr)
        return 2
    chosen = {"share": options.log_share, "keys": options.log_keys}
    chosen = {name: value for name, value in chosen.items() if value is not None}
    if chosen and options.log is None:
        print("blocks serve: --log-share and --log-keys go with --log", file=sys.stderr)
        return 2
    log = None if options.log is None else PredictionLog(options.log, **chosen)
    log_as_json()
    run_graphs_in_one_thread()
    application = app(models, limits=Limits(seconds=options.seconds), unexpected=options.unexpected, log=log)
    serve(application, options.host, options.port, drain_seconds=options.drain)
    return 0


def _package_words(command: argparse.ArgumentParser) -> None:
    command.add_argument("export", metavar="EXPORT", help="the SavedModel's folder")
    command.add_argument(
        "out", metavar="OUT", nargs="?", help="an archive (.tar.gz), or a folder that is new (NAME-VERSION.tar.gz)"
    )
    command.add_argument("--name", help="what requests will call the model (the folder's name)")


def _package(options: argparse.Namespace) -> int:
    from blocks.export.serving_package import package

    print(package(options.export, options.out, name=options.name))
    return 0


COMMANDS: dict[str, tuple[str, Callable[[argparse.ArgumentParser], None], Callable[[argparse.Namespace], int]]] = {
    "verify": ("prove that a SavedModel gives the bits that were computed offline", _verify_words, _verify),
    "check": ("verify every checksum, count and shape of a store", _check_words, _check),
    "bench": ("measure a store's batches next to what disk and memory can give", _bench_words, _bench),
    "predict": ("answer the rows of a file or table by an exported SavedModel, in chunks", _predict_words, _predict),
    "serve": ("answer requests over HTTP from exported SavedModels", _serve_words, _serve),
    "package": (
        "write an export with all that serves it: Dockerfile, wheel, pins, checksums",
        _package_words,
        _package,
    ),
    "report": ("write what is to be known of a model as one HTML page", _report_words, _report),
}
"""By name: what it is for, what adds its words to a parser, and what runs it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: Words after `python -m blocks`; None for the process's own.

    Returns:
        The exit status: 0 when all is well, 1 when something was found wrong, 2 for wrong words.
    """
    parser = argparse.ArgumentParser(prog="blocks", description=__doc__.partition(":")[0] if __doc__ else None)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (purpose, words, run) in COMMANDS.items():
        command = commands.add_parser(name, help=purpose)
        command.set_defaults(run=run)
        words(command)
    options = parser.parse_args(arguments)
    from blocks.errors import BlocksError  # cheap, but not needed for --help

    show, warnings.showwarning = warnings.showwarning, partial(_show_warning, options.command, warnings.showwarning)
    try:
        return int(options.run(options))
    except BlocksError as error:
        print(f"blocks {options.command}: {error}", file=sys.stderr)
        return 1
    finally:
        warnings.showwarning = show


def _show_warning(command: str, others: Any, message: Any, category: type, *where: Any, **more: Any) -> None:
    """A warning of ours as the command's own line: there is no line of the user's to point at."""
    from blocks.errors import BlocksWarning

    if issubclass(category, BlocksWarning):
        print(f"blocks {command}: {message}", file=sys.stderr)
    else:
        others(message, category, *where, **more)
