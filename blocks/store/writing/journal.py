"""The journal of an unfinished store: what was asked for, and each shard that is safely on the disk.

Text lines, each a crc32 and one JSON value: the write's key, then `{"entries": ...}` once the first rows were seen,
then one line a finished shard, in the order in which they finished. A line torn by a crash, or one that no writer
wrote, ends what is believed.
"""

import threading
from dataclasses import asdict
from typing import Any

from blocks.errors import CorruptShard
from blocks.files import durable
from blocks.files.checked_lines import checked_line, parse_lines
from blocks.files.json_schema import violation
from blocks.files.place import Place
from blocks.files.regular_files import NotRegular, read_regular
from blocks.store import manifest
from blocks.store.formats import FORMATS
from blocks.store.formats.shard import Shard
from blocks.store.manifest import JOURNAL
from blocks.store.manifest_checks import SPLIT_NAME, nonsense_of_entries
from blocks.store.stored_array import StoredArray

_SIZES = {
    "type": "object",
    "required": ["rows_per_chunk", "rows_per_shard"],
    "additionalProperties": {"$ref": "#/$defs/positive"},
}


def _believable(content: Any, first: bool) -> bool:
    """Whether a line is what this module writes, however well its checksum fits."""
    if not isinstance(content, dict) or first:
        return isinstance(content, dict)
    schema = manifest.schema()
    if "entries" in content:
        wanted = {"entries": schema["properties"]["entries"], "sizes": _SIZES}
    else:
        wanted = {"split": {"type": "string"}, "index": {"$ref": "#/$defs/natural"}, "shard": {"$ref": "#/$defs/shard"}}
    line = {"type": "object", "required": list(wanted), "properties": wanted, "$defs": schema["$defs"]}
    if violation(content, line):
        return False
    if "entries" in content:
        return nonsense_of_entries(content["entries"]) is None
    names = [form.file_name(content["split"], content["index"]) for form in FORMATS]
    return bool(SPLIT_NAME.fullmatch(content["split"])) and content["shard"]["file"] in names


class Journal:
    """The record of one write: what it writes and which shards are done.

    Args:
        folder: the store's.

    Attributes:
        key: the settings and fingerprint that the write was begun with, or None where nothing was begun.
        entries: the store's entries, empty until the first rows were seen.
        sizes: {"rows_per_chunk": int, "rows_per_shard": int}, as empty as `entries`.
        shards: by split, by index.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Journal(Path(folder)).begin({"format": "hdf5"})
        ...     Journal(Path(folder)).key
        {'format': 'hdf5'}
    """

    def __init__(self, folder: Place):
        self.path = folder / JOURNAL
        self._lock = threading.Lock()
        self._load()

    def _load(self) -> None:
        self.key: dict[str, Any] | None = None
        self.entries: tuple[StoredArray, ...] = ()
        self.sizes: dict[str, int] = {}
        self.shards: dict[str, dict[int, Shard]] = {}
        self._size = 0
        if self.path.exists():
            try:
                raw = read_regular(self.path, manifest.MAX_BYTES)
            except NotRegular as error:
                raise CorruptShard(
                    f"{JOURNAL} of the unfinished store '{self.path.parent}' is none that blocks wrote: "
                    f"{error.strerror}. Delete it, or choose another path."
                ) from None
            contents, self._size = parse_lines(raw, _believable)
            self.key = contents[0] if contents else {}
            for content in contents[1:]:
                if "entries" in content:
                    self.entries = tuple(map(StoredArray.from_json, content["entries"]))
                    self.sizes = content["sizes"]
                else:
                    self.shards.setdefault(content["split"], {})[content["index"]] = Shard(**content["shard"])

    def begin(self, key: dict[str, Any]) -> None:
        """Start over with a new key."""
        durable.write_bytes(self.path, checked_line(key))
        self._load()

    def describe(self, entries: tuple[StoredArray, ...], sizes: dict[str, int]) -> None:
        """Record what the first rows told."""
        self.entries, self.sizes = entries, sizes
        self._append({"entries": [entry.to_json() for entry in entries], "sizes": sizes})

    def add(self, split: str, index: int, shard: Shard) -> None:
        """Record a shard that is on the disk. Called by several threads."""
        self._append({"split": split, "index": index, "shard": asdict(shard)})
        with self._lock:
            self.shards.setdefault(split, {})[index] = shard

    def _append(self, content: Any) -> None:
        line = checked_line(content)
        with self._lock:
            durable.append(self.path, line, self._size)
            self._size += len(line)

    def forget(self, split: str, index: int) -> None:
        """Drop a shard whose file is gone; it will be written again."""
        del self.shards[split][index]

    def remove(self) -> None:
        """Delete the journal: the manifest has taken its place."""
        self.path.unlink(missing_ok=True)
        durable.sync(self.path.parent)
