"""Begins a run's `module:function` again: `python -m blocks.runs.target_entry TARGET CONFIGURATION.json`."""

import inspect
import json
import sys
from importlib import import_module
from pathlib import Path


def begin(target: str, configuration: str) -> None:
    """Call a function, with the configuration if it takes an argument."""
    module, _, path = target.partition(":")
    found = import_module(module)
    for name in path.split("."):
        found = getattr(found, name)
    assert callable(found)
    takes = inspect.signature(found).parameters
    found(*([json.loads(Path(configuration).read_text())] if takes else []))


if __name__ == "__main__":
    begin(*sys.argv[1:3])
