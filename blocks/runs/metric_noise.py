"""Metrics of two runs side by side: what they differ by, with an interval, and whether that is within noise."""

import math
import os
import tempfile
from pathlib import Path
from typing import Any

from blocks.errors import BlocksError
from blocks.evaluate.paired_differences import compare_tables
from blocks.runs.kept_files import object_path
from blocks.runs.run_record import Run, as_number

NONE = "no interval was recorded"


def metric_lines(first: Run, second: Run) -> list[dict[str, Any]]:
    """By metric of either run: both values, their difference, its 95% interval and a verdict.

    Where both keep a prediction table of one name with the same rows, differences are paired by row
    (`blocks.compare`). Else they are those of two independent samples, as wide as both recorded intervals together;
    where a metric was recorded without one, there is no saying.
    """
    a, b = first.gathered["metrics"], second.gathered["metrics"]
    lines = [{"metric": name, **_unpaired(a.get(name), b.get(name))} for name in [*a, *(n for n in b if n not in a)]]
    return lines + _paired(first, second)


def _unpaired(ours: dict[str, Any] | None, theirs: dict[str, Any] | None) -> dict[str, Any]:
    values = [None if one is None else as_number(one["value"]) for one in (ours, theirs)]
    line: dict[str, Any] = {"first": values[0], "second": values[1], "difference": None, "low": None, "high": None}
    if ours is None or theirs is None or values[0] is None or values[1] is None:
        return {**line, "verdict": f"the {'first' if ours is None else 'second'} run has none"}
    difference = values[1] - values[0]
    line["difference"] = difference
    if repr(values[0]) == repr(values[1]):
        return {**line, "verdict": "the same"}
    widths = [as_number(one.get("high")) - as_number(one.get("low")) for one in (ours, theirs)]
    if not all(math.isfinite(width) for width in widths):
        return {**line, "verdict": NONE}
    half = math.hypot(*widths) / 2
    within = abs(difference) <= half
    return line | {
        "low": difference - half,
        "high": difference + half,
        "verdict": "within noise" if within else "differs",
    }


def _paired(first: Run, second: Run) -> list[dict[str, Any]]:
    tables = []
    for name, ours in first.gathered["artefacts"].items():
        theirs = second.gathered["artefacts"].get(name)
        if theirs is not None and name.endswith(".parquet") and ours["kind"] == theirs["kind"] == "file":
            places = [
                object_path(run.folder.parent, digest)
                for run, one in ((first, ours), (second, theirs))
                for digest, _ in one["files"].values()
            ]
            if places[0] != places[1] and all(place.exists() for place in places):
                tables.append((name, *places))
    return [line for name, ours, theirs in tables for line in _of_tables(name, ours, theirs)]


def _of_tables(name: str, ours: Path, theirs: Path) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        given = {}
        for run, place in (("first", ours), ("second", theirs)):
            given[run] = str(Path(folder, f"{run}.parquet"))
            os.symlink(place.resolve(), given[run])
        try:
            found = compare_tables(given).to_pylist()
        except BlocksError:  # a table of something else, or of other rows
            return []
    return [
        {
            "metric": f"{name}: {line['metric']}",
            "first": line["baseline_value"],
            "second": line["other_value"],
            **{key: line[key] for key in ("difference", "low", "high", "verdict")},
        }
        for line in found
        if line["group"] in (None, "", "all")
    ]
