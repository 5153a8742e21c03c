"""Own code: which files of a user's define the blocks and functions that a model is made of."""

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras

from blocks.runs.made_things import content_digest

_LIBRARIES = ("blocks", "keras", "tensorflow", "numpy")


def own_code(*parts: Any) -> dict[str, str]:
    """File name to digest of every module that defines what a part's configuration names and no library.

    A configuration holds a class or function by the name under which it is registered, so a change of its code leaves
    the configuration as it is.

    Args:
        parts: Of a model.
    """
    configs = [keras.saving.serialize_keras_object(part) for part in parts]
    found: dict[str, str] = {}
    for name in sorted({text for config in configs for text in _texts(config)}):
        registered = keras.saving.get_registered_object(name)
        module = getattr(registered, "__module__", "") or ""
        if registered is None or module.partition(".")[0] in _LIBRARIES:
            continue
        try:
            file = inspect.getsourcefile(registered)
        except TypeError:
            file = None
        if file is not None and Path(file).is_file():
            found[f"{module}:{Path(file).name}"] = content_digest(Path(file))
    return found


def _texts(config: Any) -> Iterator[str]:
    if isinstance(config, dict):
        for value in config.values():
            yield from _texts(value)
    elif isinstance(config, list | tuple):
        for value in config:
            yield from _texts(value)
    elif isinstance(config, str):
        yield config
