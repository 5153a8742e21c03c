"""The key of a write: what a store depends on, as one JSON value, and how it differs from that of one that is there."""

from collections.abc import Mapping, Sequence
from typing import Any

from blocks.arguments import check_whole_number
from blocks.errors import InvalidArgument, StoreMismatch
from blocks.files.place import Place
from blocks.store import manifest
from blocks.store.manifest import Manifest
from blocks.store.manifest_checks import SPLIT_NAME
from blocks.store.rows import SplitPlan


def write_key(
    splits: Mapping[str, SplitPlan],
    format: str,
    layout: str,
    compression: str | None,
    rows_per_shard: int | None,
    rows_per_chunk: int | None,
    columns: Mapping[str, Sequence[str]] | None,
    spec: Any,
    metadata: Any,
    fingerprint: Mapping[str, Any],
) -> dict[str, Any]:
    """Check the arguments, and put what a store depends on into one JSON value."""
    sizes = {
        name: None if value is None else check_whole_number(name, value, 1, otherwise="or None")
        for name, value in (("rows_per_shard", rows_per_shard), ("rows_per_chunk", rows_per_chunk))
    }
    for name in splits:
        if not isinstance(name, str) or not SPLIT_NAME.fullmatch(name):
            raise InvalidArgument(
                f"A split is named by letters, digits, '_', '-' and '.', for its files. Received: {name!r}."
            )
    return manifest.as_json(
        {
            "splits": list(splits),
            "format": format,
            "layout": layout,
            "compression": compression,
            **sizes,
            "columns": {name: list(names) for name, names in (columns or {}).items()},
            "spec": spec,
            "metadata": metadata,
            "fingerprint": dict(fingerprint),
        }
    )


def mismatch(folder: Place, parts: list[str], unfinished: bool) -> StoreMismatch:
    """The error of a folder that holds another store, naming the parts that differ."""
    parts = manifest.told(parts)
    touched = any(part.startswith("source") for part in parts)
    known_by = " Files are known by name, size and time of change, or with by_content=True by what they hold."
    return StoreMismatch(
        f"The {'unfinished ' if unfinished else ''}store '{folder}' was made otherwise: {', '.join(parts)} "
        f"{'differs' if len(parts) == 1 else 'differ'}. It is left as it is.{known_by if touched else ''} "
        "Choose another path, delete the folder, or pass overwrite=True."
    )


def differences_from_begun(key: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """Name what differs from a write that was begun; sizes that the caller left open fit any."""
    open_sizes = [name for name in ("rows_per_shard", "rows_per_chunk") if key[name] is None or other.get(name) is None]
    ours = {name: value for name, value in key.items() if name not in (*open_sizes, "fingerprint")}
    # what is only told of a store, and older ones do not tell, is no difference
    parts = [name for name, value in ours.items() if _compared(value) != _compared(other.get(name))]
    return manifest.differences(key["fingerprint"], other.get("fingerprint")) + parts


def _compared(value: Any) -> Any:
    return {k: v for k, v in value.items() if k != "described"} if isinstance(value, dict) else value


def _finished(content: Manifest) -> dict[str, Any]:
    """Put a manifest into the form of a write's key."""
    columns = {e.name: list(e.columns) for e in content.entries if e.columns is not None and not e.is_key}
    names = ("format", "layout", "compression", "rows_per_shard", "rows_per_chunk", "spec", "metadata", "fingerprint")
    return {name: getattr(content, name) for name in names} | {"columns": columns, "splits": list(content.splits)}


def differences_from_finished(key: dict[str, Any], content: Manifest) -> list[str]:
    """Name what differs from a finished store."""
    # The manifest sorts its splits by name, lists only the columns of entries that exist, and names keys by itself.
    known = {e.name for e in content.entries if not e.is_key}
    columns = {name: names for name, names in key["columns"].items() if name in known}
    return differences_from_begun(key | {"columns": columns, "splits": sorted(key["splits"])}, _finished(content))
