"""What two runs differ in, part by part, in the order in which one thing leads to the next."""

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from blocks.runs.environment import incomparable
from blocks.runs.run_record import Run


class Difference(NamedTuple):
    """One part in which runs differ.

    Args:
        part: "configuration", "code", "environment", "seeds", or a stage: "data", "splits", "preprocessor", "store",
            "weights", "metrics", ...
        what: The details, a line each.
    """

    part: str
    what: list[str]

    def __str__(self) -> str:
        more = f" and {len(self.what) - 5} more" if len(self.what) > 5 else ""
        return f"{self.part}: {'; '.join(self.what[:5])}{more}"


def differences(first: Run, second: Run) -> list[Difference]:
    """What a second run has otherwise than a first, the first difference first.

    Stages are compared in the order of the first run; what only the second has is no difference of the first's.
    """
    return [Difference(part, what) for part, what in _parts(first, second) if what]


def _parts(first: Run, second: Run) -> Iterator[tuple[str, list[str]]]:
    a, b = first.content, second.content
    yield "configuration", list(_told(a["configuration"] or {}, b["configuration"] or {}))
    yield "code", _code(first, second)
    yield "environment", incomparable(a["environment"], b["environment"])
    yield "seeds", _seeds(first, second)
    theirs = dict(_named_stages(second))
    for name, stage in _named_stages(first):
        other = theirs.get(name)
        if other is None:
            yield name, ["the second run has none"]
        elif other["fingerprint"] != stage["fingerprint"]:
            yield name, _of_stage(name, stage, other, first, second)


def _named_stages(run: Run) -> Iterator[tuple[str, dict[str, Any]]]:
    """Stages by name; of one name the second is "data 2"."""
    seen: Counter[str] = Counter()
    for stage in run.gathered["stages"]:
        seen[stage["name"]] += 1
        number = seen[stage["name"]]
        yield stage["name"] if number == 1 else f"{stage['name']} {number}", stage


def _told(before: Any, now: Any, path: str = "") -> Iterator[str]:
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        for key in sorted({*before, *now}):
            yield from _told(before.get(key), now.get(key), f"{path}.{key}" if path else str(key))
    elif before != now:
        yield f"{path} {before!r}, then {now!r}"


def _code(first: Run, second: Run) -> list[str]:
    a, b = first.content["code"], second.content["code"]
    if a["tree"] == b["tree"]:
        return []
    commits = [] if a["commit"] == b["commit"] else [f"commit {_short(a['commit'])}, then {_short(b['commit'])}"]
    ours, theirs = _changes(first), _changes(second)
    found = commits + sorted(path for path in {*ours, *theirs} if ours.get(path) != theirs.get(path))
    return found or [f"tree {_short(a['tree'])}, then {_short(b['tree'])}"]


def _short(commit: str | None) -> str:
    return "none" if commit is None else commit[:10]


def _changes(run: Run) -> dict[str, bytes]:
    """By file, what the run's patch does to it."""
    parts = re.split(rb"(?m)^diff --git ", run.patch)[1:]
    return {part.partition(b"\n")[0].rpartition(b" ")[2].decode().strip('"')[2:]: part for part in parts}


def _seeds(first: Run, second: Run) -> list[str]:
    found = [
        f"{_seed(a)}, then {_seed(b)}"
        for a, b in zip(first.gathered["seeds"], second.gathered["seeds"], strict=False)
        if a != b
    ]
    ours, theirs = (run.content["environment"].get("variables", {}).get("PYTHONHASHSEED") for run in (first, second))
    return found + ([] if ours == theirs else [f"PYTHONHASHSEED {ours}, then {theirs}"])


def _seed(seeds: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in seeds.items() if name != "step")


def _of_stage(name: str, stage: Mapping[str, Any], other: Mapping[str, Any], first: Run, second: Run) -> list[str]:
    if name.startswith("data"):
        return _inputs(first, second) or ["other rows"]
    if name.startswith("metrics"):
        ours, theirs = first.metrics, second.metrics
        return [
            f"{key} {ours.get(key)}, then {theirs.get(key)}"
            for key in sorted({*ours, *theirs})
            if repr(ours.get(key)) != repr(theirs.get(key))
        ]
    hint = ""
    if name.startswith("weights") and any(seeds.get("model") is None for seeds in first.gathered["seeds"]):
        hint = " (the model has no seed, so its weights are drawn anew each time: blocks.Model(..., seed=0))"
    facts = list(_told(stage["facts"], other["facts"]))
    return facts or [f"{stage['fingerprint'][:12]}, then {other['fingerprint'][:12]}{hint}"]


def _inputs(first: Run, second: Run) -> list[str]:
    """Files of one place with another content; else files by their contents, wherever they lie."""
    ours, theirs = _by_place(first), _by_place(second)
    changed = [f"{path} was changed" for path in ours if path in theirs and ours[path] != theirs[path]]
    if changed:
        return changed
    known = set(theirs.values())
    return [f"{path} is not among the second's" for path, digest in ours.items() if digest not in known]


def _by_place(run: Run) -> dict[str, str]:
    """Digests of the input files: those in the project by their place in it."""
    root = f"{run.content['code']['root']}{os.sep}"
    return {path.removeprefix(root): one["sha256"] for path, one in run.gathered["inputs"].items()}
