"""The local files that a source's rows come from, through whatever joins, windows or cleans them in between."""

import os
from typing import Any


def local_files(source: Any) -> list[str] | None:
    r"""Paths of the files, in order, each once; None where some rows come from elsewhere: memory, a server, a URL.

    Args:
        source: A `Source`.

    Example:
        >>> import blocks, tempfile, pathlib
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = pathlib.Path(folder, "x.csv")
        ...     _ = file.write_text("a,b\n1,2\n")
        ...     local_files(blocks.read(file)) == [str(file)], local_files(blocks.read({"a": [1]}))
        (True, None)
    """
    found = _files_of(source._reader)
    return None if found is None else list(dict.fromkeys(found))


def _files_of(reader: Any) -> list[str] | None:
    files = getattr(reader, "_files", None)
    if files is not None:
        return [os.path.abspath(file.path) for file in files] if all(file.local for file in files) else None
    path = getattr(getattr(reader, "_database", None), "_path", None)
    if path is not None:
        return [os.path.abspath(path), *(log for log in (f"{os.path.abspath(path)}-wal",) if os.path.exists(log))]
    inner = [one for one in (getattr(reader, "_source", None), *getattr(reader, "_sources", ())) if one is not None]
    parts = [_files_of(one._reader) for one in inner]
    if not parts or any(part is None for part in parts):
        return None
    return [file for part in parts for file in part or ()]
