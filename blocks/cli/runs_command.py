"""blocks runs: what was run, what two runs differ in, and a run made again."""

import argparse
import sys
from typing import Any

STATES = ("running", "finished", "failed", "interrupted", "killed", "elsewhere")


def words(command: argparse.ArgumentParser) -> None:
    """Its arguments."""
    command.formatter_class = argparse.RawDescriptionHelpFormatter
    command.epilog = (
        "examples:\n"
        "  blocks runs list --where 'valid/loss<0.3' --state finished\n"
        "  blocks runs diff 20261128-114210-ab12cd last\n"
        "  blocks runs reproduce last\n"
        "a RUN is an id, the beginning or end of one, a name, or `last`"
    )
    actions = command.add_subparsers(dest="action", required=True, metavar="ACTION")

    def action(name: str, purpose: str, *runs: str) -> argparse.ArgumentParser:
        one = actions.add_parser(name, help=purpose, description=purpose)
        one.add_argument("--runs", default="runs", help="the folder of runs (runs)")
        for run in runs:
            one.add_argument("which" if run == "RUN" else run.lower(), metavar=run)  # `run` is what runs it
        return one

    listed = action("list", "all runs, the oldest first")
    listed.add_argument("--json", action="store_true", help="for machines: a list of records")
    listed.add_argument("--state", choices=STATES, help="those of one state")
    listed.add_argument("--name", help="those of one name")
    listed.add_argument("--where", action="append", default=[], metavar="CONDITION", help="as valid/loss<0.3, epochs=3")
    listed.add_argument("--sort", metavar="METRIC", help="by a metric, the lowest first")
    listed.add_argument("--last", type=int, metavar="N", help="the last N of them")
    action("show", "all that is known of a run", "RUN").add_argument("--json", action="store_true")
    action("diff", "what a second run has otherwise than a first", "A", "B").add_argument("--json", action="store_true")
    again = action("reproduce", "begin a run again from its record, and compare stage by stage", "RUN")
    again.add_argument("--timeout", type=float, metavar="SECONDS", help="give up after so long")
    action("restore", "write what a run kept, and its code, into a folder", "RUN", "DIR")
    action("rm", "delete a run, unless another stands on it", "RUN")


def run(options: argparse.Namespace) -> int:
    """Do what was asked for."""
    from blocks.runs.run_record import find_run

    if options.action == "list":
        return _list(options)
    if options.action == "diff":
        from blocks.runs.run_text import difference_text, side_by_side

        pair = find_run(options.runs, options.a), find_run(options.runs, options.b)
        _print(side_by_side(*pair) if options.json else difference_text(*pair))
        return 0
    found = find_run(options.runs, options.which)
    if options.action == "show":
        from blocks.runs.run_text import as_json, in_full

        _print(as_json(found) if options.json else in_full(found))
    elif options.action == "reproduce":
        from blocks.runs.reproduce import reproduce

        print(f"reproduce: {found.id} is begun again aside", file=sys.stderr)
        again = reproduce(found, timeout=options.timeout)
        print(again)
        return 0 if again.same else 1
    elif options.action == "restore":
        from blocks.runs.restore import restore

        print(f"{restore(found, options.dir)}: what {found.id} kept, and its code")
    else:
        from blocks.runs.remove import remove

        remove(found)
        print(f"{found.id} is deleted")
    return 0


def _list(options: argparse.Namespace) -> int:
    from blocks.runs.run_record import list_runs
    from blocks.runs.run_text import as_json, selected, table

    found = selected(list_runs(options.runs), options.where, options.state)
    found = [one for one in found if options.name is None or one.content["name"] == options.name]
    if options.sort is not None:
        found = sorted((one for one in found if options.sort in one.metrics), key=lambda one: one.metrics[options.sort])
    found = found[-options.last :] if options.last else found
    _print([as_json(one) for one in found] if options.json else table(found))
    return 0


def _print(shown: Any) -> None:
    import json

    print(shown if isinstance(shown, str) else json.dumps(shown, indent=1))
