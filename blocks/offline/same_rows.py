"""Same rows: a digest that two sources share if they hold the same rows in the same order."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def digest_of_rows(fingerprint: Mapping[str, Any], size: int) -> bytes:
    """What tells a source's rows and their order from any others, whatever columns are selected.

    Args:
        fingerprint: Of the source, as `Source.fingerprint` gives it.
        size: Bytes of the digest.
    """
    rows = {name: value for name, value in fingerprint.items() if name != "schema"}
    return hashlib.blake2b(json.dumps(rows, sort_keys=True, default=str).encode(), digest_size=size).digest()
