"""blocks serve: answers over HTTP from exported SavedModels."""

import argparse
import sys

from blocks.cli.project_arguments import add_examples, add_project


def words(command: argparse.ArgumentParser) -> None:
    """Its arguments."""
    about = "Answer requests over HTTP: TensorFlow Serving's REST, the Open Inference Protocol, and a page at /."
    add_examples(
        command, about, "blocks serve", "blocks serve export --name income --port 8501",
        "blocks serve income=export other=DIR",
    )  # fmt: skip
    command.add_argument(
        "models", metavar="EXPORT", nargs="*",
        help="an export's folder, or that of its versions, with --name; or several as NAME=FOLDER (the project's)",
    )  # fmt: skip
    command.add_argument("--name", help="what requests call the model (the folder's name)")
    command.add_argument("--host", help="the address to listen at (127.0.0.1)")
    command.add_argument("--port", type=int, help="the port (8501)")
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
    add_project(command, again=False)


def run(options: argparse.Namespace) -> int:
    """Run it."""
    from pathlib import Path

    told = {}
    if not options.models:
        from blocks.runs.configuration import resolve
        from blocks.runs.steps.exporting import newest_export

        found = resolve(options.project, options.profile, options.settings, step="serve")
        told = found.table("serve")
        options.models = [str(newest_export(found.folder / "artefacts").parent)]
        options.name = options.name or found.table("project").get("name") or found.folder.resolve().name
    host, port = options.host or told.get("host", "127.0.0.1"), options.port or told.get("port", 8501)
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
    serve(application, host, port, drain_seconds=options.drain)
    return 0
