"""The command line: parses arguments, and imports what a command needs when it runs."""

import argparse
import sys
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from typing import Any


def _words(name: str, command: argparse.ArgumentParser) -> None:
    import_module(f"blocks.cli.{name}_command").words(command)


def _run(name: str, options: argparse.Namespace) -> int:
    if name in _WITH_TENSORFLOW:
        from blocks.lazy import quiet_import

        with quiet_import():
            import_module("tensorflow")
    return int(import_module(f"blocks.cli.{name}_command").run(options))


_WITH_TENSORFLOW = (
    "inspect",
    "adapt",
    "precompute",
    "fit",
    "tune",
    "evaluate",
    "export",
    "verify",
    "report",
    "predict",
    "serve",
)
"""Commands that load TensorFlow into this process, which logs as it is loaded."""

_PURPOSES = {
    "new": "make a project that runs as it is, from a template",
    "inspect": "describe the rows: what is there, what leaks, what stands twice",
    "adapt": "learn statistics and classes from the training rows",
    "precompute": "write the features of all splits into a store, once",
    "fit": "train on the store, calibrate on held-out rows",
    "tune": "search for better settings of an adapted model, on its store",
    "evaluate": "answer the test rows and judge the answers, with intervals",
    "export": "write the trained model as one SavedModel",
    "verify": "prove that a SavedModel gives the bits that were computed offline",
    "report": "write what is to be known of a model as one HTML page",
    "predict": "answer the rows of a file or table by an exported SavedModel, in chunks",
    "serve": "answer requests over HTTP from exported SavedModels",
    "check": "verify every checksum, count and shape of a store",
    "bench": "measure a store's batches next to what disk and memory can give",
    "package": "write an export with all that serves it: Dockerfile, wheel, pins, checksums",
    "runs": "list, show, compare, reproduce, restore or delete what was recorded",
}
"""What each is for; its words and what runs it stand in the module NAME_command beside this one."""

COMMANDS: dict[str, tuple[str, Callable[[argparse.ArgumentParser], None], Callable[[argparse.Namespace], int]]] = {
    name: (purpose, partial(_words, name), partial(_run, name)) for name, purpose in _PURPOSES.items()
}
"""By name: what it is for, what adds its words to a parser, and what runs it."""

_DESCRIPTION = """\
Composable Keras blocks. A project takes these steps, in its folder or with
--project DIR; each skips what is there already and fits:

  new > inspect > adapt > precompute > fit > evaluate > export > verify > report"""


class _Command(argparse.ArgumentParser):
    """A command's parser: its words may stand between options, also those that may be left out.

    Python's own takes such a word as left out as soon as an option comes before it.
    """

    _mixing = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As of Python's, options first."""
        if self._mixing or any(action.nargs == argparse.PARSER for action in self._actions):  # has commands of its own
            return super().parse_known_args(args, namespace)
        self._mixing = True
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._mixing = False


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: Words after `python -m blocks`; None for the process's own.

    Returns:
        The exit status: 0 when all is well, 1 when something was found wrong, 2 for wrong words.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="blocks", description=_DESCRIPTION, formatter_class=raw)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Command)
    for name, (purpose, words, run) in COMMANDS.items():
        command = commands.add_parser(name, help=purpose)
        command.set_defaults(run=run, parser=command)
        if name in arguments:  # the words of the others would take longer than those of help
            words(command)
    options = parser.parse_args(arguments)
    from blocks.errors import BlocksError  # cheap, but not needed for --help

    show, warnings.showwarning = warnings.showwarning, partial(_show_warning, options.command, warnings.showwarning)
    try:
        return int(options.run(options))
    except BlocksError as error:
        print(f"blocks {options.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"blocks {options.command}: interrupted; the same command goes on with what is not done", file=sys.stderr)
        return 130
    finally:
        warnings.showwarning = show


def _show_warning(command: str, others: Any, message: Any, category: type, *where: Any, **more: Any) -> None:
    """A warning of ours as the command's own line: there is no line of the user's to point at."""
    from blocks.errors import BlocksWarning

    if issubclass(category, BlocksWarning):
        print(f"blocks {command}: {message}", file=sys.stderr)
    else:
        others(message, category, *where, **more)
