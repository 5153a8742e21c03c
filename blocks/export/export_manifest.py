"""The manifest of an export: read, held to its JSON Schema, and what a damaged export raises. No block is made here."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from blocks.errors import BlocksError, InvalidArgument, MalformedData
from blocks.export.replay import ASSETS
from blocks.files.format_version import refuse_newer
from blocks.files.json_schema import violation
from blocks.files.regular_files import read_regular

NAME = "manifest.json"
VERSION = 1
MAX_BYTES = 256 << 20
"""More is no manifest: vocabularies are not in it."""

TOLERANCE: Final = 1e-6
"""Of answers, relative to their largest size, where the core computes in float32."""
TOLERANCES: Final = {"bfloat16": 2.0**-4, "float16": 2.0**-7}
"""Where answers are computed less exactly: eight steps of the dtype, as 1e-6 is of float32."""


@cache
def schema() -> dict[str, Any]:
    """The JSON Schema of a manifest."""
    return dict(json.loads((files("blocks.export") / "manifest.schema.json").read_text()))


def read_manifest(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What an export says of itself.

    Args:
        path: The export's folder.

    Raises:
        InvalidArgument: The folder is no export of blocks.
        NewerFormat: A newer blocks made it.
        MalformedData: The manifest is damaged, or none that blocks wrote.
    """
    file = Path(path) / ASSETS / NAME
    try:
        raw = read_regular(file, MAX_BYTES)
    except OSError as error:
        raise InvalidArgument(f"{path} is no SavedModel that blocks exported: {error}") from error
    try:
        content = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise damaged(path, f"{NAME} is no JSON") from error
    if isinstance(content, dict):
        refuse_newer(f"The export '{os.fspath(path)}'", content.get("version"), VERSION)
    if broken := violation(content, schema()):
        raise damaged(path, f"{NAME}, {broken}")
    return dict(content)


def damaged(path: str | os.PathLike[str], what: str) -> MalformedData:
    """What is raised for an export that is not as it was written."""
    return MalformedData(
        f"The export '{os.fspath(path)}' is damaged, or not by blocks: {what}. Restore it, or export the model again."
    )


@contextmanager
def sound(path: str | os.PathLike[str], what: str) -> Iterator[None]:
    """Have whatever a damaged part of an export raises become one error, with that as its cause.

    Args:
        path: The export's folder.
        what: The part.

    Raises:
        MalformedData: With what was raised as its cause.
    """
    try:
        yield
    except BlocksError as error:
        raise damaged(path, f"{what}: {error}") from error
    except Exception as error:
        raise damaged(path, f"{what} cannot be read ({type(error).__name__})") from error
