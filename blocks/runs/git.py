"""git, asked without the settings, hooks and monitors of whoever's repository it is."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from blocks.errors import WriteError

# what a user's settings would make of a patch, and what would run code of the repository's
_PLAIN: tuple[str, ...] = ("core.hooksPath=/dev/null", "core.fsmonitor=false", "core.quotePath=true", "color.ui=false")
_PLAIN += ("diff.noprefix=false", "diff.mnemonicPrefix=false", "diff.external=", "core.autocrlf=false", "gc.auto=0")
_INHERITED: tuple[str, ...] = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_NAMESPACE",
)
_INHERITED += ("GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_EXTERNAL_DIFF", "GIT_DIFF_OPTS", "GIT_CEILING_DIRECTORIES")


def has_git() -> bool:
    """Whether there is a git to ask."""
    return shutil.which("git") is not None


def git(folder: Path, *words: str, given: bytes | None = None, settings: Mapping[str, str] | None = None) -> bytes:
    """What git says.

    Args:
        folder: Where it runs.
        words: Command and arguments.
        given: To its standard input.
        settings: Environment variables.

    Raises:
        WriteError: It fails; with what it says.
    """
    # inside a hook of git's own, variables would lead to another repository
    environment = {name: value for name, value in os.environ.items() if name not in _INHERITED}
    plain = [word for one in _PLAIN for word in ("-c", one)]
    done = subprocess.run(
        ["git", *plain, *words],
        cwd=folder,
        input=b"" if given is None else given,
        env=environment | {"GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"} | dict(settings or {}),
        capture_output=True,
    )
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        raise WriteError(f"git {words[0]} in {folder} failed: {said[:2000]}")
    return done.stdout


def top_of(folder: Path) -> Path | None:
    """The root of the working tree that a folder lies in; None where it lies in none."""
    try:
        return Path(os.fsdecode(git(folder, "rev-parse", "--show-toplevel").rstrip(b"\n"))) or None
    except WriteError:
        return None


def paths(raw: bytes) -> list[str]:
    """Paths that git separated by NUL."""
    return [os.fsdecode(path) for path in raw.split(b"\0") if path]
