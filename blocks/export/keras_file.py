"""The `.keras` file of a model: written whole or not at all, and read again."""

import os
import warnings
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

import keras

from blocks.errors import InvalidArgument, MalformedData, NewerFormat, NotExportable
from blocks.files.durable import whole_file
from blocks.files.write_errors import explained
from blocks.inference.answerer import while_keras_walks


def write_keras_file(
    model: keras.Model, save: Callable[..., Any], path: str | os.PathLike[str], overwrite: bool, zipped: bool | None
) -> None:
    """Let a model's own `save` write one file, whole or not at all.

    Args:
        model: What is saved; refused where Keras would refuse to load it.
        save: Keras' own; takes a path and `overwrite`.
        path: Ends in `.keras`; may be a URL.
        overwrite: Whether a file that is there is replaced without a question.
        zipped: None or True.

    Raises:
        InvalidArgument: Another ending, or a folder: those formats leave out what was learned from data.
        NotExportable: A part holds a Python lambda.
        WriteError: The operating system keeps it from being written.
    """
    if not os.fspath(path).endswith(".keras") or zipped not in (None, True):
        raise InvalidArgument(
            f"save writes one .keras file. Received: {os.fspath(path)!r}"
            f"{'' if zipped in (None, True) else ', zipped=False'}. Name it model.keras, say; "
            "model.export(folder) writes a SavedModel."
        )
    _require_loadable(model)
    with warnings.catch_warnings(), while_keras_walks():
        # what is not built yet is built by adapt, after a reload too
        warnings.filterwarnings("ignore", message=".*not yet been built")
        if "://" in os.fspath(path) or (not overwrite and os.path.exists(path)):
            save(path, overwrite=overwrite)
            return
        with explained(path), whole_file(path) as file:
            save(file)


def read_keras_file(path: str | os.PathLike[str]) -> Any:
    """The model that a `.keras` file holds.

    Raises:
        InvalidArgument: It is no such file.
        NewerFormat: A newer blocks saved it.
        MalformedData: It is damaged, or holds what is not known here; Keras' error is the cause.
    """
    if "://" not in os.fspath(path) and not zipfile.is_zipfile(path):
        what = "a folder" if os.path.isdir(path) else "a file of another kind" if os.path.exists(path) else "not there"
        raise InvalidArgument(
            f"load reads the .keras file that Model.save wrote. Received: {os.fspath(path)!r}, which is {what}. "
            "An export is read by tf.saved_model.load, or given by its path to blocks.verify, explain and report."
        )
    try:
        with while_keras_walks():
            return keras.saving.load_model(path)
    except NewerFormat as error:
        raise NewerFormat(f"'{os.fspath(path)}' cannot be loaded. {error}") from None
    except Exception as error:
        first_line = str(error).strip().partition("\n")[0] or type(error).__name__
        raise MalformedData(
            f"'{os.fspath(path)}' cannot be loaded: it is damaged, none that Model.save wrote, or of layers or "
            f"functions that are not registered here. Keras says: {first_line[:500]}. Restore the file, save the model "
            "again, or import what registers them."
        ) from error


def _require_loadable(model: keras.Model) -> None:
    """Refuse to save what Keras will refuse to load: Python's code."""
    with warnings.catch_warnings():
        # what Keras warns of is refused below
        warnings.filterwarnings("ignore", message=".*includes a `lambda`")
        parts = model.get_config() | {"compile": model.get_compile_config()}
    found = [name for name, part in parts.items() if _holds_lambda(part)]
    if found:
        raise NotExportable(
            f"A file holds no Python code, so that loading one runs none. Received: a model whose {', '.join(found)} "
            "holds a lambda. Use a named function, registered by @keras.saving.register_keras_serializable()."
        )


def _holds_lambda(config: Any) -> bool:
    if isinstance(config, Mapping):
        return config.get("class_name") == "__lambda__" or any(map(_holds_lambda, config.values()))
    return isinstance(config, list | tuple) and any(map(_holds_lambda, config))
