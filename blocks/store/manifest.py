"""The manifest of a store: everything about it that is not rows. How it is kept as text; no shard is opened here.

`manifest.json` is canonical JSON (keys sorted, one space of indentation, ASCII, no NaN), so that equal stores are equal
byte for byte; it says nothing of when, where and by whom it was written. `manifest.schema.json` beside this file says,
as a JSON Schema, what each field is: it is the format's documentation for other programs. What is read is held
to it, and to plain sense (`blocks.store.manifest_checks`), since a checksum that fits does not say who wrote it.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any

from blocks.errors import CorruptShard, IncompleteStore, InvalidArgument, StoreMismatch
from blocks.files.format_version import refuse_newer
from blocks.files.json_schema import violation
from blocks.files.place import Place, unreachable
from blocks.files.regular_files import NotRegular, read_regular
from blocks.store.checksum import text_sum
from blocks.store.formats import shard_format
from blocks.store.formats.shard import Shard, ShardSettings
from blocks.store.manifest_checks import nonsense
from blocks.store.stored_array import StoredArray

NAME = "manifest.json"
JOURNAL = "journal.jsonl"
VERSION = 1
MAX_BYTES = 256 << 20
"""Of a manifest or a journal: more is no list of shards."""


@dataclass(frozen=True)
class Manifest:
    """What `manifest.json` holds: see the schema for the fields."""

    format: str
    layout: str
    compression: str | None
    rows_per_shard: int
    rows_per_chunk: int
    entries: tuple[StoredArray, ...]
    spec: Any
    metadata: Any
    fingerprint: dict[str, Any]
    splits: dict[str, tuple[Shard, ...]]

    def to_text(self) -> str:
        """Write the canonical text, its checksum included."""
        content = {
            **asdict(replace(self, splits={}, entries=())),
            "entries": [entry.to_json() for entry in self.entries],
            "version": VERSION,
            "checksum": "",
            "splits": {
                name: {"rows": sum(s.rows for s in shards), "shards": [asdict(s) for s in shards]}
                for name, shards in self.splits.items()
            },
        }
        content["checksum"] = text_sum(canonical(content))
        return canonical(content)

    @property
    def identity(self) -> str:
        """The checksum: stores with the same one hold the same rows in the same files."""
        return json.loads(self.to_text())["checksum"]

    @property
    def settings(self) -> ShardSettings:
        """How the shards are written."""
        form = shard_format(self.format, self.layout, self.compression)
        return ShardSettings(form, self.compression, self.rows_per_shard, self.rows_per_chunk, self.entries)

    def entry(self, name: str) -> StoredArray:
        """Find an entry by its name."""
        return next(entry for entry in self.entries if entry.name == name)


def canonical(content: Any) -> str:
    """Write JSON in the one form that equal contents share.

    Raises:
        InvalidArgument: the content is not JSON.

    Example:
        >>> canonical({"b": 1, "a": [True]}).split()
        ['{', '"a":', '[', 'true', '],', '"b":', '1', '}']
    """
    try:
        return json.dumps(content, sort_keys=True, indent=1, allow_nan=False) + "\n"
    except (TypeError, ValueError) as error:
        raise InvalidArgument(f"Fingerprint, spec and metadata must be JSON with finite numbers: {error}.") from None


def as_json(content: Any) -> Any:
    """Return the content as JSON gives it back, tuples as lists, so that it can be compared with what was stored."""
    return json.loads(canonical(content))


@cache
def schema() -> dict[str, Any]:
    """The JSON Schema of a manifest."""
    return dict(json.loads((files("blocks.store") / "manifest.schema.json").read_text()))


def load(folder: Place) -> Manifest:
    """Read and verify `manifest.json`.

    Args:
        folder: the store's.

    Raises:
        IncompleteStore: there is none, but a write was begun.
        NewerFormat: a newer blocks made it.
        StoreMismatch: there is none at all, or its version is none.
        CorruptShard: it is damaged, or makes no sense.
    """
    why = "its checksum does not hold"
    try:
        text = read_regular(folder / NAME, MAX_BYTES).decode("ascii")
        content = json.loads(text)
        given, content["checksum"] = content["checksum"], ""
        intact = given == text_sum(canonical(content)) and text == canonical({**content, "checksum": given})
    except FileNotFoundError:
        if (folder / JOURNAL).exists():
            raise IncompleteStore(
                f"The store '{folder}' is not finished: repeat the call that wrote it, it resumes where it was "
                "interrupted."
            ) from None
        raise StoreMismatch(f"'{folder}' is not a store: it holds no {NAME}. Write one with precompute.") from None
    except NotADirectoryError:
        raise StoreMismatch(f"'{folder}' is not a store: a store is a folder, this is a file.") from None
    except NotRegular as error:
        intact, why = False, str(error.strerror)
    except OSError as error:
        raise unreachable(folder / NAME, error) from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, MemoryError, InvalidArgument):
        intact = False
    if not intact:
        raise CorruptShard(
            f"{NAME} of the store '{folder}' is damaged: {why}. "
            "Restore it from a copy, or write the store again with overwrite=True."
        )
    refuse_newer(f"The store '{folder}'", content.get("version"), VERSION)
    if content.get("version") != VERSION:
        raise StoreMismatch(
            f"This version of blocks reads stores of version {VERSION}. Received: version {content.get('version')!r} "
            f"in '{folder}'. "
            "Write the store again, or use a fitting version of blocks."
        )
    content["checksum"] = given
    if broken := violation(content, schema()) or nonsense(content):
        raise CorruptShard(
            f"{NAME} of the store '{folder}' is none that blocks wrote, though its checksum holds: {broken}. "
            "Restore it from a copy, or write the store again with overwrite=True. Do not use a store of somebody "
            "else's that says so."
        )
    return Manifest(
        **{name: content[name] for name in ("format", "layout", "compression", "rows_per_shard", "rows_per_chunk")},
        **{name: content[name] for name in ("spec", "metadata", "fingerprint")},
        entries=tuple(map(StoredArray.from_json, content["entries"])),
        splits={name: tuple(Shard(**s) for s in split["shards"]) for name, split in content["splits"].items()},
    )


def told(parts: Sequence[str]) -> list[str]:
    """Shorten what `differences` found, for a message.

    Example:
        >>> told(["target", "source/valid", *(f"preprocessor/x{i}" for i in range(39))])
        ['target', 'source/valid', 'preprocessor (x0, x1, x2, x3, x4 and 34 more)']
    """
    groups: dict[str, list[str]] = {}
    for part in parts:
        head, _, name = part.partition("/")
        groups.setdefault(head, []).append(name)
    lines = []
    for head, names in groups.items():
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        lines.append(f"{head} ({', '.join(names[:5])}{more})" if names[1:] else f"{head}/{names[0]}".rstrip("/"))
    return lines


def differences(ours: Any, theirs: Any, path: str = "") -> list[str]:
    """Name the parts in which two JSON values differ, two levels deep: "source/train", "preprocessor".

    Example:
        >>> differences({"source": {"a": 1, "b": 2}, "target": 0}, {"source": {"a": 1, "b": 3}, "target": 0})
        ['source/b']
    """
    if isinstance(ours, dict) and isinstance(theirs, dict) and path.count("/") < 1:
        below = [
            part
            for name in sorted(ours.keys() | theirs.keys())
            for part in (
                differences(ours[name], theirs[name], f"{path}/{name}" if path else name)
                if name in ours and name in theirs
                else [f"{path}/{name}" if path else name]
            )
        ]
        return below
    return [] if ours == theirs and type(ours) is type(theirs) else [path]
