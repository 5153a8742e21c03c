"""What a store holds, apart from what it was made of: the same rows have the same digest, wherever they came from."""

import hashlib
import json

from blocks.store.manifest import Manifest


def content_digest(manifest: Manifest) -> str:
    """A digest of entries, specification, settings and the checksums of all chunks, split by split."""
    content = {
        "entries": [entry.to_json() for entry in manifest.entries],
        "spec": manifest.spec,
        "chunks": manifest.rows_per_chunk,
        "splits": {name: [[shard.rows, shard.sums] for shard in shards] for name, shards in manifest.splits.items()},
    }
    return hashlib.blake2b(json.dumps(content, sort_keys=True).encode(), digest_size=16).hexdigest()
