"""Made things: what each step made, and of what, so that it is made again only where that has changed."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from blocks.files import durable

_FILE = "made.json"
_PIECE = 1 << 20


class MadeThings:
    """The notes of one folder of made things.

    Args:
        folder: Where they lie.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     made, file = MadeThings(Path(folder)), Path(folder, "page.html")
        ...     print(made.differs("report", {"rows": "1"}, [file]))
        ...     _ = file.write_text("good")
        ...     made.note("report", {"rows": "1"}, [file])
        ...     print(made.differs("report", {"rows": "1"}, [file]), made.differs("report", {"rows": "2"}, [file]))
        ...     _ = file.write_text("other")
        ...     print(made.differs("report", {"rows": "1"}, [file]))
        ['nothing was made before']
        [] ['rows']
        ['page.html was changed']
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def of(self, step: str) -> dict[str, Any]:
        """What was noted: `key`, `files` and facts; {} where nothing was."""
        found = self._all().get(step)
        return found if isinstance(found, dict) else {}

    def differs(self, step: str, key: Mapping[str, Any], files: Sequence[Path]) -> list[str]:
        """What is another than when the step made these files: names of the key, changed files; [] where all fits."""
        noted = self.of(step)
        if not noted:
            return ["nothing was made before"]
        before = noted.get("key", {})
        differing = [name for name in {**before, **key} if before.get(name) != _as_json(key).get(name)]
        for file in files:
            if not file.exists():
                differing.append(f"{file.name} is not there")
            elif noted.get("files", {}).get(self._name(file)) != content_digest(file):
                differing.append(f"{file.name} was changed")
        return differing

    def note(self, step: str, key: Mapping[str, Any], files: Sequence[Path], **facts: Any) -> None:
        """Keep what the step made its files from."""
        noted = {"key": dict(key), "files": {self._name(file): content_digest(file) for file in files}, **facts}
        durable.write_text(self.folder / _FILE, json.dumps({**self._all(), step: noted}, indent=2, default=str) + "\n")

    def _name(self, file: Path) -> str:
        return file.relative_to(self.folder).as_posix()

    def _all(self) -> dict[str, Any]:
        try:
            found = json.loads((self.folder / _FILE).read_text())
        except (OSError, ValueError):  # not there, or damaged: all is made again
            return {}
        return found if isinstance(found, dict) else {}


def content_digest(path: Path) -> str:
    """A digest of a file, or of all files of a folder by their names."""
    digest = hashlib.blake2b(digest_size=16)
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if not file.is_file():
            continue
        digest.update(f"{file.relative_to(path).as_posix()}:{file.stat().st_size}:".encode())
        with file.open("rb") as opened:
            while piece := opened.read(_PIECE):
                digest.update(piece)
    return digest.hexdigest()


def digest_of(value: Any) -> str:
    """A digest of what JSON holds."""
    return hashlib.blake2b(json.dumps(value, sort_keys=True, default=str).encode(), digest_size=16).hexdigest()


def _as_json(key: Mapping[str, Any]) -> dict[str, Any]:
    found = json.loads(json.dumps(dict(key), default=str))
    assert isinstance(found, dict)
    return found
