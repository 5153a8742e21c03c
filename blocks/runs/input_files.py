"""What rows are, by content: a digest that a copy of their files shares, whatever its name and time of change."""

import hashlib
import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from blocks.data import Source
from blocks.data.source_files import local_files
from blocks.errors import InvalidArgument
from blocks.files.durable import write_text

_OF_FILES = frozenset({"files", "name", "size", "mtime_ns", "digest", "state", "database"})
"""What a source's fingerprint says of files: where, how large and of when they are, which their content replaces."""


class FileDigests:
    """SHA-256 of files, each hashed once as long as neither size, time of change nor inode are others.

    Args:
        cache: A file that remembers them.
    """

    def __init__(self, cache: Path) -> None:
        self._cache = cache
        self._known: dict[str, Any] = {}
        with suppress(OSError, ValueError):
            known = json.loads(cache.read_bytes())
            self._known = known if isinstance(known, dict) else {}

    def of(self, path: str | os.PathLike[str]) -> str:
        """The digest of a file, 64 hexadecimal digits."""
        path = os.path.realpath(path)
        about = os.stat(path)
        key = [about.st_size, about.st_mtime_ns, about.st_ino]
        known = self._known.get(path)
        if isinstance(known, list) and known[:3] == key and isinstance(known[-1], str):
            return known[3]
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if time.time_ns() - about.st_mtime_ns > 2_000_000_000:  # what is written just now may be once more
            self._known[path] = [*key, digest]
            with suppress(OSError):
                write_text(self._cache, json.dumps(self._known))
        return digest


def identify(source: Source, digests: FileDigests) -> tuple[str, list[dict[str, Any]], list[Any]] | None:
    """What a source's rows are.

    Args:
        source: Of files, whose bytes are hashed; others by their own fingerprint, or by a pass over the values where
            that says no more than times of change.
        digests: Of files.

    Returns:
        A digest of the rows before any division; path, digest and size of each local file; and the steps that divide
        and filter them. None where the rows can be read only once.
    """
    try:
        found = source.fingerprint()
    except InvalidArgument:
        return None
    steps = found.pop("steps", [])
    files = local_files(source)
    if files is None:
        listed = []
        if "mtime_ns" in json.dumps(found, default=str):
            found, steps = source.fingerprint(content=True), []
    else:
        listed = [{"path": one, "sha256": digests.of(one), "bytes": os.path.getsize(one)} for one in files]
        found = {"files": [one["sha256"] for one in listed], "read": _without_places(found)}
    return digest_of(found), listed, json.loads(json.dumps(steps, default=str))


def _without_places(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_places(one) for key, one in value.items() if key not in _OF_FILES}
    if isinstance(value, list | tuple):
        return [_without_places(one) for one in value]
    return value


def digest_of(content: Any) -> str:
    """A digest of a value of JSON, whatever the order of its keys.

    Example:
        >>> digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1})
        True
    """
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
