"""What a store is made by, in parts: whether it fits a model, and where it does not, what differs."""

import hashlib
from typing import Any

import numpy as np

from blocks.block import Head, fingerprint
from blocks.block.base import LAYERS_OWN, RENAMED
from blocks.errors import EmptySource, SchemaMismatch, StoreMismatch
from blocks.preprocessors import Columns
from blocks.store import StoreSplit


def store_parts(preprocessor: Columns, head: Head) -> dict[str, Any]:
    """The parts of a store's fingerprint that say whether it fits a model."""
    lanes = preprocessor.lanes
    # kinds of one form make the same features, and the fingerprints of older stores hold
    raw = {name: column.form for name, column in preprocessor.inputs.items()}
    columns = {lane.name: [*({name: raw[name]} for name in lane.columns), fingerprint(*lane.blocks)] for lane in lanes}
    return {"preprocessor": columns, "order": [lane.name for lane in lanes], "target": head.encoding}


def described_parts(preprocessor: Columns) -> dict[str, Any]:
    """Each lane's settings and what it learned, in short, for a refusal to name what differs; not to compare by.

    Texts that were learned are left out, but for a digest: a store does not tell of its rows.
    """
    return {
        lane.name: {
            "settings": {
                f"{type(block).__name__}.{name}": text[:80]
                for block in lane.blocks
                for name, value in sorted(block.get_config().items())
                if name not in (*LAYERS_OWN, "state") and " at 0x" not in (text := repr(value))
            },
            "statistics": {
                f"{type(block).__name__}.{name}": _brief(name, value)
                for block in lane.blocks
                for name, value in sorted(block.state.items())
            },
        }
        for lane in preprocessor.lanes
    }


def _brief(name: str, value: np.ndarray) -> str:
    # an extreme is the value of one row
    if value.size == 1 and value.dtype.kind in "fiub" and name not in ("low", "high"):
        return f"{value.item():.6g}" if value.dtype.kind == "f" else str(value.item())
    return f"{value.size} values (digest {hashlib.blake2b(value.tobytes(), digest_size=4).hexdigest()})"


def _of_now(name: str) -> str:
    """The name of a setting in a store that an older version may have written."""
    block, _, setting = name.partition(".")
    return f"{block}.{RENAMED.get(setting, setting)}"


def why_not(metadata: Any, preprocessor: Columns) -> str:
    """Which settings or statistics differ from those that a store was made by, with both values; "" if none is known.

    Args:
        metadata: The store's.
        preprocessor: Adapted; what is to be used with it.
    """
    stored = (metadata or {}).get("described") or {}
    differences = []
    for lane, now in described_parts(preprocessor).items():
        before = stored.get(lane) or now
        before = {what: {_of_now(name): value for name, value in named.items()} for what, named in before.items()}
        differing = [
            f"{lane!r} has other {what}: {name} is {before[what].get(name)} in the store, {now[what].get(name)} here"
            for what in ("settings", "statistics")
            for name in sorted(now[what].keys() | before[what].keys())
            if now[what].get(name) != before[what].get(name)
        ]
        differences += sorted(differing, key=lambda text: "digest" in text)[:1]
    more = f"; and {len(differences) - 3} more" if len(differences) > 3 else ""
    return f" {'; '.join(differences[:3])}{more}." if differences else ""


def require_made_by(split: StoreSplit, preprocessor: Columns, head: Head) -> None:
    """Refuse to train on a split that was made by other parts, or that holds no target or no rows.

    Raises:
        StoreMismatch: The preprocessor or the target is another; it says what differs.
        SchemaMismatch: There are no targets.
        EmptySource: There are no rows.
    """
    try:
        split.require(**store_parts(preprocessor, head))
    except StoreMismatch as error:
        raise StoreMismatch(f"{error}{why_not(split.metadata, preprocessor)}") from None
    if not any(entry.name.partition("/")[0] == "target" for entry in split.entries):
        raise SchemaMismatch("Training needs targets. Received: a store without them.")
    if split.spec != preprocessor.spec.to_json():
        # of columns whose names older versions could not tell from entries' and features'
        raise StoreMismatch(
            f"A store holds the features by the names that the model has for them: {', '.join(preprocessor.spec)}. "
            f"Received: {split!r} with {', '.join(split.spec or ())}, written by another version of blocks. "
            "Write it again with precompute."
        )
    if not split.rows:
        raise EmptySource(
            f"Batches are made of rows. Received: {split!r}. Where it is a worker's part by `shard`: that is made of "
            "whole chunks, so share the split among fewer workers, or precompute it with smaller rows_per_chunk."
        )
