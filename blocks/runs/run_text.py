"""Runs as text of 80 columns and as JSON: a table of several, one in full, two side by side."""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from blocks.errors import InvalidArgument
from blocks.runs.metric_noise import metric_lines
from blocks.runs.run_differences import differences
from blocks.runs.run_record import Run

_CONDITION = re.compile(r"\s*(.+?)\s*(<=|>=|==|!=|=|<|>)\s*(\S+)\s*")
_FIRST = ("test/loss", "valid/loss", "val_loss", "loss")
"""Metrics that are shown of many, the first that there is."""


def as_json(run: Run) -> dict[str, Any]:
    """A run for machines: its record, with its state and what was gathered."""
    return {**run.content, "folder": str(run.folder), "state": run.state, "gathered": run.gathered}


def selected(runs: Iterable[Run], where: Sequence[str] = (), state: str | None = None) -> list[Run]:
    """The runs that fulfil all conditions on metrics and configuration: "valid/loss<0.3", "epochs=3".

    Raises:
        InvalidArgument: A condition is none.

    Example:
        >>> selected([], ["valid/loss < 0.3"])
        []
    """
    conditions = []
    for text in where:
        found = _CONDITION.fullmatch(text)
        if found is None:
            raise InvalidArgument(
                f'A condition is NAME<VALUE, with <, <=, =, !=, >= or >. Received: {text!r}. "loss<1"'
            )
        conditions.append(found.groups())
    return [
        run
        for run in runs
        if (state is None or run.state == state) and all(_fulfils(run, *condition) for condition in conditions)
    ]


def _fulfils(run: Run, name: str, relation: str, text: str) -> bool:
    value: Any = run.metrics.get(name)
    if value is None:
        value = run.content["configuration"]
        for part in name.split("."):
            value = value.get(part) if isinstance(value, dict) else None
    if value is None:
        return False
    try:
        wanted: Any = float(text)
        value = float(value)
    except (TypeError, ValueError):
        wanted, value = text.strip("\"'"), str(value)
    order = {"<": value < wanted, "<=": value <= wanted, ">": value > wanted, ">=": value >= wanted}
    return bool(order.get(relation, (value == wanted) != (relation == "!=")))


def table(runs: Sequence[Run]) -> str:
    """Runs, a line each."""
    if not runs:
        return "no runs"
    shown = next((name for name in _FIRST if any(name in run.metrics for run in runs)), None)
    lines = [["run", "state", "took", "epochs", shown or "", "name"]]
    for run in runs:
        value = run.metrics.get(shown) if shown else None
        epochs = run.gathered["epochs"]
        number = "" if value is None else f"{value:.6g}"
        lines.append([run.id, run.state, _took(run), str(epochs or ""), number, run.content["name"] or ""])
    widths = [max(len(line[at]) for line in lines) for at in range(5)]
    return "\n".join(
        "  ".join([*(one.ljust(width) for one, width in zip(line, widths, strict=False)), line[5]]).rstrip()
        for line in lines
    )


def _took(run: Run) -> str:
    last = run.events[-1]["at"] if run.events and "at" in run.events[-1] else None
    if run.content["ended"] is not None:
        begun, ended = (datetime.fromisoformat(run.content[name]) for name in ("begun", "ended"))
        last = (ended - begun).total_seconds()
    return "" if last is None else f"{last:.1f} s" if last < 120 else f"{last / 60:.0f} min"


def in_full(run: Run) -> str:
    """All that people ask of a run."""
    content, found = run.content, run.gathered
    code, environment, entry = content["code"], content["environment"], content["entry"] or {}
    lines = [f"{run.id}  {run.state}  {content['name'] or ''}".rstrip(), f"begun      {content['begun']}, {_took(run)}"]
    said = entry.get("target") or " ".join(["python", *entry.get("words", ())])
    lines.append(f"entry      {said if content['entry'] else 'none: it cannot be begun again'}")
    for name in ("parent", "resumed_from"):
        if content[name]:
            lines.append(f"{name.replace('_', ' '):<10} {content[name]}")
    if content["error"]:
        lines.append(f"error      {content['error']['type']}: {content['error']['message']}")
    commit = (code["commit"] or "no commit")[:10]
    changed = len(re.findall(rb"(?m)^diff --git ", run.patch))
    lines.append(f"code       {commit} and changes of {changed} files, of {code['root']}")
    lines += [f"           without {path}: {why}" for path, why in code.get("left_out", ())[:5]]
    if code.get("scrubbed"):
        lines.append(f"           secrets were taken out of {', '.join(code['scrubbed'])}")
    packages = environment["packages"]
    versions = ", ".join(f"{name} {packages[name]}" for name in ("tensorflow", "keras", "numpy") if name in packages)
    lines.append(f"with       Python {environment['python']}, {versions}")
    threads = environment["threads"]
    lines.append(f"on         {environment['processor']}, {threads['processors']} processors")
    lines += [f"input      {path} ({one['bytes']:,} bytes)" for path, one in found["inputs"].items()]
    lines += [f"stage      {stage['name']:<14} {stage['fingerprint'][:32]}" for stage in found["stages"]]
    lines += [f"metric     {name} {_number(one)}" for name, one in found["metrics"].items()]
    lines += [f"keeps      {name}, {len(one['files'])} files" for name, one in found["artefacts"].items()]
    lines += [f"configured {name} = {value!r}" for name, value in _flat(content["configuration"] or {})]
    return "\n".join(lines)


def _flat(values: dict[str, Any], path: str = "") -> Iterable[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{path}{name}.")
        else:
            yield f"{path}{name}", value


def _number(one: dict[str, Any]) -> str:
    between = f" ({one['low']:.6g} to {one['high']:.6g})" if isinstance(one.get("low"), float) else ""
    return f"{one['value']:.6g}{between}" if isinstance(one["value"], float | int) else str(one["value"])


def side_by_side(first: Run, second: Run) -> dict[str, Any]:
    """What two runs differ in, and their metrics, for machines."""
    return {
        "first": first.id,
        "second": second.id,
        "differences": [{"part": one.part, "what": one.what} for one in differences(first, second)],
        "metrics": metric_lines(first, second),
    }


def difference_text(first: Run, second: Run) -> str:
    """The same for people."""
    found = differences(first, second)
    lines = [f"{first.id}, then {second.id}"]
    lines += (
        ["no difference"]
        if not found
        else [f"differs in {one.part}\n    " + "\n    ".join(one.what[:20]) for one in found]
    )
    for line in metric_lines(first, second):
        values = ", ".join("none" if value is None else f"{value:.6g}" for value in (line["first"], line["second"]))
        between = "" if line["low"] is None else f" ({line['low']:+.3g} to {line['high']:+.3g})"
        change = "" if line["difference"] is None else f"  {line['difference']:+.3g}{between}"
        lines.append(f"{line['metric']}: {values}{change}  {line['verdict']}")
    return "\n".join(lines)
