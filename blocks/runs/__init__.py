"""Runs: what was run, with what, and how to run it again. A run is a folder of `run.json`, `events.jsonl` and its code.

`record` writes one; `open_run` and `list_runs` read them, without TensorFlow. Nothing below knows of runs: `training`
offers observers, and a recording is one.

A project is a folder with a blocks.toml: `configuration` reads it, `project` opens it, `new_project` makes one of
`templates`, and each of `steps` is what a command of the shell does.
"""

from typing import TYPE_CHECKING

from blocks.lazy import loader as _loader

if TYPE_CHECKING:  # for type checkers, as `_HOMES` has it
    from blocks.runs.recording import Recording as Recording
    from blocks.runs.recording import record as record
    from blocks.runs.run_record import Run as Run
    from blocks.runs.run_record import list_runs as list_runs
    from blocks.runs.run_record import open_run as open_run

_HOMES = {
    "Recording": "recording",
    "Run": "run_record",
    "list_runs": "run_record",
    "open_run": "run_record",
    "record": "recording",
}

__all__ = sorted(_HOMES)

__getattr__, __dir__ = _loader(__name__, _HOMES)
