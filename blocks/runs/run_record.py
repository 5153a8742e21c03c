"""Runs as they lie on the disk: read, held to their JSON Schema, and what has become of each."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

from blocks.errors import InvalidArgument, MalformedData
from blocks.files.format_version import refuse_newer
from blocks.files.json_schema import violation
from blocks.files.regular_files import read_regular
from blocks.runs import events
from blocks.runs.process_identity import is_alive

NAME = "run.json"
PATCH = "code.patch"
VERSION = 1
MAX_BYTES = 64 << 20


@cache
def schema() -> dict[str, Any]:
    """The JSON Schema of `run.json`."""
    return dict(json.loads((files("blocks.runs") / "run.schema.json").read_text()))


@dataclass(frozen=True)
class Run:
    """A run that was recorded.

    Attributes:
        folder: Where it lies.
        content: `run.json`, as the schema says.
    """

    folder: Path
    content: dict[str, Any]

    @property
    def id(self) -> str:
        """What it is called by."""
        return str(self.content["id"])

    @property
    def state(self) -> str:
        """One of "finished", "failed", "interrupted", "running", "killed"; "elsewhere" if another host wrote no end.

        A run is killed if its process is gone and it said no end; nothing is told from how long ago it last wrote.
        """
        if self.content["outcome"] is not None:
            return str(self.content["outcome"])
        return {True: "running", False: "killed", None: "elsewhere"}[is_alive(self.content["process"])]

    @cached_property
    def events(self) -> list[dict[str, Any]]:
        """What it said, as it came."""
        return events.read_events(self.folder / events.NAME)

    @cached_property
    def gathered(self) -> dict[str, Any]:
        """Stages, inputs, seeds, metrics, artefacts and epochs: of a run that has not ended, from its events."""
        return self.content["gathered"] or gather(self.events)

    @property
    def patch(self) -> bytes:
        """What leads from the commit to the code, as `git apply` reads it."""
        return (self.folder / PATCH).read_bytes()

    @property
    def metrics(self) -> dict[str, float]:
        """The last value of each metric."""
        return {name: as_number(one["value"]) for name, one in self.gathered["metrics"].items()}


def as_number(value: Any) -> float:
    """A number as events hold it: what is not finite is text there."""
    return float("nan") if value is None else float(value)


def gather(said: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What a run's events come to."""
    stages: list[dict[str, Any]] = []
    found: dict[str, Any] = {"inputs": {}, "seeds": [], "metrics": {}, "artefacts": {}, "epochs": 0}
    for event in said:
        kind = event["event"]
        if kind == "stage":
            stages.append({name: event[name] for name in ("name", "fingerprint", "facts")})
        elif kind == "input":
            found["inputs"][event["path"]] = {"sha256": event["sha256"], "bytes": event["bytes"]}
        elif kind == "seeds":
            found["seeds"].append({name: value for name, value in event.items() if name not in ("event", "at")})
        elif kind == "metrics":
            found["metrics"] |= event["metrics"]
        elif kind == "epoch":
            found["epochs"] = max(found["epochs"], event["epoch"])
        elif kind == "artefact":
            found["artefacts"][event["name"]] = event["artefact"]
    return {"stages": stages, **found}


def open_run(path: str | os.PathLike[str]) -> Run:
    """A run by its folder.

    Raises:
        InvalidArgument: There is none.
        NewerFormat: A newer blocks recorded it.
        MalformedData: It is damaged.
    """
    folder = Path(path)
    try:
        content = json.loads(read_regular(folder / NAME, MAX_BYTES))
    except OSError as error:
        raise InvalidArgument(f"'{folder}' is no run: {error}. blocks runs list says which there are.") from error
    except (ValueError, RecursionError) as error:
        raise MalformedData(f"{NAME} of the run '{folder}' is damaged: no JSON. Restore it from a copy.") from error
    if isinstance(content, dict):
        refuse_newer(f"The run '{folder}'", content.get("version"), VERSION)
    if broken := violation(content, schema()):
        raise MalformedData(f"{NAME} of the run '{folder}' is none that blocks wrote: {broken}. Restore it.")
    return Run(folder, content)


def list_runs(folder: str | os.PathLike[str]) -> list[Run]:
    """All runs in a folder, the oldest first. A folder without a record, or with a damaged one, is none."""
    found = []
    for one in sorted(Path(folder).glob(f"*/{NAME}")):
        try:
            found.append(open_run(one.parent))
        except MalformedData:
            continue
    return sorted(found, key=lambda run: (run.content["begun"], run.id))


def find_run(folder: str | os.PathLike[str], given: str) -> Run:
    """The run that a user means: by its id, the first characters of it that no other has, its name, "last" or a path.

    Raises:
        InvalidArgument: There is none, or several.
    """
    if os.sep in given and Path(given, NAME).exists():
        return open_run(given)
    known = list_runs(folder)
    if given in ("last", "latest") and known:
        return known[-1]
    found = [run for run in known if run.id == given]
    found = found or [run for run in known if run.id.startswith(given) or run.id.endswith(given)]
    found = found or [run for run in known if run.content["name"] == given][-1:]
    if len(found) == 1:
        return found[0]
    there = ", ".join(run.id for run in (found or known)[-5:]) or "none"
    raise InvalidArgument(
        f"{'No run' if not found else 'More than one run'} in '{folder}' is called {given!r}. There are: {there}."
    )
