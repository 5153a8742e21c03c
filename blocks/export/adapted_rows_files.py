"""The files of an export, and of a `.keras` file, that hold what the model kept of the rows that it was adapted on."""

import os
from pathlib import Path

from blocks.errors import BlocksError
from blocks.export.export_manifest import damaged, read_manifest
from blocks.export.replay import ASSETS
from blocks.files.regular_files import read_regular
from blocks.inspection.adapted_rows import AdaptedRows, checked_schema
from blocks.inspection.drift.drift_reference import DriftReference
from blocks.inspection.schema.request_check import SCHEMA_FILE
from blocks.inspection.schema.schema_file import to_json

REFERENCE = "drift_reference.bin"
"""The bytes of a `DriftReference`."""

_MOST_BYTES = 1 << 28


def write_adapted_rows(rows: AdaptedRows, folder: Path) -> None:
    """Write the schema and what drift is told from, as far as they were kept, into a folder."""
    if rows.schema is not None:
        (folder / SCHEMA_FILE).write_text(to_json(checked_schema(rows.schema)))
    write_reference(rows, folder)


def write_reference(rows: AdaptedRows, folder: Path) -> None:
    """Write what drift is told from into a folder, if it was kept."""
    if rows.reference is not None:
        (folder / REFERENCE).write_bytes(rows.reference.to_bytes())


def stored_reference(folder: Path) -> bytes | None:
    """The bytes that were written into a folder, unread; None where there are none."""
    file = folder / REFERENCE
    return read_regular(file, _MOST_BYTES) if file.exists() else None


def read_reference(path: str | os.PathLike[str]) -> DriftReference | None:
    """What an export tells drift from; None where it was not kept.

    Raises:
        InvalidArgument: The folder is no export of blocks.
        MalformedData: It is damaged.
    """
    read_manifest(path)
    try:
        stored = stored_reference(Path(path) / ASSETS)
        return None if stored is None else DriftReference.from_bytes(stored)
    except (OSError, BlocksError) as error:
        raise damaged(path, f"{REFERENCE}: {error}") from error
