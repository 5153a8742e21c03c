"""A run's configuration as the own file of a project: what `blocks.local.toml` says wins over every profile."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from blocks.runs.secret_values import HIDDEN

PROJECT, OWN = "blocks.toml", "blocks.local.toml"


def write_local_settings(configuration: Mapping[str, Any], folder: Path, root: Path) -> None:
    """Write it beside the project's file, if there is one and it is nobody's code.

    Args:
        configuration: As it was resolved.
        folder: Where the run begins; the project's file lies there, or above.
        root: The uppermost folder to look in.
    """
    for place in (folder, *folder.parents):
        if (place / PROJECT).exists():
            if not (place / OWN).exists():
                # names of secrets are the record's; a project has them in `env`
                told = {name: value for name, value in configuration.items() if name != "secrets"}
                (place / OWN).write_text(as_toml(told))
            return
        if place == root:
            return


def as_toml(configuration: Mapping[str, Any]) -> str:
    """A configuration as TOML, without what is nothing, which TOML cannot say, and what was hidden.

    Example:
        >>> print(as_toml({"epochs": 3, "data": {"path": "a.csv", "sizes": [1, 2.5]}, "none": None}))
        "epochs" = 3
        "data"."path" = "a.csv"
        "data"."sizes" = [1, 2.5]
    """
    return "\n".join(_lines(configuration, ""))


def _lines(values: Mapping[str, Any], path: str) -> list[str]:
    found = []
    for key, value in values.items():
        name = f"{path}.{_text(key)}" if path else _text(key)
        if isinstance(value, Mapping):
            found += _lines(value, name)
        elif value is not None and not (isinstance(value, str) and HIDDEN in value):
            found.append(f"{name} = {_value(value)}")
    return found


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(_value(one) for one in value if one is not None)}]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_text(k)} = {_value(v)}" for k, v in value.items() if v is not None) + "}"
    return _text(value) if isinstance(value, str) else repr(value)


def _text(value: str) -> str:
    """A basic string: what JSON escapes, TOML does; but of what lies beyond 16 bits, and DEL."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
