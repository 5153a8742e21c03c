"""Reproduce: the code of a run in a fresh working tree, begun again on the same inputs, compared stage by stage."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blocks.errors import InvalidArgument
from blocks.runs.code_checkout import worktree
from blocks.runs.environment import BIT_VARIABLES
from blocks.runs.local_settings import write_local_settings
from blocks.runs.recording import INTO
from blocks.runs.run_differences import Difference, differences
from blocks.runs.run_record import Run, list_runs
from blocks.runs.secret_values import HIDDEN

_MOST_LINES = 30

MOST_COPIED = 256 << 20
"""Bytes of an input file that is brought as a copy."""


@dataclass(frozen=True)
class Reproduction:
    """What became of a run that was begun again.

    Attributes:
        run: The run.
        stages: Those that came to the same, in order, up to the first that did not.
        differences: The parts that differ, the first one first; empty where all is the same.
        incomparable: What of the environment keeps bits from being compared: another processor, number of threads,
            oneDNN setting or version.
    """

    run: Run
    stages: list[str]
    differences: list[Difference]
    incomparable: list[str]

    @property
    def same(self) -> bool:
        """Whether all that the run recorded came to the same, bit for bit."""
        return not self.differences

    @property
    def first(self) -> str | None:
        """The first part that differs; None where none does."""
        return self.differences[0].part if self.differences else None

    def __str__(self) -> str:
        held = ", ".join(self.stages) or "no stage"
        if self.same:
            return f"{self.run.id} is reproduced, bit for bit: {held}"
        lines = [f"{self.run.id} is not reproduced. The same: {held}"]
        if self.incomparable:
            lines.append("not comparable, bit for bit, with what was run there: " + "; ".join(self.incomparable))
        found = [one for one in self.differences if one.part != "environment"]
        lines += [f"{'first difference' if not at else 'then'}: {one}" for at, one in enumerate(found)]
        return "\n".join(lines)


def reproduce(run: Run, *, timeout: float | None = None) -> Reproduction:
    """Begin a run again from its record, and compare.

    A fresh working tree of the recorded code is made aside, and removed in the end. In it the recorded entry is run by
    this Python, with the recorded settings of threads and oneDNN and the recorded configuration. Input files that lay
    in the project are copied (linked above 256 MiB); others are read where they are. What the program writes
    outside the project, it writes there again. It runs the code of the record: reproduce runs that you trust.

    Args:
        run: The run.
        timeout: Seconds after which it is given up; None for never.

    Raises:
        InvalidArgument: The run has no entry, or code that cannot be made again; or what was begun failed, or recorded
            nothing.
    """
    words = _words(run)
    with tempfile.TemporaryDirectory(prefix="blocks-reproduce-") as base, worktree(run, Path(base, "code")) as code:
        aside = Path(base).resolve()
        code = code.resolve()
        content, root = run.content, Path(run.content["code"]["root"])
        folder = code / content["folder"] if not os.path.isabs(content["folder"]) else Path(content["folder"])
        folder.mkdir(parents=True, exist_ok=True)
        _bring(run, root, code)
        if content["configuration"] is not None and folder.is_relative_to(code):
            write_local_settings(content["configuration"], folder, code)
        if "target" in content["entry"]:
            (aside / "configuration.json").write_text(json.dumps(content["configuration"] or {}))
            words = ["-m", "blocks.runs.target_entry", content["entry"]["target"], str(aside / "configuration.json")]
        elif content["entry"].get("from_root"):
            words = [str(code / words[0]), *words[1:]]
        words = [_moved(word, root, code) for word in words]
        said = aside / "output.txt"
        with said.open("wb") as output:
            try:
                status = subprocess.run(
                    [sys.executable, *words],
                    cwd=folder,
                    env=_environment(content["environment"], root, code, aside / "runs"),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    timeout=timeout,
                ).returncode
            except subprocess.TimeoutExpired:
                status = -1
        again = _recorded(aside / "runs", run)
        if again is None or (status and content["outcome"] == "finished"):
            lines = "\n".join(said.read_text(errors="replace").splitlines()[-_MOST_LINES:])
            why = f"ended with status {status}" if status else "recorded no run"
            raise InvalidArgument(f"The run {run.id} was begun again by {words}, which {why}. It said:\n{lines}")
        found = differences(run, again)
    differing = {one.part for one in found}
    stages = []
    for name in dict.fromkeys(stage["name"] for stage in run.gathered["stages"]):
        if name in differing:
            break
        stages.append(name)
    incomparable = next((one.what for one in found if one.part == "environment"), [])
    return Reproduction(run, stages, found, incomparable)


def _words(run: Run) -> list[str]:
    entry = run.content["entry"]
    if entry is None:
        raise InvalidArgument(
            f"A run is begun again by its entry. Received: {run.id}, which came from a prompt, a notebook or text of "
            '-c. Record it with entry="module:function", or entry=["train.py"].'
        )
    if run.state == "running":
        raise InvalidArgument(f"A run is reproduced when it has ended. Received: {run.id}, which goes on.")
    words = [str(word) for word in entry.get("words", ())]
    if any(HIDDEN in word for word in words):
        raise InvalidArgument(
            f"The words of {run.id} held a secret, which is not recorded: {words}. Give secrets by the environment."
        )
    return words


def _bring(run: Run, root: Path, code: Path) -> None:
    """Have inputs and whatever lay beside the code, but is none, at the same place of the working tree.

    They are copies, since the program may write them; links where they are large.
    """
    beside = [Path(path) for path in run.gathered["inputs"]]
    beside += [root / path for path, _ in run.content["code"].get("left_out", ())]
    for path in beside:
        if path.is_relative_to(root) and path.is_file():
            target = code / path.relative_to(root)
            if not os.path.lexists(target):
                target.parent.mkdir(parents=True, exist_ok=True)
                if path.stat().st_size <= MOST_COPIED:
                    shutil.copy2(path, target)
                elif str(path) in run.gathered["inputs"]:
                    target.symlink_to(path)


def _moved(word: str, root: Path, code: Path) -> str:
    """A word that names something in the project names it in the working tree."""
    return str(code / os.path.relpath(word, root)) if word == str(root) or word.startswith(f"{root}{os.sep}") else word


def _environment(recorded: Mapping[str, Any], root: Path, code: Path, runs: Path) -> dict[str, str]:
    found = {name: value for name, value in os.environ.items() if name not in BIT_VARIABLES}
    found |= recorded.get("variables", {})
    if "PYTHONPATH" in found:
        found["PYTHONPATH"] = os.pathsep.join(_moved(one, root, code) for one in found["PYTHONPATH"].split(os.pathsep))
    return found | {INTO: str(runs)}


def _recorded(runs: Path, run: Run) -> Run | None:
    """The run that the program recorded as its first, second, ... as this one was."""
    found = list_runs(runs) if runs.is_dir() else []
    same = [one for one in found if one.content["ordinal"] == run.content["ordinal"]]
    named = [one for one in same if one.content["name"] == run.content["name"]]
    return next(iter(named or same), None)
