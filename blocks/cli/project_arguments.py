"""Arguments that the steps of a project share: which project, which settings, or which files instead."""

import argparse
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # a project loads TensorFlow
    from blocks.runs.project import Project
    from blocks.runs.steps.outcome import Outcome


def add_examples(command: argparse.ArgumentParser, about: str, *examples: str) -> None:
    """Say more of a command, with examples under its words."""
    command.formatter_class = argparse.RawDescriptionHelpFormatter
    command.description = textwrap.fill(about, 78)
    command.epilog = "examples:\n" + "\n".join(f"  {example}" for example in examples)


def add_project(command: argparse.ArgumentParser, *, again: bool = True) -> None:
    """The options by which a project and its settings are chosen."""
    group = command.add_argument_group("project")
    group.add_argument("--project", metavar="DIR", default=".", help="the folder with blocks.toml (this one)")
    group.add_argument(
        "--profile",
        action="append",
        default=[],
        metavar="NAME",
        help="a profile of blocks.toml; several, the last wins",
    )
    group.add_argument(
        "--set", action="append", default=[], dest="settings", metavar="NAME=VALUE",
        help="a setting instead of that of blocks.toml: epochs=3, or data.rows=500",
    )  # fmt: skip
    if again:
        group.add_argument("--again", action="store_true", help="do it though what is there fits")


def add_given(command: argparse.ArgumentParser, *, model: bool = True) -> None:
    """What may be given instead of a project's own."""
    if model:
        command.add_argument(
            "model", metavar="MODEL", nargs="?", help="instead of the project's: module:object, or a .keras file"
        )
    command.add_argument(
        "data", metavar="DATA", nargs="*",
        help="instead of the project's rows: SPLIT=FILE each, one file, or module:object",
    )  # fmt: skip
    command.add_argument("--out", metavar="DIR", default="artefacts", help="where made things lie (artefacts)")


def project_of(options: argparse.Namespace, step: str, *, alone: str = "train") -> "Project":
    """The project that is chosen, with what is given instead of its own.

    Args:
        options: As parsed.
        step: Whose settings may be named alone.
        alone: The split that one file is.
    """
    from blocks.runs.configuration import resolve
    from blocks.runs.project import Project

    given, model = list(getattr(options, "data", None) or []), getattr(options, "model", None)
    found = resolve(options.project, options.profile, options.settings, step=step, needed=not given and model is None)
    return Project(found, data=_rows_of(given, alone), model=model, artefacts=getattr(options, "out", "artefacts"))


def _rows_of(given: Sequence[str], alone: str) -> Any:
    from blocks.errors import InvalidArgument
    from blocks.runs.object_target import is_target

    if not given:
        return None
    if len(given) == 1 and (is_target(given[0]) or (Path(given[0]) / "manifest.json").exists()):
        return given[0]
    by_split = [one.partition("=") for one in given if "=" in one and not Path(one).exists()]
    if not by_split and len(given) == 1:
        return {alone: given[0]}
    if len(by_split) != len(given):
        raise InvalidArgument(
            f"Several files are splits by name. Received: {' '.join(given)}. Write train=FILE test=FILE."
        )
    return {split: path for split, _, path in by_split}


def told(options: argparse.Namespace, outcomes: "Outcome | Iterable[Outcome]") -> int:
    """Print what steps did and what comes next; the exit status."""
    from blocks.runs.steps.outcome import NEXT, Outcome

    outcome = None
    for outcome in [outcomes] if isinstance(outcomes, Outcome) else outcomes:
        print(outcome)
    if outcome is None or not outcome.ok:
        return 1
    if NEXT[outcome.step] and not getattr(options, "data", None):
        chosen = [f" --project {options.project}"] if options.project != "." else []
        chosen += [f" --profile {name}" for name in options.profile] + [f" --set {one}" for one in options.settings]
        print(f"next: {NEXT[outcome.step]}{''.join(chosen)}")
    return 0


def store_of(options: argparse.Namespace) -> str:
    """The store that is named, or the project's."""
    if options.path is not None:
        return str(options.path)
    from blocks.runs.configuration import resolve

    return str(resolve(options.project, options.profile, options.settings).folder / "artefacts" / "store")
