"""ModelVersions: the loaded versions of one model; a folder of versions is watched, and followed.

A folder is an export, which is version 1 (or the number that it is called by), or it holds exports in folders called by
numbers: the newest is served, and any that `labels.json` there names ({"stable": 3}). A new version is loaded, proven
on its golden rows and warmed up beside the one that serves, and only then takes its place; one that fails is said, and
changes nothing. Requests that run on the old version finish on it.
"""

import json
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from blocks.errors import BlocksError, InvalidArgument
from blocks.serving.request_error import RequestError
from blocks.serving.servable import Servable

LABELS = "labels.json"
MAX_LABELS_BYTES = 1 << 20
SAVED_MODEL = "saved_model.pb"


@dataclass(frozen=True)
class _Loaded:
    """What serves at one moment; replaced whole."""

    versions: Mapping[int, Servable] = field(default_factory=dict)
    labels: Mapping[str, int] = field(default_factory=dict)
    failed: Mapping[int, str] = field(default_factory=dict)


class ModelVersions:
    """One model by name.

    Args:
        name: As requests call it.
        folder: An export, or the folder of its versions.
        changed: Called with an event's name and its facts: a version was loaded, failed, or was let go.

    Raises:
        InvalidArgument: There is no export.
        MalformedData: The only version is damaged.
    """

    def __init__(
        self,
        name: str,
        folder: str | os.PathLike[str],
        changed: Callable[[str, Mapping[str, object]], None] = lambda event, facts: None,
    ) -> None:
        self.name = name
        self._folder = Path(folder)
        self._changed = changed
        self._loaded = _Loaded()
        self._failures: dict[int, tuple[int, ...]] = {}
        self._one = threading.Lock()
        self.refresh(first=True)

    @property
    def versions(self) -> Mapping[int, Servable]:
        """By number."""
        return MappingProxyType(dict(self._loaded.versions))

    @property
    def labels(self) -> Mapping[str, int]:
        """Of versions that are loaded."""
        return {label: number for label, number in self._loaded.labels.items() if number in self._loaded.versions}

    @property
    def failed(self) -> Mapping[int, str]:
        """Versions that are there and cannot serve, with the kind of error."""
        return self._loaded.failed

    def get(self, version: int | None = None, label: str | None = None) -> Servable:
        """The version that answers; the newest unless one is asked for.

        Raises:
            RequestError: It is not there.
        """
        loaded = self._loaded
        if label is not None:
            if label not in loaded.labels or loaded.labels[label] not in loaded.versions:
                raise RequestError(400, f"Unrecognized servable version label: {label}")
            version = loaded.labels[label]
        if version is None:
            if not loaded.versions:
                raise RequestError(404, f"Servable not found for request: Latest({self.name})")
            return loaded.versions[max(loaded.versions)]
        if version not in loaded.versions:
            raise RequestError(404, f"Servable not found for request: Specific({self.name}, {version})")
        return loaded.versions[version]

    def refresh(self, *, first: bool = False) -> None:
        """Look at the folder, and load what is new there.

        Args:
            first: Raise what is wrong, rather than go on with what is loaded.
        """
        with self._one:
            self._refresh(first)

    def _refresh(self, first: bool) -> None:
        found = self._found()
        if not found and first:
            raise InvalidArgument(
                f"A model is served from an export, or a folder of exports called by numbers. Received: "
                f"{str(self._folder)!r}, where there is none. Name the folder that model.export wrote."
            )
        labels = self._read_labels()
        wanted = {max(found), *(number for number in labels.values() if number in found)} if found else set()
        before = self._loaded
        versions = {number: one for number, one in before.versions.items() if number in wanted}
        failed = {}
        for number in sorted(wanted, reverse=True):
            if number in versions:
                continue
            state = _state(found[number])
            if self._failures.get(number) == state and number in before.failed:
                failed[number] = before.failed[number]  # nothing has changed since
                continue
            try:
                versions[number] = Servable(found[number], number, self.name)
            except BlocksError as error:
                if first and len(found) == 1:
                    raise
                self._failures[number] = state
                failed[number] = type(error).__name__
                self._changed("version failed", {"model": self.name, "version": number, "error": str(error)})
            else:
                self._changed("version loaded", {"model": self.name, "version": number})
        newest = max(wanted, default=None)
        if newest is not None and newest not in versions:
            # a version that cannot serve takes nobody's place, at the start either
            versions |= {number: one for number, one in before.versions.items() if number in found}
            if not versions:
                self._next_newest(found, versions, failed, first)
        self._loaded = _Loaded(versions, labels, failed)
        for number in before.versions.keys() - versions.keys():
            self._changed("version let go", {"model": self.name, "version": number})

    def _next_newest(
        self, found: Mapping[int, Path], versions: dict[int, Servable], failed: dict[int, str], first: bool
    ) -> None:
        for number in sorted(found.keys() - failed.keys(), reverse=True):
            try:
                versions[number] = Servable(found[number], number, self.name)
            except BlocksError as error:
                failed[number] = type(error).__name__
                self._changed("version failed", {"model": self.name, "version": number, "error": str(error)})
                if first and len(failed) == len(found):
                    raise
            else:
                self._changed("version loaded", {"model": self.name, "version": number})
                return

    def _found(self) -> dict[int, Path]:
        """The exports that are there, by number."""
        if (self._folder / SAVED_MODEL).is_file():
            number = int(self._folder.name) if self._folder.name.isdecimal() else 1
            return {number: self._folder}
        try:
            inside = list(self._folder.iterdir())
        except OSError:
            return {}
        return {
            int(one.name): one for one in inside if one.name.isdecimal() and (one / SAVED_MODEL).is_file()
        }  # an export appears whole: it is renamed when all is written

    def _read_labels(self) -> dict[str, int]:
        file = self._folder / LABELS
        try:
            if file.stat().st_size > MAX_LABELS_BYTES:
                raise ValueError("it is too large")
            content = json.loads(file.read_bytes())
            if not isinstance(content, dict) or not all(type(number) is int for number in content.values()):
                raise ValueError("it is no object of whole numbers")
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError) as error:
            self._changed("labels not read", {"model": self.name, "error": str(error)})
            return dict(self._loaded.labels)
        return content


def _state(folder: Path) -> tuple[int, ...]:
    """What changes when an export is replaced."""
    try:
        stat = (folder / SAVED_MODEL).stat()
    except OSError:
        return ()
    return stat.st_ino, stat.st_mtime_ns, stat.st_size
